"""The notes' program for one-vs-rest perceptrons on iris: Python loops over NumPy rows."""

import platform

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from workload import Workload


class Perceptron:
    """As in the notes: bias as a constant first feature, labels ±1, one stream of random weights."""

    def __init__(self, learning_rate=0.1, num_epochs=20):
        self.learning_rate = learning_rate
        self.num_epochs = num_epochs

    def train(self, X, y):
        X = np.insert(X, 0, 1, axis=1)
        np.random.seed(42)
        self.weights = []
        for class_label in set(y):
            self.weights.append(self.train_single_perceptron(X, np.where(y == class_label, 1, -1)))

    def train_single_perceptron(self, X, y):
        weights = np.random.rand(X.shape[1])
        for _ in range(self.num_epochs):
            for i in range(len(X)):
                error = y[i] - self.predict_single_sample(X[i], weights)
                weights += self.learning_rate * error * X[i]
        return weights

    def predict_single_sample(self, x, weights):
        return 1 if np.dot(x, weights) >= 0 else -1


def make():
    data = load_iris()
    X, _, y, _ = train_test_split(data.data, data.target, test_size=0.2, random_state=42)

    def run():
        model = Perceptron()
        model.train(X, y)
        return np.ravel(model.weights)

    return run


VERSION = f"Python {platform.python_version()}, NumPy {np.__version__}"
WORKLOADS = [Workload("iris_20_epochs", "notes' program", VERSION, target=20, tolerance=1e-12, make=make)]
