"""scikit-learn's k-means and Gaussian mixtures from given starts; SciPy's likelihood maximum where entries are missing."""

import sys
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, POINTS = 20261121, 400
random = np.random.RandomState(SEED)
group = random.choice(3, size=POINTS, p=[0.5, 0.3, 0.2])
shape = random.normal(size=(3, 3, 3)) / 2 + np.eye(3)
x = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 3.0, -1.0]])[group]
x = x + np.einsum("nij,nj->ni", shape[group], random.normal(size=x.shape))
centres = x[[0, 1, 2]]

clusters = KMeans(3, init=centres, n_init=1, tol=0.0, algorithm="lloyd", max_iter=300).fit(x)
save(
    "mixture",
    "kmeans",
    {
        "x": x,
        "start": centres,
        "centres": clusters.cluster_centers_,
        "labels": clusters.labels_,
        "inertia": clusters.inertia_,
    },
    sklearn=sklearn.__version__,
    seed=SEED,
)

weight, mean = np.array([0.4, 0.3, 0.3]), np.array([[0.5, 0.5, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
precisions = {"full": np.tile(np.eye(3), (3, 1, 1)), "tied": np.eye(3), "diag": np.ones((3, 3)), "spherical": np.ones(3)}
for kind, precision in precisions.items():
    for ridge in [0.0, 1e-2]:
        mixture = GaussianMixture(
            3,
            covariance_type=kind,
            tol=0.0,
            reg_covar=ridge,
            max_iter=20,
            weights_init=weight,
            means_init=mean,
            precisions_init=precision,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(x)
        save(
            "mixture",
            f"{kind}_ridge" if ridge else kind,
            {
                "x": x,
                "start_weight": weight,
                "start_mean": mean,
                "start_covariance": precision,
                "weight": mixture.weights_,
                "mean": mixture.means_,
                "covariance": mixture.covariances_,
                "log_density": mixture.score_samples(x),
                "responsibilities": mixture.predict_proba(x),
                "bic": mixture.bic(x),
                "aic": mixture.aic(x),
            },
            sklearn=sklearn.__version__,
            seed=SEED,
        )

# A plane Gaussian, a third of whose second coordinates are missing where the first is large.
plane = random.multivariate_normal([1.0, -1.0], [[2.0, 1.2], [1.2, 1.5]], size=60)
plane[(plane[:, 0] > 1.0) & (random.uniform(size=60) < 0.7), 1] = np.nan
plane[:3, 0] = np.nan
plane = plane[~np.isnan(plane).all(axis=1)]


def deviance(parameters):
    """Minus the log-likelihood of what was observed; the covariance by its Cholesky factor."""
    lower = np.array([[np.exp(parameters[2]), 0.0], [parameters[3], np.exp(parameters[4])]])
    sigma, total = lower @ lower.T, 0.0
    for row in plane:
        seen = ~np.isnan(row)
        total -= multivariate_normal(parameters[:2][seen], sigma[np.ix_(seen, seen)]).logpdf(row[seen])
    return total


best = minimize(deviance, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
best = minimize(deviance, best.x, method="Nelder-Mead", options={"xatol": 1e-11, "fatol": 1e-13, "maxiter": 10_000})
lower = np.array([[np.exp(best.x[2]), 0.0], [best.x[3], np.exp(best.x[4])]])
save(
    "mixture",
    "missing",
    {
        # No NaN in a reference file: a mask beside.
        "x": np.nan_to_num(plane),
        "missing": np.isnan(plane).astype(int),
        "mean": best.x[:2],
        "covariance": lower @ lower.T,
        "log_likelihood": -best.fun,
    },
    scipy=scipy.__version__,
    seed=SEED,
)
