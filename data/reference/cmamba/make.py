"""Two small CMamba models in torch, written from the paper's equations as a loop over patches, with every gradient by autograd.

One with GDD-MLP, one without. Names of weights, the order of the head's features and the places of dropout are those of the published
code (zclzcl0223/CMamba, commit 7816659). Mixup and the key of the masks are drawn by NumPy's RandomState, the masks by its
Philox, both of which the library has too.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, MASKS, STEPS = 20261129, 7, 3
torch.set_default_dtype(torch.float64)

# 30 steps are no multiple of the stride; 5 channels and 2 sequences, so that no two axes are alike.
BATCH, L, T, V, E, F, S, RANK, LAYERS, REDUCTION, PATCH, STRIDE = 2, 30, 4, 5, 8, 6, 4, 3, 2, 2, 16, 8
N = (L + STRIDE - PATCH) // STRIDE + 1
DROPOUT, HEAD_DROPOUT, SIGMA = 0.3, 0.2, 1.5


def shapes(gddmlp):
    yield "patch_embedding.value_embedding.weight", (E, PATCH)
    for layer in range(LAYERS):
        at = f"encoder.layers.{layer}"
        yield f"{at}.norm.weight", (E,)
        yield f"{at}.mixer.in_proj.weight", (2 * F, E)
        yield f"{at}.mixer.in_proj.bias", (2 * F,)
        yield f"{at}.mixer.x_proj.weight", (RANK + 2 * S + F, F)
        yield f"{at}.mixer.dt_proj.weight", (F, RANK)
        yield f"{at}.mixer.dt_proj.bias", (F,)
        yield f"{at}.mixer.A_log", (1, S)
        yield f"{at}.mixer.out_proj.weight", (E, F)
        yield f"{at}.mixer.out_proj.bias", (E,)
        if gddmlp:
            for mlp in ["fc_sc", "fc_sf"]:
                yield f"{at}.GDDMLP.{mlp}.0.weight", (V // REDUCTION, V)
                yield f"{at}.GDDMLP.{mlp}.2.weight", (V, V // REDUCTION)
    yield "head.linear.weight", (T, E * N)
    yield "head.linear.bias", (T,)


def draw(random, name, shape):
    """No weight 0 or 1 as at the start of training: each must matter."""
    values = 0.5 * random.randn(*shape)
    if name.endswith("norm.weight"):
        values += 1
    if name.endswith("A_log"):
        values += np.log(np.arange(1, S + 1))
    return values


def normal(x):
    mean = x.mean(1, keepdim=True)
    return mean, torch.sqrt(x.var(1, keepdim=True, correction=0) + 1e-5)


def cut(x):
    """(batch, L, V) to (batch, V, N, PATCH)."""
    padded = torch.cat([x] + STRIDE * [x[:, -1:]], 1)
    return torch.stack([padded[:, n * STRIDE : n * STRIDE + PATCH].transpose(1, 2) for n in range(N)], 2)


def positions():
    table = torch.zeros(N, E)
    for n in range(N):
        for i in range(0, E, 2):
            table[n, i], table[n, i + 1] = np.sin(n / 10000 ** (i / E)), np.cos(n / 10000 ** (i / E))
    return table


def m_mamba(w, at, u):
    """u: (batch, V, N, E)."""
    u = u / torch.sqrt((u * u).mean(-1, keepdim=True) + 1e-5) * w[f"{at}.norm.weight"]
    both = functional.linear(u, w[f"{at}.mixer.in_proj.weight"], w[f"{at}.mixer.in_proj.bias"])
    x, z = functional.silu(both[..., :F]), functional.silu(both[..., F:])
    low, b, c, d = functional.linear(x, w[f"{at}.mixer.x_proj.weight"]).split([RANK, S, S, F], -1)
    delta = functional.softplus(functional.linear(low, w[f"{at}.mixer.dt_proj.weight"], w[f"{at}.mixer.dt_proj.bias"]))
    a = -torch.exp(w[f"{at}.mixer.A_log"][0])
    state, y = torch.zeros(*x.shape[:2], F, S), []
    for n in range(x.shape[2]):
        step = delta[:, :, n, :, None]
        state = torch.exp(step * a) * state + step * b[:, :, n, None] * x[:, :, n, :, None]
        y.append((state * c[:, :, n, None]).sum(-1) + d[:, :, n] * x[:, :, n])
    y = torch.stack(y, 2) * z
    return functional.linear(y, w[f"{at}.mixer.out_proj.weight"], w[f"{at}.mixer.out_proj.bias"])


def gdd_mlp(w, at, h):
    """h: (batch, V, N, E); the weights act on the second axis."""
    pooled = [h.mean(-1), h.max(-1).values]

    def gate(name):
        inner, outer = w[f"{at}.GDDMLP.{name}.0.weight"], w[f"{at}.GDDMLP.{name}.2.weight"]
        hidden = [functional.gelu(torch.einsum("rv,bvn->brn", inner, f)) for f in pooled]
        return torch.sigmoid(sum(torch.einsum("vr,brn->bvn", outer, f) for f in hidden))[..., None]

    return gate("fc_sc") * h + gate("fc_sf")


def model(w, gddmlp, x, masks=None, seen=None):
    def drop(values, share):
        """With (batch, V, ...) in this order in the stream."""
        if masks is None:
            return values
        return values * torch.tensor(masks.random(tuple(values.shape), dtype=np.float32) >= share) / (1 - share)

    def note(name, values):
        if seen is not None:
            seen[name] = values
        return values

    mean, deviation = normal(x)
    pieces = note("patches", cut((x - mean) / deviation))
    u = drop(functional.linear(pieces, w["patch_embedding.value_embedding.weight"]) + positions(), HEAD_DROPOUT)
    for layer in range(LAYERS):
        at = f"encoder.layers.{layer}"
        h = note(f"{at}.mamba", m_mamba(w, at, note(f"{at}.u", u)))
        if gddmlp:
            h = note(f"{at}.gddmlp", gdd_mlp(w, at, h))
        u = u + drop(h, DROPOUT)
    # (batch, V, E, N), the patches of a feature side by side.
    features = functional.silu(u).transpose(2, 3).reshape(len(x), V, E * N)
    y = drop(functional.linear(features, w["head.linear.weight"], w["head.linear.bias"]), HEAD_DROPOUT)
    return y.transpose(1, 2) * deviation + mean


for case, gddmlp in [("gddmlp", True), ("independent", False)]:
    random = np.random.RandomState(SEED)
    initial = {name: draw(random, name, shape) for name, shape in shapes(gddmlp)}
    x = np.cumsum(random.randn(BATCH, L, V), 1) * np.array([1, 0.1, 10, 1, 2]) + np.array([0, 1, -20, 0, 3])
    target = x[:, -1:] + random.randn(BATCH, T, V)
    arrays = {"x": x, "target": target, **{f"weight.{name}": value for name, value in initial.items()}}
    w = {name: torch.tensor(value, requires_grad=True) for name, value in initial.items()}
    window, future = torch.tensor(x, requires_grad=True), torch.tensor(target)

    seen = {}
    y = model(w, gddmlp, window, seen=seen)
    loss = (y - future).abs().mean()
    loss.backward()
    mean, deviation = normal(window)
    arrays |= {"mean": mean, "deviation": deviation, **seen, "y": y, "loss": loss, "grad.x": window.grad}
    arrays |= {f"grad.{name}": value.grad.clone() for name, value in w.items()}

    # As in training: mixup of window and target, then masks.
    stream = np.random.RandomState(MASKS)
    order = stream.permutation(V)
    strength = torch.tensor(SIGMA * stream.randn(BATCH, 1, V))
    mixed, mixed_future = (values + strength * values[:, :, order] for values in (torch.tensor(x), future))
    for value in w.values():
        value.grad = None
    key = np.array([stream.randint(0, 2**64, dtype=np.uint64), 0], dtype=np.uint64)
    y = model(w, gddmlp, mixed, masks=np.random.Generator(np.random.Philox(key=key)))
    (y - mixed_future).abs().mean().backward()
    arrays |= {"train.x": mixed, "train.target": mixed_future, "train.y": y}
    arrays |= {f"train.grad.{name}": value.grad.clone() for name, value in w.items()}

    adam = torch.optim.Adam(w.values(), lr=1e-2)
    for _ in range(STEPS):
        adam.zero_grad()
        (model(w, gddmlp, torch.tensor(x)) - future).abs().mean().backward()
        adam.step()
    arrays |= {f"after.{name}": value for name, value in w.items()}
    arrays = {name: value.detach().numpy() if torch.is_tensor(value) else value for name, value in arrays.items()}
    save("cmamba", case, arrays, torch=torch.__version__, seed=SEED, masks=MASKS, steps=STEPS)
