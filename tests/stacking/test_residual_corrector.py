import networkx as nx
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, train_test_split

from skginr import Graph, GraphSmoother, ResidualCorrector
from skginr.stacking._blend import shrunk_weights

BOOSTING = HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=8, random_state=0)


class Wrong(RegressorMixin, BaseEstimator):
    """Learns the opposite of what it is taught."""

    def fit(self, X, y):
        self.model_ = LinearRegression().fit(X, -y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.fixture
def two_views():
    """Two noisy predictions of a signal, that err where they differ."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(1500)
    X = np.column_stack([y + 0.3 * rng.standard_normal(1500), y + 0.6 * rng.standard_normal(1500)])
    return X, y


@pytest.mark.parametrize("n_rows", [12, 1500])
def test_the_blend_is_a_mean_that_errors_decide_as_far_as_there_are_rows(two_views, n_rows):
    """Against a general solver of the same programme."""
    X, y = two_views[0][:n_rows], two_views[1][:n_rows]
    hostile = np.column_stack([X, -y])
    corrector = ResidualCorrector(DummyRegressor()).fit(hostile, y)
    errors = np.column_stack([y.mean() - y, hostile - y[:, None]])
    least = (errors**2).mean(axis=0).min()

    def loss(weights):
        return ((errors @ weights) ** 2).sum() / least + 3 * ((weights - 0.25) ** 2).sum()

    constraint = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    start, bounds, precise = np.full(4, 0.25), [(0, 1)] * 4, {"ftol": 1e-14, "maxiter": 500}
    found = minimize(loss, start, bounds=bounds, constraints=constraint, options=precise)
    np.testing.assert_allclose(corrector.blend_, found.x[1:], atol=1e-5)
    assert corrector.blend_[2] < 1e-3


def test_without_rows_to_tell_by_weights_are_alike():
    y = np.array([0.0, 1.0])
    weights = shrunk_weights(np.column_stack([y, y, y]), y)
    np.testing.assert_allclose(weights, 1 / 3, atol=1e-6)
    assert (shrunk_weights(np.ones((5, 2)), np.ones(5)) == 0).all()


def test_rows_that_come_again_do_not_count_more(two_views):
    X, y = two_views[0][:20], two_views[1][:20]
    again = shrunk_weights(np.tile(X, (3, 1)), np.tile(y, 3), 3)
    np.testing.assert_allclose(again, shrunk_weights(X, y), atol=1e-10)


def test_a_blend_may_be_given(two_views):
    X, y = two_views
    corrector = ResidualCorrector(DummyRegressor(), blend=[0.25, 0.5]).fit(X, y)
    assert corrector.weight_ == 0
    np.testing.assert_allclose(corrector.predict(X), 0.25 * y.mean() + X @ [0.25, 0.5])


@pytest.mark.parametrize("regressor", [DummyRegressor(), Wrong()])
def test_a_correction_that_is_worth_nothing_leaves_the_blend(two_views, regressor):
    X, y = two_views
    cause = np.random.default_rng(1).standard_normal((len(y), 1))
    table = np.hstack([X, cause])
    corrector = ResidualCorrector(regressor, n_prediction_columns=2).fit(table, y + cause[:, 0])
    assert corrector.weight_ == 0
    blend = corrector.mean_ + (X - corrector.mean_) @ corrector.blend_
    np.testing.assert_allclose(corrector.predict(table), blend, rtol=1e-12)


def test_a_correction_is_used_as_far_as_it_helps(two_views):
    X, y = two_views
    bent = y + 0.5 * np.abs(X[:, 0] - X[:, 1])
    X_train, X_test, y_train, y_test = train_test_split(X, bent, random_state=0)
    blend, corrected = (
        ResidualCorrector(regressor).fit(X_train, y_train)
        for regressor in (DummyRegressor(), BOOSTING)
    )
    assert 0.3 < corrected.weight_ <= 1
    assert corrected.score(X_test, y_test) > blend.score(X_test, y_test) + 0.01


def test_further_columns_are_seen_but_not_blended(two_views):
    X, y = two_views
    cause = np.random.default_rng(1).standard_normal(len(y))
    table, shifted = np.column_stack([X, cause]), y + 0.5 * cause
    corrector = ResidualCorrector(LinearRegression(), n_prediction_columns=2).fit(table, shifted)
    assert corrector.blend_.shape == (2,)
    assert corrector.score(table, shifted) > 0.9 > r2_score(shifted, y)


def test_scale_and_place_of_the_signal_do_not_matter(two_views):
    X, y = two_views
    base = ResidualCorrector(BOOSTING).fit(X, y).predict(X)
    moved = ResidualCorrector(BOOSTING).fit(1e6 * X + 3e7, 1e6 * y + 3e7).predict(1e6 * X + 3e7)
    np.testing.assert_allclose((moved - 3e7) / 1e6, base, atol=1e-6)


def test_perfect_predictions_and_constants_need_no_correction():
    y = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_allclose(ResidualCorrector(BOOSTING).fit(y[:, None], y).predict([[7.0]]), 7.0)
    constant = ResidualCorrector(BOOSTING).fit(np.full((50, 2), 3.0), np.full(50, 3.0))
    np.testing.assert_allclose(constant.predict([[3.0, 3.0]]), 3.0)


def test_it_is_a_final_estimator_of_a_stack():
    ring = Graph.from_networkx(nx.cycle_graph(200))
    X, y = np.arange(200)[:, None], np.sin(np.arange(200) * np.pi / 10) + 3
    stack = StackingRegressor(
        [("graph", GraphSmoother(graph=ring)), ("order_2", GraphSmoother(graph=ring, order=2))],
        final_estimator=ResidualCorrector(LinearRegression()),
        cv=KFold(5, shuffle=True, random_state=0),
    ).fit(X[::2], y[::2])
    assert stack.final_estimator_.blend_.sum() == pytest.approx(1, abs=0.1)
    assert stack.score(X[1::2], y[1::2]) > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_prediction_columns": 3}, "n_prediction_columns=3 is more than X has columns, 2"),
        ({"n_prediction_columns": 0}, "n_prediction_columns must be"),
        ({"cv": 1}, "cv must be"),
        ({"cv": "many"}, "cv"),
        ({"blend": [0.5]}, "blend must be 2 weights"),
        ({"blend": [0.9, 0.2]}, "of a sum of at most 1"),
        ({"blend": [-0.1, 0.2]}, "not negative"),
        ({"blend": [np.nan, 0.2]}, "not negative"),
        ({"blend": "equal"}, "blend must be 2 weights"),
    ],
)
def test_unfit_parameters_of_the_corrector(two_views, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ResidualCorrector(DummyRegressor(), **parameters).fit(*two_views)


def test_parts_that_are_no_regressors(two_views):
    with pytest.raises(TypeError, match="regressor must be a regressor"):
        ResidualCorrector([LinearRegression()]).fit(*two_views)
    X, y = two_views
    with pytest.raises(ValueError, match="X must hold numbers; got"):
        ResidualCorrector(DummyRegressor()).fit(X.astype(str), y)
