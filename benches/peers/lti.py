"""Causal convolutions by FFT, each channel with a kernel of its own and as long as its signal, in SciPy."""

import numpy as np
import scipy
from scipy.signal import fftconvolve
from workload import Workload


def make(length, channels):
    random = np.random.RandomState(1)
    kernels = np.ascontiguousarray(random.normal(size=(channels, length)).T)
    u = random.normal(size=(length, channels))
    # SciPy convolves the columns of both at once.
    return lambda: fftconvolve(u, kernels, axes=0)[:length].ravel()[::4097]


def workload(name, length, channels):
    # Sums of 16,384 products of normal numbers, of a size of some hundreds.
    return Workload(name, "scipy", scipy.__version__, target=1, tolerance=1e-10, make=lambda: make(length, channels))


WORKLOADS = [
    workload("convolve_16k", 16_384, 1),
    workload("convolve_16k_64", 16_384, 64),
    workload("convolve_2k_256", 2_048, 256),
]
