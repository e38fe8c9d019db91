"""A network as ONNX, for servers that have no Python."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skginr._core import own_version, require, write_whole
from skginr.network import ClassTarget, Model, SIRENEstimator, as_array

# Of 2022, so that runtimes of some years ago read it; nothing newer is used.
_OPSET, _IR_VERSION = 17, 8


def to_onnx(network: SIRENEstimator, path: str | os.PathLike[str]) -> None:
    """Write a fitted network to an ONNX file, which runtimes in many languages predict with.

    Its input is named ``X``, shape (n_rows, n_features), in the precision of the network
    (``dtype``). Its output is ``y``, of the shape, units and precision that ``predict`` has, or
    for a classifier ``probabilities``, shape (n_rows, n_classes); the classes, in order, and the
    names of the features, where there are any, are in the metadata of the file, as JSON.

    Parameters
    ----------
    network : SIRENRegressor or SIRENClassifier
        Fitted. Of a pipeline, export the last step, ``model[-1]``; its input is what
        ``model[:-1].transform`` returns. An indexed column is as many columns as it has
        coordinates.
    path : str or path
        An existing file is replaced. The file appears when it is whole, and not before.

    Raises
    ------
    TypeError
        If ``network`` is not one of the two.
    NotFittedError
        If it is not fitted.
    ModuleNotFoundError
        If onnx is not installed (extra ``onnx``).
    OSError
        If the file cannot be written.
    ValueError
        If numbers of different signals are equal in the precision of the network.

    See Also
    --------
    save : Writes whole pipelines, for skginr.
    SIRENRegressor : The network.

    Notes
    -----
    With ``latent_dim`` the last column is the number of the signal, and the prediction for a signal
    that the network does not know is NaN.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skginr import SIRENRegressor, to_onnx
    >>> X = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    >>> network = SIRENRegressor(random_state=0).fit(X, X[:, 0])
    >>> path = Path(tempfile.mkdtemp()) / "network.onnx"
    >>> to_onnx(network, path)
    >>> (y,) = onnxruntime.InferenceSession(path).run(["y"], {"X": X})
    >>> bool(np.allclose(y, network.predict(X), atol=1e-6))
    True
    """
    if not isinstance(network, SIRENEstimator):
        raise TypeError(
            f"network must be a SIRENRegressor or SIRENClassifier; got {type(network).__name__}. "
            f"Of a pipeline export the last step, model[-1]."
        )
    check_is_fitted(network)
    model = network._model
    onnx = require("onnx", extra="onnx", purpose="to_onnx")
    facts = {"producer": f"skginr {own_version()}"}
    # An indexed column is one name for several.
    names = getattr(network, "feature_names_in_", ())
    if len(names) == model.net.module__n_inputs:
        facts["features"] = json.dumps(list(names))
    if isinstance(model.target, ClassTarget):
        facts["classes"] = json.dumps(model.target.classes.tolist(), default=str)
    write_whole(_Drawing(model, onnx).finished(facts).SerializeToString(), Path(path))


class _Drawing:
    """A graph of ONNX, drawn node by node."""

    def __init__(self, model: Model, onnx: ModuleType) -> None:
        self.onnx = onnx
        self.model = model
        self.module = model.net.module_
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def finished(self, facts: dict[str, str]) -> Any:
        """Return the ModelProto of ONNX, with facts in its metadata."""
        inputs = self.onnx.helper.make_tensor_value_info(
            "X",
            self._type(self.model.dtype),
            ["n_rows", self.model.net.module__n_inputs],
        )
        outputs = self._network(self._coordinates())
        if isinstance(self.model.target, ClassTarget):
            outputs = self._cast(outputs, np.float64)
            name = self._node("Softmax", outputs, name="probabilities", axis=1)
            shape: list[str | int] = ["n_rows", self.model.target.n_columns]
            result = name, self._type(np.float64), shape
        else:
            result = self._signal(outputs)
        graph = self.onnx.helper.make_graph(
            self.nodes,
            "skginr",
            [inputs],
            [self.onnx.helper.make_tensor_value_info(*result)],
            initializer=self.constants,
        )
        drawn = self.onnx.helper.make_model(
            graph,
            opset_imports=[self.onnx.helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="skginr",
        )
        self.onnx.helper.set_model_props(drawn, facts)
        self.onnx.checker.check_model(drawn, full_check=True)
        return drawn

    def _coordinates(self) -> str:
        """Return X, with the code of its signal for the last column where there are signals."""
        if self.model.signals is None:
            return "X"
        n_columns = self.model.net.module__n_inputs
        ends = [self._constant(np.array([end])) for end in (0, n_columns - 1, n_columns)]
        axis = self._constant(np.array([1]))
        own = self._node("Slice", "X", ends[0], ends[1], axis)
        named = self._node("Slice", "X", ends[1], ends[2], axis)
        numbers = self.model.signals.astype(self.model.dtype)
        if len(np.unique(numbers)) < len(numbers):
            raise ValueError(
                f"the numbers of signals must differ in {self.model.dtype}, which X is of; fit "
                f"with smaller ones, or with dtype='float64'."
            )
        signals = self._constant(numbers[None])
        which = self._cast(self._node("Equal", named, signals), self.model.dtype)
        codes = self._node("MatMul", which, self._constant(self.model.codes))
        # An unknown signal has no code: 0 / 0 is NaN, and so is all that comes of it.
        known = self._node("ReduceSum", which, axis)
        return self._node("Concat", own, self._node("Div", codes, known), axis=1)

    def _network(self, inputs: str) -> str:
        """Return the last layer's output."""
        if self.module.input_scale is not None:
            inputs = self._node("Mul", inputs, self._constant(as_array(self.module.input_scale)))
        layers, hidden = list(self.module.layers), inputs
        for i, layer in enumerate(layers):
            if i == self.module.skip_at:
                hidden = self._node("Concat", hidden, inputs, axis=1)
            weight, bias = (
                self._constant(as_array(tensor)) for tensor in (layer.weight, layer.bias)
            )
            hidden = self._node("Gemm", hidden, weight, bias, transB=1)
            if layer is layers[-1]:
                break
            if self.module.periodic and self.module.omega_0 != 1:
                omega_0 = self._constant(np.array(self.module.omega_0, dtype=self.model.dtype))
                hidden = self._node("Mul", hidden, omega_0)
            hidden = self._node("Sin" if self.module.periodic else "Relu", hidden)
        return hidden

    def _signal(self, outputs: str) -> tuple[str, int, list[str | int]]:
        """Draw the target's scale, and return name, type and shape of the result."""
        target: Any = self.model.target
        spread, mean = self._constant(target.spread), self._constant(target.mean)
        y = self._node("Add", self._node("Mul", self._cast(outputs, np.float64), spread), mean)
        if target.n_outputs is None:
            y = self._node("Squeeze", y, self._constant(np.array([1])))
        shape: list[str | int] = ["n_rows"]
        shape += [] if target.n_outputs is None else [target.n_outputs]
        return self._cast(y, target.dtype, name="y"), self._type(target.dtype), shape

    def _cast(self, value: str, dtype: Any, name: str | None = None) -> str:
        return self._node("Cast", value, name=name, to=self._type(dtype))

    def _type(self, dtype: Any) -> int:
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def _node(self, operator: str, *inputs: str, name: str | None = None, **given: Any) -> str:
        name = name or f"value_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], **given))
        return name

    def _constant(self, array: NDArray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name
