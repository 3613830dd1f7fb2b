"""The notes' perceptron epoch by epoch, scikit-learn's classifiers on the same split, and linear programs on separability."""

import sys
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.optimize import linprog
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Perceptron as SklearnPerceptron
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save


class Perceptron:
    """The program in the notes: one unit per class, bias as a constant first feature, argmax of the signs."""

    def __init__(self, learning_rate=0.1, num_epochs=20):
        self.learning_rate = learning_rate
        self.num_epochs = num_epochs

    def train(self, X, y):
        X = np.insert(X, 0, 1, axis=1)
        np.random.seed(42)
        self.start, self.history = [], []
        for label in sorted(set(y)):
            self.train_single(X, np.where(y == label, 1, -1))
        self.weights = [history[-1] for history in self.history]

    def train_single(self, X, y):
        weights = np.random.rand(X.shape[1])
        self.start.append(weights.copy())
        history = []
        for _ in range(self.num_epochs):
            for i in range(len(X)):
                weights += self.learning_rate * (y[i] - self.predict_single(X[i], weights)) * X[i]
            history.append(weights.copy())
        self.history.append(history)

    def predict_single(self, x, weights):
        return 1 if np.dot(x, weights) >= 0 else -1


def notes_run():
    model = Perceptron(num_epochs=30)
    model.train(X_train, y_train)
    weights = np.array(model.history).transpose(1, 0, 2)  # (epoch, class, 1 + feature)
    margins = np.einsum("ekj,ij->eik", weights, np.insert(X_test, 0, 1, axis=1))
    by_sign = np.where(margins >= 0, 1, -1).argmax(axis=2)
    by_margin = margins.argmax(axis=2)
    return {
        "start": model.start,
        "weights": weights,
        "predicted_by_sign": by_sign,
        "predicted_by_margin": by_margin,
        "accuracy_by_sign": (by_sign == y_test).mean(axis=1),
        "accuracy_by_margin": (by_margin == y_test).mean(axis=1),
        "train_rows": train_rows,
        "test_rows": test_rows,
        "y_test": y_test,
    }


def rule(X, y, epochs, eta, shuffle=None, bias=True):
    """Rosenblatt's rule from zero weights, for the options that the notes' program does not have."""
    X = np.insert(X, 0, 1 if bias else 0, axis=1)
    weights, history, errors = np.zeros(X.shape[1]), [], []
    order, state = np.arange(len(X)), np.random.RandomState(shuffle)
    for _ in range(epochs):
        if shuffle is not None:
            state.shuffle(order)
        wrong = 0
        for i in order:
            answer = 1 if X[i] @ weights >= 0 else -1
            wrong += answer != y[i]
            weights = weights + eta * (y[i] - answer) * X[i]
        history.append(weights)
        errors.append(wrong)
    return np.array(history), np.array(errors)


def variants():
    arrays = {}
    for label in range(3):
        signs = np.where(y_train == label, 1, -1)
        for name, options in {"plain": {}, "shuffled": {"shuffle": 7}, "no_bias": {"bias": False}}.items():
            weights, errors = rule(X_train, signs, 12, 0.3, **options)
            arrays[f"{name}_{label}_weights"], arrays[f"{name}_{label}_errors"] = weights, errors
    return arrays


def peers():
    arrays = {}
    model = SklearnPerceptron(eta0=0.1, max_iter=100).fit(X_train, y_train)
    arrays |= {"perceptron_coef": model.coef_, "perceptron_intercept": model.intercept_, "perceptron_n_iter": [model.n_iter_]}
    arrays |= {"perceptron_predicted": model.predict(X_test), "perceptron_accuracy": [model.score(X_train, y_train), model.score(X_test, y_test)]}
    model = LogisticRegression(max_iter=2000).fit(X_train, y_train)
    arrays |= {"logistic_coef": model.coef_, "logistic_intercept": model.intercept_, "logistic_predicted": model.predict(X_test)}
    arrays |= {"logistic_accuracy": [model.score(X_train, y_train), model.score(X_test, y_test)]}
    # Powers of two, so that scaling the weights is exact: a decimal rate rounds, and a sum that would be 0 may change its sign.
    rates = [0.0625, 0.5, 1.0, 8.0]
    models = [SklearnPerceptron(eta0=eta, max_iter=100, tol=None).fit(X_train, y_train) for eta in rates]
    arrays |= {"rates": rates, "rate_coef": [model.coef_ for model in models], "rate_predicted": [model.predict(X_test) for model in models]}
    return arrays


