"""A drawn table of 400 hours, and pandas' and scikit-learn's account of its parts: the oracle of `forecast::data`.

With the path of ETTh1.csv it also prints mean and deviation of that file's training rows, which stand in tests/forecast_data.rs.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import ROOT, record, save

SEED, ROWS, L, H = 20261129, 400, 24, 12

random = np.random.RandomState(SEED)
hours = np.arange(ROWS)
drawn = pd.DataFrame(
    {
        "date": pd.date_range("2024-02-20 22:00:00", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
        "load": np.round(3 + np.sin(2 * np.pi * hours / 24) + 0.3 * random.randn(ROWS), 6),
        "level": np.round(1e4 + np.cumsum(random.randn(ROWS)), 4),
        # Constant while one learns from it, but not for ever.
        "valve": np.where(hours < 300, 3.25, 4.5),
    }
)
csv = ROOT / "forecast" / "synthetic.csv"
drawn.to_csv(csv, index=False, lineterminator="\n")
record("forecast/synthetic.csv", hashlib.sha256(csv.read_bytes()).hexdigest())

table = pd.read_csv(csv)
values = table[table.columns[1:]].to_numpy()
arrays = {"values": values, "lengths": np.array([L, H])}
arrays["seconds"] = pd.to_datetime(table["date"]).to_numpy().astype("datetime64[s]").astype(np.int64)
# The borders of the published Dataset_Custom, and uneven ones of our own.
train, test = int(ROWS * 0.7), int(ROWS * 0.2)
for rule, ends in [("published", [train, ROWS - test, ROWS]), ("own", [101, 190, 333])]:
    scaler = StandardScaler().fit(values[: ends[0]])
    scaled = scaler.transform(values)
    arrays |= {f"{rule}_ends": np.array(ends), f"{rule}_mean": scaler.mean_, f"{rule}_scale": scaler.scale_}
    for part, start, end in zip(["train", "validation", "test"], [0, ends[0] - L, ends[1] - L], ends):
        windows = [scaled[at : at + L + H] for at in range(start, end - L - H + 1)]
        arrays[f"{rule}_{part}"] = np.stack([windows[0], windows[len(windows) // 2], windows[-1]])
        arrays[f"{rule}_{part}_count"] = np.array([len(windows)])
save("forecast", "splits", arrays, pandas=pd.__version__, sklearn=sklearn.__version__, seed=SEED)

if len(sys.argv) > 1:
    scaler = StandardScaler().fit(pd.read_csv(sys.argv[1]).iloc[:8640, 1:].to_numpy())
    print("mean", [float(value) for value in scaler.mean_])
    print("scale", [float(value) for value in scaler.scale_])
