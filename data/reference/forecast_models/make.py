"""The forecasting models that CMamba is compared with, small and in torch, with every gradient by autograd.

DLinear, RLinear, an LSTM (torch's own), Mamba on patches, and CMamba without selection; with GDD-MLP where the case is named so.
Names of weights and places of dropout and GDD-MLP are those of the published codes: cure-lab/LTSF-Linear (commit 0c11366) for DLinear,
zclzcl0223/CMamba (commit 7816659) for RLinear and what surrounds the scans, state-spaces/mamba for the block. Recurrences are loops.
The key of the masks is drawn by NumPy's RandomState, the masks by its Philox, both of which the library has too.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED, MASKS = 20261130, 7
torch.set_default_dtype(torch.float64)

# No two axes are alike.
BATCH, L, T, V, REDUCTION = 2, 30, 4, 5, 2
HIDDEN, LSTM_LAYERS = 6, 2
E, S, RANK, LAYERS, PATCH, STRIDE, CONV = 8, 4, 3, 2, 16, 8, 4
N = (L + STRIDE - PATCH) // STRIDE + 1
INNER = {"mamba": 16, "invariant": 6}
DROPOUT, HEAD_DROPOUT = 0.3, 0.2
MOVING_AVG = {"dlinear": 25, "dlinear_gddmlp": 7}


def gate_shapes(at=""):
    for mlp in ["fc_sc", "fc_sf"]:
        yield f"{at}GDDMLP.{mlp}.0.weight", (V // REDUCTION, V)
        yield f"{at}GDDMLP.{mlp}.2.weight", (V, V // REDUCTION)


def shapes(model, gddmlp):
    if model == "dlinear":
        for name in ["Linear_Seasonal", "Linear_Trend"]:
            yield f"{name}.weight", (T, L)
            yield f"{name}.bias", (T,)
    if model == "rlinear":
        yield "Linear.weight", (T, L)
        yield "Linear.bias", (T,)
        yield "rev.affine_weight", (V,)
        yield "rev.affine_bias", (V,)
    if model == "lstm":
        for layer in range(LSTM_LAYERS):
            yield f"lstm.weight_ih_l{layer}", (4 * HIDDEN, HIDDEN if layer else V)
            yield f"lstm.weight_hh_l{layer}", (4 * HIDDEN, HIDDEN)
            yield f"lstm.bias_ih_l{layer}", (4 * HIDDEN,)
            yield f"lstm.bias_hh_l{layer}", (4 * HIDDEN,)
        yield "head.weight", (T * V, HIDDEN)
        yield "head.bias", (T * V,)
    if model not in INNER:
        yield from gate_shapes() if gddmlp else []
        return
    inner = INNER[model]
    yield "patch_embedding.value_embedding.weight", (E, PATCH)
    for layer in range(LAYERS):
        at = f"encoder.layers.{layer}."
        yield f"{at}norm.weight", (E,)
        yield f"{at}mixer.in_proj.weight", (2 * inner, E)
        yield f"{at}mixer.dt_proj.bias", (inner,)
        yield f"{at}mixer.D", (inner,)
        yield f"{at}mixer.out_proj.weight", (E, inner)
        if model == "mamba":
            yield f"{at}mixer.conv1d.weight", (inner, 1, CONV)
            yield f"{at}mixer.conv1d.bias", (inner,)
            yield f"{at}mixer.x_proj.weight", (RANK + 2 * S, inner)
            yield f"{at}mixer.dt_proj.weight", (inner, RANK)
            yield f"{at}mixer.A_log", (inner, S)
        else:
            yield f"{at}mixer.in_proj.bias", (2 * inner,)
            yield f"{at}mixer.out_proj.bias", (E,)
            yield f"{at}mixer.A_log", (1, S)
            yield f"{at}mixer.B", (S,)
            yield f"{at}mixer.C", (S,)
        yield from gate_shapes(at) if gddmlp else []
    yield "head.linear.weight", (T, E * N)
    yield "head.linear.bias", (T,)


def draw(random, name, shape):
    """No weight 0 or 1 as at the start of training: each must matter."""
    values = 0.5 * random.randn(*shape)
    if name.endswith(("norm.weight", "affine_weight")):
        values += 1
    if name.endswith("A_log"):
        values += np.log(np.arange(1, S + 1))
    return values


def normal(x):
    mean = x.mean(1, keepdim=True)
    return mean, torch.sqrt(x.var(1, keepdim=True, correction=0) + 1e-5)


def gate(w, h, at=""):
    """h: (batch, V, N, features), pooled over the last; the weights act on the second axis."""
    pooled = [h.mean(-1), h.max(-1).values]

    def weigh(name):
        inner, outer = w[f"{at}GDDMLP.{name}.0.weight"], w[f"{at}GDDMLP.{name}.2.weight"]
        hidden = [functional.gelu(torch.einsum("rv,bvn->brn", inner, f)) for f in pooled]
        return torch.sigmoid(sum(torch.einsum("vr,brn->bvn", outer, f) for f in hidden))[..., None]

    return weigh("fc_sc") * h + weigh("fc_sf")


def gate_window(w, x):
    return gate(w, x.transpose(1, 2)[:, :, None])[:, :, 0].transpose(1, 2)


def over_time(w, name, x):
    return functional.linear(x.transpose(1, 2), w[f"{name}.weight"], w[f"{name}.bias"]).transpose(1, 2)


def dlinear(w, case, x, drop):
    if case == "dlinear_gddmlp":
        x = gate_window(w, x)
    half = MOVING_AVG[case] // 2
    padded = torch.cat([x[:, :1].repeat(1, half, 1), x, x[:, -1:].repeat(1, half, 1)], 1)
    trend = functional.avg_pool1d(padded.transpose(1, 2), 2 * half + 1, stride=1).transpose(1, 2)
    return over_time(w, "Linear_Seasonal", x - trend) + over_time(w, "Linear_Trend", trend)


def rlinear(w, case, x, drop):
    mean, deviation = normal(x)
    gamma, beta = w["rev.affine_weight"], w["rev.affine_bias"]
    z = drop((x - mean) / deviation * gamma + beta, DROPOUT)
    if case == "rlinear_gddmlp":
        z = gate_window(w, z)
    return (over_time(w, "Linear", z) - beta) / (gamma + 1e-10) * deviation + mean


def lstm(w, case, x, drop):
    mean, deviation = normal(x)
    z = (x - mean) / deviation
    if case == "lstm_gddmlp":
        z = gate_window(w, z)
    network = torch.nn.LSTM(V, HIDDEN, LSTM_LAYERS, batch_first=True)
    own = {name[5:]: value for name, value in w.items() if name.startswith("lstm.")}
    states, _ = torch.func.functional_call(network, own, (z,))
    y = functional.linear(drop(states[:, -1], DROPOUT), w["head.weight"], w["head.bias"])
    return y.reshape(len(x), T, V) * deviation + mean


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


def recurrence(x, delta, a, b, c):
    """x, delta: (batch, V, N, inner); a: (inner or 1, S); b, c: (batch, V, N, S)."""
    state, y = torch.zeros(*x.shape[:2], x.shape[-1], S), []
    for n in range(x.shape[2]):
        step = delta[:, :, n, :, None]
        state = torch.exp(step * a) * state + step * b[:, :, n, None] * x[:, :, n, :, None]
        y.append((state * c[:, :, n, None]).sum(-1))
    return torch.stack(y, 2)


def mamba_block(w, at, u):
    x, z = functional.linear(u, w[f"{at}mixer.in_proj.weight"]).chunk(2, -1)
    weight, past = w[f"{at}mixer.conv1d.weight"][:, 0], torch.zeros_like(x[:, :, : CONV - 1])
    padded = torch.cat([past, x], 2)
    x = sum(weight[:, k] * padded[:, :, k : k + x.shape[2]] for k in range(CONV)) + w[f"{at}mixer.conv1d.bias"]
    x = functional.silu(x)
    low, b, c = functional.linear(x, w[f"{at}mixer.x_proj.weight"]).split([RANK, S, S], -1)
    delta = functional.softplus(functional.linear(low, w[f"{at}mixer.dt_proj.weight"], w[f"{at}mixer.dt_proj.bias"]))
    y = recurrence(x, delta, -torch.exp(w[f"{at}mixer.A_log"]), b, c) + w[f"{at}mixer.D"] * x
    return functional.linear(y * functional.silu(z), w[f"{at}mixer.out_proj.weight"])


def invariant_block(w, at, u):
    both = functional.linear(u, w[f"{at}mixer.in_proj.weight"], w[f"{at}mixer.in_proj.bias"])
    x, z = (functional.silu(half) for half in both.chunk(2, -1))
    delta = functional.softplus(w[f"{at}mixer.dt_proj.bias"]).expand(x.shape)
    b, c = (w[f"{at}mixer.{name}"].expand(*x.shape[:3], S) for name in "BC")
    y = recurrence(x, delta, -torch.exp(w[f"{at}mixer.A_log"]), b, c) + w[f"{at}mixer.D"] * x
    return functional.linear(y * z, w[f"{at}mixer.out_proj.weight"], w[f"{at}mixer.out_proj.bias"])


def on_patches(block):
    def forward(w, case, x, drop):
        mean, deviation = normal(x)
        embedded = functional.linear(cut((x - mean) / deviation), w["patch_embedding.value_embedding.weight"])
        u = drop(embedded + positions(), HEAD_DROPOUT)
        for layer in range(LAYERS):
            at = f"encoder.layers.{layer}."
            h = block(w, at, u / torch.sqrt((u * u).mean(-1, keepdim=True) + 1e-5) * w[f"{at}norm.weight"])
            if case.endswith("_gddmlp"):
                h = gate(w, h, at)
            u = u + drop(h, DROPOUT)
        # (batch, V, E, N), the patches of a feature side by side.
        features = functional.silu(u).transpose(2, 3).reshape(len(x), V, E * N)
        y = drop(functional.linear(features, w["head.linear.weight"], w["head.linear.bias"]), HEAD_DROPOUT)
        return y.transpose(1, 2) * deviation + mean

    return forward


MODELS = {
    "dlinear": dlinear,
    "rlinear": rlinear,
    "lstm": lstm,
    "mamba": on_patches(mamba_block),
    "invariant": on_patches(invariant_block),
}

for name, model in MODELS.items():
    for gddmlp in [False, True]:
        case = f"{name}_gddmlp" if gddmlp else name
        random = np.random.RandomState(SEED)
        initial = {weight: draw(random, weight, shape) for weight, shape in shapes(name, gddmlp)}
        x = np.cumsum(random.randn(BATCH, L, V), 1) * np.array([1, 0.1, 10, 1, 2]) + np.array([0, 1, -20, 0, 3])
        target = x[:, -1:] + random.randn(BATCH, T, V)
        arrays = {"x": x, "target": target, **{f"weight.{weight}": value for weight, value in initial.items()}}
        w = {weight: torch.tensor(value, requires_grad=True) for weight, value in initial.items()}
        window, future = torch.tensor(x, requires_grad=True), torch.tensor(target)

        def loss_of(drop):
            y = model(w, case, window, drop)
            loss = (y - future).abs().mean()
            grads = torch.autograd.grad(loss, [window, *w.values()])
            return y, loss, {"x": grads[0], **dict(zip(w, grads[1:]))}

        y, loss, grads = loss_of(lambda values, share: values)
        arrays |= {"y": y, "loss": loss, **{f"grad.{weight}": grad for weight, grad in grads.items()}}

        # As in training: masks in the order of (batch, L or V, ...), from one stream.
        key = np.array([np.random.RandomState(MASKS).randint(0, 2**64, dtype=np.uint64), 0], dtype=np.uint64)
        stream = np.random.Generator(np.random.Philox(key=key))

        def silence(values, share):
            return values * torch.tensor(stream.random(tuple(values.shape), dtype=np.float32) >= share) / (1 - share)

        y, loss, grads = loss_of(silence)
        arrays |= {"train.y": y, **{f"train.grad.{weight}": grad for weight, grad in grads.items()}}
        arrays = {label: value.detach().numpy() if torch.is_tensor(value) else value for label, value in arrays.items()}
        save("forecast_models", case, arrays, torch=torch.__version__, seed=SEED, masks=MASKS)
