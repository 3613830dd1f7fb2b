"""torch's answers about the selective scan: the recurrence written as a loop, and every gradient by autograd."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261122
torch.manual_seed(SEED)
torch.set_default_dtype(torch.float64)


def scan(u, delta, a, b, c, d=None, z=None, delta_bias=None, softplus=False, initial=None):
    """(batch, length, channels) and (batch, length, state), as in this project; A, B, C and the state real or complex."""
    if delta_bias is not None:
        delta = delta + delta_bias
    if softplus:
        delta = torch.nn.functional.softplus(delta)
    h = torch.zeros(u.shape[0], *a.shape, dtype=a.dtype) if initial is None else initial
    y = []
    for u_t, delta_t, b_t, c_t in zip(u.unbind(1), delta.unbind(1), b.unbind(1), c.unbind(1)):
        h = torch.exp(delta_t[..., None] * a) * h + (delta_t * u_t)[..., None] * b_t[:, None]
        read = torch.einsum("bdn,bn->bd", h, c_t)
        y.append(2 * read.real if read.is_complex() else read)
    y = torch.stack(y, 1)
    if d is not None:
        y = y + d * u
    if z is not None:
        y = y * torch.nn.functional.silu(z)
    return y, h


def make(case, shape, parts, kind=torch.float64):
    """`parts`: which of d, z, bias (with softplus) and initial there are."""
    batch, length, channels, state = shape
    draw = lambda *shape: torch.randn(*shape, dtype=kind)
    inputs = {
        "u": torch.randn(batch, length, channels),
        "delta": torch.randn(batch, length, channels) if "bias" in parts else 0.3 * torch.rand(batch, length, channels),
        "a": draw(channels, state),
        "b": draw(batch, length, state),
        "c": draw(batch, length, state),
    }
    real = -torch.exp(inputs["a"].real)
    inputs["a"] = torch.complex(real, 3 * inputs["a"].imag) if kind.is_complex else real
    if "d" in parts:
        inputs["d"] = torch.randn(channels)
    if "z" in parts:
        inputs["z"] = torch.randn(batch, length, channels)
    if "bias" in parts:
        inputs["delta_bias"] = torch.randn(channels)
    if "initial" in parts:
        inputs["initial"] = draw(batch, channels, state)
    leaves = {name: value.requires_grad_() for name, value in inputs.items()}
    y, last = scan(**leaves, softplus="bias" in parts)
    dy, dlast = torch.randn(batch, length, channels), draw(batch, channels, state)
    gradients = torch.autograd.grad([y, last], list(leaves.values()), [dy, dlast])
    arrays = {**inputs, "y": y, "last": last, "dy": dy, "dlast": dlast}
    arrays.update({f"gradient_{name}": gradient for name, gradient in zip(leaves, gradients)})
    # A complex number is two real ones, the last axis.
    split = lambda value: torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
    arrays = {name: split(value.detach()).numpy() for name, value in arrays.items()}
    save("selective", case, arrays, torch=torch.__version__, seed=SEED)


EVERYTHING = ["d", "z", "bias", "initial"]
make("one", (1, 1, 1, 1), [])
make("plain", (2, 37, 5, 4), [])
make("gated", (1, 70, 19, 3), ["d", "z"])
make("everything", (3, 45, 18, 9), EVERYTHING)
make("short", (7, 3, 17, 16), EVERYTHING)
make("complex", (2, 37, 3, 4), EVERYTHING, torch.complex128)
