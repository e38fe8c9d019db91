import pickle
from threading import Lock

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from skginr import SIRENRegressor, TangentKernelRegressor
from skginr._core import _draws
from skginr.network import _tangent_regressor
from skginr.network._devices import in_double
from skginr.network.nn._siren import SIREN
from skginr.network.nn._tangent import tangent_features, tangent_kernel


def siren(**given):
    settings = {
        "hidden_units": 8,
        "n_layers": 4,
        "activation": "sine",
        "omega_0": 1.0,
        "first_gain": 2.0,
        "hidden_gain": 1.0,
        "zero_output": False,
        "skip": False,
        "input_scaling": "given",
        "seed": 0,
        "dtype": torch.float64,
    }
    return SIREN(3, 2, **settings | given)


@pytest.mark.parametrize(
    "given",
    [{}, {"activation": "relu"}, {"skip": True}, {"omega_0": 30.0, "first_gain": "siren"}],
    ids=str,
)
def test_the_kernel_is_the_gram_matrix_of_gradients_by_all_weights(given):
    module = siren(**given)
    X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = []
    for output in module(X).T:
        gradients = [
            torch.autograd.grad(value, list(module.parameters()), retain_graph=True)
            for value in output
        ]
        rows.append(torch.stack([torch.cat([g.ravel() for g in row]) for row in gradients]))
    expected = sum(jacobian @ jacobian.T for jacobian in rows)
    features = tangent_features(module, X)
    torch.testing.assert_close(tangent_kernel(features, features), expected)
    torch.testing.assert_close(
        tangent_kernel(tangent_features(module, X[:2]), features), expected[:2]
    )


@pytest.fixture(scope="module")
def line():
    x = np.linspace(-2, 2, 300)[:, None]
    return x, np.sin(4 * x[:, 0]), np.cos(3 * x[:, 0]) * x[:, 0]


@pytest.fixture(scope="module")
def network(line):
    x, first, _ = line
    return SIRENRegressor("train", max_epochs=60, random_state=0).fit(x, first)


def test_is_kernel_ridge_regression(line, network):
    x, _, second = line
    train, new = x[::2], x[1::2]
    model = TangentKernelRegressor(FrozenEstimator(network), alpha=1e-2).fit(train, second[::2])
    features = network._model.tangent_features(train)
    kernel = tangent_kernel(features, features).double().numpy()
    mean = second[::2].mean()
    ridge = KernelRidge(alpha=1e-2 * kernel.diagonal().mean(), kernel="precomputed")
    ridge.fit(kernel, second[::2] - mean)
    between = tangent_kernel(network._model.tangent_features(new), features).double().numpy()
    np.testing.assert_allclose(model.predict(new), ridge.predict(between) + mean, atol=1e-9)


def test_another_signal_is_fitted_better_than_by_the_last_layer_alone(line):
    x, first, second = line
    train, new = x[::2], x[1::2]
    network = SIRENRegressor("train", hidden_units=16, max_epochs=200, random_state=0).fit(x, first)
    model = TangentKernelRegressor(FrozenEstimator(network)).fit(train, second[::2])
    seen, unseen = (network._model.tangent_features(X)[-1][0].double() for X in (train, new))
    last_layer = Ridge(alpha=1e-4).fit(seen, second[::2])
    score = model.score(new, second[1::2])
    assert score > 0.9999
    assert 1 - score < 0.1 * (1 - last_layer.score(unseen, second[1::2]))


def test_the_frozen_network_stays_and_others_are_fitted(line, network):
    x, first, second = line
    before = network.predict(x)
    frozen = TangentKernelRegressor(FrozenEstimator(network)).fit(x, second)
    np.testing.assert_array_equal(network.predict(x), before)
    # A copy: what the network learns later is not known to the kernel.
    assert frozen.network_.net_ is not network.net_
    expected = frozen.predict(x)
    trained_on = clone(network).set_params(warm_start=True).fit(x, first)
    other = TangentKernelRegressor(FrozenEstimator(trained_on)).fit(x, second)
    predicted = other.predict(x)
    trained_on.fit(x, -first)
    np.testing.assert_array_equal(other.predict(x), predicted)
    np.testing.assert_array_equal(frozen.predict(x), expected)
    fresh = SIRENRegressor("train", max_epochs=3, random_state=0)
    fitted = TangentKernelRegressor(fresh).fit(x, first)
    assert not hasattr(fresh, "net_")
    assert fitted.network_.n_epochs_ == 3
    assert fitted.score(x, first) > fitted.network_.score(x, first)


