"""Attack a server of one's own, on the loopback interface, while another visitor edits: python benchmarks/attacks.py

Every attack is bounded in count and time. Prints one line per attack: what happened, the longest wait of the other
visitor meanwhile, and the memory of the server with its workers; then how long SIGTERM took and what was left behind.
"""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

PROJECT = Path(__file__).resolve().parents[1]
MEMORY = 3 * 2**30  # bytes of data that the server itself may have
SECONDS = 40.0  # per attack
XRAY = next((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))


class Target:
    """A running server. url ends in a slash."""

    def __init__(self, folder: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.folder, self.log = f"http://127.0.0.1:{port}/", folder, folder / "log.txt"
        (folder / "tmp").mkdir()
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(folder / "tmp")}
        self.process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env=environment,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
        )
        until = time.monotonic() + 240
        while time.monotonic() < until:
            try:
                httpx.get(self.url, timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.5)
        raise SystemExit("error: the server did not start")

    def memory(self) -> float:
        """Resident memory of the server and its workers, GB."""
        own = str(self.process.pid)
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (own, *children)]
        return sum(pages) * resource.getpagesize() / 2**30

    def call(self, name: str, data: bytes) -> str:
        """Upload a file and have it diagnosed by the API; what came back, cut."""
        with httpx.Client(base_url=self.url, timeout=SECONDS) as client:
            sent = client.post("gradio_api/upload", files={"files": (name, data)})
            if sent.status_code != 200:
                return f"upload refused ({sent.status_code})"
            file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
            event = client.post("gradio_api/call/diagnose", json={"data": [file, "pneumonia", None]}).json()["event_id"]
            answer = client.get(f"gradio_api/call/diagnose/{event}").text
        return " ".join(answer.split())[:110]


