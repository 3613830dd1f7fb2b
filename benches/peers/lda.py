"""Latent Dirichlet allocation in scikit-learn: passes over 2,000 documents, all at once and in batches."""

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.decomposition import LatentDirichletAllocation
from workload import Workload

DOCUMENTS, WORDS, LENGTH, TOPICS = 2_000, 5_000, 150, 20


class FromOnes(LatentDirichletAllocation):
    """γ starts from 1 and not at random, as on our side."""

    def _e_step(self, X, cal_sstats, random_init, parallel=None):
        return super()._e_step(X, cal_sstats, False, parallel)


def corpus():
    """Word w is drawn in proportion to 1/(w + 1), as Zipf has it, from a place that differs among ten kinds of documents."""
    random = np.random.RandomState(1)
    ranks = np.floor(np.exp(random.uniform(size=(DOCUMENTS, LENGTH)) * np.log(WORDS + 1))).astype(int) - 1
    ranks = np.minimum(ranks, WORDS - 1)
    kind = np.arange(DOCUMENTS)[:, None] % 10
    words = np.where(random.uniform(size=(DOCUMENTS, LENGTH)) < 0.5, ranks, (ranks + 500 * kind) % WORDS)
    rows = np.repeat(np.arange(DOCUMENTS), LENGTH)
    return sp.csr_matrix((np.ones(words.size), (rows, words.ravel())), shape=(DOCUMENTS, WORDS))


def make(**options):
    x = corpus()

    def run():
        model = FromOnes(TOPICS, random_state=0, **options).fit(x)
        return [*model.components_.sum(axis=1), *model.components_[:, 3]]

    return run


def workload(name, target, **options):
    # Its ψ errs by up to 2.4e-9, and the sums are some 15,000.
    return Workload(name, "scikit-learn", sklearn.__version__, target=target, tolerance=1e-3, make=lambda: make(**options))


WORKLOADS = [
    workload("batch_2k_5k_20", 1, max_iter=1),
    workload("online_2k_5k_20", 1, learning_method="online", batch_size=128, max_iter=1),
]
