import io
import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from skorch.exceptions import DeviceWarning

from skginr import SIRENRegressor, TangentKernelRegressor, load, save

QUICK = {"max_epochs": 15, "hidden_units": 32, "random_state": 0}


def test_data_beyond_the_device_stays_on_the_machine(wave, monkeypatch):
    X, y = wave
    expected = SIRENRegressor("train", **QUICK).fit(X, y).predict(X)
    to, calls = torch.Tensor.to, []

    def full(self, *args, **kwargs):
        if self.shape == X.shape and not calls:
            calls.append(args)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return to(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.warns(UserWarning, match="X does not fit on cpu and stays"):
        model = SIRENRegressor("train", **QUICK).fit(X, y)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.predict(X), expected)


def test_settings_of_the_training_may_change_where_it_goes_on(wave):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, validation=0.2, **QUICK).fit(X, y)
    assert "valid_loss" in model.history_
    model.set_params(
        validation="off", weight_decay=0.5, betas=(0, 0.5), sampling="draw", batch_size=16
    ).fit(X, y)
    (group,) = model.net_.optimizer_.param_groups
    assert (group["weight_decay"], group["betas"]) == (0.5, (0.0, 0.5))
    assert model.history_["valid_loss"].iloc[15:].isna().all()
    assert model.net_.history[-1, "train_batch_count"] == 1
    with pytest.raises(ValueError, match="net_params was .* and is now"):
        model.set_params(net_params={"optimizer": torch.optim.SGD}).fit(X, y)


def test_warm_start_goes_on_and_cold_start_does_not(wave):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, **QUICK).fit(X, y)
    first = model.score(X, y)
    model.fit(X, y)
    assert model.n_epochs_ == 30
    assert model.score(X, y) > first
    model.set_params(warm_start=False).fit(X, y)
    assert model.n_epochs_ == 15
    assert model.score(X, y) == pytest.approx(first)
    with pytest.raises(ValueError, match="features"):
        model.set_params(warm_start=True).fit(X[:, :1], y)


@pytest.mark.parametrize("batch_size", ["all", 64])
def test_every_warm_fit_goes_through_its_whole_schedule(wave, batch_size):
    X, y = wave
    model = SIRENRegressor("train", warm_start=True, batch_size=batch_size, **QUICK)
    for _ in range(3):
        model.fit(X, y)
    rates = model.history_["lr"].to_numpy().reshape(3, 15)
    np.testing.assert_allclose(rates[1], rates[0])
    np.testing.assert_allclose(rates[2], rates[0])
    # Near the peak early on (the first step of 15 is already past the rise).
    assert rates[0].max() > 1.9e-3
    model.set_params(learning_rate=1e-4, max_epochs=5).fit(X, y)
    assert 0.9e-4 < model.history_["lr"].tail(5).max() <= 1e-4
    assert model.settings_["learning_rate"] == 1e-4
    assert model.settings_["max_epochs"] == 5


def test_what_goes_on_is_the_same_network_and_the_same_outputs(wave):
    X, y = wave
    both = np.column_stack([y, y])
    model = SIRENRegressor("train", warm_start=True, **QUICK).fit(X, y)
    for change in (both, y[:, None]):
        with pytest.raises(ValueError, match="as many outputs as the model that goes on"):
            model.fit(X, change)
        with pytest.raises(ValueError, match="as many outputs as the model that goes on"):
            model.partial_fit(X, change)
    assert model.predict(X).shape == (400,)
    for change, was in (({"hidden_units": 8}, 32), ({"activation": "relu"}, "'sine'")):
        with pytest.raises(ValueError, match=f"was {was} and is now"):
            clone_fitted(model).set_params(**change).fit(X, y)
    with pytest.raises(ValueError, match="dtype was 'float32'"):
        clone_fitted(model).set_params(dtype="float64").fit(X, y)


def clone_fitted(model):
    return pickle.loads(pickle.dumps(model))