def test_many_signals_are_those_of_each_alone(line, network):
    x, first, second = line
    frozen = FrozenEstimator(network)
    both = TangentKernelRegressor(frozen).fit(x, np.column_stack([first, second]))
    alone = TangentKernelRegressor(frozen).fit(x, second)
    np.testing.assert_allclose(both.predict(x)[:, 1], alone.predict(x), atol=1e-9)


def test_the_factor_is_kept_while_it_is_right(line, network, monkeypatch):
    x, first, second = line
    n_factored = []
    factor = torch.linalg.cholesky_ex
    monkeypatch.setattr(
        _tangent_regressor.torch.linalg,
        "cholesky_ex",
        lambda k: n_factored.append(1) or factor(k),
    )
    network = pickle.loads(pickle.dumps(network))
    model = TangentKernelRegressor(FrozenEstimator(network)).fit(x, first)
    expected = TangentKernelRegressor(FrozenEstimator(network)).fit(x, second).predict(x)
    assert len(n_factored) == 2
    np.testing.assert_array_equal(model.fit(x, second).predict(x), expected)
    assert len(n_factored) == 2
    # Other rows, another ridge, other weights, or a copy that left it behind.
    model.fit(x[1:], second[1:])
    model.set_params(alpha=1e-3).fit(x[1:], second[1:])
    network.set_params(warm_start=True, max_epochs=1).fit(x, second)
    model.fit(x[1:], second[1:])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    copy.fit(x[1:], second[1:])
    assert len(n_factored) == 6
    assert len(pickle.dumps(model)) < 8 * len(x) ** 2 + len(pickle.dumps(network)) * 3


def test_the_ridge_can_be_searched(line, network):
    x, _, second = line
    noisy = second + np.random.default_rng(0).normal(scale=0.3, size=len(x))
    search = GridSearchCV(
        TangentKernelRegressor(FrozenEstimator(network)), {"alpha": [1e-5, 1e-3, 1e-2, 0.1]}, cv=4
    ).fit(x, noisy)
    assert search.best_params_["alpha"] >= 1e-2
    assert search.score(x, second) > 0.9


def test_wrong_input_is_refused(line, network):
    x, first, _ = line
    frozen = FrozenEstimator(network)
    cases = [
        (TangentKernelRegressor(Ridge()), x, TypeError, "network must be a SIRENRegressor"),
        (TangentKernelRegressor(FrozenEstimator(SIRENRegressor())), x, ValueError, "not fitted"),
        (TangentKernelRegressor(frozen, alpha=0), x, ValueError, "alpha must be greater than 0"),
        (TangentKernelRegressor(frozen), np.hstack([x, x]), ValueError, "1 columns"),
        (TangentKernelRegressor(frozen, alpha=1e-300), x, ValueError, "Raise alpha"),
    ]
    for model, X, kind, message in cases:
        with pytest.raises(kind, match=message):
            model.fit(X, first)
        assert not hasattr(model, "n_features_in_")
    with pytest.raises(ValueError, match="NaN"):
        TangentKernelRegressor(frozen).fit(x, np.where(x[:, 0] > 1, np.nan, first))


def test_a_frozen_network_wants_its_columns_in_their_order(line):
    x, first, _ = line
    frame = pd.DataFrame({"x": x[:, 0], "t": x[:, 0] ** 2})
    network = SIRENRegressor("train", max_epochs=3, random_state=0).fit(frame, first)
    model = TangentKernelRegressor(FrozenEstimator(network))
    with pytest.raises(ValueError, match=r"was fitted with, \['x', 't'\]; got \['t', 'x'\]"):
        model.fit(frame[["t", "x"]], first)
    assert model.fit(frame, first).score(frame, first) > 0.9


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_that_the_caller_switched_off_are_taken_all_the_same(line, switched_off):
    x, first, second = line
    network = SIRENRegressor("train", max_epochs=3, random_state=0).fit(x, first)
    model = TangentKernelRegressor(FrozenEstimator(network))
    expected = network.gradient(x), model.fit(x, second).predict(x)
    with switched_off():
        np.testing.assert_array_equal(network.gradient(x), expected[0])
        np.testing.assert_array_equal(model.fit(x, second).predict(x), expected[1])


