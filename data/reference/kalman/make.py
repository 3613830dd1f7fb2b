"""statsmodels', filterpy's and pykalman's answers about linear-Gaussian states: filter, smoother, likelihood, EM, the Nile."""

import importlib.metadata
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.linalg
import statsmodels
import statsmodels.api as sm
from filterpy.kalman import KalmanFilter as Filterpy
from pykalman import KalmanFilter as Pykalman
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

warnings.simplefilter("ignore")
SEED, STATES, OBSERVED = 20261122, 3, 2
STATSMODELS = {"statsmodels": statsmodels.__version__}


def covariance(random, n):
    root = random.randn(n, n)
    return root @ root.T + 0.1 * np.eye(n)


def system(random, offsets=True):
    """A stable system: F turns and shrinks."""
    rotation, _ = np.linalg.qr(random.randn(STATES, STATES))
    return {
        "initial_mean": random.randn(STATES),
        "initial_covariance": covariance(random, STATES),
        "transition": 0.95 * rotation,
        "transition_offset": offsets * random.randn(STATES),
        "process_noise": covariance(random, STATES),
        "observation": random.randn(OBSERVED, STATES),
        "observation_offset": offsets * random.randn(OBSERVED),
        "observation_noise": covariance(random, OBSERVED),
    }


def simulate(random, model, length):
    draw = lambda covariance: np.linalg.cholesky(covariance) @ random.randn(len(covariance))
    state = model["initial_mean"] + draw(model["initial_covariance"])
    y = []
    for _ in range(length):
        y.append(model["observation"] @ state + model["observation_offset"] + draw(model["observation_noise"]))
        state = model["transition"] @ state + model["transition_offset"] + draw(model["process_noise"])
    return np.array(y)


def in_statsmodels(model, y):
    smoother = KalmanSmoother(k_endog=OBSERVED, k_states=STATES, k_posdef=STATES)
    smoother.bind(np.array(y, order="C"))
    smoother["design"], smoother["obs_intercept"] = model["observation"], model["observation_offset"]
    smoother["obs_cov"], smoother["transition"] = model["observation_noise"], model["transition"]
    smoother["state_intercept"], smoother["selection"] = model["transition_offset"], np.eye(STATES)
    smoother["state_cov"] = model["process_noise"]
    smoother.initialize_known(model["initial_mean"], model["initial_covariance"])
    return smoother


def times_first(array):
    return np.moveaxis(array, -1, 0)


random = np.random.RandomState(SEED)
for case in ["complete", "missing"]:
    model = system(random)
    y = simulate(random, model, 40)
    if case == "missing":
        # Single entries, rows, and both the first and the last row.
        y[random.rand(*y.shape) < 0.25] = np.nan
        y[[0, 10, 11, 12, 39]] = np.nan
    smoother = in_statsmodels(model, y)
    smoother.tolerance = 0
    result = smoother.smooth()
    save(
        "kalman",
        case,
        {
            **model,
            "y": y,
            "log_likelihood": result.llf,
            "predicted_mean": times_first(result.predicted_state)[:-1],
            "predicted_covariance": times_first(result.predicted_state_cov)[:-1],
            "mean": times_first(result.filtered_state),
            "covariance": times_first(result.filtered_state_cov),
            "smoothed_mean": times_first(result.smoothed_state),
            "smoothed_covariance": times_first(result.smoothed_state_cov),
            # Cov[z_{t+1}, z_t | y]; the last has no successor.
            "cross_covariance": times_first(result.smoothed_state_autocov)[:-1],
            "forecast_mean": times_first(result.predict(40, 45).forecasts),
            "forecast_covariance": times_first(result.predict(40, 45).forecasts_error_cov),
        },
        seed=SEED,
        **STATSMODELS,
    )

# A long series, with statsmodels' own switch to a gain that stays.
model = system(random)
y = simulate(random, model, 2000)
smoother = in_statsmodels(model, y)
result = smoother.filter()
# The stabilising solution, by the eigenvectors of a pencil.
limit = scipy.linalg.solve_discrete_are(
    model["transition"].T, model["observation"].T, model["process_noise"], model["observation_noise"]
)
save(
    "kalman",
    "long",
    {**model, "y": y, "log_likelihood": result.llf, "steps_until_settled": result.period_converged, "limit": limit},
    seed=SEED,
    scipy=scipy.__version__,
    **STATSMODELS,
)

