"""The selective scan in torch, f32: the authors' reference, a loop over time, and a scan by doubling; one token at a time.

torch's tensors are (batch, channels, length), as in the reference.

A loop's time is up to half page faults: every tensor above 32 MiB is memory fresh from the system. "torch, loop" is so, as a user has it;
"torch, loop, memory kept" has the C library keep its memory, as on our side.
"""

import numpy as np
import torch
from torch.nn.functional import silu, softplus
from workload import Workload

THREADS = 2
SHAPES = {"1_2048_256": (1, 2048, 256, 16), "4_1024_256": (4, 1024, 256, 16), "448_12_128": (448, 12, 128, 16)}


def read_out(h, u, c, d, z):
    return (torch.einsum("bdln,bnl->bdl", h, c) + u * d[:, None]) * silu(z)


def discretise(u, delta, a, b):
    delta = softplus(delta)
    return torch.exp(torch.einsum("bdl,dn->bdln", delta, a)), torch.einsum("bdl,bnl,bdl->bdln", delta, b, u)


def loop(u, delta, a, b, c, d, z):
    """Step by step, over slices cut beforehand."""
    decay, drive = discretise(u, delta, a, b)
    h, y = torch.zeros_like(drive[:, :, 0]), []
    for decay_t, drive_t, c_t in zip(decay.unbind(2), drive.unbind(2), c.unbind(2)):
        h = decay_t * h + drive_t
        y.append(torch.einsum("bdn,bn->bd", h, c_t))
    return (torch.stack(y, 2) + u * d[:, None]) * silu(z)


def doubling(u, delta, a, b, c, d, z):
    """All times at once, log2(length) times (Hillis and Steele)."""
    decay, h = discretise(u, delta, a, b)
    distance = 1
    while distance < h.shape[2]:
        h = torch.cat([h[:, :, :distance], h[:, :, distance:] + decay[:, :, distance:] * h[:, :, :-distance]], 2)
        decay = torch.cat([decay[:, :, :distance], decay[:, :, distance:] * decay[:, :, :-distance]], 2)
        distance *= 2
    return read_out(h, u, c, d, z)


def data(shape):
    batch, length, channels, state = shape
    random = np.random.RandomState(1)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32)
    u, delta, z = (draw(batch, length, channels) for _ in range(3))
    a, b, c, d = -np.exp(draw(channels, state)), draw(batch, length, state), draw(batch, length, state), draw(channels)
    swapped = [np.ascontiguousarray(np.swapaxes(x, 1, 2)) for x in (u, delta, b, c, z)]
    u, delta, b, c, z = map(torch.from_numpy, swapped)
    return u, delta, torch.from_numpy(a), b, c, torch.from_numpy(d), z


def some(values):
    """A few entries, times before channels as on the other side; asinh, so that a tolerance is a relative one."""
    values = values.detach()
    times_first = values.swapaxes(1, 2) if values.ndim == 3 else values
    places = np.unravel_index(np.arange(0, values.numel(), 997), times_first.shape)
    return torch.asinh(times_first[places].double()).tolist()


def forward(scan, shape):
    torch.set_num_threads(THREADS)
    inputs = data(shape)

    def run():
        with torch.no_grad():
            return some(scan(*inputs))

    return run


def train(scan, shape):
    torch.set_num_threads(THREADS)
    inputs = [x.requires_grad_() for x in data(shape)]
    slope = torch.ones_like(inputs[0])

    def run():
        gradients = torch.autograd.grad(scan(*inputs), inputs, slope)
        return [value for gradient in gradients for value in some(gradient)]

    return run


def step():
    """One token of one sequence, 1536 channels: the next state from the last."""
    torch.set_num_threads(1)
    u, delta, a, b, c, d, z = (x[..., 0] if x.ndim == 3 else x for x in data((1, 1, 1536, 16)))
    h = torch.zeros(1, 1536, 16)

    def run():
        nonlocal h
        with torch.no_grad():
            dt = softplus(delta)
            h = torch.exp(dt[..., None] * a) * h + (dt * u)[..., None] * b[:, None]
            return some((torch.einsum("bdn,bn->bd", h, c) + u * d) * silu(z))

    return run


KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647"}


def workload(name, peer, target, make, tolerance=2e-5, threads=THREADS, environment={}):
    return Workload(name, peer, torch.__version__, target, tolerance, make, threads, environment)


def of_shape(name, forward_target, train_target, candle_target):
    shape = SHAPES[name]
    # Gradients by A, B and C are sums of thousands of f32 that partly cancel, on both sides.
    training = dict(make=lambda: train(loop, shape), tolerance=5e-4)
    return [
        workload(f"forward_{name}", "torch, loop", forward_target, lambda: forward(loop, shape)),
        workload(f"forward_{name}", "torch, loop, memory kept", 1, lambda: forward(loop, shape), environment=KEPT),
        workload(f"forward_{name}", "torch, doubling", 1, lambda: forward(doubling, shape)),
        workload(f"train_{name}", "torch, loop", train_target, **training),
        workload(f"train_{name}", "torch, loop, memory kept", 1, **training, environment=KEPT),
        # Ours as an operation of candle's graph.
        workload(f"candle_{name}", "torch, loop", candle_target, **training),
    ]


WORKLOADS = [
    *of_shape("1_2048_256", 170, 150, 100),
    *of_shape("4_1024_256", 160, 90, 55),
    *of_shape("448_12_128", 80, 65, 30),
    workload("step_1536", "torch", 20, step, threads=1),
]
