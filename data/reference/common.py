"""Writes the cases: safetensors files whose bytes depend on nothing but their content."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent


def save(topic, case, arrays, **metadata):
    """Writes <topic>/<case>.safetensors and its line in SHA256SUMS.

    The safetensors package orders a header's metadata differently in every run, so the format (eight bytes of length, a JSON header,
    the arrays one after the other) is written here.
    """
    header = {"__metadata__": {name: str(value) for name, value in sorted({"numpy": np.__version__, **metadata}.items())}}
    body = b""
    for name, values in sorted(arrays.items()):
        values = np.asarray(values)
        kind = "F64" if values.dtype.kind == "f" else "I64"
        data = np.ascontiguousarray(values, "<f8" if kind == "F64" else "<i8").tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    content = struct.pack("<Q", len(text)) + text + body
    path = ROOT / topic / f"{case}.safetensors"
    path.write_bytes(content)
    record(f"{topic}/{case}.safetensors", hashlib.sha256(content).hexdigest())
    print(f"{path.relative_to(ROOT)}: {', '.join(sorted(arrays))}")


def record(name, digest):
    sums = ROOT / "SHA256SUMS"
    lines = sums.read_text().splitlines() if sums.exists() else []
    known = dict(reversed(line.split("  ")) for line in lines)
    known[name] = digest
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(known.items())))
