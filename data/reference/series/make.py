"""pandas' filling and medians, scikit-learn's folds and errors, and the notes' own two functions: the oracle of `data::series`.

The notes (fourth file, lines 1005 to 1060) are run as they stand but for one place: `targets[j] = data[...]` is given a column, since
NumPy 2 refuses a row there. What else is wrong with their generator comes out as it is.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error
from sklearn.model_selection import TimeSeriesSplit

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261130
random = np.random.RandomState(SEED)


def slip_windows(x, lookback=50):
    data, target = [], []
    for i in range(len(x) - lookback):
        data.append(x[i : i + lookback])
        target.append(x[i + lookback])
    return np.array(data), np.array(target)


def generator(data, lookback, delay, min_index=0, max_index=None, batch_size=128, step=6):
    if max_index is None:
        max_index = len(data) - delay - 1
    i = min_index + lookback
    while 1:
        if i + batch_size >= max_index:
            i = min_index + lookback
        rows = np.arange(i, min(i + batch_size, max_index))
        i += len(rows)
        samples = np.zeros((len(rows), lookback // step, data.shape[-1]))
        targets = np.zeros((len(rows),))
        for j, row in enumerate(rows):
            indices = range(rows[j] - lookback, rows[j], step)
            samples[j] = data[indices]
            targets[j] = data[rows[j] + delay][0]
        yield samples, targets


# Twelve readings in ten are there; the second column begins with a gap, the third ends with one.
rows = 60
values = np.round(np.cumsum(random.randn(rows, 3), axis=0), 6)
missing = random.uniform(size=values.shape) < 0.2
missing[:3, 1], missing[0, 1], missing[-4:, 2], missing[0, [0, 2]] = True, True, True, False
holes = np.where(missing, np.nan, values)
frame = pd.DataFrame(holes)
fills = {
    # A NaN cannot be compared with itself: where readings are missing stands beside them.
    "values": values,
    "missing": missing.astype(np.int64),
    "previous": frame.ffill().fillna(-1e9).to_numpy(),
    "linear": frame.interpolate(limit_direction="both").to_numpy(),
}
save("series", "fill", fills, pandas=pd.__version__, seed=SEED)

# A wave with noise and a few spikes; medians over windows that are cut off at the ends.
wave = np.sin(np.arange(200) / 7) + 0.1 * random.randn(200)
wave[[0, 20, 21, 90, 150, 199]] += [3, -2, 2.5, 5, -1, 4]
flat = np.repeat(random.randint(0, 5, size=40), 5).astype(float)
flat[[17, 100]] += 1
series = pd.DataFrame({"wave": wave, "flat": flat})
spikes = {"values": series.to_numpy()}
for name, past, ahead in [("centred", 4, 4), ("causal", 9, 0), ("uneven", 2, 5)]:
    flags, centres = [], []
    for column in series:
        x = series[column].to_numpy()
        windows = [pd.Series(x[max(0, t - past) : t + ahead + 1]) for t in range(len(x))]
        centre = np.array([w.median() for w in windows])
        spread = np.array([(w - w.median()).abs().median() for w in windows])
        centres.append(centre)
        flags.append(np.abs(x - centre) > 3 * 1.4826 * spread)
    spikes |= {f"{name}_median": np.stack(centres, 1), f"{name}_flags": np.stack(flags, 1).astype(np.int64)}
rolled = series.rolling(9, center=True, min_periods=1).median().to_numpy()
assert np.array_equal(rolled, spikes["centred_median"])
save("series", "hampel", spikes, pandas=pd.__version__, seed=SEED)

folds = {}
cases = [(100, 5, None, None, 0), (101, 4, 10, 3, 30), (57, 3, 7, 0, 12), (12, 11, 1, 0, None), (24, 2, 5, 4, 10)]
for case, (rows, splits, test, gap, most) in enumerate(cases):
    split = TimeSeriesSplit(splits, test_size=test, gap=gap or 0, max_train_size=most or None)
    found = [(train[0], train[-1] + 1, part[0], part[-1] + 1) for train, part in split.split(np.zeros(rows))]
    folds[f"case_{case}"] = np.array([rows, splits, test or rows // (splits + 1), gap or 0, most or 0])
    folds[f"folds_{case}"] = np.array(found)
save("series", "folds", folds, sklearn=sklearn.__version__)

truth, forecast = random.randn(7, 5, 3), random.randn(7, 5, 3)
errors = [f(truth.ravel(), forecast.ravel()) for f in (mean_squared_error, root_mean_squared_error, mean_absolute_error)]
save("series", "errors", {"truth": truth, "forecast": forecast, "mse_rmse_mae": np.array(errors)}, sklearn=sklearn.__version__, seed=SEED)

# The notes' functions: N-30 to N-33 of their index.
pairs = slip_windows(np.arange(100.0), 50)
few = slip_windows(np.arange(10.0), 3)
line = np.arange(150.0)[:, None]
stream = generator(line, lookback=24, delay=6, max_index=100, batch_size=16, step=6)
batches = [next(stream) for _ in range(6)]
whole = generator(line, lookback=24, delay=6, max_index=100, step=6)
again = [next(whole) for _ in range(2)]
assert all(np.array_equal(a, b) for a, b in zip(*again))
try:
    next(generator(line, lookback=20, delay=6, max_index=100, batch_size=16, step=6))
    raise SystemExit("a look-back that is no multiple of the step was expected to fail")
except ValueError as error:
    print("lookback 20, step 6:", error)
arrays = {
    "slip_x": pairs[0],
    "slip_y": pairs[1],
    "few_x": few[0],
    "few_y": few[1],
    "samples": np.stack([x for x, _ in batches]),
    "targets": np.stack([y for _, y in batches]),
    "whole_samples": again[0][0],
    "whole_targets": again[0][1],
}
save("series", "notes", arrays)
