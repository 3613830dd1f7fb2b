"""ArviZ's answers: what the draws of chains are worth, and whether the chains agree. SciPy's: one Bayesian regression, by quadrature."""

import sys
from pathlib import Path

import arviz
import numpy as np
import scipy
from scipy.integrate import dblquad

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261203


def autoregression(random, chains, draws, phi):
    """Stationary, of variance 1."""
    x = np.empty((chains, draws))
    x[:, 0] = random.normal(size=chains)
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * random.normal(size=chains)
    return x


def walk(random, chains, draws):
    """Random-walk Metropolis on a normal distribution: many draws are the same as those before them."""
    x = np.empty((chains, draws))
    for c in range(chains):
        now = random.normal()
        for t in range(draws):
            candidate = now + 2.4 * random.normal()
            if np.log(random.uniform()) < (now**2 - candidate**2) / 2:
                now = candidate
            x[c, t] = now
    return x


random = np.random.RandomState(SEED)
CASES = {
    "independent": random.normal(size=(4, 100)),
    "sticky": autoregression(random, 4, 250, 0.9),
    "alternating": autoregression(random, 4, 200, -0.6),
    "refused": walk(random, 4, 200),
    "cauchy": random.standard_cauchy(size=(4, 150)),
    "shifted": random.normal(size=(3, 100)) + np.array([[0.0], [0.3], [1.0]]),
    "scaled": random.normal(size=(4, 100)) * np.array([[1.0], [1.0], [1.0], [3.0]]),
    "counts": random.poisson(3.0, size=(4, 120)).astype(float),
    "odd": autoregression(random, 2, 101, 0.5),
    "short": random.normal(size=(2, 4)),
    "five": random.normal(size=(3, 5)),
    "drift": np.cumsum(random.normal(size=(2, 60)), axis=1),
    "alone": autoregression(random, 1, 300, 0.7),
}
for case, x in CASES.items():
    arrays = {
        "draws": x,
        "ess_mean": arviz.ess(x, method="mean"),
        "ess_bulk": arviz.ess(x, method="bulk"),
        "ess_tail": float(arviz.ess(x, method="tail")),
        "mcse": arviz.mcse(x, method="mean"),
        "quantiles": np.quantile(x, [0.0, 0.05, 0.5, 0.95, 1.0]),
    }
    # ArviZ has no R̂ of one chain, though it is one of the chain's halves: given as two chains, cut once, and not again.
    if len(x) > 1:
        arrays["r_hat"] = arviz.rhat(x, method="rank")
        arrays["r_hat_split"] = arviz.rhat(x, method="split")
    else:
        arrays["r_hat_split"] = arviz.rhat(x.reshape(2, -1), method="identity")
    save("mcmc", case, arrays, arviz=arviz.__version__, scipy=scipy.__version__, seed=SEED)

# Logistic regression with a N(0, 2²) prior on intercept and slope: the posterior's moments by adaptive quadrature.
inputs = random.normal(size=12)
outputs = (random.uniform(size=12) < 1 / (1 + np.exp(-(0.5 + 1.5 * inputs)))).astype(float)


def density(slope, intercept):
    scores = intercept + slope * inputs
    return np.exp(np.sum(outputs * scores - np.logaddexp(0, scores)) - (intercept**2 + slope**2) / 8)


def moment(f):
    return dblquad(lambda b, a: f(a, b) * density(b, a), -14, 14, -14, 14, epsabs=1e-12, epsrel=1e-11)[0]


total = moment(lambda a, b: 1.0)
mean = np.array([moment(lambda a, b: a), moment(lambda a, b: b)]) / total
square = np.array([moment(lambda a, b: a * a), moment(lambda a, b: b * b)]) / total
product = moment(lambda a, b: a * b) / total
save(
    "mcmc",
    "logistic",
    {
        "inputs": inputs,
        "outputs": outputs,
        "mean": mean,
        "variance": square - mean**2,
        "covariance": product - mean[0] * mean[1],
    },
    scipy=scipy.__version__,
    seed=SEED,
)
