"""The likelihood of 20,000 observations in statsmodels' Kalman filter, which keeps nothing else."""

import numpy as np
import statsmodels
from statsmodels.tsa.statespace.kalman_filter import MEMORY_CONSERVE, KalmanFilter
from workload import Workload


def local_level():
    return [0.0], [[10.0]], [[1.0]], [[0.1]], [[1.0]], [[1.0]]


def tracking():
    """Positions and velocities in the plane, a time step of 1, acceleration as white noise of density 0.1."""
    transition = np.eye(4)
    transition[[0, 1], [2, 3]] = 1
    noise = 0.1 * np.kron([[1 / 3, 1 / 2], [1 / 2, 1]], np.eye(2))
    return np.zeros(4), 10 * np.eye(4), transition, noise, np.eye(4)[:2], np.eye(2)


def make(model):
    mean, covariance, transition, process_noise, design, noise = map(np.array, model())
    y = np.cumsum(np.random.RandomState(1).normal(size=(20_000, len(noise))), axis=0)
    filter = KalmanFilter(len(noise), len(mean), loglikelihood_burn=0)
    filter.bind(y)
    filter["transition"], filter["state_cov"], filter["selection"] = transition, process_noise, np.eye(len(mean))
    filter["design"], filter["obs_cov"] = design, noise
    filter.initialize_known(mean, covariance)
    filter.memory_conserve = MEMORY_CONSERVE
    return lambda: [filter.loglike()]


def workload(name, model):
    # statsmodels takes its covariance for settled sooner, which moves the sum by 2e-5; with `tolerance = 0` it agrees to 1e-10.
    version = statsmodels.__version__
    return Workload(name, "statsmodels", version, target=5, tolerance=1e-3, make=lambda: make(model))


WORKLOADS = [workload("local_level", local_level), workload("tracking", tracking)]
