"""The attacks of benchmarks/attacks.py: each is bounded in count and time, and returns what happened."""

import re
import socket
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from io import BytesIO

import bombs
import httpx
import numpy as np
from attack_target import PROJECT, SECONDS, Target, Visitor
from PIL import Image
from serving import close_all

XRAY = next((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))
Attack = Callable[[Target, Visitor], str]


def rebinding(target: Target, visitor: Visitor) -> str:
    """A name that somebody points to 127.0.0.1, and a page of another origin."""
    names = [httpx.get(target.url + "config", headers={"Host": host}).status_code for host in ("evil.example", "a.b")]
    pages = [
        httpx.get(target.url + "config", headers={"Origin": o}).status_code for o in ("http://evil.example", "null")
    ]
    return f"names {names}, origins {pages}"


def closed_routes(target: Target, visitor: Visitor) -> str:
    """Routes of Gradio that the page does not use."""
    paths = (
        "openapi.json",
        "monitoring",
        "pwa_icon/9000",
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/vibe-code",
    )
    return str([httpx.get(target.url + path).status_code for path in paths])


def slow_charset(target: Target, visitor: Visitor) -> str:
    """A megabyte in a character set that takes minutes to decode."""
    kind = {"Content-Type": "multipart/form-data; boundary=x; charset=punycode"}
    return str(httpx.post(target.url + "login", content=b"--x\r\n" + b"a" * 2**20, headers=kind).status_code)


def large_json(target: Target, visitor: Visitor) -> str:
    """200 MB of JSON, without a declared length."""

    def body():
        for _ in range(200):
            yield b"[" * 2**20

    try:
        return str(httpx.post(target.url + "gradio_api/queue/join", content=body(), timeout=SECONDS).status_code)
    except httpx.HTTPError as error:
        return f"connection ended ({type(error).__name__})"


def png_comment(target: Target, visitor: Visitor) -> str:
    """A PNG whose comment unpacks to a quarter of a gigabyte."""
    return target.call("comment.png", bombs.png((b"zTXt", b"Comment\0\0" + bombs.packed())))


def tiff_tags(target: Target, visitor: Visitor) -> str:
    """A TIFF with 9,000 tags that point to the same 2 MB."""
    return target.call("tags.tif", bombs.tiff_tags(9_000, 2 * 2**20))


def jpeg_scans(target: Target, visitor: Visitor) -> str:
    """A progressive JPEG of 8,000 scans."""
    return target.call("scans.jpg", bombs.scans(8_000))


def dicom_elements(target: Target, visitor: Visitor) -> str:
    """A DICOM file of 7 million elements."""
    return target.call("elements.dcm", bombs.elements(7_000_000))


def zip_of_one_picture(target: Target, visitor: Visitor) -> str:
    """A ZIP with 500 names for one picture, as a cohort."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("0.jpeg", XRAY.read_bytes())
        first = archive.infolist()[0]
        for number in range(1, 500):
            again = zipfile.ZipInfo(f"{number}.jpeg")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size, again.compress_size = first.file_size, first.compress_size
            archive.filelist.append(again)
    event = visitor.find("vip-cohort-files", "upload")
    values = {each["id"]: each["props"].get("value") for each in visitor.config["components"]}
    with httpx.Client(base_url=target.url, timeout=SECONDS) as client:
        client.get("/")
        (path,) = client.post("gradio_api/upload", files={"files": ("films.zip", buffer.getvalue())}).json()
        file = {"path": path, "orig_name": "films.zip", "meta": {"_type": "gradio.FileData"}}
        files = event["targets"][0][0]
        data = [[file] if component == files else values.get(component) for component in event["inputs"]]
        call = {"data": data, "fn_index": event["id"], "session_hash": uuid.uuid4().hex}
        client.post("gradio_api/queue/join", json=call).raise_for_status()
        query = {"session_hash": call["session_hash"]}
        answer = client.get("gradio_api/queue/data", params=query).text
    said = re.search(r"films.zip [^<.]*several names", answer)
    return said[0] if said else f"not refused: {' '.join(answer.split())[-100:]}"


def deep_picture(target: Target, visitor: Visitor) -> str:
    """64 megapixels in 16 bits."""
    values = np.zeros((8000, 8000), np.uint16)
    values[::7] = 60_000
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG", compress_level=1)
    return target.call("deep.png", buffer.getvalue())


def two_large_jpegs(target: Target, visitor: Visitor) -> str:
    """Two JPEGs of 64 megapixels at once."""
    buffer = BytesIO()
    Image.new("L", (8000, 8000), 90).save(buffer, "JPEG")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(target.call("big.jpg", buffer.getvalue()))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    return str([answer[:60] for answer in found])


def many_edits(target: Target, visitor: Visitor) -> str:
    """75 costly edits of one visitor."""
    with httpx.Client(base_url=target.url, timeout=SECONDS) as client:
        client.get("/")
        lists = "\n".join(
            f"[class {c}]\n" + "\n".join(f"sign {i} of {uuid.uuid4()}" for i in range(60)) for c in range(9)
        )
        event = visitor.event
        codes = [
            client.post(
                "gradio_api/queue/join",
                json={"data": ["x", lists], "fn_index": event, "session_hash": uuid.uuid4().hex},
            ).status_code
            for _ in range(75)
        ]
    return f"{codes.count(200)} taken, {codes.count(429)} refused"


def many_calls(target: Target, visitor: Visitor) -> str:
    """60 calls of the API, which must evict no page."""
    answers = [target.call("x.jpeg", XRAY.read_bytes()) for _ in range(60)]
    return f"{sum('complete' in answer for answer in answers)} answered"


def stolen_session(target: Target, visitor: Visitor) -> str:
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


def slow_bodies(target: Target, visitor: Visitor) -> str:
    """100 requests whose bodies stop after a byte, for a second."""
    address = httpx.URL(target.url)
    head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {address.netloc.decode()}\r\nContent-Length: 1000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n-"
    held = [socket.create_connection((address.host, address.port or 80), timeout=5) for _ in range(100)]
    for each in held:
        each.sendall(head.encode())
    time.sleep(1)
    for each in held:
        each.close()
    return f"{len(held)} opened"


def idle_connections(target: Target, visitor: Visitor) -> str:
    """1,100 connections that send no request, for 25 seconds."""
    port = int(target.url.rsplit(":", 1)[1].strip("/"))
    held = []
    for _ in range(1_100):
        try:
            held.append(socket.create_connection(("127.0.0.1", port), timeout=2))
        except OSError:
            break
    time.sleep(25)
    return f"{len(held)} opened, {close_all(held)} left after 25 s, log {target.log.stat().st_size / 1000:.0f} kB"


ATTACKS: tuple[Attack, ...] = (
    rebinding, closed_routes, slow_charset, large_json, png_comment, tiff_tags, jpeg_scans, dicom_elements,
    deep_picture, two_large_jpegs, zip_of_one_picture, many_edits, many_calls, stolen_session, slow_bodies,
    idle_connections,
)  # fmt: skip
