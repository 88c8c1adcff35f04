"""Measures `python app.py` under load: people who type, people who upload, and memory over many uploads.

`python benchmarks/serving.py` starts the app on two cores of this machine, sends what browsers send (the events of the
page's own configuration, over HTTP), prints a table, and ends with status 1 where a limit is passed.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))
PAGE, ASKS, EDITS = "vip-diagnose", "vip-questions", "vip-edits"  # what holds the page, and what sends its questions
TASK, CLASS = "pneumonia", "pneumonia"  # whose list is edited
MEDIAN, NINETY_FIFTH = 0.15, 0.5  # seconds that an edit may take
GROWTH = 150  # MB that memory may grow over the uploads
EMPTIED = 120  # seconds after which no uploaded file may lie there


@dataclass
class Server:
    url: str
    pid: int
    uploads: Path
    log: Path
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def resident(self) -> float:
        """MB in use."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    @property
    def files(self) -> int:
        return sum(path.is_file() and path.name not in (".vip-lock", "log.txt") for path in self.uploads.rglob("*"))


def close_all(connections: Sequence[socket.socket]) -> int:
    """Close idle connections. Returns how many of them the server had left open."""
    left = 0
    for each in connections:
        each.setblocking(False)
        try:
            left += each.recv(1) != b""
        except BlockingIOError:
            left += 1
        except OSError:
            pass
        each.close()
    return left


