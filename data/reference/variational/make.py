"""scikit-learn's variational mixtures; a Bayesian logistic regression by NumPyro's SVI, by exact bounds and by quadrature."""

import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import scipy
import sklearn
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

jax.config.update("jax_enable_x64", True)
SEED, POINTS, COMPONENTS = 20261121, 150, 4
random = np.random.RandomState(SEED)


class FromResponsibilities(BayesianGaussianMixture):
    """Its first M step is made of given responsibilities."""

    def _initialize_parameters(self, X, random_state, xp=None):
        self._initialize(X, start)


group = random.choice(3, size=POINTS, p=[0.5, 0.3, 0.2])
shape = random.normal(size=(3, 3, 3)) / 2 + np.eye(3)
x = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 1.0], [0.0, 4.0, -1.0]])[group]
x = x + np.einsum("nij,nj->ni", shape[group], random.normal(size=x.shape))
start = random.dirichlet(np.full(COMPONENTS, 0.5), POINTS)
root = random.normal(size=(3, 3))
given = {
    "weight_concentration_prior": 2.5,
    "mean_precision_prior": 0.3,
    "mean_prior": np.array([1.0, -1.0, 0.5]),
    "degrees_of_freedom_prior": 4.5,
    "covariance_prior": root @ root.T + np.eye(3),
}
for case, prior in [("mixture_default", {}), ("mixture_prior", given)]:
    mixture = FromResponsibilities(
        n_components=COMPONENTS,
        weight_concentration_prior_type="dirichlet_distribution",
        max_iter=20,
        tol=0.0,
        # Added to every scatter otherwise, which belongs to no prior.
        reg_covar=0.0,
        **prior,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(x)
    save(
        "variational",
        case,
        {
            "x": x,
            "start": start,
            "prior_concentration": mixture.weight_concentration_prior_,
            "prior_mean_precision": mixture.mean_precision_prior_,
            "prior_mean": mixture.mean_prior_,
            "prior_degrees": float(mixture.degrees_of_freedom_prior_),
            "prior_scale": mixture.covariance_prior_,
            "concentration": mixture.weight_concentration_,
            "mean_precision": mixture.mean_precision_,
            "mean": mixture.means_,
            "degrees": mixture.degrees_of_freedom_,
            "scale": mixture.covariances_ * mixture.degrees_of_freedom_[:, None, None],
            "responsibilities": mixture.predict_proba(x),
            "weight": mixture.weights_,
            "lower_bounds": np.array(mixture.lower_bounds_),
        },
        sklearn=sklearn.__version__,
        seed=SEED,
    )

# Few points, so that the posterior is far from a Gaussian one.
PRIOR_SD, OBSERVATIONS, RUNS, STEPS = 2.5, 12, 16, 6000
design = np.column_stack([np.ones(OBSERVATIONS), random.normal(size=OBSERVATIONS)])
labels = (random.uniform(size=OBSERVATIONS) < 1 / (1 + np.exp(-design @ [0.5, 2.0]))).astype(float)
signs = 2 * labels - 1


def log_joint(z):
    return jnp.sum(jax.nn.log_sigmoid(signs * (z @ design.T)), -1) + jnp.sum(dist.Normal(0.0, PRIOR_SD).log_prob(z), -1)


# The posterior's moments, by the trapezoidal rule on a grid that holds all of it.
axis = [np.linspace(-12.0, 14.0, 2001), np.linspace(-12.0, 22.0, 2001)]
grid = np.stack(np.meshgrid(*axis, indexing="ij"), -1).reshape(-1, 2)
log_density = np.asarray(log_joint(grid))
weight = np.exp(log_density - log_density.max())
cell = (axis[0][1] - axis[0][0]) * (axis[1][1] - axis[1][0])
log_evidence = np.log(weight.sum() * cell) + log_density.max()
weight /= weight.sum()
mean = weight @ grid
covariance = (weight[:, None] * (grid - mean)).T @ (grid - mean)

mode = minimize(lambda z: -log_joint(z), np.zeros(2), jac=jax.grad(lambda z: -log_joint(z)), options={"gtol": 1e-10}).x
laplace = np.linalg.inv(-jax.hessian(log_joint)(mode))

# The bound itself: the likelihood of a point depends on z by one normal number, so that Gauss and Hermite's rule is exact.
nodes, gauss = np.polynomial.hermite_e.hermegauss(80)
gauss = gauss / gauss.sum()


def lower(parameters):
    triangle = jnp.diag(jnp.exp(parameters[2:4]))
    return triangle.at[1, 0].set(parameters[4]) if len(parameters) == 5 else triangle


def bound(parameters):
    center, triangle = parameters[:2], lower(parameters)
    eta = (design @ center)[:, None] + jnp.linalg.norm(design @ triangle, axis=1)[:, None] * nodes
    likelihood = jnp.sum(jax.nn.log_sigmoid(signs[:, None] * eta) @ gauss)
    squares = jnp.sum(center**2) + jnp.sum(triangle**2)
    prior = -0.5 * squares / PRIOR_SD**2 - jnp.log(2 * jnp.pi * PRIOR_SD**2)
    return likelihood + prior + jnp.log(2 * jnp.pi) + 1.0 + jnp.sum(parameters[2:4])


def observed():
    z = numpyro.sample("z", dist.Normal(0.0, PRIOR_SD).expand([2]).to_event(1))
    numpyro.sample("y", dist.Bernoulli(logits=design @ z).to_event(1), obs=labels)


def numpyro_run(kind, seed):
    """Mean and standard deviations at the end of one run."""
    guide = (AutoMultivariateNormal if kind == "full" else AutoNormal)(observed)
    schedule = lambda step: 0.02 * (1.0 - step / STEPS)
    svi = SVI(observed, guide, numpyro.optim.Adam(schedule), Trace_ELBO(num_particles=20, vectorize_particles=True))
    found = svi.run(jax.random.PRNGKey(seed), STEPS, progress_bar=False).params
    if kind == "full":
        triangle = found["auto_scale_tril"]
        return np.concatenate([found["auto_loc"], np.linalg.norm(triangle, axis=1)])
    return np.concatenate([found["z_auto_loc"], found["z_auto_scale"]])


arrays = {
    "design": design,
    "labels": labels,
    "prior_sd": PRIOR_SD,
    "log_evidence": log_evidence,
    "mean": mean,
    "covariance": covariance,
    "mode": mode,
    "laplace": laplace,
}
for kind, size in [("diagonal", 4), ("full", 5)]:
    best = minimize(lambda p: -bound(p), np.zeros(size), jac=jax.grad(lambda p: -bound(p)), options={"gtol": 1e-9})
    triangle = np.asarray(lower(best.x))
    runs = np.array([numpyro_run(kind, seed) for seed in range(RUNS)])
    arrays |= {
        f"{kind}_mean": best.x[:2],
        f"{kind}_covariance": triangle @ triangle.T,
        f"{kind}_elbo": -best.fun,
        f"{kind}_numpyro": runs.mean(axis=0),
        f"{kind}_numpyro_error": runs.std(axis=0, ddof=1) / np.sqrt(RUNS),
    }
save(
    "variational",
    "logistic",
    arrays,
    jax=jax.__version__,
    numpyro=numpyro.__version__,
    scipy=scipy.__version__,
    seed=SEED,
)
