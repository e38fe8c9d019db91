import numpy as np
import pandas as pd
import pytest
from pandas.tests.extension import base
from skginr._indexed import IndexedArray, IndexedDtype

TABLE = np.random.default_rng(0).standard_normal((12, 5))


@pytest.fixture
def dtype():
    return IndexedDtype(TABLE)


def array(codes, dtype):
    return IndexedArray(np.array(codes, dtype=np.int32), dtype)


@pytest.fixture
def data(dtype):
    return array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], dtype)


@pytest.fixture
def data_missing(dtype):
    return array([-1, 2], dtype)


@pytest.fixture(params=["data", "data_missing"])
def all_data(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def data_repeated(data):
    return lambda count: (data for _ in range(count))


@pytest.fixture
def data_for_sorting(dtype):
    return array([1, 2, 0], dtype)


@pytest.fixture
def data_missing_for_sorting(dtype):
    return array([1, -1, 0], dtype)


@pytest.fixture
def data_for_grouping(dtype):
    return array([1, 1, -1, -1, 0, 0, 1, 2], dtype)


@pytest.fixture
def na_value(dtype):
    return dtype.na_value


@pytest.fixture
def na_cmp():
    return lambda a, b: a is b or (np.isnan(a) and np.isnan(b))


@pytest.fixture
def invalid_scalar():
    return object()


@pytest.fixture(params=[True, False])
def box_in_series(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_frame(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_series(request):
    return request.param


@pytest.fixture(params=[True, False])
def use_numpy(request):
    return request.param


@pytest.fixture(params=[True, False])
def as_array(request):
    return request.param


@pytest.fixture(params=["ffill", "bfill"])
def fillna_method(request):
    return request.param


@pytest.fixture
def using_nan_is_na():
    return True


@pytest.fixture(params=["__eq__", "__ne__"])
def comparison_op(request):
    import operator

    return getattr(operator, request.param.strip("_"))


class TestAll(
    base.BaseCastingTests,
    base.BaseConstructorsTests,
    base.BaseDtypeTests,
    base.BaseGetitemTests,
    base.BaseIndexTests,
    base.BaseInterfaceTests,
    base.BaseMethodsTests,
    base.BaseMissingTests,
    base.BasePrintingTests,
    base.BaseReshapingTests,
    base.BaseSetitemTests,
    base.BaseGroupbyTests,
):
    pass
