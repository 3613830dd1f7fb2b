"""A training iteration of CMamba in torch, f32, as published: its equations with the scan in parallel (Blelloch's, in place), Adam.

ETTh1, 96 steps ahead, in the paper's setting: batch 64, 3 blocks, 128 features, 16 states, mixup, dropout 0.1. The first run, which both
sides must agree on, is without mixup and dropout, and gives the loss and some slopes; those that are timed have both.

    benches/peers/cmamba.py    some iterations alone, and the most memory they took
"""

import resource

import numpy as np
import torch
from torch.nn.functional import dropout, gelu, l1_loss, linear, silu, softplus
from workload import Workload

THREADS = 2
BATCH, L, T, V, E, F, S, RANK, LAYERS, REDUCTION, PATCH, STRIDE, DROPOUT = 64, 96, 96, 7, 128, 128, 16, 32, 3, 2, 16, 8, 0.1
N = (L + STRIDE - PATCH) // STRIDE + 1


def shapes():
    yield "embedding", (E, PATCH)
    for layer in range(LAYERS):
        yield f"{layer}.norm", (E,)
        yield f"{layer}.in_proj", (2 * F, E)
        yield f"{layer}.in_bias", (2 * F,)
        yield f"{layer}.x_proj", (RANK + 2 * S + F, F)
        yield f"{layer}.dt_proj", (F, RANK)
        yield f"{layer}.dt_bias", (F,)
        yield f"{layer}.a_log", (1, S)
        yield f"{layer}.out_proj", (E, F)
        yield f"{layer}.out_bias", (E,)
        for mlp in ["scale", "shift"]:
            yield f"{layer}.{mlp}.inner", (V // REDUCTION, V)
            yield f"{layer}.{mlp}.outer", (V, V // REDUCTION)
    yield "head", (T, E * N)
    yield "head_bias", (T,)


def sweep(a, x):
    """x_t ← a_t x_{t−1} + x_t along the second axis, a power of two long: up the tree, and down."""
    length, step = x.shape[1], 1
    while step < length:
        left, right = slice(step - 1, None, 2 * step), slice(2 * step - 1, None, 2 * step)
        x[:, right] += a[:, right] * x[:, left]
        a[:, right] *= a[:, left]
        step *= 2
    step //= 2
    while step > 1:
        step //= 2
        left, right = slice(2 * step - 1, length - step, 2 * step), slice(3 * step - 1, None, 2 * step)
        x[:, right] += a[:, right] * x[:, left]
        a[:, right] *= a[:, left]
    return x


def padded(x):
    length = 1 << (x.shape[1] - 1).bit_length()
    return torch.nn.functional.pad(x, (0, 0, 0, 0, 0, length - x.shape[1]))


class Scan(torch.autograd.Function):
    """(sequences, patches, F, S)."""

    @staticmethod
    def forward(context, a, x):
        h = sweep(padded(a).clone(), padded(x).clone())[:, : a.shape[1]]
        context.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(context, dh):
        a, h = context.saved_tensors
        after = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], 1)
        g = sweep(padded(after.flip(1)).clone(), padded(dh.flip(1)).clone())[:, : a.shape[1]].flip(1)
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)
        return g * before, g


def m_mamba(w, at, u):
    u = u * torch.rsqrt(u.pow(2).mean(-1, keepdim=True) + 1e-5) * w[f"{at}.norm"]
    x, z = linear(u, w[f"{at}.in_proj"], w[f"{at}.in_bias"]).chunk(2, -1)
    x = silu(x)
    low, b, c, d = linear(x, w[f"{at}.x_proj"]).split([RANK, S, S, F], -1)
    delta = softplus(linear(low, w[f"{at}.dt_proj"], w[f"{at}.dt_bias"]))
    decay = torch.exp(delta[..., None] * -torch.exp(w[f"{at}.a_log"]))
    h = Scan.apply(decay, delta[..., None] * b[:, :, None] * x[..., None])
    y = (h @ c[..., None])[..., 0] + d * x
    return linear(y * silu(z), w[f"{at}.out_proj"], w[f"{at}.out_bias"])


def gdd_mlp(w, at, h):
    """h: (batch, V, N, E); the weights act on the second axis."""
    pooled = [h.mean(-1).swapaxes(1, 2), h.amax(-1).swapaxes(1, 2)]

    def gate(name):
        inner, outer = w[f"{at}.{name}.inner"], w[f"{at}.{name}.outer"]
        return torch.sigmoid(sum(linear(gelu(linear(f, inner)), outer) for f in pooled)).swapaxes(1, 2)[..., None]

    return gate("scale") * h + gate("shift")


def positions():
    n, i = torch.arange(N)[:, None], torch.arange(0, E, 2)
    angle = n * torch.exp(-i / E * np.log(10000))
    return torch.stack([torch.sin(angle), torch.cos(angle)], 2).reshape(N, E)


POSITIONS = positions()


def model(w, x, train):
    mean = x.mean(1, keepdim=True)
    deviation = torch.sqrt(x.var(1, keepdim=True, correction=0) + 1e-5)
    x = ((x - mean) / deviation).swapaxes(1, 2)
    pieces = torch.cat([x, x[..., -1:].expand(-1, -1, STRIDE)], -1).unfold(-1, PATCH, STRIDE)
    u = dropout(linear(pieces.reshape(-1, N, PATCH), w["embedding"]) + POSITIONS, DROPOUT, train)
    for layer in range(LAYERS):
        h = gdd_mlp(w, layer, m_mamba(w, layer, u).reshape(-1, V, N, E))
        u = u + dropout(h.reshape(-1, N, E), DROPOUT, train)
    features = silu(u).reshape(-1, V, N, E).swapaxes(2, 3).reshape(-1, V, E * N)
    y = dropout(linear(features, w["head"], w["head_bias"]), DROPOUT, train)
    return y.swapaxes(1, 2) * deviation + mean


def iteration():
    torch.set_num_threads(THREADS)
    random = np.random.RandomState(1)

    def draw(name, shape):
        values = 0.1 * random.normal(size=shape)
        if name.endswith("norm"):
            values += 1
        if name.endswith("a_log"):
            values += np.log(np.arange(1, S + 1))
        return torch.tensor(values, dtype=torch.float32, requires_grad=True)

    w = {name: draw(name, shape) for name, shape in shapes()}
    x, target = (torch.tensor(random.normal(size=(BATCH, steps, V)), dtype=torch.float32) for steps in (L, T))
    adam = torch.optim.Adam(w.values(), lr=5e-4)
    runs = 0

    def run():
        nonlocal runs
        runs += 1
        if runs == 1:
            loss = l1_loss(model(w, x, False), target)
            loss.backward()
            slopes = torch.cat([weight.grad.flatten() for weight in w.values()])[::997]
            # Of the size of the largest, so that a tolerance is a relative one.
            return [loss.item(), *(slopes / slopes.abs().max()).tolist()]
        order, strength = torch.randperm(V), torch.randn(BATCH, 1, V)
        mixed, mixed_target = (values + strength * values[:, :, order] for values in (x, target))
        adam.zero_grad()
        loss = l1_loss(model(w, mixed, True), mixed_target)
        loss.backward()
        adam.step()
        return [loss.item()]

    return run


WORKLOADS = [Workload("iteration_etth1_96", "torch, parallel scan", torch.__version__, 10, 1e-4, iteration, THREADS)]

if __name__ == "__main__":
    run = iteration()
    for _ in range(5):
        run()
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