def test_words_are_no_coordinates():
    model = TangentKernelRegressor(SIRENRegressor("train", max_epochs=1, random_state=0))
    with pytest.raises(ValueError, match="X must hold numbers; got '01001' of type str"):
        model.fit([["01001"], ["01003"], ["01005"]], [0.0, 1.0, 2.0])
    model.fit([[1.0], [3.0], [5.0]], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="X must hold numbers"):
        model.predict([["1"]])


def test_a_network_whose_callbacks_cannot_be_copied(line):
    class Locked(Callback):
        def __init__(self):
            self.lock = Lock()

    x, first, second = line
    network = SIRENRegressor("train", max_epochs=3, random_state=0, callbacks=[Locked()]).fit(
        x, first
    )
    model = TangentKernelRegressor(FrozenEstimator(network)).fit(x, second)
    plain = SIRENRegressor("train", max_epochs=3, random_state=0).fit(x, first)
    same = TangentKernelRegressor(FrozenEstimator(plain)).fit(x, second)
    np.testing.assert_array_equal(model.predict(x), same.predict(x))


def test_mps_which_has_no_float64_leaves_the_factor_to_the_cpu():
    class OnMps:
        """What a kernel there would be, on a machine without."""

        device = torch.device("mps")

        def cpu(self):
            return torch.eye(2, dtype=torch.float32)

        def double(self):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    assert in_double(OnMps()).dtype == torch.float64
    assert in_double(torch.eye(2)).dtype == torch.float64


# --- weights of rows, deviations and draws


@pytest.fixture(scope="module")
def exact(line):
    """A network in float64."""
    x, first, _ = line
    settings = {"max_epochs": 30, "hidden_units": 16, "dtype": "float64", "random_state": 0}
    return SIRENRegressor("train", batch_size="all", **settings).fit(x, first)


def dense(network, x, alpha, weights):
    """The kernel between all rows, and a ridge for each."""
    features = network._model.tangent_features(x)
    kernel = tangent_kernel(features, features).double().numpy()
    return kernel, alpha * np.average(kernel.diagonal(), weights=weights) / weights


@pytest.mark.parametrize("frozen", [True, False])
def test_a_weight_is_how_often_a_row_is_there(line, exact, frozen):
    x, _, second = line
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, 300)
    y = np.column_stack([second, -second]) + 0.3 * rng.standard_normal((300, 2))
    network = FrozenEstimator(exact) if frozen else clone(exact)
    model = TangentKernelRegressor(network, alpha=0.01)
    poisoned = np.where(weights[:, None] == 0, 1e6, y)
    weighted = clone(model).fit(x, poisoned, sample_weight=weights)
    repeats = np.repeat(np.arange(300), weights)
    repeated = clone(model).fit(x[repeats], y[repeats])
    for noise in (False, True):
        np.testing.assert_allclose(
            weighted.predict(x, return_std=True, with_noise=noise),
            repeated.predict(x, return_std=True, with_noise=noise),
            rtol=1e-6,
            atol=1e-6,
        )
    np.testing.assert_allclose(weighted.noise_variance_, repeated.noise_variance_, rtol=1e-6)
    # A fit with the same weights has the same factor, others have not.
    factor = weighted._factored[1]
    assert weighted.fit(x, y, sample_weight=weights)._factored[1] is factor or not frozen
    assert weighted.fit(x, y, sample_weight=weights + 1)._factored[1] is not factor


def test_deviations_are_those_of_the_likeliest_process(line, exact):
    x, _, second = line
    rng = np.random.default_rng(0)
    y = second + 0.3 * rng.standard_normal(300)
    weights = rng.gamma(2.0, 0.5, 300)
    model = TangentKernelRegressor(FrozenEstimator(exact), alpha=0.01)
    model.fit(x[::2], y[::2], sample_weight=weights[::2])
    kernel, _ = dense(exact, x, 0.01, weights)
    _, ridge = dense(exact, x[::2], 0.01, weights[::2])
    system, across = kernel[::2, ::2] + np.diag(ridge), kernel[:, ::2]
    centre = np.average(y[::2], weights=weights[::2])
    mean, std = model.predict(x, return_std=True)
    expected = centre + across @ np.linalg.solve(system, y[::2] - centre)
    np.testing.assert_allclose(mean, expected, atol=1e-7)
    left = kernel.diagonal() - (across * np.linalg.solve(system, across.T).T).sum(axis=1)
    size = model.noise_variance_ / (ridge * weights[::2])[0]
    np.testing.assert_allclose(std, np.sqrt(size * left), rtol=1e-5)
    _, of_rows = model.predict(x, return_std=True, with_noise=True)
    np.testing.assert_allclose(of_rows, np.sqrt(std**2 + model.noise_variance_))
    assert np.mean(np.abs(y[1::2] - mean[1::2]) < 1.645 * of_rows[1::2]) > 0.8
    # Another alpha is that of the next fit.
    np.testing.assert_array_equal(model.set_params(alpha=1.0).predict(x, return_std=True)[1], std)
    # Without weights: the likelihood of rows is greatest at that size.
    model = TangentKernelRegressor(FrozenEstimator(exact), alpha=0.01).fit(x[::2], y[::2])
    kernel, ridge = dense(exact, x[::2], 0.01, np.ones(150))
    best = model.noise_variance_ / ridge[0]

    def log_likelihood(size):
        covariance = size * (kernel + np.diag(ridge))
        return multivariate_normal(cov=covariance).logpdf(y[::2] - y[::2].mean())

    assert log_likelihood(best) > max(log_likelihood(0.97 * best), log_likelihood(best / 0.97))


