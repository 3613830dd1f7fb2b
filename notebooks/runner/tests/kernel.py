"""The real thing: Jupyter's own client library drives the installed kernel.

    python kernel.py PREFIX [--protocol] [--notebooks]     (default: both)

PREFIX is where `cargo notebooks kernel install --prefix PREFIX` has put the kernel. `--protocol` sends what the
protocol allows and good and bad cells; `--notebooks` executes every notebook with nbclient and requires its last line
`CHECKS n/n`. Times are printed as JSON lines. The exit code says whether all held.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from queue import Empty

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2]
DEPENDENCY = ':dep mlnotes = { path = ".." }\nuse mlnotes::prelude::*;'
LIBRARY_CALL = 'let error = mlnotes::Error::domain("rate", -1.0, "above 0");\nerror.to_string()'
PATIENCE = 180


def manager(specs: Path) -> KernelManager:
    finder = KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False)
    return KernelManager(kernel_name="mlnotes", kernel_spec_manager=finder)


class Cell:
    """What one request brought back."""

    def __init__(self, reply, messages):
        self.reply = reply["content"]
        self.messages = messages

    def text(self, stream="stdout"):
        return "".join(c["text"] for t, c in self.messages if t == "stream" and c["name"] == stream)

    def of(self, kind):
        return [content for type_, content in self.messages if type_ == kind]

    @property
    def result(self):
        return self.of("execute_result")[0]["data"]

    @property
    def failure(self):
        """The error's name and text; the reply and what all clients see must say the same."""
        assert self.reply["status"] == "error", self.reply
        [error] = self.of("error")
        assert error["ename"] == self.reply["ename"] and error["evalue"] == self.reply["evalue"]
        assert error["traceback"] == self.reply["traceback"] and error["traceback"], error
        return error["ename"], error["evalue"]


class Kernel:
    def __init__(self, client):
        self.client = client

    def collect(self, request, patience=PATIENCE):
        """All that belongs to the request, up to its `idle`, and its reply."""
        messages = []
        deadline = time.monotonic() + patience
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            messages.append((message["msg_type"], message["content"]))
            if messages[-1] == ("status", {"execution_state": "idle"}):
                break
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == request:
                break
        assert messages[0] == ("status", {"execution_state": "busy"}), messages[0]
        return Cell(reply, messages)

    def run(self, code, patience=PATIENCE, **options):
        return self.collect(self.client.execute(code, **options), patience)

    def ok(self, code, **options):
        cell = self.run(code, **options)
        assert cell.reply["status"] == "ok", cell.reply
        assert not cell.of("error")
        return cell

    def value(self, code):
        return self.ok(code).result["text/plain"]

    def ask(self, request, reply_type, patience=PATIENCE):
        cell = self.collect(request, patience)
        assert cell.reply.get("status") != "error", cell.reply
        return cell.reply

    def control(self, kind, **content):
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        return self.client.get_control_msg(timeout=10)


@contextmanager
def started(specs, folder, **environment):
    kernel = manager(specs)
    kernel.kernel_spec.env.update(environment)
    kernel.start_kernel(cwd=str(folder))
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        yield Kernel(client), kernel
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=False)


TESTS = []


def test(function):
    TESTS.append(function)
    return function


@test
def answers_while_it_is_made_ready(k):
    """`wait_for_ready` has had its kernel_info within 30 s; now the language is what notebooks store."""
    start = time.monotonic()
    info = k.ask(k.client.kernel_info(), "kernel_info_reply")
    assert info["language_info"] == {
        "name": "rust", "version": "", "mimetype": "text/x-rust", "file_extension": ".rs",
        "pygments_lexer": "rust", "codemirror_mode": "rust",
    }, info
    assert k.ask(k.client.is_complete("fn f() {"), "is_complete_reply")["status"] == "incomplete"
    assert k.ask(k.client.is_complete("fn f() {}"), "is_complete_reply")["status"] == "complete"
    assert k.ask(k.client.comm_info(), "comm_info_reply")["comms"] == {}
    assert k.ask(k.client.history(hist_access_type="tail", n=1), "history_reply")["history"] == []
    took = time.monotonic() - start
    assert took < 2, f"{took:.1f} s for five requests that need no session"


@test
def counts_stored_cells_only(k):
    assert k.ok("let base = 40;").reply["execution_count"] == 1
    cell = k.ok("base + 2")
    assert cell.of("execute_input") == [{"code": "base + 2", "execution_count": 2}]
    assert cell.of("execute_result")[0]["execution_count"] == 2
    assert cell.result["text/plain"] == "42"
    assert cell.reply["user_expressions"] == {}
    quiet = k.ok("base + 3", silent=True)
    assert not quiet.of("execute_input") and not quiet.of("execute_result")
    k.ok("base + 4", store_history=False)
    k.ok("   \n")
    assert k.ok("base + 5").reply["execution_count"] == 3


