"""SciPy's densities, entropies and fits of the exponential families, and its predictive distributions."""

import sys
from pathlib import Path

import numpy as np
import scipy
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261122


def family(case, parameters, x, log_density, entropy, **more):
    save(
        "expfam",
        case,
        {"parameters": np.array(parameters, float), "x": x, "log_density": log_density, "entropy": entropy, **more},
        scipy=scipy.__version__,
        seed=SEED,
    )


random = np.random.RandomState(SEED)
coin = stats.bernoulli(0.3)
x = np.array([0.0, 1.0, 1.0])
family("bernoulli", [0.3], x, coin.logpmf(x), coin.entropy())

p = np.array([0.1, 0.2, 0.3, 0.4])
x = np.eye(4)[[3, 0, 1, 2, 2]]
family("categorical", p, x, stats.multinomial(1, p).logpmf(x), stats.entropy(p))

# scipy.stats.poisson.entropy is off by 2.5e-3 at 9999, where it warns that its sum did not converge; so the sum itself.
rates = np.array([0.01, 0.7, 4.0, 30.0, 800.0, 9999.0, 10001.0])
support = [np.arange(0, int(rate + 20 * np.sqrt(rate) + 60)) for rate in rates]
poisson_entropy = np.array([special.entr(stats.poisson.pmf(k, rate)).sum() for k, rate in zip(support, rates)])
x = np.array([0.0, 1.0, 3.0, 11.0, 40.0])
family("poisson", [3.5], x, stats.poisson(3.5).logpmf(x), stats.poisson(3.5).entropy(), rates=rates, entropies=poisson_entropy)

x = random.normal(3.0, 2.0, 25)
loc, scale = stats.norm.fit(x)
family("gaussian", [1.0, 2.5], x, stats.norm(1.0, np.sqrt(2.5)).logpdf(x), stats.norm(1.0, np.sqrt(2.5)).entropy(), fit=np.array([loc, scale**2]))

mean, factor = np.array([1.0, -2.0, 0.5]), random.normal(size=(3, 3))
sigma = factor @ factor.T + np.eye(3)
x = random.multivariate_normal(mean, sigma, 20)
normal = stats.multivariate_normal(mean, sigma)
fit_mean, fit_covariance = stats.multivariate_normal.fit(x)
family("multivariate", mean, x, normal.logpdf(x), normal.entropy(), covariance=sigma, fit_mean=fit_mean, fit_covariance=fit_covariance)

x = random.gamma(2.3, 1 / 1.7, 60)
shape, _, scale = stats.gamma.fit(x, floc=0)
gamma = stats.gamma(2.3, scale=1 / 1.7)
shapes = np.geomspace(1e-6, 1e8, 57)
family(
    "gamma", [2.3, 1.7], x, gamma.logpdf(x), gamma.entropy(), fit=np.array([shape, 1 / scale]),
    shapes=shapes, digamma=special.digamma(shapes), trigamma=special.polygamma(1, shapes),
)

x = random.beta(0.7, 3.1, 60)
a, b, _, _ = stats.beta.fit(x, floc=0, fscale=1)
beta = stats.beta(0.7, 3.1)
family("beta", [0.7, 3.1], x, beta.logpdf(x), beta.entropy(), fit=np.array([a, b]))

alpha = np.array([0.6, 2.0, 5.5])
x = random.dirichlet(alpha, 40)
dirichlet = stats.dirichlet(alpha)
family("dirichlet", alpha, x, np.array([dirichlet.logpdf(row) for row in x / x.sum(axis=1, keepdims=True)]), dirichlet.entropy())

# What is to come, and what came, by SciPy's compound distributions.
throws = random.randint(0, 2, 12).astype(float)
counts = random.poisson(3.0, 15).astype(float)
labels = random.randint(0, 3, 14)
numbers = random.normal(2.0, 1.5, 9)
vectors = random.multivariate_normal([1.0, 2.0], [[2.0, 0.6], [0.6, 1.0]], 8)
k, beta_ = 2.5, 0.8
m, kappa, a, b = 0.5, 1.5, 2.0, 3.0
nig_scale = np.sqrt(b * (kappa + 1) / (a * kappa))
mw, kw, nu, psi = np.array([0.0, 1.0]), 0.7, 4.5, np.array([[2.0, 0.3], [0.3, 1.5]])
ones, n = throws.sum(), len(throws)
alpha = np.array([0.5, 1.0, 2.5])
seen = np.bincount(labels, minlength=3)
# log p(sequence): of the counts, less the number of orders that have them.
binomial = stats.betabinom(n, 1.5, 2.5).logpmf(ones) - np.log(special.comb(n, ones))
orders = special.gammaln(len(labels) + 1) - special.gammaln(seen + 1).sum()
multinomial = stats.dirichlet_multinomial(alpha, len(labels)).logpmf(seen) - orders
save(
    "expfam",
    "conjugate",
    {
        "throws": throws, "throws_evidence": binomial,
        "labels": labels, "alpha": alpha, "labels_evidence": multinomial,
        "counts": counts, "gamma": np.array([k, beta_]),
        "counts_predictive": stats.nbinom(k, beta_ / (beta_ + 1)).logpmf(counts),
        "numbers": numbers, "nig": np.array([m, kappa, a, b]),
        "numbers_predictive": stats.t(2 * a, m, nig_scale).logpdf(numbers),
        # Given σ² the numbers are jointly Gaussian with covariance σ² (1 + 11ᵀ/κ): a multivariate t.
        "numbers_evidence": stats.multivariate_t(
            np.full(9, m), b / a * (np.eye(9) + np.ones((9, 9)) / kappa), 2 * a
        ).logpdf(numbers),
        "vectors": vectors, "niw_mean": mw, "niw": np.array([kw, nu]), "niw_scale": psi,
        "vectors_predictive": stats.multivariate_t(mw, psi * (kw + 1) / (kw * (nu - 1)), nu - 1).logpdf(vectors),
    },
    scipy=scipy.__version__,
    seed=SEED,
)
