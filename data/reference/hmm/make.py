"""hmmlearn's answers: about hidden states, for a chain that goes everywhere and one that only goes to the right; and what it learns."""

import sys
from pathlib import Path

import hmmlearn
import numpy as np
from hmmlearn.hmm import GMMHMM, CategoricalHMM, GaussianHMM, PoissonHMM

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


# Learning: twenty iterations from one start, several sequences.
LENGTHS = [120, 80, 100]


def learn(kind, start, observations, **options):
    """Sets the start, runs hmmlearn's EM without any early end, and returns what it learned."""
    hmm = kind(n_components=3, init_params="", n_iter=20, tol=-np.inf, **options)
    hmm.startprob_, hmm.transmat_ = start["initial"], start["transition"]
    for name, values in start.items():
        if name.endswith("_"):
            setattr(hmm, name, values)
    hmm.fit(observations, LENGTHS)
    return hmm


random = np.random.RandomState(SEED)
chain = {"initial": random.dirichlet(np.ones(3)), "transition": random.dirichlet(5 * np.ones(3), 3)}
truth = random.choice(3, size=sum(LENGTHS), p=[0.5, 0.3, 0.2])
for t in range(1, len(truth)):
    if random.uniform() < 0.8:
        truth[t] = truth[t - 1]

symbols = np.array([random.choice(5, p=p) for p in random.dirichlet(np.ones(5), 3)[truth]])
start = {**chain, "emissionprob_": random.dirichlet(5 * np.ones(5), 3)}
for case, prior in [("learn_categorical", 1.0), ("learn_categorical_prior", 2.5)]:
    priors = {"startprob_prior": prior, "transmat_prior": prior, "emissionprob_prior": prior}
    hmm = learn(CategoricalHMM, start, symbols[:, None], n_features=5, **priors)
    save(
        "hmm",
        case,
        {
            **chain,
            "observations": symbols,
            "lengths": LENGTHS,
            "start_emission": start["emissionprob_"],
            "learned_initial": hmm.startprob_,
            "learned_transition": hmm.transmat_,
            "learned_emission": hmm.emissionprob_,
            "history": np.array(hmm.monitor_.history),
        },
        hmmlearn=hmmlearn.__version__,
        seed=SEED,
    )

counts = random.poisson(np.array([1.0, 4.0, 12.0])[truth])
hmm = learn(PoissonHMM, {**chain, "lambdas_": np.array([[2.0], [5.0], [8.0]])}, counts[:, None])
save(
    "hmm",
    "learn_poisson",
    {
        **chain,
        "observations": counts,
        "lengths": LENGTHS,
        "start_rate": np.array([2.0, 5.0, 8.0]),
        "learned_initial": hmm.startprob_,
        "learned_transition": hmm.transmat_,
        "learned_rate": hmm.lambdas_[:, 0],
        "history": np.array(hmm.monitor_.history),
    },
    hmmlearn=hmmlearn.__version__,
    seed=SEED,
)

shapes = random.normal(size=(3, 2, 2)) / 2 + np.eye(2)
vectors = np.array([[-2.0, 0.0], [0.0, 1.0], [2.0, -1.0]])[truth]
vectors = vectors + np.einsum("nij,nj->ni", shapes[truth], random.normal(size=(len(truth), 2)))
means = np.array([[-1.0, 0.5], [0.5, 0.5], [1.0, -0.5]])
covariances = {
    "full": np.tile(np.eye(2), (3, 1, 1)),
    "tied": np.eye(2),
    "diag": np.ones((3, 2)),
    "spherical": np.ones(3),
}
for kind, covariance in covariances.items():
    gaussian = {**chain, "means_": means, "covars_": covariance}
    # Without hmmlearn's prior on the covariances.
    hmm = learn(GaussianHMM, gaussian, vectors, covariance_type=kind, covars_prior=0.0, covars_weight=1.0, min_covar=0.0)
    learned = hmm._covars_[:, 0] if kind == "spherical" else hmm._covars_
    save(
        "hmm",
        f"learn_{kind}",
        {
            **chain,
            "observations": vectors,
            "lengths": LENGTHS,
            "start_mean": means,
            "start_covariance": covariance,
            "learned_initial": hmm.startprob_,
            "learned_transition": hmm.transmat_,
            "learned_mean": hmm.means_,
            "learned_covariance": learned,
            "history": np.array(hmm.monitor_.history),
        },
        hmmlearn=hmmlearn.__version__,
        seed=SEED,
    )

mixture = {
    **chain,
    "weights_": np.full((3, 2), 0.5),
    "means_": np.stack([means - 0.4, means + 0.3], axis=1),
    "covars_": np.ones((3, 2, 2)),
}


class MaximisingGMMHMM(GMMHMM):
    """hmmlearn 0.3.3 takes the scatter around the means of the iteration before, which is not the M step's maximum.

    Around the new means it is less by the square of their distance.
    """

    def _do_mstep(self, stats):
        before = self.means_.copy()
        super()._do_mstep(stats)
        self.covars_ = self.covars_ - (self.means_ - before) ** 2


hmm = learn(MaximisingGMMHMM, mixture, vectors, n_mix=2, covariance_type="diag")
save(
    "hmm",
    "learn_mixture",
    {
        **chain,
        "observations": vectors,
        "lengths": LENGTHS,
        "start_weight": mixture["weights_"],
        "start_mean": mixture["means_"],
        "start_covariance": mixture["covars_"],
        "learned_initial": hmm.startprob_,
        "learned_transition": hmm.transmat_,
        "learned_weight": hmm.weights_,
        "learned_mean": hmm.means_,
        "learned_covariance": hmm.covars_,
        "history": np.array(hmm.monitor_.history),
    },
    hmmlearn=hmmlearn.__version__,
    seed=SEED,
)
