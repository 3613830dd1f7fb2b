"""scikit-learn's naive Bayes: Gaussian on iris, the discrete ones on iris cut into pieces and on drawn counts."""

import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261124
x, y = load_iris(return_X_y=True)
random = np.random.RandomState(SEED)
words = random.poisson(random.gamma(1.0, 2.0, (3, 7))[y]).astype(float)
pieces = np.column_stack([np.digitize(column, np.quantile(column, [0.25, 0.5, 0.75])) for column in x.T])
above = (x > x.mean(axis=0)).astype(float)

for case, model, samples in [
    ("gaussian", GaussianNB(), x),
    ("gaussian_smooth", GaussianNB(var_smoothing=0.1), x),
    ("categorical", CategoricalNB(alpha=0.7), pieces),
    ("bernoulli", BernoulliNB(alpha=0.3), above),
    ("multinomial", MultinomialNB(alpha=1.5), words),
]:
    # Two of three rows, so that what is asked of was not all seen.
    train = np.arange(len(y)) % 3 < 2
    model.fit(samples[train], y[train])
    save(
        "bayes",
        case,
        {
            "x": samples,
            "train": train.astype(int),
            "joint": model.predict_joint_log_proba(samples),
            "log_probability": model.predict_log_proba(samples),
            "predicted": model.predict(samples),
        },
        sklearn=sklearn.__version__,
        seed=SEED,
    )
