"""SpaceTimeSmoother as users meet it: tables of nodes and times of every kind."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

import skginr
from skginr import Graph, SpaceTimeKFold, SpaceTimeSmoother

N_NODES = 8
LABELS = [f"n{i}" for i in range(N_NODES)]
RING = Graph.from_networkx(nx.relabel_nodes(nx.cycle_graph(N_NODES), dict(enumerate(LABELS))))
# Clocks go forward in it.
HOURS = pd.date_range("2024-03-30", periods=49, freq="h", tz="Europe/Berlin")

YEAR = pd.Timedelta("365D")


def table_of(times, labels=LABELS):
    return pd.MultiIndex.from_product([labels, times], names=["node", "time"]).to_frame(index=False)


def truth_of(table):
    """A day that comes later, the farther along the ring, about a level that differs too."""
    place = table["node"].map({label: i for i, label in enumerate(LABELS)}) * 2 * np.pi / N_NODES
    days = table["time"].dt.tz_convert("UTC").dt.hour * 2 * np.pi / 24
    return (10 + np.cos(place) + 3 * np.sin(days + np.sin(place))).to_numpy()


@pytest.fixture(scope="module")
def table():
    return table_of(HOURS)


@pytest.fixture(scope="module")
def truth(table):
    return truth_of(table)


@pytest.fixture(scope="module")
def signal(truth):
    return truth + np.random.default_rng(0).normal(0, 0.3, len(truth))


@pytest.fixture(scope="module")
def gaps(table):
    """Rows held out: single ones, runs at nodes, a node, some times."""
    held_out = np.random.default_rng(1).random(len(table)) < 0.1
    node, time = table["node"], table["time"]
    held_out |= (node == "n5").to_numpy()
    held_out |= ((node == "n2") & time.between(HOURS[10], HOURS[25])).to_numpy()
    return held_out | time.between(HOURS[30], HOURS[32]).to_numpy()


@pytest.fixture(scope="module")
def fitted(table, signal, gaps):
    return SpaceTimeSmoother(graph=RING).fit(table[~gaps], signal[~gaps])


@pytest.fixture(scope="module")
def tuned(fitted):
    """One that takes strengths as they are, and no time."""
    return fitted.tuned_clone()


def test_gaps_of_any_shape_are_filled(fitted, table, truth, gaps):
    assert fitted.periods_ == (24.0,)
    assert 0.05 < fitted.noise_variance_ < 0.15
    # Of the node without a record, strengths that are equally likely leave .91 or .94: which of
    # them are chosen depends on how the processor rounds.
    for label, least in (("n5", 0.9), ("n2", 0.98)):
        rows = gaps & (table["node"] == label).to_numpy()
        assert r2_score(truth[rows], fitted.predict(table[rows])) > least
    assert r2_score(truth[gaps], fitted.predict(table[gaps])) > 0.96


def test_standard_deviations_grow_at_nodes_without_rows(fitted, table):
    seen, unseen = table[table["node"] == "n1"], table[table["node"] == "n5"]
    at_seen, at_unseen = (fitted.predict(X, return_std=True)[1].mean() for X in (seen, unseen))
    assert at_unseen > 3 * at_seen
    mean, std = fitted.predict(seen, return_std=True)
    noisy = fitted.predict(seen, return_std=True, with_noise=True)[1]
    np.testing.assert_allclose(noisy, np.sqrt(std**2 + fitted.noise_variance_))
    np.testing.assert_array_equal(mean, fitted.predict(seen))


def test_standard_deviations_grow_beyond_the_record(table):
    """Of what wanders."""
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=len(HOURS)))
    y = np.tile(walk, N_NODES) + random.normal(0, 0.3, len(table))
    model = SpaceTimeSmoother(graph=RING, periods=[]).fit(table, y)
    later = table_of(HOURS[-1] + pd.to_timedelta([0, 3, 24], unit="h"), ["n1"])
    now, soon, tomorrow = model.predict(later, return_std=True)[1]
    assert 3 * now < soon < tomorrow
    assert tomorrow > 1.5


def test_times_between_and_beyond(fitted):
    between = table_of(HOURS[5:9] + pd.Timedelta("30min"))
    hourly = np.stack([fitted.predict(table_of(HOURS[i : i + 4])) for i in (5, 6)])
    np.testing.assert_allclose(fitted.predict(between), hourly.mean(axis=0), atol=0.1)
    tomorrow = table_of(HOURS + pd.Timedelta("48h"))
    assert r2_score(truth_of(tomorrow), fitted.predict(tomorrow)) > 0.9


def test_a_row_is_predicted_whatever_else_is_asked(fitted, table):
    rows = table.iloc[[3, 200, 7, 3, 380]]
    expected = fitted.predict(table)[rows.index]
    np.testing.assert_allclose(fitted.predict(rows), expected, atol=1e-9)
    odd = rows.assign(time=rows["time"] + pd.Timedelta("7min"))
    np.testing.assert_allclose(fitted.predict(pd.concat([rows, odd]))[:5], expected, atol=5e-3)
    # On a longer grid the ends of the record are no mirrors.
    late = rows.assign(time=rows["time"] + pd.Timedelta("40h"))
    np.testing.assert_allclose(fitted.predict(pd.concat([rows, late]))[:5], expected, atol=0.05)


def test_labels_of_integers_and_tables_of_other_kinds(tuned, table, signal, gaps):
    expected = clone(tuned).fit(table[~gaps], signal[~gaps]).predict(table)
    ids = table["node"].map({label: 7 * i for i, label in enumerate(LABELS)})
    numbers = Graph.from_adjacency(RING.adjacency, labels=7 * np.arange(N_NODES))
    for X, graph in (
        (table.assign(node=ids), numbers),
        (table.to_numpy(dtype=object), RING),
        (table[["time", "node"]], RING),
        (table.assign(node=table["node"].astype("category")), RING),
        (table.assign(time=table["time"].dt.tz_convert("UTC")), RING),
    ):
        rows = X[~gaps]
        model = clone(tuned).set_params(graph=graph).fit(rows, signal[~gaps])
        np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)


def test_numbers_stand_for_times(table, signal, tuned):
    numbers = table.assign(time=(table["time"] - HOURS[0]) / pd.Timedelta("1h"))
    with pytest.raises(ValueError, match="another unit of times, 'hour'; got 'number'"):
        clone(tuned).fit(numbers, signal)
    known = np.arange(len(table)) % 4 > 0
    found = SpaceTimeSmoother(graph=RING, periods=[24.0]).fit(numbers[known], signal[known])
    expected = SpaceTimeSmoother(graph=RING, periods=["day"]).fit(table[known], signal[known])
    assert found.periods_ == expected.periods_ == (24.0,)
    np.testing.assert_allclose(found.predict(numbers), expected.predict(table), atol=0.05)
    assert SpaceTimeSmoother(graph=RING).fit(numbers[::9], signal[::9]).periods_ == ()


def test_irregular_times(tuned):
    random = np.random.default_rng(0)
    offsets = pd.to_timedelta(np.sort(random.uniform(0, 47, 48)), unit="h").round("s")
    table = table_of(HOURS[0] + offsets)
    place = table["node"].str[1:].astype(int) * 2 * np.pi / N_NODES
    hours = (table["time"] - HOURS[0]) / pd.Timedelta("1h")
    truth = (10 + 3 * np.sin(hours * 2 * np.pi / 24 + np.sin(place))).to_numpy()
    known = random.random(len(table)) < 0.7
    model = clone(tuned).set_params(periods=["day"]).fit(table[known], truth[known])
    assert r2_score(truth[~known], model.predict(table[~known])) > 0.98


def test_monthly_tables():
    months = pd.date_range("2000-01-01", periods=48, freq="MS")
    table = table_of(months, LABELS[:6])
    season = -np.cos(table["time"].dt.month * np.pi / 6)
    y = 10 + 5 * season + table["node"].str[1:].astype(int) % 2
    # All of one month is missing, every year, and months are between their neighbours.
    held_out = (table["time"].dt.month == 7).to_numpy()
    model = SpaceTimeSmoother(graph=RING).fit(table[~held_out], y[~held_out])
    assert model.periods_ == (12.0,)
    assert np.abs(model.predict(table[held_out]) - y[held_out]).max() < 0.5
    middle = table_of(pd.DatetimeIndex(["2001-04-16"]), LABELS[:6])
    mean = model.predict(table_of(months[15:17], LABELS[:6])).reshape(6, 2).mean(axis=1)
    np.testing.assert_allclose(model.predict(middle), mean, atol=0.2)
    # A month alone, or its days, are in the unit of the strengths too.
    days = table_of(pd.date_range("2001-04-01", "2001-05-01"), LABELS[:6])
    again = model.tuned_clone().fit(days, np.full(len(days), 9.0))
    assert again.periods_ == (12.0,)
    later = table_of(pd.DatetimeIndex(["2001-05-16"]), LABELS[:6])
    np.testing.assert_allclose(again.predict(later), 9.0, atol=2.0)
    model.tuned_clone().fit(table[:1], [9.0]).predict(table[:1])


def test_covariates_whose_effect_changes_with_the_season(table, signal, gaps):
    heights = np.random.default_rng(3).uniform(0, 2000, N_NODES)
    height = table["node"].map(dict(zip(LABELS, heights, strict=True)))
    day = table["time"].dt.tz_convert("UTC").dt.hour * 2 * np.pi / 24
    y = signal - height / 200 * (1 + 0.5 * np.cos(day))
    X = table.assign(height=height)
    model = SpaceTimeSmoother(graph=RING).fit(X[~gaps], y[~gaps])
    unseen = (table["node"] == "n5").to_numpy()
    assert np.abs(model.predict(X[unseen]) - y[unseen]).mean() < 0.9
    without = model.predict(X[unseen].assign(height=height[unseen] + 200))
    change = without - model.predict(X[unseen])
    # More at midnight than at noon; what seven nodes tell of it.
    np.testing.assert_allclose(change, -(1 + 0.5 * np.cos(day[unseen])), atol=0.45)
    with pytest.raises(ValueError, match="must be finite"):
        model.predict(X.assign(height=np.nan))


def test_several_signals_are_each_as_alone(table, signal, tuned):
    missing = np.arange(len(signal)) % 3 == 1
    other = np.where(missing, np.nan, -2 * signal + np.sin(np.arange(len(signal))))
    several = SpaceTimeSmoother(graph=RING, strengths=[tuned.strengths] * 2)
    several.fit(table, np.column_stack([signal, other]))
    mean, std = several.predict(table, return_std=True)
    assert mean.shape == std.shape == (len(table), 2)
    assert several.sample_y(table[:5], 3).shape == (5, 2, 3)
    assert several.noise_variance_.shape == (2,)
    for column, (rows, y) in enumerate(((slice(None), signal), (~missing, other))):
        alone = clone(tuned).fit(table[rows], y[rows])
        np.testing.assert_allclose(mean[:, column], alone.predict(table), atol=1e-9)
    assert several.tuned_clone().strengths == several.strengths_


def test_each_of_several_signals_has_strengths_of_its_own(table, signal):
    noise = np.random.default_rng(0).normal(0, 5, len(signal))
    model = SpaceTimeSmoother(graph=RING).fit(table[::3], np.column_stack([signal, noise])[::3])
    first, second = model.strengths_
    assert first.noise < 1 < second.noise


def test_weights_count_rows(table, signal, tuned):
    counts = np.random.default_rng(0).integers(0, 3, len(table))
    weighted = clone(tuned).fit(table, np.where(counts > 0, signal, np.nan), sample_weight=counts)
    rows = np.repeat(np.arange(len(table)), counts)
    repeated = clone(tuned).fit(table.iloc[rows], signal[rows])
    np.testing.assert_allclose(weighted.predict(table), repeated.predict(table), atol=1e-9)
    one, two = (m.predict(table[:9], return_std=True)[1] for m in (weighted, repeated))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_rows_of_one_node_and_time_that_disagree_are_averaged(table, signal, tuned):
    twice, y = pd.concat([table, table]), np.concatenate([signal - 1, signal + 1])
    found = clone(tuned).fit(twice, y).predict(table)
    counted = clone(tuned).fit(table, signal, sample_weight=np.full(len(table), 2))
    np.testing.assert_allclose(found, counted.predict(table), atol=1e-9)


def test_rows_come_in_any_order(fitted, table, signal, gaps):
    order = np.random.default_rng(0).permutation(np.flatnonzero(~gaps))
    # Strengths are chosen again, on the same folds.
    shuffled = SpaceTimeSmoother(graph=RING).fit(table.iloc[order], signal[order])
    np.testing.assert_allclose(shuffled.predict(table), fitted.predict(table), atol=0.02)


@pytest.mark.parametrize("factor", [1000.0, 1e-150, 1e120])
def test_units_of_y_do_not_matter(table, signal, gaps, factor):
    known = np.flatnonzero(~gaps)[::3]
    expected, found = (
        SpaceTimeSmoother(graph=RING).fit(table.iloc[known], y[known])
        for y in (signal, factor * (signal + 5))
    )
    mean, std = expected.predict(table, return_std=True)
    other, other_std = found.predict(table, return_std=True)
    # The search ends where it gains no more than a millionth: rounding turns strengths by as much
    # as changes nothing beside what is not known.
    assert (np.abs(other / factor - mean - 5) < 0.05 * std).all()
    # Modes of one eigenvalue may turn, and draws with them.
    np.testing.assert_allclose((other_std / factor).mean(), std.mean(), rtol=0.1)


def test_scikit_learn_finds_its_way(fitted, table, signal, gaps, tuned):
    rebuilt = SpaceTimeSmoother(**fitted.get_params())
    assert rebuilt.get_params() == fitted.get_params() == clone(fitted).get_params()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(table), fitted.predict(table))
    assert fitted.n_features_in_ == 2
    assert fitted.feature_names_in_.tolist() == ["node", "time"]
    assert "Graph: 8 nodes" in repr(fitted)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(table.rename(columns={"time": "when"}))
    with pytest.raises(ValueError, match="not fitted"):
        tuned.predict(table)
    folds = SpaceTimeKFold(3, hold_out="runs", graph=RING)
    predicted = cross_val_predict(tuned, table, signal, cv=folds)
    assert r2_score(signal, predicted) > 0.95
    search = GridSearchCV(tuned, {"n_waves": [3, None]}, cv=folds).fit(table, signal)
    assert search.best_score_ > 0.9
    columns = make_column_transformer(("passthrough", ["node", "time"]))
    columns.set_output(transform="pandas")
    piped = make_pipeline(columns, clone(tuned).set_params(node=0, time=1))
    expected = clone(tuned).fit(table, signal).predict(table)
    np.testing.assert_allclose(piped.fit(table, signal).predict(table), expected)


def test_files_hold_it(fitted, table, tmp_path):
    skginr.save(fitted, tmp_path / "model")
    loaded = skginr.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(table), fitted.predict(table))
    assert loaded.tuned_clone().strengths == fitted.strengths_


def test_what_is_held_out_changes_nothing(fitted, table, signal, gaps):
    changed = np.where(gaps, 1e3, signal)
    weights = (~gaps).astype(float)
    found = SpaceTimeSmoother(graph=RING).fit(table, changed, sample_weight=weights)
    other = SpaceTimeSmoother(graph=RING).fit(table, -changed * gaps + signal * ~gaps,
                                              sample_weight=weights)  # fmt: skip
    np.testing.assert_array_equal(found.predict(table), other.predict(table))
    assert found.strengths_ == other.strengths_


def test_intervals_hold_what_they_say(tuned):
    """90% intervals of new rows, strengths chosen on each table."""
    inside = []
    table = table_of(HOURS[:40])
    for seed in range(6):
        # Of rows that say next to nothing: what may be before any.
        prior = clone(tuned).fit(table, np.full(len(table), 10.0), np.full(len(table), 1e-6))
        random = np.random.default_rng(seed)
        y = prior.sample_y(table, 1, random_state=seed, with_noise=True)[:, 0]
        known = random.random(len(table)) < 0.7
        known &= ~((table["node"] == LABELS[seed]) & (table["time"] > HOURS[20])).to_numpy()
        model = SpaceTimeSmoother(graph=RING, periods=["day"]).fit(table[known], y[known])
        mean, std = model.predict(table[~known], return_std=True, with_noise=True)
        inside.append(np.abs(y[~known] - mean) < 1.645 * std)
    assert 0.85 < np.concatenate(inside).mean() < 0.95


def test_draws_have_the_spread_that_is_said(fitted, table):
    rows = table.iloc[::40]
    draws = fitted.sample_y(rows, 200, random_state=1)
    mean, std = fitted.predict(rows, return_std=True)
    assert draws.shape == (len(rows), 200)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=5 * std.max() / 200**0.5)
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.45)
    np.testing.assert_array_equal(draws, fitted.sample_y(rows, 200, random_state=1))
    noisy = fitted.sample_y(rows, 200, random_state=1, with_noise=True)
    assert (noisy.std(axis=1) > draws.std(axis=1)).all()
    # Nodes vary together.
    north = fitted.sample_y(table[table["node"] == "n5"], 50)
    assert np.corrcoef(north[:2])[0, 1] > 0.3


@pytest.mark.filterwarnings("ignore:graph has .* no edges")
@pytest.mark.parametrize("kind", ["none", "pieces", "alone"])
def test_what_all_nodes_share_reaches_nodes_without_edges(kind):
    """Also those that no row is of."""
    pieces = nx.disjoint_union(nx.cycle_graph(4), nx.path_graph(4))
    alone = nx.disjoint_union(nx.cycle_graph(7), nx.empty_graph(1))
    plain = {"none": nx.empty_graph(8), "pieces": pieces, "alone": alone}[kind]
    graph = Graph.from_networkx(nx.relabel_nodes(plain, dict(enumerate(LABELS))))
    random = np.random.default_rng(0)
    shocks = random.normal(0, 2, 49)
    table = table_of(HOURS)
    y = 5 + np.tile(shocks, N_NODES) + random.normal(0, 0.3, len(table))
    # What a node is that neither edges nor rows tell of nobody knows.
    late = table["node"].isin(["n1", "n7"]) & (table["time"] > HOURS[30])
    held_out = (late | ((table["node"] == "n7") & (kind != "alone"))).to_numpy()
    model = SpaceTimeSmoother(graph=graph, periods=[]).fit(table[~held_out], y[~held_out])
    off = model.predict(table[held_out]) - y[held_out]
    assert np.sqrt(np.mean(off**2)) < 0.6


def test_two_nodes_and_two_times():
    table = table_of(HOURS[:2], LABELS[:2])
    model = SpaceTimeSmoother(graph=RING).fit(table, [1.0, 2.0, 3.0, 4.0])
    mean, std = model.predict(table_of(HOURS[:3]), return_std=True)
    assert np.isfinite(mean).all() and (std > 0).all()  # noqa: PT018


def test_nodes_that_never_overlap(tuned, table, truth):
    odd = table["node"].str[1:].astype(int) % 2
    seen = (table["time"].dt.hour // 6 % 2 == odd).to_numpy()
    model = clone(tuned).fit(table[seen], truth[seen])
    assert r2_score(truth, model.predict(table)) > 0.9


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_signals_are_predicted_as_they_are(table, value):
    known = table[::4]
    model = SpaceTimeSmoother(graph=RING).fit(known, np.full(len(known), value))
    np.testing.assert_allclose(model.predict(table), value)


def test_one_time_is_enough_where_strengths_are_known(tuned, table, signal):
    now = table["time"] == HOURS[3]
    model = clone(tuned).fit(table[now], signal[now])
    assert np.isfinite(model.predict(table[now])).all()


def test_periods_longer_than_the_record_are_said(table, signal):
    with pytest.warns(UserWarning, match="longer than the record"):
        SpaceTimeSmoother(graph=RING, periods=["week"]).fit(table[::4], signal[::4])


def test_two_records_far_apart_keep_their_steps(tuned, table, signal):
    far = table.assign(time=table["time"].where(table["time"] < HOURS[25], table["time"] + YEAR))
    model = clone(tuned).fit(far[::2], signal[::2])
    assert r2_score(signal[1::2], model.predict(far[1::2])) > 0.95
    last = table["time"] == HOURS[-1]
    later = table.assign(time=table["time"].where(~last, table["time"] + 40 * YEAR))
    with pytest.warns(UserWarning, match="what changes faster is lost"):
        clone(tuned).fit(later, signal)


def test_later_times_than_anything_tells_of_are_refused(fitted, table):
    with pytest.raises(ValueError, match="too far from those of fit: 2024-07"):
        fitted.predict(table.assign(time=table["time"] + pd.Timedelta("100D")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.replace("n3", "zz"), "'zz' is not one"),
        (lambda X: X.assign(time="late"), "must hold times"),
        (lambda X: X.assign(time=X["time"].dt.tz_localize(None)), "must have a time zone"),
        (lambda X: X.assign(time=1.5), "must hold datetimes"),
        (lambda X: X.assign(time=X["time"].where(X.index != 3)), "the first is row 3"),
        (lambda X: X[:0], "at least one row"),
        (lambda X: X[["node"]], "1 feature|time|feature names"),
    ],
)
def test_unfit_tables_are_refused(fitted, table, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.predict(change(table))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: np.where(y == y[0], np.inf, y), "must be finite"),
        (lambda y: np.where(y == y[0], np.nan, y), "must be known"),
        (lambda y: y[:-1], "inconsistent numbers"),
        (lambda y: y.astype(str), "real numbers"),
        (lambda y: np.column_stack([y, y * np.nan]), "NaN throughout"),
    ],
)
def test_unfit_signals_are_refused(tuned, table, signal, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        clone(tuned).fit(table, y(signal))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"periods": "day"}, r"Give \['day'\]"),
        ({"periods": [24]}, "periods must be a length of time"),
        ({"periods": 24}, "periods must be"),
        ({"periods": None}, "periods must be"),
        ({"periods": ["-1D"]}, "positive length"),
        ({"periods": []}, "another periods"),
        ({"order": 1}, "another order, 2; got 1"),
        ({"time_order": 1}, "another time_order"),
        ({"order": 4}, "order must be 1, 2 or 3"),
        ({"time_order": 0}, "time_order must be 1, 2 or 3"),
        ({"n_waves": 0}, "n_waves"),
        ({"laplacian": "round"}, "laplacian"),
        ({"strengths": 1.0}, "strengths must be strengths_"),
        ({"strengths": None, "cv": "all"}, "cv"),
        ({"node": "nobody"}, "node"),
        ({"time": "never"}, "time"),
        ({"graph": nx.cycle_graph(3)}, "Graph.from_networkx"),
    ],
)
def test_unfit_parameters_are_refused(tuned, table, signal, given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        clone(tuned).set_params(**given).fit(table, signal)


def test_rows_of_one_time_alone_are_refused(table, signal):
    now = (table["time"] == HOURS[3]).to_numpy()
    with pytest.raises(ValueError, match="two times at least"):
        SpaceTimeSmoother(graph=RING).fit(table[now], signal[now])
    with pytest.raises(ValueError, match="as many|of every signal"):
        SpaceTimeSmoother(graph=RING).fit(
            table, np.column_stack([signal, np.where(now, signal, np.nan)])
        )


def test_folds_of_the_use_choose_strengths(table, signal):
    folds = SpaceTimeKFold(4, hold_out="nodes", graph=RING)
    model = SpaceTimeSmoother(graph=RING, cv=folds).fit(table[::2], signal[::2])
    assert model.noise_variance_ < 0.3
