"""HiPPO anew from its definition: matrices by quadrature of the polynomials, memories by SciPy's solvers, in double precision."""

import sys
from pathlib import Path

import numpy as np
import scipy
from numpy.polynomial import Legendre
from scipy import linalg, signal, special

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, N, L = 20261122, 8, 60
random = np.random.RandomState(SEED)
VERSIONS = {"scipy": scipy.__version__, "seed": SEED}

nodes, weights = special.roots_legendre(40)
nodes, weights = (nodes + 1) / 2, weights / 2  # on [0, 1], which is x/t or 1 - s/θ


def polynomials(order, derivative=0):
    """Orthonormal Legendre polynomials on [0, 1] and their derivatives."""
    return [np.sqrt(2 * n + 1) * Legendre.basis(n, domain=[0, 1]).deriv(derivative) for n in range(order)]


def inner(f, g):
    return np.sum(weights * f(nodes) * g(nodes))


def legs(order):
    """c_n(t) = ∫ f(tx) p_n(x) dx, so t c_n' = f(t) p_n(1) - ∫ f(tx) (x p_n)' dx, and (x p_n)' is a combination of the p_k."""
    p, dp = polynomials(order), polynomials(order, 1)
    a = -np.array([[inner(lambda x: p[n](x) + x * dp[n](x), p[k]) for k in range(order)] for n in range(order)])
    return a, np.array([p[n](1) for n in range(order)])


def legt(order, window):
    """As above over [t - θ, t]: θ c_n' = f(t) p_n(1) - f(t - θ) p_n(0) - ∫ f p_n' with f(t - θ) ≈ Σ c_k p_k(0)."""
    p, dp = polynomials(order), polynomials(order, 1)
    a = -np.array([[p[n](0) * p[k](0) + inner(dp[n], p[k]) for k in range(order)] for n in range(order)])
    return a / window, np.array([p[n](1) for n in range(order)]) / window


def lagt(order, timescale, tilt):
    """φ_n(s) = L_n(s) exp(-(1+β)s/2), c_n = ∫ f(t-s) φ_n(s) ds: c_n' = f(t) φ_n(0) + ∫ f φ_n', L_n' = Σ_k L_k ∫ L_n' L_k e^{-s}."""
    s, w = special.roots_laguerre(60)
    a = np.zeros((order, order))
    for n in range(order):
        for k in range(order):
            slope = np.polyval(np.polyder(special.laguerre(n).coef), s) if n else 0 * s
            a[n, k] = np.sum(w * slope * special.eval_laguerre(k, s))
    a -= (1 + tilt) / 2 * np.eye(order)
    return a / timescale, np.ones(order) / timescale


WINDOW, TIMESCALE, TILT = 0.7, 1.3, 0.25
f = np.cumsum(random.randn(L)) / 5
arrays = {"f": f, "window": WINDOW, "timescale": TIMESCALE, "tilt": TILT, "step": 0.02}
ages = np.array([0.0, 0.1, 0.33, 0.7])
for name, (a, b) in {"legs": legs(N), "legt": legt(N, WINDOW), "lagt": lagt(N, TIMESCALE, TILT)}.items():
    arrays[f"{name}_a"], arrays[f"{name}_b"] = a, b
    if name == "legs":
        continue
    if name == "legt":
        looks = np.array([[p(1 - s / WINDOW) for p in polynomials(N)] for s in ages])
    else:
        s = ages / TIMESCALE
        looks = special.eval_laguerre(np.arange(N), s[:, None]) * np.exp(-(1 - TILT) / 2 * s)[:, None]
    arrays[f"{name}_basis"] = looks
    abar, bbar, *_ = signal.cont2discrete((a, b[:, None], looks, np.zeros((len(ages), 1))), 0.02, "zoh")
    state, seen = np.zeros(N), []
    for value in f:
        state = abar @ state + bbar[:, 0] * value
        seen.append(looks @ state)
    arrays[f"{name}_seen"] = seen
arrays["ages"] = ages

# LegS's memory: the paper's two updates, by dense solves.
a, b = legs(N)
for name, alpha, start in [("euler", 0.0, 0), ("bilinear", 0.5, 0), ("centred", 0.5, 0.5)]:
    c = np.zeros(N)
    if name == "centred":
        c[0] = f[0]
    history = []
    for k, value in enumerate(f, start=1):
        h = 1 / (k - start)
        c = linalg.solve(np.eye(N) - alpha * h * a, (np.eye(N) + (1 - alpha) * h * a) @ c + h * b * value)
        history.append(c)
    arrays[f"legs_{name}"] = history
# The exact projection of the step function with those values, by integrating each polynomial over each step.
exact = []
for k in range(1, L + 1):
    primitives = [p.integ() for p in polynomials(N)]
    edges = np.arange(k + 1) / k
    exact.append([np.sum(f[:k] * np.diff(q(edges))) for q in primitives])
arrays["legs_steps"] = exact
save("hippo", "memories", arrays, **VERSIONS)

# A band-limited signal of 1000 samples, remembered by 32 coefficients.
t = (np.arange(1000) + 0.5) / 1000
signal_ = sum(a * np.sin(2 * np.pi * w * t + p) for a, w, p in zip(random.randn(5), range(1, 6), 6 * random.rand(5))) / 2
a, b = legs(32)
c = np.zeros(32)
for k, value in enumerate(signal_, start=1):
    c = linalg.solve(np.eye(32) - a / (2 * k), (np.eye(32) + a / (2 * k)) @ c + b * value / k)
looks = np.array([p(t) for p in polynomials(32)]).T
# The best that 32 polynomials can do, by least squares.
best = looks @ linalg.lstsq(looks, signal_)[0]
rmse = lambda x: np.sqrt(np.mean((x - signal_) ** 2))
save("hippo", "long", {"f": signal_, "coefficients": c, "rmse": rmse(looks @ c), "best_rmse": rmse(best)}, **VERSIONS)
print(rmse(looks @ c), rmse(best))