@test
def panic_keeps_the_variables(k):
    k.ok("let kept = vec![1, 2, 3];")
    name, text = k.run('let lost = 1; assert_eq!(lost, 2, "two expected");').failure
    assert name == "Panic" and "two expected" in text, (name, text)
    assert k.value("kept.len()") == "3"
    assert k.run("lost").failure[0] == "CompileError"


@test
def question_mark_keeps_the_variables(k):
    cell = k.run('let number: i32 = "x".parse::<i32>()?; number')
    name, text = cell.failure
    assert name == "Error" and "invalid digit" in text, (name, text)
    assert cell.text("stderr") == "", "the message is shown once"
    assert k.value("kept.len()") == "3"


@test
def exit_is_an_error_and_the_kernel_lives(k):
    name, text = k.run("std::process::exit(7);").failure
    assert name == "ProcessEnded" and "7" in text and "variables are lost" in text, (name, text)
    assert k.run("kept.len()").failure[0] == "CompileError"
    assert k.value("1 + 1") == "2"
    assert k.run('panic!("after the restart")').failure == ("Panic", "after the restart")


@test
def compile_error_shows_the_line(k):
    cell = k.run('let a = 1;\nlet b: i32 = "text";')
    name, text = cell.failure
    assert name == "CompileError" and "mismatched types" in text
    assert any('let b: i32 = "text";' in line for line in cell.reply["traceback"]), cell.reply["traceback"]


@test
def compile_error_in_chinese_text(k):
    assert k.run('let 数据 = "中文"; 数据.fehlt()').failure[0] == "CompileError"
    assert k.value('let 数据 = "中文"; 数据') == '"中文"'


@test
def streams_arrive_while_the_cell_runs(k):
    request = k.client.execute(
        'for i in 0..3 { println!("step {i}"); std::thread::sleep(std::time::Duration::from_millis(700)); }'
    )
    times = []
    while True:
        message = k.client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            times.append(time.monotonic())
        if message["content"].get("execution_state") == "idle":
            break
    k.client.get_shell_msg(timeout=10)
    assert len(times) == 3 and times[2] - times[0] > 1.0, times


@test
def ten_thousand_lines_are_few_messages(k):
    cell = k.ok('for i in 0..10_000 { println!("{i}"); }')
    assert cell.text() == "".join(f"{i}\n" for i in range(10_000))
    assert len(cell.of("stream")) < 200, len(cell.of("stream"))


@test
def hundred_megabytes_are_cut_off(k):
    cell = k.run('let line = "x".repeat(99); for _ in 0..1_000_000 { println!("{line}"); }')
    assert cell.failure[0] == "TooMuchOutput"
    assert 5e6 < len(cell.text()) <= 10e6, len(cell.text())
    assert k.value("1 + 1") == "2"


@test
def standard_input_is_refused(k):
    name, text = k.run("let mut s = String::new(); std::io::stdin().read_line(&mut s);").failure
    assert "standard input" in text, (name, text)


@test
def endless_loop_is_interrupted(k):
    k.ok("let before = 1;")
    request = k.client.execute('println!("in the loop"); loop { std::thread::sleep(std::time::Duration::from_millis(1)); }')
    wait_for(k, "stream")
    start = time.monotonic()
    assert k.control("interrupt_request")["content"]["status"] == "ok"
    name, text = collect_from_middle(k, request)
    took = time.monotonic() - start
    assert name == "Interrupted" and "variables are lost" in text, (name, text)
    assert took < 3, f"{took:.1f} s"
    print(json.dumps({"what": "interrupt of an endless loop to its reply", "seconds": round(took, 2)}))
    assert k.value("1 + 1") == "2"


@test
def compiling_is_interrupted_and_keeps_the_variables(k):
    k.ok("let survivor = 5;")
    request = k.client.execute(f"let never = {' + '.join(['1'] * 20)}; loop {{}}")
    time.sleep(0.15)
    start = time.monotonic()
    k.control("interrupt_request")
    name, text = collect_from_middle(k, request)
    took = time.monotonic() - start
    assert name == "Interrupted" and "no variable is lost" in text, (name, text)
    assert took < 5, f"{took:.1f} s"
    assert k.value("survivor") == "5"


