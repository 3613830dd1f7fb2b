"""Small networks in torch, float64: forward pass, gradients, steps of SGD with momentum."""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_iris
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

ACTIVATIONS = {"identity": nn.Identity, "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def network(widths, hidden, output=nn.Identity, seed=0):
    """Layers with uniform weights and biases in [-1, 1] from RandomState(seed)."""
    state = np.random.RandomState(seed)
    layers = []
    for index, (inputs, units) in enumerate(zip(widths, widths[1:])):
        linear = nn.Linear(inputs, units)
        linear.weight.data = torch.from_numpy(2 * state.rand(units, inputs) - 1)
        linear.bias.data = torch.from_numpy(2 * state.rand(units) - 1)
        layers += [linear, output() if index == len(widths) - 2 else hidden()]
    return nn.Sequential(*layers)


def parameters(model, name):
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    arrays = {f"{name}_weight_{i}": layer.weight.detach().numpy().copy() for i, layer in enumerate(linears)}
    return arrays | {f"{name}_bias_{i}": layer.bias.detach().numpy().copy() for i, layer in enumerate(linears)}


def gradients(model):
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    arrays = {f"gradient_weight_{i}": layer.weight.grad.numpy().copy() for i, layer in enumerate(linears)}
    return arrays | {f"gradient_bias_{i}": layer.bias.grad.numpy().copy() for i, layer in enumerate(linears)}


def small(hidden, loss, output, targets):
    model = network([3, 5, 4, 2], ACTIVATIONS[hidden], output)
    x = torch.from_numpy(np.random.RandomState(1).randn(7, 3))
    arrays = {"x": x, "targets": targets, **parameters(model, "start")}
    value = x
    for index, layer in enumerate(model):
        value = layer(value)
        arrays[f"{'activation' if index % 2 else 'sum'}_{index // 2}"] = value.detach().numpy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(5):
        optimizer.zero_grad()
        value = loss(model(x), targets)
        value.backward()
        if step == 0:
            arrays |= gradients(model)
        optimizer.step()
        losses.append(value.item())
    return arrays | {"losses": losses} | parameters(model, "end")


def iris():
    """40 epochs in shuffled batches of 16 (the last of an epoch has 6): the order is RandomState(3)'s."""
    data = load_iris()
    x = torch.from_numpy((data.data - data.data.mean(axis=0)) / data.data.std(axis=0))
    classes = torch.from_numpy(data.target)
    model = network([4, 6, 3], nn.Tanh, seed=5)
    arrays = {"x": x, "classes": classes, **parameters(model, "start")}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.8)
    order, state, losses = np.arange(150), np.random.RandomState(3), []
    for _ in range(40):
        state.shuffle(order)
        total = 0.0
        for first in range(0, 150, 16):
            rows = order[first : first + 16]
            optimizer.zero_grad()
            value = nn.functional.cross_entropy(model(x[rows]), classes[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        losses.append(total / 150)
    probabilities = torch.softmax(model(x), dim=1).detach()
    return arrays | parameters(model, "end") | {"losses": losses, "probabilities": probabilities}


def layers():
    """One Linear on a batch of sequences, and the parameter counts that the notes compare."""
    state = np.random.RandomState(2)
    linear = nn.Linear(3, 4)
    linear.weight.data, linear.bias.data = torch.from_numpy(state.randn(4, 3)), torch.from_numpy(state.randn(4))
    x = torch.from_numpy(state.randn(2, 5, 3))
    shapes = [(32, 32), (64 * 32, 32), (64 * 32, 64 * 32), (1, 10), (28 * 28, 10)]
    counts = [sum(p.numel() for p in nn.Linear(*shape).parameters()) for shape in shapes]
    return {
        "x": x,
        "weight": linear.weight.detach(),
        "bias": linear.bias.detach(),
        "y": linear(x).detach(),
        "flat": nn.Flatten()(x),
        "shapes": shapes,
        "counts": counts,
    }


if __name__ == "__main__":
    state = np.random.RandomState(4)
    values, classes = torch.from_numpy(state.randn(7, 2)), torch.from_numpy(state.randint(2, size=7))
    versions = {"torch": torch.__version__, "seed": "0 to 5, in the script"}
    for hidden in ACTIVATIONS:
        for output in ["identity", "sigmoid"]:
            save("mlp", f"{hidden}_mse_{output}", small(hidden, nn.MSELoss(), ACTIVATIONS[output], values), **versions)
        save("mlp", f"{hidden}_ce_softmax", small(hidden, nn.CrossEntropyLoss(), nn.Identity, classes), **versions)
    save("mlp", "iris", iris(), **versions)
    save("mlp", "layers", layers(), **versions)
