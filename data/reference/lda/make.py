"""scikit-learn's latent Dirichlet allocation: all documents in each pass, and a few at a time, from given starts.

Two things are changed, so that the results can agree to the last digits:

- ψ is SciPy's. scikit-learn's own ends its series early, and errs by up to 2.4e-9 (`shipped_` are the results with it).
- γ starts where the last pass left it, at first from 1 (coordinate ascent), or online always from 1, in place of numbers
  drawn from a gamma distribution with mean 1 and deviation 0.1.
"""

import sys
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.special import psi
from sklearn.decomposition import LatentDirichletAllocation, _lda

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, TOPICS, WORDS, DOCUMENTS, PASSES = 20261122, 4, 50, 60, 20
SHIPPED = _lda._dirichlet_expectation_2d, _lda.cy_dirichlet_expectation_1d


def expectation_2d(x):
    return psi(x) - psi(x.sum(axis=1))[:, None]


def expectation_1d(x, prior, out):
    x += prior
    out[:] = np.exp(psi(x) - psi(x.sum()))


def use_psi(shipped):
    _lda._dirichlet_expectation_2d, _lda.cy_dirichlet_expectation_1d = (
        SHIPPED if shipped else (expectation_2d, {"double": expectation_1d})
    )


class Given:
    """Stands in for the generator from which the E step draws its start."""

    def __init__(self, values):
        self.values = values

    def gamma(self, shape, scale, size):
        return np.ones(size) if self.values is None else self.values.copy()


class FromGiven(LatentDirichletAllocation):
    keeps, last = False, None

    def _e_step(self, X, cal_sstats, random_init, parallel=None):
        random, self.random_state_ = self.random_state_, Given(self.last)
        result = super()._e_step(X, cal_sstats, random_init, parallel)
        self.random_state_ = random
        if self.keeps and cal_sstats:
            self.last = result[0]
        return result


random = np.random.RandomState(SEED)
beta = random.dirichlet(np.full(WORDS, 0.1), TOPICS)


def draw(documents):
    rows = []
    for theta in random.dirichlet(np.full(TOPICS, 0.3), documents):
        rows.append(random.multinomial(random.poisson(80), theta @ beta))
    return np.array(rows, float)


counts, unseen = draw(DOCUMENTS), draw(10)
counts[7] = 0  # a document without words

versions = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "seed": SEED}
options = {"n_components": TOPICS, "random_state": SEED}


def results(model, prefix=""):
    return {
        prefix + "lambda": model.components_,
        prefix + "transform": model.transform(unseen),
        prefix + "score": model.score(counts),
        prefix + "perplexity": model.perplexity(counts),
        prefix + "score_unseen": model.score(unseen),
    }


def batch(passes, shipped):
    use_psi(shipped)
    model = FromGiven(max_iter=passes, **options)
    model.keeps = True
    return model.fit(counts)


exact = batch(PASSES, shipped=False)
start = np.random.RandomState(SEED).gamma(100.0, 0.01, (TOPICS, WORDS))
save(
    "lda",
    "batch",
    {
        "counts": counts,
        "unseen": unseen,
        "start": start,
        "first_lambda": batch(1, shipped=False).components_,
        "gamma": exact.last,
        **results(exact),
        **results(batch(PASSES, shipped=True), "shipped_"),
    },
    passes=PASSES,
    **versions,
)

# Online: three passes of four batches, and the same documents as if they were part of 1000.
BATCH, DECAY, OFFSET = 16, 0.6, 3.0


def online(shipped, passes=3, **more):
    use_psi(shipped)
    return FromGiven(
        learning_method="online", batch_size=BATCH, learning_decay=DECAY, learning_offset=OFFSET, max_iter=passes, **options, **more
    )


use_psi(shipped=False)
exact = online(shipped=False).fit(counts)
arrays = results(exact)
arrays["stream_lambda"] = online(shipped=False, total_samples=1000).partial_fit(counts).components_
shipped = results(online(shipped=True).fit(counts), "shipped_")
save("lda", "online", {**arrays, **shipped}, batch=BATCH, decay=DECAY, offset=OFFSET, **versions)
