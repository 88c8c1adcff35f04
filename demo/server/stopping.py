"""SIGTERM ends the server within a few seconds, whatever is still running, and deletes the uploads."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

STOPPED_AFTER = 3  # seconds from the signal to the end of the process where a thread does not return
KILLED_AFTER = 4  # seconds to its end where not even Python code of this process runs any more

# A process of its own, since a thread needs the interpreter, which code in C may keep for minutes. It reads what
# Python's C handler writes for each signal, without the interpreter; the end of the file says that the server ended.
WATCHDOG = """
import os, shutil, sys, time
server, told, wait, uploads = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
while (signal := sys.stdin.buffer.raw.read(1)) and signal[0] != told:
    pass
if signal:
    time.sleep(wait)
    if os.getppid() == server:
        os.kill(server, 9)
shutil.rmtree(uploads, ignore_errors=True)
"""


def end_when_told(uploads: Path) -> None:
    """Make SIGTERM end this process like Ctrl-C, and delete the uploads even if it is killed.

    Called from the main thread.
    """
    if hasattr(os, "fork"):
        _start_watchdog(uploads)

    def end(*_: object) -> None:
        threading.Thread(target=leave, daemon=True).start()
        raise KeyboardInterrupt

    def leave() -> None:
        time.sleep(STOPPED_AFTER)
        shutil.rmtree(uploads, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)


def _start_watchdog(uploads: Path) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    subprocess.Popen(
        [
            *(sys.executable, "-S", "-c", WATCHDOG),
            *(str(os.getpid()), str(int(signal.SIGTERM)), str(KILLED_AFTER), str(uploads)),
        ],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the server
    )
    os.close(read)
