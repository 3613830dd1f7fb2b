"""A small neural differential equation in torchdiffeq: solved, differentiated through the solver and by its adjoint, in double precision."""

import sys
from pathlib import Path

import numpy as np
import scipy
import torch
import torchdiffeq
from scipy.integrate import solve_ivp

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, N, M = 20261210, 3, 4
STEPS = [2, 8, 32]
random = np.random.RandomState(SEED)
torch.set_default_dtype(torch.float64)

times = np.array([0.5, 0.6, 1.1, 1.3, 2.5, 2.6, 4.0])
turns = np.array([[-0.3, 1.0, 0.0], [-1.0, -0.3, 0.5], [0.0, -0.5, -0.2]])
inputs = {
    "initial": random.randn(N),
    "a": turns + 0.1 * random.randn(N, N),
    "v": 0.7 * random.randn(N, M),
    "w": random.randn(M, N),
    "b": 0.5 * random.randn(M),
}
weights = random.randn(len(times), N)


class Field(torch.nn.Module):
    """x' = A x + V tanh(W x + b)."""

    def __init__(self):
        super().__init__()
        for name in ["a", "v", "w", "b"]:
            setattr(self, name, torch.nn.Parameter(torch.tensor(inputs[name])))

    def forward(self, t, x):
        return self.a @ x + self.v @ torch.tanh(self.w @ x + self.b)


def halving(steps):
    """From each time to the next in so many equal steps, in whichever direction."""

    def grid(field, x, t):
        pieces = [torch.linspace(s, e, steps + 1)[:-1] for s, e in zip(t[:-1].tolist(), t[1:].tolist())]
        return torch.cat([*pieces, t[-1:]])

    return {"grid_constructor": grid}


arrays = {**inputs, "times": times, "weights": weights}
for steps in STEPS:
    for way, solve in [("through", torchdiffeq.odeint), ("adjoint", torchdiffeq.odeint_adjoint)]:
        field, initial = Field(), torch.tensor(inputs["initial"], requires_grad=True)
        # torchdiffeq's rk4 is the 3/8 rule.
        states = solve(field, initial, torch.tensor(times), method="rk4", options=halving(steps))
        # Not linear in the states, so that the slopes are not the weights.
        loss = (torch.tensor(weights) * torch.sin(states)).sum()
        loss.backward()
        arrays[f"{steps}_states"] = states.detach().numpy()
        arrays[f"{steps}_{way}_initial"] = initial.grad.numpy()
        for name, parameter in field.named_parameters():
            arrays[f"{steps}_{way}_{name}"] = parameter.grad.numpy()

exact = solve_ivp(
    lambda _, x: inputs["a"] @ x + inputs["v"] @ np.tanh(inputs["w"] @ x + inputs["b"]),
    (times[0], times[-1]),
    inputs["initial"],
    method="DOP853",
    t_eval=times,
    rtol=1e-13,
    atol=1e-14,
)
arrays["exact"] = exact.y.T
save("ode", "field", arrays, torch=torch.__version__, torchdiffeq=torchdiffeq.__version__, scipy=scipy.__version__, seed=SEED)
