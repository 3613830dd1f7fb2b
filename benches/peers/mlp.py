"""Back-propagation in torch: 50 epochs of batches of 16 on iris, from our start and in our order."""

import numpy as np
import torch
from sklearn.datasets import load_iris
from torch import nn
from workload import Workload

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def make():
    data = load_iris()
    x = torch.from_numpy((data.data - data.data.mean(axis=0)) / data.data.std(axis=0))
    classes = torch.from_numpy(data.target)
    state = np.random.RandomState(1)
    start = [(2 * state.rand(units, inputs) - 1) * np.sqrt(6 / (inputs + units)) for inputs, units in [(4, 16), (16, 3)]]

    def run():
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
        for layer, weights in zip([model[0], model[2]], start):
            layer.weight.data = torch.from_numpy(weights.copy())
            layer.bias.data.zero_()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        order, state = np.arange(150), np.random.RandomState(2)
        for _ in range(50):
            state.shuffle(order)
            for first in range(0, 150, 16):
                rows = order[first : first + 16]
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x[rows]), classes[rows]).backward()
                optimizer.step()
        return np.concatenate([parameter.detach().numpy().ravel() for parameter in model.parameters()])

    return run


WORKLOADS = [Workload("iris_50_epochs", "torch", torch.__version__, target=2, tolerance=1e-9, make=make)]