@pytest.mark.parametrize("with_noise", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_draws_are_of_the_posterior(line, network, with_noise, several):
    x, first, second = line
    y = second + 0.3 * np.random.default_rng(0).standard_normal(300)
    y = np.column_stack([y, 3 * first]) if several else y
    model = TangentKernelRegressor(FrozenEstimator(network), alpha=0.01).fit(x[::3], y[::3])
    asked = np.vstack([x[[5, 6, 200]], x[[5]]])
    draws = model.sample_y(asked, 20_000, with_noise=with_noise)
    assert draws.shape == ((4, 2, 20_000) if several else (4, 20_000))
    mean, std = model.predict(asked, return_std=True, with_noise=with_noise)
    np.testing.assert_allclose(draws.mean(axis=-1), mean, atol=0.05 * std.max())
    np.testing.assert_allclose(draws.std(axis=-1), std, rtol=0.03)
    correlation = np.corrcoef(draws[:, 1] if several else draws)
    assert (correlation[0, 3] == pytest.approx(1)) is not with_noise
    if not with_noise:
        np.testing.assert_array_equal(draws[0], draws[3])
        assert correlation[0, 1] > 0.9
    np.testing.assert_array_equal(model.sample_y(asked, 3), model.sample_y(asked, 3))


def test_what_deviations_need(line, network, monkeypatch):
    x, first, _ = line
    model = TangentKernelRegressor(FrozenEstimator(network))
    with pytest.raises(ValueError, match="TangentKernelRegressor draws what fit leaves open"):
        model.sample_y(x)
    for weights, message in (
        (np.ones(5), r"sample_weight must have shape \(300,\)"),
        (np.zeros(300), "sample_weight must be positive for some row"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, first, sample_weight=weights)
    model.fit(x, first)
    with pytest.raises(ValueError, match="with_noise=True needs return_std=True"):
        model.predict(x, with_noise=True)
    with pytest.raises(TypeError, match="return_std must be"):
        model.predict(x, return_std="yes")
    # The factor is no part of a copy, and made again there.
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        copy.predict(x, return_std=True), model.predict(x, return_std=True)
    )
    monkeypatch.setattr(_draws, "_MOST_DRAWN", 100)
    with pytest.raises(ValueError, match="X has 300 distinct rows; at most 100 can be drawn"):
        model.sample_y(x)
    assert model.sample_y(np.tile(x[:90], (3, 1))).shape == (270, 1)
    # As a file of an earlier version has it.
    expected = model.predict(x)
    del model._weights, model._sizes, model.noise_variance_
    np.testing.assert_array_equal(model.predict(x), expected)
    with pytest.raises(ValueError, match="from a file of an earlier version.* fit it again"):
        model.predict(x, return_std=True)


def test_weights_reach_searches_and_pipelines(line, network):
    x, _, second = line
    rng = np.random.default_rng(0)
    y, weights = second + 0.3 * rng.standard_normal(300), rng.gamma(1.0, size=300)
    model = TangentKernelRegressor(FrozenEstimator(network))
    search = GridSearchCV(model, {"alpha": [1e-3, 1e-1]}, cv=3).fit(x, y, sample_weight=weights)
    best = clone(search.best_estimator_).fit(x, y, sample_weight=weights)
    np.testing.assert_array_equal(search.predict(x), best.predict(x))
    piped = make_pipeline(FunctionTransformer(), clone(best))
    piped.fit(x, y, tangentkernelregressor__sample_weight=weights)
    np.testing.assert_array_equal(piped.predict(x), best.predict(x))