model = system(random, offsets=False)
y = simulate(random, model, 40)
peer = Filterpy(dim_x=STATES, dim_z=OBSERVED)
peer.x, peer.P, peer.F, peer.Q = model["initial_mean"], model["initial_covariance"], model["transition"], model["process_noise"]
peer.H, peer.R = model["observation"], model["observation_noise"]
log_likelihood, means, covariances = 0.0, [], []
for row in y:
    # filterpy predicts first, but z₁ ~ N(m, P) is what we have before y₁.
    peer.update(row)
    log_likelihood += peer.log_likelihood
    means.append(peer.x.copy())
    covariances.append(peer.P.copy())
    peer.predict()
smoothed, smoothed_covariance, _, _ = peer.rts_smoother(np.array(means), np.array(covariances))
save(
    "kalman",
    "filterpy",
    {
        **model,
        "y": y,
        "log_likelihood": log_likelihood,
        "mean": means,
        "covariance": covariances,
        "smoothed_mean": smoothed,
        "smoothed_covariance": smoothed_covariance,
    },
    seed=SEED,
    filterpy=importlib.metadata.version("filterpy"),
)

# EM from another system than the one that made the data; pykalman knows rows that are missing, not entries.
truth, start = system(random), system(random)
arrays = {**start}
for case in ["complete", "rows_missing"]:
    y = simulate(random, truth, 60)
    masked = np.ma.masked_invalid(y)
    if case == "rows_missing":
        masked[[0, 7, 8, 30, 59]] = np.ma.masked
        y[[0, 7, 8, 30, 59]] = np.nan
    peer = Pykalman(
        transition_matrices=start["transition"],
        observation_matrices=start["observation"],
        transition_covariance=start["process_noise"],
        observation_covariance=start["observation_noise"],
        transition_offsets=start["transition_offset"],
        observation_offsets=start["observation_offset"],
        initial_state_mean=start["initial_mean"],
        initial_state_covariance=start["initial_covariance"],
        # The offsets stay.
        em_vars=[
            "transition_matrices",
            "observation_matrices",
            "transition_covariance",
            "observation_covariance",
            "initial_state_mean",
            "initial_state_covariance",
        ],
    )
    arrays[f"{case}_y"] = y
    arrays[f"{case}_start_log_likelihood"] = peer.loglikelihood(masked)
    peer.em(masked, n_iter=20)
    arrays[f"{case}_log_likelihood"] = peer.loglikelihood(masked)
    arrays[f"{case}_initial_mean"], arrays[f"{case}_initial_covariance"] = peer.initial_state_mean, peer.initial_state_covariance
    arrays[f"{case}_transition"], arrays[f"{case}_process_noise"] = peer.transition_matrices, peer.transition_covariance
    arrays[f"{case}_observation"], arrays[f"{case}_observation_noise"] = peer.observation_matrices, peer.observation_covariance
save("kalman", "em", arrays, seed=SEED, iterations=20, pykalman=importlib.metadata.version("pykalman"))

nile = sm.datasets.nile.load_pandas().data
years, flow = nile["year"].to_numpy(float), nile["volume"].to_numpy(float)
# Durbin and Koopman's estimates, and an exactly diffuse start.
local_level = sm.tsa.UnobservedComponents(flow, "llevel", use_exact_diffuse=True)
result = local_level.smooth([15099.0, 1469.1])
save(
    "kalman",
    "nile",
    {
        "years": years,
        "flow": flow,
        "log_likelihood": result.llf,
        "filtered_mean": result.filtered_state[0],
        "filtered_variance": result.filtered_state_cov[0, 0],
        "smoothed_mean": result.smoothed_state[0],
        "smoothed_variance": result.smoothed_state_cov[0, 0],
    },
    **STATSMODELS,
)