def separable(X, y):
    """Is there (w, b) with y (w x + b) >= 1 for every row? A linear program without an objective.

    HiGHS gives up on columns of very different sizes, so they are scaled first, which changes no answer.
    """
    constraints = -y[:, None] * np.insert(X / np.abs(X).max(axis=0), 0, 1, axis=1)
    result = linprog(np.zeros(X.shape[1] + 1), A_ub=constraints, b_ub=-np.ones(len(X)), bounds=(None, None), method="highs")
    assert result.status in (0, 2), result.message  # optimal or infeasible
    return result.status == 0


def separability():
    iris, square = load_iris(), np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    sets = [(iris.data, np.where(iris.target == label, 1, -1)) for label in range(3)]
    sets += [(iris.data[iris.target != label], np.where(iris.target[iris.target != label] == (label + 1) % 3, 1, -1)) for label in range(3)]
    # All 14 ways to label the corners of a square by two classes; XOR and its opposite are the two that no line makes.
    sets += [(square, np.array([1 if code >> corner & 1 else -1 for corner in range(4)])) for code in range(1, 15)]
    state = np.random.RandomState(1)
    for samples, features in [(4, 2), (8, 3), (12, 4), (20, 8), (30, 14), (60, 30), (200, 2), (5, 9)] * 5:
        X = state.randn(samples, features)
        y = np.where(state.rand(samples) < 0.5, 1, -1)
        y[:2] = 1, -1
        sets.append((X * 10.0 ** state.randint(-6, 6, size=features), y))
    arrays = {}
    for index, (X, y) in enumerate(sets):
        arrays |= {f"x_{index}": X, f"y_{index}": y.astype(float)}
    return {"separable": [int(separable(X, y)) for X, y in sets], **arrays}


def noise():
    """Labels of separable points flipped with some probability: accuracy on clean points, by run."""
    levels, runs = [0.0, 0.1, 0.2, 0.3], 20
    accuracy = np.zeros((2, len(levels), runs))
    for i, level in enumerate(levels):
        for run in range(runs):
            state = np.random.RandomState(run)
            X = state.randn(400, 2)
            y = np.where(X @ [1.0, 2.0] + 0.5 >= 0, 1, -1)
            noisy = np.where(state.rand(200) < level, -y[:200], y[:200])
            weights = rule(X[:200], noisy, 50, 0.1)[0][-1]
            answers = np.where(np.insert(X[200:], 0, 1, axis=1) @ weights >= 0, 1, -1)
            accuracy[0, i, run] = (answers == y[200:]).mean()
            accuracy[1, i, run] = LogisticRegression().fit(X[:200], noisy).score(X[200:], y[200:])
    return {"levels": levels, "perceptron": accuracy[0], "logistic": accuracy[1]}


if __name__ == "__main__":
    data = load_iris()
    train_rows, test_rows = train_test_split(np.arange(150), test_size=0.2, random_state=42)
    X_train, X_test = data.data[train_rows], data.data[test_rows]
    y_train, y_test = data.target[train_rows], data.target[test_rows]
    versions = {"sklearn": sklearn.__version__, "scipy": scipy.__version__}
    save("perceptron", "notes", notes_run(), seed=42, **versions)
    save("perceptron", "variants", variants(), seed=7, **versions)
    save("perceptron", "sklearn", peers(), seed=0, **versions)
    save("perceptron", "separable", separability(), seed=1, **versions)
    save("perceptron", "noise", noise(), seed="the run's number", **versions)