@asynccontextmanager
async def running(cores: int) -> AsyncIterator[Server]:
    """`python app.py` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        environment.pop("GRADIO_TEMP_DIR", None)
        command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port), "--queue-size", "128"]
        log = Path(folder, "log.txt")
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, sorted(os.sched_getaffinity(0))[:cores])
        server = Server(f"http://127.0.0.1:{port}/", process.pid, Path(folder), log)
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                while True:
                    try:
                        server.config = (await client.get(server.url + "config")).raise_for_status().json()
                        break
                    except httpx.TransportError:
                        if process.poll() is not None:
                            sys.exit("app.py ended by itself")
                        await asyncio.sleep(0.2)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


class Person:
    """A page in a browser: a session, the values of its components, and the events that it sends."""

    def __init__(self, server: Server, number: int):
        self.server, self.number = server, number
        self.session = f"person-{number}-{random.randrange(2**32)}"
        self.client = httpx.AsyncClient(base_url=server.url + "gradio_api/", timeout=120)
        components = server.config["components"]
        self.values = {each["id"]: each["props"].get("value") for each in components}
        self.ids = {each["props"].get("elem_id"): each["id"] for each in components}
        self.events = server.config["dependencies"]
        page = next(each["props"] for each in components if each["props"].get("elem_id") == PAGE)
        config = json.loads(page["js_on_load"].partition("\n")[0].removeprefix("const config = ").removesuffix(";"))
        self.lists = {
            name: [{"text": text, "on": True, "finding": None, "drawn": False} for text in texts]
            for name, texts in config["tasks"][TASK]["lists"].items()
        }
        self.choice = self.sent = 0
        self.answered = 0.0  # when the first answer to the last event came
        self.payloads: list[int] = []

    def event(self, elem_id: str, name: str) -> dict[str, Any]:
        """The event of the page that a component sends."""
        wanted = [self.ids[elem_id], name]
        served = (each for each in self.events if each["backend_fn"])  # others run in the browser alone
        return next(each for each in served if wanted in [list(target) for target in each["targets"]])

    def after(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """What the page sends once an event has been answered."""
        served = (each for each in self.events if each["backend_fn"] and not each["trigger_only_on_failure"])
        return [each for each in served if each.get("trigger_after") == event["id"]]

    async def send(self, event: dict[str, Any]) -> list[Any]:
        """What the server answers to an event, the first of its answers where it gives several. Raises RuntimeError."""
        data = [self.values.get(component) for component in event["inputs"]]
        body = {
            "data": data,
            "fn_index": event["id"],
            "session_hash": self.session,
            "trigger_id": event["targets"][0][0],
        }
        joined = (await self.client.post("queue/join", json=body)).raise_for_status().json()
        first: list[Any] | None = None
        async with self.client.stream("GET", "queue/data", params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                news = json.loads(line[5:]) if line.startswith("data:") else {}
                if news.get("event_id") != joined["event_id"]:
                    continue
                if news.get("msg") == "process_generating" and first is None:  # later ones are differences from it
                    first = news["output"]["data"]
                    self.answered = time.monotonic()
                if news.get("msg") == "process_completed":
                    if not news["success"]:
                        raise RuntimeError(news["output"])
                    if first is None:
                        self.answered = time.monotonic()
                    return first or news["output"]["data"]
        raise RuntimeError("the stream ended without an answer")

    async def send_all(self, event: dict[str, Any]) -> list[Any]:
        """The same, and then what the page sends after it."""
        answer = await self.send(event)
        for component, value in zip(event["outputs"], answer, strict=False):
            if not (isinstance(value, dict) and "__type__" in value):
                self.values[component] = value
        for after in self.after(event):
            await self.send_all(after)
        return answer

    def ask(self, **request: Any) -> None:  # noqa: ANN401
        """What the Diagnose page asks with its next event."""
        self.sent += 1
        own = {"choice": self.choice, "id": self.sent, "task": TASK, "mode": "vip", "lists": self.lists}
        self.values[self.ids[ASKS]] = {**own, **request}

    async def arrive(self) -> None:
        """Open the page, as which the browser gets the cookie that tells visitors behind one address apart."""
        (await self.client.get(self.server.url)).raise_for_status()

    async def upload(self, mark: int) -> None:
        """Choose an image, a file that no one has sent before, and wait for its result."""
        content = EXAMPLES[mark % len(EXAMPLES)].read_bytes() + f"{self.session} {mark}".encode()  # behind its end
        (path,) = (await self.client.post("upload", files={"files": ("image.jpeg", content)})).raise_for_status().json()
        self.choice += 1
        self.ask(path=path)
        answer = json.dumps(await self.send_all(self.event(ASKS, "upload")))
        if "data:image/jpeg" not in answer or "rows" not in answer:
            raise RuntimeError(f"no picture came back: {answer[:300]}")
        for rows in self.lists.values():
            for row in rows:
                row["drawn"] = True  # the page keeps the distributions of a text

    async def edit(self, mark: int) -> float:
        """Rewrite a row; gives the seconds until its new numbers are there, and checks whose they are."""
        own = f"opacity of person {self.number} wording {mark}"
        self.lists[CLASS][0] = {"text": own, "on": True, "finding": None, "drawn": False}
        self.ask(focus={"class": CLASS, "index": 0})
        self.values[self.ids[EDITS]] = json.dumps(self.values[self.ids[ASKS]])
        start = time.monotonic()
        answer = json.dumps(await self.send(self.event(EDITS, "input")))
        seconds = time.monotonic() - start
        whose = set(re.findall(r"opacity of person (\d+)", answer))
        if own not in answer or whose != {str(self.number)}:
            raise RuntimeError(f"person {self.number} sees the lists of {sorted(whose)}")
        self.payloads.append(len(answer))
        return seconds

    async def stay(self) -> None:
        """The open page: once this ends, the server forgets it."""
        async with self.client.stream("GET", f"heartbeat/{self.session}", timeout=None) as stream:
            async for _ in stream.aiter_lines():
                pass


async def type_for(person: Person, seconds: float, every: float) -> list[float]:
    """An edit every so often, as a person types; the first at a time of one's own."""
    await person.arrive()
    page = asyncio.create_task(person.stay())
    await person.upload(person.number)
    await asyncio.sleep(random.uniform(0, every))
    end, taken = time.monotonic() + seconds, []
    while (start := time.monotonic()) < end:
        taken.append(await person.edit(len(taken)))
        await asyncio.sleep(max(0, start + every - time.monotonic()))
    page.cancel()
    return taken


