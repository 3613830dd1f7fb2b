"""NumPy's legacy generator: what RandomState must reproduce to the last bit."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

BOUNDS = [1, 2, 3, 6, 10, 100, 1000, 65537, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 7, 2**62]

for seed in [0, 42, 2**32 - 1]:
    state = lambda: np.random.RandomState(seed)
    bounded, mixed = state(), state()
    save(
        "random",
        f"seed_{seed}",
        {
            "uniform": state().random_sample(1000),
            "normal": state().standard_normal(1001),
            "uniform_array": state().random_sample((3, 4, 5)),
            "bounds": BOUNDS,
            "below": [[bounded.randint(bound, dtype=np.int64) for bound in BOUNDS] for _ in range(50)],
            "permutation": state().permutation(1000),
            # Two normals are made at a time: the second must wait while uniforms are drawn.
            "mixed": [draw() for _ in range(20) for draw in (mixed.random_sample, mixed.standard_normal)],
        },
        seed=seed,
    )