@test
def an_interrupt_of_nothing_does_nothing(k):
    assert k.control("interrupt_request")["content"]["status"] == "ok"
    assert k.value("survivor") == "5"


@test
def waiting_cells_are_aborted_after_an_error(k):
    first = k.client.execute('std::thread::sleep(std::time::Duration::from_millis(300)); panic!("stop")')
    second = k.client.execute("let after = 1;")
    assert k.collect(first).failure[0] == "Panic"
    cell = k.collect(second)
    assert cell.reply["status"] == "aborted", cell.reply
    assert not cell.of("execute_input")
    first = k.client.execute('std::thread::sleep(std::time::Duration::from_millis(300)); panic!("go on")', stop_on_error=False)
    second = k.client.execute("1 + 1")
    assert k.collect(first).failure[0] == "Panic"
    assert k.collect(second).reply["status"] == "ok"


@test
def completes_a_method(k):
    k.ok('let 名 = String::from("é🦀");')
    code = 'let x = "é🦀"; 名.to_upp'
    reply = k.ask(k.client.complete(code, len(code)), "complete_reply")
    assert any(match.startswith("to_uppercase") for match in reply["matches"]), reply
    assert code[reply["cursor_start"] : reply["cursor_end"]] == "to_upp", reply
    reply = k.ask(k.client.complete("__cel", 5), "complete_reply")
    assert not any("__cell" in match for match in reply["matches"]), reply


@test
def inspects_a_method(k):
    code = "名.to_uppercase()"
    reply = k.ask(k.client.inspect(code, 6), "inspect_reply")
    assert reply["found"] and "to_uppercase" in reply["data"]["text/plain"], reply
    reply = k.ask(k.client.inspect("", 0), "inspect_reply")
    assert reply["found"] is False


@test
def types_of_the_standard_library_are_inferred(k):
    """Variables need no written types, whatever copy of the library's source the front end has read."""
    cells = r"""
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
let mut map = HashMap::new(); map.insert("a", 1); map.insert("b", 2);
let pairs = map.iter().map(|(key, value)| (key.to_string(), *value)).collect::<Vec<_>>();
let sum = map.values().sum::<i32>(); let entry = *map.entry("c").or_insert(5);
let set: HashSet<i32> = [1, 2].into(); let union = set.union(&set).map(|x| x + 1).collect::<Vec<_>>();
let joined = std::thread::spawn(|| 3 + 4).join().unwrap();
let seconds = std::time::Instant::now().elapsed().as_secs_f64();
let text = std::fs::read_to_string("Cargo.toml").unwrap_or_default(); let lines = text.lines().count();
let mut v = vec![3.0, 1.0]; v.sort_by(|a: &f64, b| a.total_cmp(b)); let max = v.iter().cloned().fold(f64::MIN, f64::max);
let sums = v.windows(2).map(|p| p[0] + p[1]).collect::<Vec<f64>>(); let dot = v.iter().zip(&sums).map(|(a, b)| a * b).sum::<f64>();
let root = 2.0_f64.powi(3).sqrt(); let ones = 5_u64.count_ones(); let (q, r) = (7_i32.div_euclid(2), 7_i32.checked_rem(2));
let upper = format!("{root:.3}").to_uppercase(); let parts = "a b".split(' ').map(String::from).collect::<Vec<_>>();
let mut queue = VecDeque::from([1, 2]); let front = queue.pop_front(); let tree = BTreeMap::from([(1, "x")]);
let (sender, receiver) = std::sync::mpsc::channel::<i32>(); sender.send(1).unwrap(); let got = receiver.recv().unwrap();
let squares = (1..=10).filter(|i| i % 2 == 0).map(|i| i * i).sum::<u64>(); let parsed = "12".parse::<f64>().is_ok();
"""
    for cell in cells.strip().splitlines():
        k.ok(cell)


@test
def rich_results(k):
    k.ok(
        "struct Rich;\nimpl Rich { fn evcxr_display(&self) {\n"
        r'println!("EVCXR_BEGIN_CONTENT text/html\n<b>1</b>\nEVCXR_END_CONTENT");' "\n"
        r'println!("EVCXR_BEGIN_CONTENT application/json\n{{\"a\": 1}}\nEVCXR_END_CONTENT");' "\n} }"
    )
    data = k.ok("Rich").result
    assert data["text/html"] == "<b>1</b>" and data["application/json"] == {"a": 1}, data


@test
def unknown_comms_are_closed(k):
    message = k.client.session.msg("comm_open", {"comm_id": "c", "target_name": "jupyter.widget", "data": {}})
    k.client.shell_channel.send(message)
    assert wait_for(k, "comm_close")["comm_id"] == "c"


