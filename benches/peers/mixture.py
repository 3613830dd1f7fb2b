"""Gaussian mixtures in scikit-learn: three iterations of EM with full covariances."""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from workload import Workload

warnings.simplefilter("ignore", ConvergenceWarning)


def make(points, dimensions, components):
    random = np.random.RandomState(1)
    mean = 3 * random.normal(size=(components, dimensions))
    x = random.normal(size=(points, dimensions)) + mean[np.arange(points) % components]
    start = {
        "weights_init": np.full(components, 1 / components),
        "means_init": 0.8 * mean,
        "precisions_init": np.tile(np.eye(dimensions) / 2, (components, 1, 1)),
    }
    return lambda: np.ravel(GaussianMixture(components, tol=0.0, reg_covar=0.0, max_iter=3, **start).fit(x).means_)


def workload(name, *sizes):
    return Workload(name, "scikit-learn", sklearn.__version__, target=5, tolerance=1e-9, make=lambda: make(*sizes))


WORKLOADS = [workload("full_50k_8_8", 50_000, 8, 8), workload("full_1M_2_5", 1_000_000, 2, 5)]
