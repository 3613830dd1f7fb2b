"""Hidden Markov models in hmmlearn: three iterations of learning, the best path, the likelihood of a long sequence."""

import hmmlearn
import numpy as np
from hmmlearn.hmm import CategoricalHMM, GaussianHMM
from workload import Workload

VERSION = hmmlearn.__version__


def chain(states):
    """Stays with probability 0.9; otherwise any other state."""
    transition = np.full((states, states), 0.1 / (states - 1))
    np.fill_diagonal(transition, 0.9)
    return np.full(states, 1 / states), transition


def categorical(length, states=8, symbols=16, **options):
    random = np.random.RandomState(1)
    emission = 0.5 + random.uniform(size=(states, symbols))
    emission /= emission.sum(axis=1, keepdims=True)
    x = np.floor(random.uniform(size=length) * symbols).astype(int)[:, None]

    def model():
        hmm = CategoricalHMM(states, n_features=symbols, init_params="", n_iter=3, tol=-np.inf, **options)
        (hmm.startprob_, hmm.transmat_), hmm.emissionprob_ = chain(states), emission
        return hmm

    return model, x


def learn(implementation):
    model, x = categorical(50_000, implementation=implementation)
    return lambda: np.ravel(model().fit(x).transmat_)


def learn_gaussian(implementation):
    states, dimensions, length = 6, 4, 20_000
    random = np.random.RandomState(1)
    mean = 3 * random.normal(size=(states, dimensions))
    x = random.normal(size=(length, dimensions)) + mean[np.arange(length) // 50 % states]

    def run():
        options = {"covars_prior": 0.0, "covars_weight": 1.0, "implementation": implementation}
        hmm = GaussianHMM(states, "full", init_params="", n_iter=3, tol=-np.inf, **options)
        hmm.startprob_, hmm.transmat_ = chain(states)
        hmm.means_, hmm.covars_ = 0.5 * mean, np.tile(2 * np.eye(dimensions), (states, 1, 1))
        return np.ravel(hmm.fit(x).means_)

    return run


def viterbi():
    model, x = categorical(50_000)
    hmm = model()

    def run():
        log_probability, path = hmm.decode(x)
        return [log_probability, path.sum()]

    return run


def score():
    model, x = categorical(10_000_000, implementation="scaling")
    hmm = model()
    return lambda: [hmm.score(x)]


WORKLOADS = [
    Workload("learn_categorical", "hmmlearn, default", VERSION, target=10, tolerance=1e-9, make=lambda: learn("log")),
    Workload("learn_categorical", "hmmlearn, scaling", VERSION, target=3, tolerance=1e-9, make=lambda: learn("scaling")),
    Workload("learn_gaussian", "hmmlearn, default", VERSION, target=10, tolerance=1e-8, make=lambda: learn_gaussian("log")),
    Workload("learn_gaussian", "hmmlearn, scaling", VERSION, target=3, tolerance=1e-8, make=lambda: learn_gaussian("scaling")),
    Workload("viterbi", "hmmlearn", VERSION, target=1.5, tolerance=1e-6, make=viterbi),
    Workload("likelihood_1e7", "hmmlearn, scaling", VERSION, target=1, tolerance=1e-3, make=score),
]
