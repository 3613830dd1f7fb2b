"""statsmodels' GLMs (coefficients, errors, deviance, likelihood), and scikit-learn's penalised ones."""

import sys
from pathlib import Path

import numpy as np
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, SAMPLES, PENALTY = 20261123, 120, 3.0
families = {
    "bernoulli": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gaussian": sm.families.Gaussian(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}
penalised = {
    "bernoulli": LogisticRegression(C=1 / PENALTY, tol=1e-12, max_iter=10_000, solver="newton-cholesky"),
    "poisson": PoissonRegressor(alpha=PENALTY / SAMPLES, tol=1e-12, max_iter=10_000, solver="newton-cholesky"),
    "gaussian": Ridge(alpha=PENALTY, tol=1e-14),
    "gamma": GammaRegressor(alpha=PENALTY / SAMPLES, tol=1e-12, max_iter=10_000, solver="newton-cholesky"),
}


def draw(random, case, eta):
    if case == "bernoulli":
        return (random.uniform(size=SAMPLES) < 1 / (1 + np.exp(-eta))).astype(float)
    if case == "poisson":
        return random.poisson(np.exp(eta)).astype(float)
    if case == "gaussian":
        return eta + random.normal(size=SAMPLES)
    return random.gamma(3.0, np.exp(eta) / 3.0)


for case, family in families.items():
    random = np.random.RandomState(SEED)
    x = random.normal(size=(SAMPLES, 3)) * [1.0, 0.3, 2.0] + [0.0, 1.0, -1.0]
    offset, weights = random.uniform(-0.5, 0.5, SAMPLES), random.uniform(0.5, 3.0, SAMPLES)
    y = draw(random, case, 0.3 + x @ [0.8, -1.0, 0.4] + offset)
    design = sm.add_constant(x)
    arrays = {"x": x, "y": y, "offset": offset, "weights": weights}
    runs = {"plain": {}, "full": {"offset": offset, "var_weights": weights}}
    for name, options in runs.items():
        result = sm.GLM(y, design, family=family, **options).fit(tol=1e-15, tol_criterion="params", maxiter=200)
        arrays |= {
            f"{name}_coefficients": result.params,
            f"{name}_standard_errors": result.bse,
            f"{name}_deviance": result.deviance,
            f"{name}_dispersion": result.scale,
            # At the estimated scale. `result.llf` of a Gaussian is at deviance / n instead.
            f"{name}_log_likelihood": family.loglike(
                y, result.mu, var_weights=options.get("var_weights", np.ones(SAMPLES)), scale=result.scale
            ),
            f"{name}_fitted": result.mu,
        }
    ridge = penalised[case].fit(x, y)
    arrays["penalised_coefficients"] = np.append(ridge.intercept_, ridge.coef_)
    save(
        "glm", case, arrays, penalty=PENALTY, seed=SEED,
        statsmodels=statsmodels.__version__, sklearn=sklearn.__version__,
    )
