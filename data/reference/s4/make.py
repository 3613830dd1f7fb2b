"""S4 and S4D anew: LAPACK's eigenvectors, kernels by mpmath in 60 digits, torch's double precision complex numbers and gradients."""

import sys
from pathlib import Path

import mpmath
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 20261122
random = np.random.RandomState(SEED)
VERSIONS = {"mpmath": mpmath.__version__, "torch": torch.__version__, "seed": SEED}
mpmath.mp.dps = 60


def legs(order):
    n, k = np.indices((order, order))
    a = -np.where(n > k, np.sqrt((2 * n + 1.0) * (2 * k + 1.0)), np.where(n == k, n + 1.0, 0.0))
    return a, np.sqrt(2 * np.arange(order) + 1.0)


# The eigenvalues of the normal part, and how badly A itself is diagonalised.
arrays = {}
for order in [2, 4, 16, 64]:
    a, _ = legs(order)
    p = np.sqrt(np.arange(order) + 0.5)
    omega = np.linalg.eigvalsh(-1j * (a + np.outer(p, p) + 0.5 * np.eye(order)))[::-1]
    arrays[f"frequencies_{order}"] = omega[: order // 2]
orders = [2, 4, 8, 12, 16]
arrays["orders"] = np.array(orders, int)


def condition(order):
    """By mpmath: in double precision the eigenvectors themselves are off by what is to be measured."""
    a = mpmath.matrix(order, order)
    for n in range(order):
        for k in range(n + 1):
            a[n, k] = -(n + 1) if n == k else -mpmath.sqrt((2 * n + 1) * (2 * k + 1))
    _, vectors = mpmath.eig(a)
    for j in range(order):
        length = mpmath.sqrt(sum(abs(vectors[i, j]) ** 2 for i in range(order)))
        for i in range(order):
            vectors[i, j] /= length
    singular = mpmath.svd_c(vectors, compute_uv=False)
    return float(singular[0] / singular[order - 1])


arrays["conditions"] = np.array([condition(order) for order in orders])
# What LAPACK makes of it: right to a few percent at N = 16.
arrays["lapack_conditions"] = np.array([np.linalg.cond(np.linalg.eig(legs(order)[0])[1]) for order in orders])
save("s4", "structure", arrays, **VERSIONS)


def exact_kernel(order, c, step, length):
    """K_l = C Ā^l B̄ with the bilinear Ā and B̄, in 60 digits."""
    a = mpmath.matrix(order, order)
    for n in range(order):
        for k in range(n + 1):
            a[n, k] = -(n + 1) if n == k else -mpmath.sqrt((2 * n + 1) * (2 * k + 1))
    b = mpmath.matrix([mpmath.sqrt(2 * n + 1) for n in range(order)])
    half, eye = mpmath.mpf(step) / 2, mpmath.eye(order)
    abar = mpmath.lu_solve(eye - half * a, eye + half * a) if order == 1 else (eye - half * a) ** -1 * (eye + half * a)
    x = (eye - half * a) ** -1 * (2 * half * b)
    row, kernel = mpmath.matrix([list(map(mpmath.mpf, c))]), []
    for _ in range(length):
        kernel.append(float((row * x)[0]))
        x = abar * x
    return kernel


arrays = {}
for order, step, length in [(2, 0.5, 7), (4, 0.1, 64), (16, 0.01, 101), (32, 0.05, 50)]:
    c = random.randn(order)
    arrays |= {f"c_{order}": c, f"step_{order}": step, f"kernel_{order}": exact_kernel(order, c, step, length)}
save("s4", "kernels", arrays, **VERSIONS)

# S4D: the four starts, both rules, and the slopes of a loss that torch finds through the kernel.
torch.set_default_dtype(torch.float64)
H, M, L = 3, 8, 50
arrays = {}
steps = np.array([0.001, 0.03, 0.2])
weights = random.randn(H, L)
for name in ["lin", "inv", "real", "legs"]:
    n, order = np.arange(M), 2 * M
    if name == "lin":
        eigenvalues = -0.5 + 1j * np.pi * n
    elif name == "inv":
        eigenvalues = -0.5 + 1j * order / np.pi * (order / (2 * n + 1) - 1)
    elif name == "real":
        eigenvalues = -(n + 1.0) + 0j
    else:
        a, _ = legs(order)
        p = np.sqrt(np.arange(order) + 0.5)
        eigenvalues = np.linalg.eigvals(a + np.outer(p, p))
        eigenvalues = eigenvalues[eigenvalues.imag > 0]
        eigenvalues = eigenvalues[np.argsort(-eigenvalues.imag)]
    eigenvalues = np.tile(eigenvalues, (H, 1))
    b, c = (random.randn(H, M) + 1j * random.randn(H, M) for _ in range(2))
    arrays[f"{name}_eigenvalues_re"], arrays[f"{name}_eigenvalues_im"] = eigenvalues.real, eigenvalues.imag
    for letter, z in [("b", b), ("c", c)]:
        arrays[f"{name}_{letter}_re"], arrays[f"{name}_{letter}_im"] = z.real, z.imag
    for rule in ["hold", "bilinear"]:
        leaf = lambda x: torch.tensor(x, requires_grad=True)
        lam, tb, tc, dt = leaf(eigenvalues), leaf(b), leaf(c), leaf(steps[:, None])
        z = lam * dt
        if rule == "hold":
            abar, bbar = torch.exp(z), (torch.exp(z) - 1) / lam * tb
        else:
            abar, bbar = (1 + z / 2) / (1 - z / 2), dt * tb / (1 - z / 2)
        powers = abar[..., None] ** torch.arange(L)
        kernel = 2 * torch.einsum("hn,hn,hnl->hl", tc, bbar, powers).real
        arrays[f"{name}_{rule}_kernel"] = kernel.detach().numpy()
        if rule == "hold":
            (kernel * torch.tensor(weights)).sum().backward()
            # torch's gradient of a real loss is ∂/∂Re + i ∂/∂Im.
            for letter, leaf_ in [("eigenvalues", lam), ("b", tb), ("c", tc)]:
                arrays[f"{name}_{letter}_slope_re"] = leaf_.grad.numpy().real
                arrays[f"{name}_{letter}_slope_im"] = leaf_.grad.numpy().imag
            arrays[f"{name}_steps_slope"] = dt.grad.numpy()[:, 0]
save("s4", "diagonal", {"steps": steps, "weights": weights, **arrays}, **VERSIONS)