@test
def too_much_memory_is_an_error(k):
    name, text = k.run(
        "let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 28]); if all.len() > 1 << 20 { break; } }"
    ).failure
    assert name == "OutOfMemory", (name, text)
    assert k.value("1 + 1") == "2"


def wait_for(k, kind):
    while True:
        message = k.client.get_iopub_msg(timeout=PATIENCE)
        if message["msg_type"] == kind:
            return message["content"]


def collect_from_middle(k, request):
    """The failure of a cell some of whose messages have been read already."""
    reply = k.client.get_shell_msg(timeout=PATIENCE)
    assert reply["parent_header"]["msg_id"] == request and reply["content"]["status"] == "error", reply
    while True:
        if k.client.get_iopub_msg(timeout=10)["content"].get("execution_state") == "idle":
            return reply["content"]["ename"], reply["content"]["evalue"]


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(word) for word in out.split()]


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def gone(pids, patience=5):
    deadline = time.monotonic() + patience
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ends_without_leaving_processes(specs, folder):
    """By request, by a kill, and when the one who started it is gone; each time an endless cell is running."""
    endless = 'println!("on"); loop { std::hint::spin_loop(); }'
    for how in ("request", "kill", "orphan"):
        if how == "orphan":
            connection = Path(folder) / "connection.json"
            argv = json.loads((specs / "mlnotes/kernel.json").read_text())["argv"]
            spec = manager(specs)
            spec.write_connection_file()
            connection = spec.connection_file
            command = [word.replace("{connection_file}", connection) for word in argv]
            parent = subprocess.Popen(
                [sys.executable, "-c", "import subprocess,sys; subprocess.Popen(sys.argv[1:]).wait()", *command],
                cwd=folder, env={**os.environ, **spec.kernel_spec.env},
            )
            client = spec.blocking_client()
        else:
            spec = manager(specs)
            spec.start_kernel(cwd=str(folder))
            client = spec.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=30)
        kernel = Kernel(client)
        client.execute(endless)
        wait_for(kernel, "stream")
        if how == "orphan":
            [pid] = children(parent.pid)
        else:
            pid = spec.provisioner.pid
        family = [pid, *children(pid)]
        assert len(family) >= 2, family
        start = time.monotonic()
        if how == "request":
            reply = kernel.control("shutdown_request", restart=False)
            assert reply["content"] == {"status": "ok", "restart": False}, reply
        elif how == "kill":
            os.kill(pid, 9)
        else:
            parent.kill()
            parent.wait()
        assert gone(family), f"{how}: still running: {[p for p in family if alive(p)]}"
        print(json.dumps({"what": f"end by {how}", "seconds": round(time.monotonic() - start, 2)}))
        client.stop_channels()
        if how != "orphan":
            spec.shutdown_kernel(now=True)


def protocol(specs, folder):
    # A smaller limit than installed, so that the test that reaches it takes no machine's whole memory.
    with started(specs, folder, MLNOTES_CELL_MEMORY=str(2 << 30)) as (kernel, _):
        for function in TESTS:
            start = time.monotonic()
            function(kernel)
            print(f"ok   {function.__name__}  ({time.monotonic() - start:.1f} s)", flush=True)
    ends_without_leaving_processes(specs, folder)
    print("ok   ends_without_leaving_processes", flush=True)


def notebooks(specs):
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.monotonic()
        notebook = nbformat.read(path, as_version=4)
        kernel = manager(specs)
        client = NotebookClient(
            notebook, timeout=300, kernel_name="mlnotes", km=kernel,
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            client.execute()
        finally:
            # Or each would hold its compile folder, and the next compile the library anew.
            kernel.shutdown_kernel(now=True)
        text = json.dumps([cell.get("outputs") for cell in notebook.cells])
        found = re.findall(r"CHECKS (\d+)/(\d+)", text)
        assert found and found[-1][0] == found[-1][1] != "0", f"{path.name}: no full `CHECKS n/n`: {found}"
        print(f"ok   {path.name}: CHECKS {'/'.join(found[-1])}  ({time.monotonic() - start:.1f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("--folder", type=Path, default=NOTEBOOKS, help="where the test cells run")
    for part in ("--protocol", "--notebooks"):
        parser.add_argument(part, action="store_true")
    options = parser.parse_args()
    everything = not (options.protocol or options.notebooks)
    specs = options.prefix.resolve() / "share/jupyter/kernels"
    if everything or options.protocol:
        protocol(specs, options.folder)
    if everything or options.notebooks:
        notebooks(specs)


if __name__ == "__main__":
    main()
