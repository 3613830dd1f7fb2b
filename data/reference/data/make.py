"""scikit-learn's iris, its train_test_split and its StandardScaler."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

iris = load_iris()
bytes_ = np.ascontiguousarray(iris.data, "<f8").tobytes() + np.ascontiguousarray(iris.target, "<i8").tobytes()
save(
    "data",
    "iris",
    {
        "features": iris.data,
        "targets": iris.target,
        "mean": iris.data.mean(axis=0),
        "std": iris.data.std(axis=0),
    },
    sklearn=sklearn.__version__,
    feature_names=", ".join(iris.feature_names),
    target_names=", ".join(iris.target_names),
    sha256=hashlib.sha256(bytes_).hexdigest(),
)

arrays = {}
cases = []
for samples, test_size, seed in [(150, 0.2, 42), (150, 0.2, 0), (150, 0.25, 7), (7, 0.3, 1), (2, 0.5, 3), (10, 0.01, 5), (1000, 0.333, 2**32 - 1), (30, 0.1, 9)]:
    train, test = train_test_split(np.arange(samples), test_size=test_size, random_state=seed)
    arrays[f"train_{len(cases)}"], arrays[f"test_{len(cases)}"] = train, test
    cases.append([samples, test_size, seed])
save("data", "split", {"cases": np.array(cases, float), **arrays}, sklearn=sklearn.__version__)

train, test = train_test_split(iris.data, test_size=0.2, random_state=42)
state = np.random.RandomState(0)
# The last columns: constant, constant and large, constant but for rounding, tiny but not constant.
odd = np.column_stack([state.randn(40) * 1e6 + 3, np.full(40, 7.0), np.full(40, 1e15), 0.1 + 1e-17 * state.randn(40), 1e-12 * state.randn(40)])
odd[:, 2] += state.randint(2, size=40) * 0.125
arrays = {}
for name, rows, unseen in [("iris", train, test), ("odd", odd[:30], odd[30:])]:
    scaler = StandardScaler().fit(rows)
    arrays |= {f"{name}_train": rows, f"{name}_unseen": unseen, f"{name}_mean": scaler.mean_, f"{name}_scale": scaler.scale_}
    arrays |= {f"{name}_z": scaler.transform(unseen)}
save("data", "scale", arrays, sklearn=sklearn.__version__, seed=0)
