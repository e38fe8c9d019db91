import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from skginr.network._inputs import Inputs
from skginr.network.training._batches import TensorBatches, TensorTable
from skginr.network.training._validation import rows_by_chance


@pytest.fixture
def table():
    return TensorTable(torch.arange(10.0)[:, None], torch.arange(10.0)[:, None] * 2)


def rows(batches):
    return [batch[0][:, 0].int().tolist() for batch in batches]


def test_shuffled_epochs_see_every_row_once_in_equal_batches(table):
    batches = TensorBatches(table, 4, "shuffle", seed=0)
    first, second = rows(batches), rows(batches)
    assert len(batches) == 3
    assert [len(batch) for batch in first] == [4, 3, 3]
    assert sorted(row for batch in first for row in batch) == list(range(10))
    assert first != second
    assert rows(TensorBatches(table, 4, "shuffle", seed=0)) == first


def test_targets_and_weights_stay_with_their_rows(table):
    table.weight = torch.arange(10.0)
    for X, (y, weight) in TensorBatches(table, 3, "shuffle"):
        assert torch.equal(y, 2 * X)
        assert torch.equal(weight, X[:, 0])


def test_order_is_kept_and_one_batch_is_not_copied(table):
    assert rows(TensorBatches(table, 6)) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]
    ((X, _),) = TensorBatches(table, 10, "shuffle")
    assert X.data_ptr() == table.X.dense.data_ptr()


@pytest.mark.parametrize(("size", "most"), [(4, 1), (10, 1), (25, 3)])
def test_a_draw_is_one_batch_that_repeats_only_when_it_must(table, size, most):
    batches = TensorBatches(table, size, "draw", seed=3)
    (drawn,) = rows(batches)
    assert len(batches) == 1
    assert len(drawn) == size
    assert max(drawn.count(row) for row in range(10)) <= most


def test_a_subset_is_its_rows(table):
    table.weight = torch.ones(10)
    subset = Subset(table, [7, 2, 5])
    assert rows(TensorBatches(subset, 2)) == [[7, 2], [5]]


def test_indexed_columns_are_gathered_in_their_place():
    numbers, codes = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 2, 1, 1, 0, 2])
    embedding = torch.tensor([[10.0], [20.0], [30.0]])
    X = Inputs([numbers[:, :1], codes.int(), numbers[:, 1:]], [None, embedding, None])
    dense = torch.cat([numbers[:, :1], embedding[codes], numbers[:, 1:]], dim=1)
    for rows in (slice(1, 4), torch.tensor([5, 0, 5]), slice(None)):
        assert torch.equal(X[rows], dense[rows])
    (given,) = TensorBatches(Subset(TensorTable(X), [4, 1]), 2)
    assert torch.equal(given[0], dense[[4, 1]])


def test_the_order_of_rows_is_the_same_on_every_device(table, monkeypatch):
    orders = {"cpu": [], "meta": []}
    order = TensorBatches._order

    def recorded(batches):
        orders[batches.dataset.X.device.type].append(order(batches).tolist())
        return torch.tensor(orders[batches.dataset.X.device.type][-1])

    monkeypatch.setattr(TensorBatches, "_order", recorded)
    # A device without numbers: rows are drawn on the CPU, one epoch ahead of the device.
    for where in (table, TensorTable(table.X.to("meta"), table.y.to("meta"))):
        batches = TensorBatches(where, 4, "shuffle", seed=0)
        for _ in range(3):
            assert [len(X) for X, _ in batches] == [4, 3, 3]
    assert len(orders["cpu"]) == 3
    assert orders["meta"][:3] == orders["cpu"]
    # An epoch that is left off is not gone through again.
    next(iter(batches))
    for _ in batches:
        pass
    assert len({tuple(drawn) for drawn in orders["meta"]}) == len(orders["meta"]) == 6


def test_rows_by_chance_go_by_what_they_hold():
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.standard_normal((20_000, 3)))
    held_out = rows_by_chance(X, 0.1)
    order = rng.permutation(20_000)
    np.testing.assert_array_equal(rows_by_chance(X[order], 0.1), held_out[order])
    twice = Inputs([torch.from_numpy(order), torch.from_numpy(order)], [X, X])
    np.testing.assert_array_equal(
        rows_by_chance(twice, 0.1), rows_by_chance(torch.cat([X[order], X[order]], 1), 0.1)
    )
    assert held_out.mean() == pytest.approx(0.1, abs=0.01)
    # Another draw is independent of the first.
    other = rows_by_chance(X, 0.3, salt=1)
    assert other.mean() == pytest.approx(0.3, abs=0.015)
    assert (other & held_out).mean() == pytest.approx(0.03, abs=0.006)
