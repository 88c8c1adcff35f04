"""Attack a server of one's own, on the loopback interface, while another visitor edits: python benchmarks/attacks.py

Every attack is bounded in count and time. Prints one line per attack in Markdown: what happened, the longest wait of
the other visitor meanwhile and how many edits failed, and the memory of the server with its workers; then what is left
of the uploads 90 s later, and how long SIGTERM takes while images are decoded. Ends with status 1 where a promise of
docs/security.md is broken.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import bombs
import httpx
from attack_list import ATTACKS, XRAY, many_edits
from attack_target import Target, Visitor

LONGEST_WAIT = 5.0  # seconds, of the other visitor
LEFT_SECONDS = 90.0  # after which no upload may be left
STOPPED_SECONDS = 5.0


def main() -> int:
    """Run them all; 1 where a promise is broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        thesis = folder / "tmp-thesis"
        thesis.mkdir()
        (thesis / "chapter").write_text("x")
        target = Target(folder)
        decoy = folder / "tmp" / "vip-demo-mine"
        decoy.symlink_to(thesis, target_is_directory=True)
        os.utime(thesis / "chapter", (0, 0))
        visitor = Visitor(target.url)
        visitor.edit()
        visitor.start()
        broken = run_attacks(target, visitor)
        target.call("x.jpeg", XRAY.read_bytes())
        time.sleep(LEFT_SECONDS)
        left = [path for path in (folder / "tmp").rglob("*") if path.is_file() and path.name != ".vip-lock"]
        print(f"\n{LEFT_SECONDS:.0f} s after the last upload: {len(left)} files; memory {target.memory():.2f} GB")
        seconds = stop(target, visitor)
        left_behind = [path for path in (folder / "tmp").rglob("vip-demo-*") if path != decoy]
        print(f"SIGTERM while images are decoded: ended after {seconds:.1f} s; left behind: {left_behind or 'nothing'}")
        intact = (thesis / "chapter").exists()
        print(f"a linked folder that looks like ours: {'intact' if intact else 'DELETED'}")
        print(f"log: {target.log.stat().st_size / 1000:.0f} kB")
        return int(broken or bool(left) or seconds > STOPPED_SECONDS or bool(left_behind) or not intact)


def run_attacks(target: Target, visitor: Visitor) -> bool:
    """Print the table; whether the visitor waited too long, an edit failed, or the server ended."""
    print("| attack | outcome | longest wait | failed edits | seconds | memory |")
    print("|---|---|---|---|---|---|")
    time.sleep(5)
    print(f"| none | | {visitor.longest:.1f} s | {len(visitor.failures)} | 5 | {target.memory():.2f} GB |", flush=True)
    broken = bool(visitor.failures)
    for attack in ATTACKS:
        visitor.longest = 0.0
        visitor.failures.clear()
        start = time.monotonic()
        try:
            found = attack(target, visitor)
        except Exception as error:  # the table goes on
            found = f"{type(error).__name__}: {error}"[:110]
        seconds, memory = time.monotonic() - start, target.memory()
        time.sleep(1)
        ended = target.process.poll() is not None
        outcome = f"{attack.__doc__} | {found}{' THE SERVER ENDED' if ended else ''}".replace("\n", " ")
        failed = f"{len(visitor.failures)} {visitor.failures[0] if visitor.failures else ''}".strip()
        print(f"| {outcome} | {visitor.longest:.1f} s | {failed} | {seconds:.0f} | {memory:.2f} GB |", flush=True)
        broken = broken or ended or bool(visitor.failures) or visitor.longest > LONGEST_WAIT
    return broken


def stop(target: Target, visitor: Visitor) -> float:
    """Seconds from SIGTERM to the end of the process, while two bombs are decoded and edits wait."""

    def upload() -> None:
        with suppress(httpx.HTTPError):  # the server ends meanwhile
            target.call("scans.jpg", bombs.scans(8_000))

    for _ in range(2):
        threading.Thread(target=upload, daemon=True).start()
    many_edits(target, visitor)
    time.sleep(3)
    start = time.monotonic()
    target.process.send_signal(signal.SIGTERM)
    target.process.wait(60)
    return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
