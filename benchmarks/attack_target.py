"""The server that benchmarks/attacks.py attacks, and the other visitor, who edits meanwhile."""

import os
import resource
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

PROJECT = Path(__file__).resolve().parents[1]
MEMORY = 3 * 2**30  # bytes of data that the server itself may have
SECONDS = 150.0  # that one answer may take


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
        return " ".join(answer.replace("event: heartbeat\ndata: null", "").split())[:130]


class Visitor(threading.Thread):
    """Another visitor, who edits a list every half second; `longest` is the longest wait since it was last set to 0."""

    def __init__(self, url: str):
        super().__init__(daemon=True)
        self.client = httpx.Client(base_url=url, timeout=120)
        self.client.get("/")
        self.config = self.client.get("config").json()
        self.event = self.find("vip-library-text", "change")["id"]
        self.longest, self.edits = 0.0, 0
        self.failures: list[str] = []

    def run(self) -> None:
        """Edit until the process ends."""
        while True:
            start = time.monotonic()
            try:
                self.edit()
            except (httpx.HTTPError, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:100])
            self.longest, self.edits = max(self.longest, time.monotonic() - start), self.edits + 1
            time.sleep(0.5)

    def find(self, elem_id: str, name: str) -> dict[str, Any]:
        """The event of the page's configuration that a component sends."""
        component = next(c["id"] for c in self.config["components"] if c["props"].get("elem_id") == elem_id)
        events = (d for d in self.config["dependencies"] if [component, name] in d["targets"] and d["backend_fn"])
        return next(events)

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
