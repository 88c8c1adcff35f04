"""Commands in processes of their own, forked from one that has imported PyTorch and Gradio: an import takes seconds.

Such a process has its own arguments, environment, folder, output, signals and exit status, as `python …` gives them.
A test that asks what is imported, how soon a command starts or how much memory it takes needs a new interpreter.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from vip_core.utils.paths import PROJECT

# Elsewhere a fork of a process with these libraries is not safe, or there is none: each command imports them again.
FORK_SERVER = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
# demo.serve first: it sets what gradio reads when it is imported. No command is here, as it would be imported twice.
FORK_SERVER.set_forkserver_preload(
    ["demo.serve", "demo.build", "demo.server", "vip_core.training.run", "vip_core.experiments.pool", "pytest"]
)


def start_fork_server() -> None:
    """Import now, unless that is done."""
    if FORK_SERVER.get_start_method() == "forkserver":
        forkserver.ensure_running()


class Command:
    """A running command, with the methods of subprocess.Popen."""

    def __init__(self, process: BaseProcess, arguments: tuple[str, ...]):
        self._process, self.args = process, arguments
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    *arguments: str | Path,
    stdout: str | Path = os.devnull,
    stderr: str | Path | None = None,
    cwd: str | Path = PROJECT,
    env: dict[str, str] | None = None,
) -> Command:
    """Start `python *arguments`: a script, -m and a module, or -c and code.

    Args:
        stdout: a file that is appended to.
        stderr: another; by default the same.
        cwd: the folder to run in.
        env: all of its environment; by default this process's, with the project on PYTHONPATH.
    """
    given = tuple(map(str, arguments))
    env = {**os.environ, "PYTHONPATH": str(PROJECT)} if env is None else env
    output = (str(stdout), str(stdout if stderr is None else stderr))
    process = FORK_SERVER.Process(target=_python, args=(given, output, str(cwd), env))
    process.start()
    return Command(process, given)


def run(*arguments: str | Path, timeout: float = 300, **more) -> subprocess.CompletedProcess:
    """Run `python *arguments` to its end. Takes cwd and env as `start` does."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        command = start(*arguments, stdout=out, stderr=err, **more)
        try:
            command.wait(timeout)
        finally:
            command.kill()
        return subprocess.CompletedProcess(command.args, command.returncode, out.read_text(), err.read_text())


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds; a failure after a minute."""
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def _python(arguments: tuple[str, ...], output: tuple[str, str], cwd: str, env: dict[str, str]) -> None:
    """Be `python *arguments`, in the forked process."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None  # read again from the environment
    os.chdir(cwd)
    for number, path in enumerate(output, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    if arguments[0] == "-m":
        sys.path.insert(0, "")
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(cwd, arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")
