"""Writes nasty.json (compact, keys in disorder) and nasty.ipynb (as Jupyter saves it): python3 nasty.py."""
import json
import pathlib

text = "".join(map(chr, range(0x20))) + "\"\\/\x7f\x80\x85\xa0\u2028\u2029\ufeff\ufffd 感知机 é e\u0301 😀 </script>"
floats = [0.0, -0.0, 1.0, 0.1, -2.5, 1e15, 1e16, 123456789012345680.0, 1e-4, 9.9999e-5, 1e-5, 1.5e300, 5e-324,
          1.7976931348623157e308, 0.30000000000000004, 2.2250738585072014e-308, 1e22, 1e23, 4.35, 9007199254740993.0]
notebook = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"z": {}, "a": [], "感": text, "é": 1, "Z": True, "aa": None, "a b": [[], {}, [[]], [{}]], "😀": 2,
                 "\uffee": 3, "\n": 4},
    "cells": [
        {"source": [text, "\n"], "metadata": {"floats": floats, "ints": [0, -1, 2**63 - 1, -2**63, 2**64 - 1]},
         "id": "a", "cell_type": "markdown"},
    ],
}
here = pathlib.Path(__file__).parent
(here / "nasty.json").write_text(json.dumps(notebook, ensure_ascii=True), encoding="utf-8", newline="")
(here / "nasty.ipynb").write_text(json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
                                  encoding="utf-8", newline="")
