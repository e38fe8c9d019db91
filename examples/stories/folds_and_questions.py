"""
Choose with the folds of your question
======================================

A search tries several settings and keeps the best one. Which one is best depends on the values
that you hide. Here the setting is the number of spectral coordinates. We ask twice: how well are
single counties predicted, and how well whole regions?
"""

# %%
# ``KFold`` hides counties at random. ``GraphBlockKFold`` hides connected regions. We give all
# coordinates the same width (``scaling="unit"``). The default makes later ones narrower, which
# holds back what follows.

from matplotlib import pyplot
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphBlockKFold, SpectralEmbedder
from skginr.datasets import load_us_unemployment
from skginr.plotting import plot_signal

counties = load_us_unemployment().cx[-84:-66, 38.5:48].to_crs("EPSG:5070")
graph = Graph.from_geodataframe(counties, labels="fips")
X, y = counties[["fips"]], counties["unemployment"]
model = make_pipeline(SpectralEmbedder(graph=graph, scaling="unit"), Ridge())
sizes = [2, 4, 8, 16, 32, 64]
questions = {
    "single counties": KFold(5, shuffle=True, random_state=0),
    "whole regions": GraphBlockKFold(5, graph=graph, random_state=0),
}

# %%
# Each search is the usual one of scikit-learn.

figure, axes = pyplot.subplot_mosaic("AB;CC", figsize=(7, 5), layout="constrained")
for pane, colour, (question, folds) in zip("AB", ("C0", "C3"), questions.items(), strict=True):
    search = GridSearchCV(model, {"spectralembedder__n_components": sizes}, cv=folds).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    print(f"{question}: best with {search.best_params_['spectralembedder__n_components']}")
    print(dict(zip(sizes, scores.round(2).tolist(), strict=True)))
    axes["C"].plot(sizes, scores, "o-", color=colour, label=question)
    hidden = counties.assign(fold="")
    for number, (_, test) in enumerate(folds.split(X), start=1):
        hidden.iloc[test, hidden.columns.get_loc("fold")] = f"fold {number}"
    plot_signal(hidden, "fold", ax=axes[pane], legend=pane == "B")
    axes[pane].set_title(f"hidden: {question}", color=colour)
axes["C"].axhline(0, color="0.7", zorder=0)
axes["C"].set_xscale("log", base=2)
axes["C"].set(xlabel="number of coordinates", ylabel="R², held out", ylim=(-2, 0.8))
axes["C"].set_xticks(sizes, sizes)
axes["C"].legend()
pyplot.show()

# %%
# Random folds choose 32 coordinates. For whole regions these are far worse than the mean of all
# counties: R² is below 0. Folds of regions choose 2. The data and the model are the same. Take the
# folds that are like the gaps that you will fill.
#
# The same question for other models: :doc:`/concepts`, and :doc:`/leakage`.