class Visitor(threading.Thread):
    """Another visitor, who edits a list every half second; `longest` is the longest wait since it was last set to 0."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self.client = httpx.Client(base_url=url, timeout=120)
        self.client.get("/")
        config = self.client.get("config").json()
        box = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "vip-library-text")
        self.event = next(
            d["id"] for d in config["dependencies"] if [box, "change"] in d["targets"] and d["backend_fn"]
        )
        self.longest, self.edits, self.failures = 0.0, 0, 0

    def run(self) -> None:
        """Edit until the process ends."""
        while True:
            start = time.monotonic()
            try:
                self.edit()
            except (httpx.HTTPError, ValueError):
                self.failures += 1
            self.longest, self.edits = max(self.longest, time.monotonic() - start), self.edits + 1
            time.sleep(0.5)

    def edit(self) -> None:
        """One edit, until its result is there."""
        session = uuid.uuid4().hex
        text = f"[normal lung]\nclear lungs\n[pneumonia]\nwhite opacity {self.edits}"
        call = {"data": ["chest X-ray", text], "fn_index": self.event, "session_hash": session}
        self.client.post("gradio_api/queue/join", json=call).raise_for_status()
        with self.client.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if '"process_completed"' in line:
                    return
        raise ValueError("no result")


# ---- the attacks: each returns what happened


def rebinding(target: Target) -> str:
    """A name that somebody points to 127.0.0.1, and a page of another origin."""
    names = [httpx.get(target.url + "config", headers={"Host": host}).status_code for host in ("evil.example", "a.b")]
    pages = [
        httpx.get(target.url + "config", headers={"Origin": o}).status_code for o in ("http://evil.example", "null")
    ]
    return f"names {names}, origins {pages}"


def closed_routes(target: Target) -> str:
    """Routes of Gradio that the page does not use."""
    paths = (
        "openapi.json",
        "monitoring",
        "pwa_icon/9000",
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/vibe-code",
    )
    return str([httpx.get(target.url + path).status_code for path in paths])


def slow_charset(target: Target) -> str:
    """A megabyte in a character set that takes minutes to decode."""
    kind = {"Content-Type": "multipart/form-data; boundary=x; charset=punycode"}
    return str(httpx.post(target.url + "login", content=b"--x\r\n" + b"a" * 2**20, headers=kind).status_code)


def large_json(target: Target) -> str:
    """200 MB of JSON, without a declared length."""

    def body():
        for _ in range(200):
            yield b"[" * 2**20

    try:
        return str(httpx.post(target.url + "gradio_api/queue/join", content=body(), timeout=SECONDS).status_code)
    except httpx.HTTPError as error:
        return f"connection ended ({type(error).__name__})"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def metadata_bomb(target: Target) -> str:
    """A PNG whose comment unpacks to a gigabyte."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    text = b"Comment\0\0" + zlib.compress(bytes(2**30), 9)
    parts = [
        chunk(b"IHDR", header),
        chunk(b"zTXt", text),
        chunk(b"IDAT", zlib.compress(bytes(72))),
        chunk(b"IEND", b""),
    ]
    return target.call("bomb.png", b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def deep_picture(target: Target) -> str:
    """64 megapixels in 16 bits."""
    values = np.zeros((8000, 8000), np.uint16)
    values[::7] = 60_000
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG", compress_level=1)
    return target.call("deep.png", buffer.getvalue())


def two_large_jpegs(target: Target) -> str:
    """Two JPEGs of 64 megapixels at once."""
    buffer = BytesIO()
    Image.new("L", (8000, 8000), 90).save(buffer, "JPEG")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(target.call("big.jpg", buffer.getvalue()))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    return str([answer[:40] for answer in found])


def many_edits(target: Target) -> str:
    """75 costly edits of one visitor."""
    with httpx.Client(base_url=target.url, timeout=SECONDS) as client:
        client.get("/")
        lists = "\n".join(
            f"[class {c}]\n" + "\n".join(f"sign {i} of {uuid.uuid4()}" for i in range(60)) for c in range(9)
        )
        event = VISITOR[0].event
        codes = [
            client.post(
                "gradio_api/queue/join",
                json={"data": ["x", lists], "fn_index": event, "session_hash": uuid.uuid4().hex},
            ).status_code
            for _ in range(75)
        ]
    return f"{codes.count(200)} taken, {codes.count(429)} refused"


def many_calls(target: Target) -> str:
    """60 calls of the API, which must evict no page."""
    answers = [target.call("x.jpeg", XRAY.read_bytes()) for _ in range(60)]
    return f"{sum('complete' in answer for answer in answers)} answered"


def stolen_session(target: Target) -> str:
    """Another visitor's heartbeat and queue."""
    session = uuid.uuid4().hex
    with httpx.Client(base_url=target.url) as ann, httpx.Client(base_url=target.url) as eve:
        ann.get("/"), eve.get("/")
        with ann.stream("GET", f"gradio_api/heartbeat/{session}") as stream:
            next(stream.iter_raw())
            taken = eve.get(f"gradio_api/heartbeat/{session}").status_code
        return (
            f"heartbeat {taken}, queue {eve.get('gradio_api/queue/data', params={'session_hash': session}).status_code}"
        )


def idle_connections(target: Target) -> str:
    """1,100 connections that ask for nothing, for 25 seconds."""
    port = int(target.url.rsplit(":", 1)[1].strip("/"))
    held = []
    for _ in range(1_100):
        try:
            held.append(socket.create_connection(("127.0.0.1", port), timeout=2))
        except OSError:
            break
    time.sleep(25)
    alive = 0
    for each in held:
        each.setblocking(False)
        try:
            alive += each.recv(1) != b""
        except BlockingIOError:
            alive += 1
        except OSError:
            pass
        each.close()
    return f"{len(held)} opened, {alive} left after 25 s, log {target.log.stat().st_size / 1000:.0f} kB"


ATTACKS: tuple[Callable[[Target], str], ...] = (
    rebinding, closed_routes, slow_charset, large_json, metadata_bomb, deep_picture, two_large_jpegs, many_edits,
    many_calls, stolen_session, idle_connections,
)  # fmt: skip
VISITOR: list[Visitor] = []


def main() -> None:
    """Run them all."""
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
        VISITOR.append(visitor)
        visitor.edit()
        visitor.start()
        time.sleep(5)
        print(f"{'nothing':18} {visitor.longest:5.1f} s  {target.memory():4.2f} GB  (before the attacks)", flush=True)
        for attack in ATTACKS:
            visitor.longest = 0.0
            start = time.monotonic()
            try:
                found = attack(target)
            except Exception as error:  # the table goes on
                found = f"{type(error).__name__}: {error}"[:110]
            seconds, memory = time.monotonic() - start, target.memory()
            time.sleep(1)
            ended = "" if target.process.poll() is None else "  THE SERVER ENDED"
            print(
                f"{attack.__name__:18} {visitor.longest:5.1f} s  {memory:4.2f} GB  {seconds:5.1f} s  {found}{ended}",
                flush=True,
            )
        start = time.monotonic()
        target.process.send_signal(signal.SIGTERM)
        status = target.process.wait(30)
        left = [str(path.relative_to(folder)) for path in (folder / "tmp").rglob("vip-demo-*") if path != decoy]
        print(f"SIGTERM: status {status} after {time.monotonic() - start:.1f} s; left behind: {left or 'nothing'}")
        print(f"the other visitor: {visitor.edits} edits, {visitor.failures} failures")
        print(f"a linked folder that looks like ours: {'intact' if (thesis / 'chapter').exists() else 'DELETED'}")
        print(f"log: {target.log.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
