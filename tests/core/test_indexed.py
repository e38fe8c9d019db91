"""What pandas asks of a column, by its own tests."""

import numpy as np
import pandas as pd
import pytest
from pandas.tests.extension import base
from pandas.tests.extension.conftest import *  # noqa: F403

from skginr._core._indexed import IndexedArray, IndexedDtype

DTYPE = IndexedDtype(np.random.default_rng(0).standard_normal((12, 5)))


def column(*codes):
    return IndexedArray(np.array(codes, dtype=np.int32), DTYPE)


@pytest.fixture
def dtype():
    return DTYPE


@pytest.fixture
def data():
    return column(3, 1, 4, 1, 5, 9, 2, 6, 5, 3)


@pytest.fixture
def data_missing():
    return column(-1, 2)


@pytest.fixture
def data_for_sorting():
    return column(1, 2, 0)


@pytest.fixture
def data_missing_for_sorting():
    return column(1, -1, 0)


@pytest.fixture
def data_for_grouping():
    return column(1, 1, -1, -1, 0, 0, 1, 2)


@pytest.fixture
def na_cmp():
    return lambda a, b: np.isnan(a) and np.isnan(b)


@pytest.mark.skipif(
    int(pd.__version__.partition(".")[0]) < 3, reason="pandas' own tests of columns, as of 3.0"
)
class TestColumn(
    base.BaseCastingTests,
    base.BaseGetitemTests,
    base.BaseIndexTests,
    base.BaseInterfaceTests,
    base.BaseMethodsTests,
    base.BaseMissingTests,
    base.BasePrintingTests,
    base.BaseReshapingTests,
    base.BaseSetitemTests,
):
    # Rows of a table have no order.
    test_combine_le = None
    test_searchsorted = None
    # No text stands for a table.
    test_json_roundtrip = None
    # Objects made of a column are never its own memory.
    test_readonly_propagates_to_numpy_array_method = None


def test_columns_of_equal_tables_are_of_equal_type():
    copied = IndexedDtype(DTYPE.table.copy())
    assert copied == DTYPE
    assert hash(copied) == hash(DTYPE)
    assert IndexedDtype(DTYPE.table + 1) != DTYPE


def test_the_table_is_shared_and_read_only():
    one = column(1, 2, 3)
    for other in (one[1:], one.copy(), one.take([2, 0]), one._concat_same_type([one, one])):
        assert np.shares_memory(other.table, DTYPE.table)
    with pytest.raises(ValueError, match="read-only"):
        one.table[0] = 0
    np.testing.assert_array_equal(one[0].numbers, DTYPE.table[1])
