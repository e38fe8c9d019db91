"""The tangent space of a network: what it could fit if its weights moved a little."""

import functools

import torch

from skginr.network.nn._siren import SIREN

# Of each linear layer: its inputs, shape (n_rows, width), and the gradients of the outputs by what
# it returns, shape (n_rows, n_outputs x units). Their products are the derivatives by its weights.
TangentFeatures = list[tuple[torch.Tensor, torch.Tensor]]


def tangent_features(module: SIREN, X: torch.Tensor) -> TangentFeatures:
    """Return the gradients of every row's outputs by all weights, as factors.

    Parameters
    ----------
    module : SIREN
    X : Tensor of shape (n_rows, n_inputs)
    """
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []

    def record(_: torch.nn.Module, given: tuple[torch.Tensor], returned: torch.Tensor) -> None:
        inputs.append(given[0].detach())
        outputs.append(returned)

    hooks = [layer.register_forward_hook(record) for layer in module.layers]
    try:
        with torch.enable_grad():
            prediction = module(X)
    finally:
        for hook in hooks:
            hook.remove()
    # Rows do not know of each other, so that the gradient of a sum has them all.
    by_output = [
        torch.autograd.grad(output.sum(), outputs, retain_graph=True)
        for output in prediction.unbind(dim=1)
    ]
    gradients = [torch.cat(layer, dim=1) for layer in zip(*by_output, strict=True)]
    return list(zip(inputs, gradients, strict=True))


def tangent_kernel(a: TangentFeatures, b: TangentFeatures) -> torch.Tensor:
    """Return the products of all gradients of rows a with those of rows b, summed over outputs.

    Shape (n_a, n_b), and never the gradients themselves: a layer's share is a product of two.
    """
    shares = (
        # The 1 is the bias.
        (inputs_a @ inputs_b.to(inputs_a.device).T)
        .add_(1.0)
        .mul_(gradients_a @ gradients_b.to(inputs_a.device).T)
        for (inputs_a, gradients_a), (inputs_b, gradients_b) in zip(a, b, strict=True)
    )
    return functools.reduce(torch.Tensor.add_, shares)
