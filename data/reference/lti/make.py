"""SciPy's matrix exponentials, discretisations, recurrences, held inputs, convolutions and spectral radii."""

import sys
from pathlib import Path

import numpy as np
import scipy
from scipy import linalg, signal

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261123
random = np.random.RandomState(SEED)


def legs(n):
    """HiPPO's matrix for scaled Legendre polynomials, far from normal."""
    i, j = np.indices((n, n))
    return -np.where(i > j, np.sqrt((2 * i + 1) * (2 * j + 1)), np.where(i == j, i + 1, 0))


def save_lti(case, arrays):
    save("lti", case, arrays, seed=SEED, scipy=scipy.__version__)


skew = random.randn(5, 5)
nilpotent = np.triu(random.randn(6, 6), 1)
matrices = {
    "tiny": 1e-9 * random.randn(4, 4),
    # One for each degree of Padé's quotient.
    "degree_3": 0.01 * random.rand(4, 4) / 4,
    "degree_5": 0.15 * random.rand(4, 4) / 4,
    "degree_7": 0.7 * random.rand(4, 4) / 4,
    "degree_9": 1.8 * random.rand(4, 4) / 4,
    "degree_13": 4.0 * random.rand(4, 4) / 4,
    "squared": 3.0 * random.randn(8, 8),
    "one_by_one": np.array([[-3.0]]),
    "zero": np.zeros((3, 3)),
    "singular": np.outer([1.0, 2.0, 3.0], [1.0, -2.0, 1.5]),
    "nilpotent": nilpotent,
    "turning": 40 * (skew - skew.T),
    "stiff": np.diag([-1e6, -1.0, -1e-3, 0.0]),
    "overscaled": np.array([[1.0, 1e6], [0.0, -1.0]]),
    "overscaled_full": np.array([[1.0, 1e6, 0.5], [1e-8, -1.0, 0.3], [1e-7, 2e-7, 0.2]]),
    "legs_16": legs(16),
    "legs_32_step": 0.05 * legs(32),
    "large": random.randn(60, 60) / 4,
}
save_lti("exponential", {f"{name}_{part}": array for name, a in matrices.items() for part, array in [("a", a), ("exp", linalg.expm(a))]})


def system(n, inputs, outputs, rate=1.0):
    """A stable system."""
    a = random.randn(n, n)
    a -= (rate + np.linalg.eigvals(a).real.max()) * np.eye(n)
    return a, random.randn(n, inputs), random.randn(outputs, n), random.randn(outputs, inputs)


RULES = {
    "euler": {"method": "euler"},
    "backward_euler": {"method": "backward_diff"},
    "bilinear": {"method": "bilinear"},
    "generalised": {"method": "gbt", "alpha": 0.3},
    "hold": {"method": "zoh"},
}
cases = {
    "two_by_two": (*system(4, 2, 3), 0.1),
    "single": (*system(1, 1, 1), 0.5),
    "long_step": (*system(6, 1, 1), 3.0),
    # The state is a place and a speed: A is singular.
    "body": (np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0], [1.0]]), np.eye(2), np.zeros((2, 1)), 0.25),
    "legs": (legs(16), np.sqrt(2 * np.arange(16) + 1.0)[:, None], random.randn(1, 16), np.zeros((1, 1)), 0.02),
}
arrays = {}
for name, (a, b, c, d, step) in cases.items():
    arrays |= {f"{name}_a": a, f"{name}_b": b, f"{name}_c": c, f"{name}_d": d, f"{name}_step": step}
    for rule, options in RULES.items():
        ad, bd, *_ = signal.cont2discrete((a, b, c, d), step, **options)
        arrays |= {f"{name}_{rule}_a": ad, f"{name}_{rule}_b": bd}
save_lti("discretisation", arrays)

# The same held input in SciPy's continuous simulation (one that holds its input) and in its recurrence.
a, b, c, d = system(5, 2, 3, rate=0.2)
step, length = 0.1, 200
u, initial = random.randn(length, 2), random.randn(5)
# lsim's input at t_k is held until t_{k+1}; its output there comes before the next row of u acts, except for D u.
held = np.vstack([u, np.zeros((1, 2))])
_, _, states = signal.lsim((a, b, c, np.zeros_like(d)), held, step * np.arange(length + 1), X0=initial, interp=False)
ad, bd, *_ = signal.cont2discrete((a, b, c, d), step)
# x_k is dlsim's s_{k+1}, so its C and D are those of the form that answers a step later.
_, outputs, delayed = signal.dlsim((ad, bd, c @ ad, c @ bd + d, step), u, x0=initial)
_, from_rest, _ = signal.dlsim((ad, bd, c @ ad, c @ bd + d, step), u)
_, impulse = signal.dimpulse((ad, bd, c @ ad, c @ bd, step), n=length)
save_lti(
    "views",
    {
        "a": a,
        "b": b,
        "c": c,
        "d": d,
        "step": step,
        "u": u,
        "initial": initial,
        "states": states[1:],
        "outputs": outputs,
        "outputs_from_rest": from_rest,
        # (length, outputs, inputs).
        "kernel": np.stack(impulse, axis=2),
        "spectral_radius": np.abs(np.linalg.eigvals(ad)).max(),
        "spectral_abscissa": np.linalg.eigvals(a).real.max(),
    },
)

arrays = {}
for name, taps, length, channels in [("equal", 37, 37, 3), ("short_kernel", 5, 100, 9), ("long_kernel", 64, 20, 1), ("long", 1000, 1000, 2)]:
    kernels, u = random.randn(channels, taps), random.randn(length, channels)
    y = np.stack([signal.fftconvolve(u[:, i], kernels[i])[:length] for i in range(channels)], axis=1)
    direct = np.stack([np.convolve(u[:, i], kernels[i])[:length] for i in range(channels)], axis=1)
    shared = signal.fftconvolve(u, kernels[:1].T, axes=0)[:length]
    arrays |= {f"{name}_kernels": kernels, f"{name}_u": u, f"{name}_y": y, f"{name}_direct": direct, f"{name}_shared": shared}
save_lti("convolution", arrays)
