"""A server that is told to end does so, whatever runs, in a process of its own."""

import signal

import pytest

from tests.processes import start, wait_until

SERVER = """
import re, sys, threading, time
from pathlib import Path
from demo.server.stopping import end_when_told

uploads = Path(sys.argv[1])
uploads.mkdir()
(uploads / "x").write_text("x")
end_when_told(uploads)
work = {
    "nothing": lambda: None,
    "a thread that does not return": lambda: threading.Thread(target=time.sleep, args=(600,)).start(),
    "C code that keeps the interpreter": lambda: threading.Thread(
        target=lambda: (print("ready", flush=True), re.match("(a+)+$", "a" * 60 + "b"))
    ).start(),
}[sys.argv[2]]
if sys.argv[2] != "C code that keeps the interpreter":
    print("ready", flush=True)
work()
try:
    while True:
        time.sleep(0.01)
except KeyboardInterrupt:
    pass
"""


def started(folder, work):
    process = start("-c", SERVER, folder / "uploads", work, stdout=folder / "output")
    wait_until(lambda: (folder / "output").is_file() and (folder / "output").read_text() == "ready\n")
    return process


@pytest.mark.parametrize("work", ["a thread that does not return", "C code that keeps the interpreter"])
def test_end_when_told_ends_the_process_whatever_runs(tmp_path, work):
    process = started(tmp_path, work)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    wait_until(lambda: not (tmp_path / "uploads").exists())


def test_end_when_told_deletes_the_uploads_of_a_killed_server(tmp_path):
    process = started(tmp_path, "nothing")
    process.kill()
    process.wait(30)
    wait_until(lambda: not (tmp_path / "uploads").exists())
