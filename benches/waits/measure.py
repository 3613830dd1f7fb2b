"""Kernel start to the first result of a library call, ours and plain evcxr's taking turns; then our cells (see `run`).

Plain evcxr is measured twice: as it comes, and with its own cache of compiled crates switched on and filled. The cells
are those of the committed notebooks.
"""

import argparse
import csv
import datetime
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks/runner/tests"))
from kernel import DEPENDENCY, LIBRARY_CALL, started  # noqa: E402

PLAIN = Path(__file__).resolve().parent / "plain"
CELLS = [f':dep plain = {{ path = "{PLAIN}" }}\nuse plain::mean;', "let result = mean(&[1.0, 2.0]);\nresult"]


def plain_spec(program, work, name, settings):
    """A kernel folder for plain evcxr, with configuration and cache of its own."""
    home = work / name
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "config/init.evcxr").write_text(settings)
    folder = home / "kernels/mlnotes"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"EVCXR_CONFIG_DIR": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}
    (folder / "kernel.json").write_text(json.dumps({
        "argv": [str(program), "--control_file", "{connection_file}"],
        "display_name": name, "language": "rust", "interrupt_mode": "message", "env": environment,
    }))
    return home / "kernels"


def first_result(specs, cells):
    start = time.monotonic()
    with started(specs, ROOT / "notebooks") as (kernel, _):
        for cell in cells:
            kernel.ok(cell, patience=600)
        return time.monotonic() - start


def cells_of_notebooks(specs, repetitions):
    """Once the kernel is ready: the first cells a reader sends, the median cell, the median cell that draws."""
    waits = {name: [] for name in ("the `:dep` and prelude cell", "the first `let`", "median cell", "median plot cell")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")) * repetitions:
        notebook = json.loads(path.read_text())
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        with started(specs, ROOT / "notebooks") as (kernel, _):
            def timed(code):
                start = time.monotonic()
                cell = kernel.run(code)
                return time.monotonic() - start, cell

            # Answered by the session, so once it is ready; a reader's pause follows.
            kernel.ask(kernel.client.inspect("", 0), "inspect_reply")
            time.sleep(2)
            waits["the `:dep` and prelude cell"].append(timed(DEPENDENCY)[0])
            waits["the first `let`"].append(timed(LIBRARY_CALL)[0])
            cells = [timed(source) for source in sources if source.strip()]
        draws = [
            seconds for seconds, cell in cells
            if any("image/svg+xml" in result["data"] for result in cell.of("execute_result"))
        ]
        waits["median cell"].append(statistics.median(seconds for seconds, _ in cells))
        waits["median plot cell"] += [statistics.median(draws)] if draws else []
    return waits


def processor():
    """The name that Linux has for it; on a virtual machine not always all of it."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def row(what, seconds, ratio):
    return {
        "what": what, "seconds": f"{statistics.median(seconds):.2f}", "ours_over_this": ratio,
        "load": f"{os.getloadavg()[0]:.1f}", "cores": os.cpu_count(), "processor": processor(), "date": datetime.date.today().isoformat(),
        "command": "benches/waits/run",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    work = options.work.resolve()
    contestants = {
        "ours": (work / "ours/share/jupyter/kernels", [DEPENDENCY, LIBRARY_CALL]),
        "plain evcxr": (plain_spec(options.program, work, "plain", ""), CELLS),
        "plain evcxr, its cache filled": (plain_spec(options.program, work, "cached", ":cache 2000\n"), CELLS),
    }
    seconds = {name: [] for name in contestants}
    for turn in range(options.repetitions + 1):
        for name, (specs, cells) in contestants.items():
            took = first_result(specs, cells)
            # The first turn fills caches: ours, the system's, evcxr's.
            if turn > 0:
                seconds[name].append(took)
            print(f"turn {turn}: {name}: {took:.1f} s", flush=True)
    waits = cells_of_notebooks(contestants["ours"][0], options.repetitions)
    ours = statistics.median(seconds["ours"])
    rows = []
    for name, all_ in seconds.items():
        rows.append(row(f"kernel start to first library result, {name}", all_, f"{ours / statistics.median(all_):.2f}"))
    rows += [row(name, all_, "") for name, all_ in waits.items()]
    for row_ in rows:
        print(json.dumps(row_))
    if options.write:
        path = ROOT / "data/bench/notebooks.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