def test_parameters_set_after_fit_wait_for_the_next(wave):
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    expected = model.predict(X)
    model.set_params(dtype="float64", device="nowhere", hidden_units=3)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_partial_fit_trains_an_epoch_at_a_time(wave):
    X, y = wave
    model = SIRENRegressor(random_state=0)
    for _ in range(60):
        model.partial_fit(X, y)
    assert model.n_epochs_ == 60
    assert model.score(X, y) > 0.9
    assert set(model.history_["epoch"]) == set(range(1, 61))


def test_partial_fit_after_fit_keeps_the_rate_alive(wave):
    X, y = wave
    model = SIRENRegressor("train", random_state=0, max_epochs=20).fit(X, y)
    weights = model.net_.module_.layers[0].weight.detach().clone()
    model.partial_fit(X, y)
    assert (model.net_.module_.layers[0].weight - weights).abs().max() > 1e-4


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_a_saved_model_predicts_the_same_and_can_go_on(wave, tmp_path, how):
    X, y = wave
    model = SIRENRegressor("train", verbose=0, **QUICK).fit(X, y)
    if how == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.partial_fit(X, y).n_epochs_ == 16


@pytest.mark.parametrize("schedule", ["anytime", "cosine", "plateau", "constant"])
def test_tensors_are_saved_only_where_loading_moves_them(wave, schedule):
    # skorch moves module, criterion and optimiser to a device that is there, and unpickles
    # the rest as it is: a CUDA tensor in there does not load on a machine without.
    X, y = wave
    model = SIRENRegressor("train", schedule=schedule, patience=3, **QUICK).fit(X, y)
    state = model.net_.__getstate__()
    state.pop("__cuda_dependent_attributes__")
    found = []

    class Search(pickle.Pickler):
        def reducer_override(self, thing):
            if isinstance(thing, torch.Tensor | torch.UntypedStorage):
                found.append(thing)
            return NotImplemented

    Search(io.BytesIO()).dump((state, {k: v for k, v in vars(model).items() if k != "net_"
                                       and k != "_model"}))  # fmt: skip
    assert not found


def test_a_model_that_says_cuda_loads_where_there_is_none(wave):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    X, y = wave
    model = SIRENRegressor("train", **QUICK).fit(X, y)
    expected = model.predict(X)
    model.net_.device = "cuda"
    saved = pickle.dumps(model)
    with pytest.warns(DeviceWarning):
        loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.predict(X), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_trains_like_the_cpu_and_its_model_loads_on_the_cpu(wave):
    X, y = wave
    exact = {"dtype": "float64", "batch_size": "all", "max_epochs": 10, "random_state": 0}
    cuda = SIRENRegressor("train", device="cuda", **exact).fit(X, y)
    cpu = SIRENRegressor("train", device="cpu", **exact).fit(X, y)
    np.testing.assert_allclose(cuda.predict(X), cpu.predict(X), atol=1e-8)
    assert next(cuda.net_.module_.parameters()).is_cuda
    assert SIRENRegressor("train", **QUICK).fit(X, y).net_.device == "cuda"
    buffer = io.BytesIO(pickle.dumps(cuda))
    np.testing.assert_array_equal(pickle.load(buffer).predict(X), cuda.predict(X))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # by torch's own compiler
def test_a_compiled_network_does_all_that_another_does(wave, tmp_path):
    X, y = wave
    targets = np.column_stack([y, y**2])
    as_it_is = SIRENRegressor("train", **QUICK).fit(X, targets)
    # Traced and differentiated as for any backend, but with nothing for a compiler of C++ to do.
    how = {"compile": True, "compile__backend": "aot_eager"}
    compiled = SIRENRegressor("train", net_params=how, **QUICK).fit(X, targets)
    np.testing.assert_allclose(compiled.predict(X), as_it_is.predict(X), atol=1e-5)
    # Of several outputs, it goes backward several times.
    np.testing.assert_allclose(compiled.gradient(X), as_it_is.gradient(X), atol=1e-4)
    tangents = (
        TangentKernelRegressor(FrozenEstimator(model), alpha=0.1).fit(X[:50], y[:50])
        for model in (compiled, as_it_is)
    )
    np.testing.assert_allclose(*(model.predict(X) for model in tangents), atol=1e-4)
    save(compiled, tmp_path / "compiled")
    np.testing.assert_array_equal(load(tmp_path / "compiled").predict(X), compiled.predict(X))