async def upload_many(server: Server, people: int, count: int) -> list[float]:
    """Uploads by several people at once; gives the seconds of each."""
    taken: list[float] = []

    async def one(number: int) -> None:
        person = Person(server, number)
        await person.arrive()
        page = asyncio.create_task(person.stay())
        for mark in range(count // people + (number < count % people)):
            start = time.monotonic()
            await person.upload(mark)
            taken.append(person.answered - start)
        page.cancel()

    await asyncio.gather(*(one(number) for number in range(people)))
    return taken


async def measure(arguments: argparse.Namespace) -> list[tuple[str, str, bool]]:
    """Name, value and whether it is within the limit, of each figure."""
    found: list[tuple[str, str, bool]] = []
    async with running(arguments.cores) as server:
        people = [Person(server, number) for number in range(arguments.clients)]
        results = await asyncio.gather(
            *(type_for(person, arguments.seconds, arguments.every) for person in people), return_exceptions=True
        )
        faults = [result for result in results if isinstance(result, BaseException)]
        taken = sorted(second for result in results if isinstance(result, list) for second in result)
        for fault in faults:
            print(f"fault: {type(fault).__name__} {fault}", file=sys.stderr)
        found.append((f"people typing, an edit every {arguments.every:g} s", str(arguments.clients), True))
        found.append(("people who met an error, or another's lists", str(len(faults)), not faults))
        found.append(("edits", str(len(taken)), bool(taken)))
        if taken:
            late = taken[min(len(taken) - 1, int(0.95 * len(taken)))]
            median = statistics.median(taken)
            found.append(("edit to new numbers, median", f"{1000 * median:.0f} ms", median < MEDIAN))
            found.append(("edit to new numbers, 95th percentile", f"{1000 * late:.0f} ms", late < NINETY_FIFTH))
            found.append(("edit to new numbers, slowest", f"{1000 * taken[-1]:.0f} ms", True))
        payloads = [size for person in people for size in person.payloads]
        if payloads:
            found.append(("bytes of an edit's answer, largest", str(max(payloads)), max(payloads) < 6000))
        await upload_many(server, arguments.uploaders, min(50, arguments.uploads))  # what is loaded once is loaded now
        before = server.resident
        uploads = await upload_many(server, arguments.uploaders, arguments.uploads)
        after = server.resident
        found.append((f"uploads by {arguments.uploaders} people at once", str(len(uploads)), True))
        found.append(("upload to result, median", f"{1000 * statistics.median(uploads):.0f} ms", True))
        found.append(("memory before the uploads", f"{before:.0f} MB", True))
        found.append(("memory after the uploads", f"{after:.0f} MB", after - before < GROWTH))
        found.append(("uploaded files right after", str(server.files), True))
        start = time.monotonic()
        while server.files and time.monotonic() - start < EMPTIED:
            await asyncio.sleep(1)
        found.append((f"uploaded files {time.monotonic() - start:.0f} s later", str(server.files), not server.files))
    return found


def main() -> int:
    """Parse the arguments, measure, print. Returns 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32, help="people who type")
    parser.add_argument("--seconds", type=float, default=60, help="how long they type")
    parser.add_argument("--every", type=float, default=3, help="seconds between two edits of a person")
    parser.add_argument("--uploaders", type=int, default=8, help="people who upload at once")
    parser.add_argument("--uploads", type=int, default=500, help="how many files they upload together")
    parser.add_argument("--cores", type=int, default=2, help="cores that the server gets")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments))
    table = Table("figure", "value", "", title=f"python app.py on {arguments.cores} cores")
    for name, value, within in found:
        table.add_row(name, value, "" if within else "over the limit")
    Console().print(table)
    return int(not all(within for *_, within in found))


if __name__ == "__main__":
    sys.exit(main())
