"""A linear state space layer in torch: discretised, run step by step, differentiated by reverse mode, in double precision."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, H, N, L = 20261122, 3, 5, 30
random = np.random.RandomState(SEED)
torch.set_default_dtype(torch.float64)

n, k = np.indices((N, N))
a = -np.where(n > k, np.sqrt((2 * n + 1.0) * (2 * k + 1.0)), np.where(n == k, n + 1.0, 0.0)) + 0.1 * random.randn(N, N)
inputs = {
    "a": a,
    "b": random.randn(N),
    "c": random.randn(H, N),
    "d": random.randn(H),
    "steps": np.geomspace(0.01, 0.2, H),
    "u": random.randn(L, H),
}
weights = random.randn(L, H)
arrays = {**inputs, "weights": weights}
for rule in ["euler", "backward", "bilinear", "hold"]:
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in inputs.items()}
    a, b, c, d, steps, u = leaves.values()
    outputs = []
    for h in range(H):
        w, v, eye = steps[h] * a, steps[h] * b, torch.eye(N)
        if rule == "hold":
            z = torch.cat([torch.cat([w, v[:, None]], 1), torch.zeros(1, N + 1)])
            e = torch.linalg.matrix_exp(z)
            abar, bbar = e[:N, :N], e[:N, N]
        else:
            alpha = {"euler": 0.0, "backward": 1.0, "bilinear": 0.5}[rule]
            abar = torch.linalg.solve(eye - alpha * w, eye + (1 - alpha) * w)
            bbar = torch.linalg.solve(eye - alpha * w, v)
        x, column = torch.zeros(N), []
        for t in range(L):
            x = abar @ x + bbar * u[t, h]
            column.append(c[h] @ x + d[h] * u[t, h])
        outputs.append(torch.stack(column))
    y = torch.stack(outputs, 1)
    # Not linear in y, so that the slopes at y are not the weights.
    loss = (torch.tensor(weights) * torch.sin(y)).sum()
    loss.backward()
    arrays[f"{rule}_y"] = y.detach().numpy()
    arrays |= {f"{rule}_{name}_slope": leaf.grad.numpy() for name, leaf in leaves.items()}
save("lssl", "layer", arrays, torch=torch.__version__, seed=SEED)
