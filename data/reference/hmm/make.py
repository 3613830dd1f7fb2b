"""hmmlearn's answers about hidden states, for a chain that goes everywhere and one that only goes to the right."""

import sys
from pathlib import Path

import hmmlearn
import numpy as np
from hmmlearn.hmm import CategoricalHMM

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, STATES, SYMBOLS, LENGTH = 20261121, 4, 6, 300


def model(initial, transition, emission, **options):
    hmm = CategoricalHMM(n_components=STATES, n_features=SYMBOLS, init_params="", **options)
    hmm.startprob_, hmm.transmat_, hmm.emissionprob_ = initial, transition, emission
    return hmm


for case in ["everywhere", "left_to_right"]:
    random = np.random.RandomState(SEED)
    initial = random.dirichlet(np.ones(STATES))
    transition = random.dirichlet(np.ones(STATES), STATES)
    emission = random.dirichlet(np.ones(SYMBOLS), STATES)
    if case == "left_to_right":
        initial = np.eye(STATES)[0]
        transition = np.triu(transition + 20 * np.eye(STATES))
        transition /= transition.sum(axis=1, keepdims=True)
    parameters = initial, transition, emission
    observations, _ = model(*parameters).sample(LENGTH, random_state=SEED)
    hmm = model(*parameters)
    score, posteriors = hmm.score_samples(observations)
    best, path = hmm.decode(observations, algorithm="viterbi")
    # One step of learning A alone: the expected moves, each row divided by its sum.
    learner = model(*parameters, n_iter=1, params="t").fit(observations)
    with np.errstate(divide="ignore"):
        log_emission = np.log(emission[:, observations[:, 0]]).T
    save(
        "hmm",
        case,
        {
            "initial": initial,
            "transition": transition,
            "emission": emission,
            "observations": observations[:, 0],
            "log_emission": log_emission,
            "log_likelihood": score,
            "posterior": posteriors,
            "path": path,
            "path_log_probability": best,
            "moves": learner.transmat_,
        },
        hmmlearn=hmmlearn.__version__,
        seed=SEED,
    )
