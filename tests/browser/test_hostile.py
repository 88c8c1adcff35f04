"""Hostile uploads, sent as a browser sends them: refused in a sentence or shown as text, and the server goes on."""

import base64
import json
import os
import re
import socket
import uuid
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import quote

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect

from demo.render.scripts import read_config
from tests.browser.bench import PATIENCE
from tests.browser.hostile import COHORTS, ESCAPED, IMAGES, NAMES, PATIENT, PWN, SYMPTOMS, UPLOADS, XRAY
from vip_core.data.pixels import MAX_BYTES
from vip_core.utils.paths import PROJECT

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.slow
ACTIVE = """[...document.body.querySelectorAll('*')].filter(each =>
    ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED'].includes(each.tagName) ||
    [...each.attributes].some(one => one.name.startsWith('on') || one.value.trim().startsWith('javascript:'))).length"""
PLACES = {  # where each kind of upload goes
    "image": "vip-questions",
    "cohort": "vip-cohort-files",
    "labels": "vip-cohort-labels",
}
PAGE, ANSWERS = "vip-diagnose", "vip-answers-"  # what holds the Diagnose page, and where it is answered
NOT_OURS = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache", "node_modules"}
LINKS = {  # and what the page says
    "a task of HTML": ("task=" + quote(PWN), "names a task that is not available here"),
    "symptoms of HTML": ("symptoms=" + quote(json.dumps({"normal lung": [PWN], "pneumonia": [PWN]})), ""),
    "no text, and settings of HTML": (
        f"task=%ff%00&__theme={quote(PWN)}&view={quote(PWN)}",
        "a task that is not available here",
    ),
}


@dataclass(frozen=True)
class Answer:
    """All texts in what a server answered, and those among them that the page takes for HTML."""

    texts: list[str]
    html: list[str]

    def __add__(self, other: "Answer") -> "Answer":
        return Answer(self.texts + other.texts, self.html + other.html)


def strings(value: object) -> list[str]:
    """All texts in what a server answered."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


class Caller:
    """Sends what the page would send, over HTTP."""

    def __init__(self, server):
        self.http = httpx.Client(base_url=server.url, timeout=120)
        config = self.http.get("config").json()
        self.components = {each["id"]: {"value": "", **each["props"]} for each in config["components"]}
        self.kinds = {each["id"]: each["type"] for each in config["components"]}
        self.events = config["dependencies"]

    def upload(self, name: str, data: bytes) -> httpx.Response:
        """The name goes as it is: a client need not escape what a browser would."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode("utf-8", "surrogatepass") + data + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return self.http.post("gradio_api/upload", content=body, headers=kind)

    def file(self, name: str, data: bytes) -> dict | None:
        """What a component holds of an uploaded file; None where it was refused on arrival."""
        answer = self.upload(name, data)
        if answer.status_code != 200:
            assert answer.status_code < 500 and "Traceback" not in answer.text
            return None
        (path,) = answer.json()
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def find(self, kind: str) -> dict:
        """The event of the upload of a kind that the server answers."""
        for event in filter(lambda event: event["backend_fn"], self.events):
            for component, name in event["targets"]:
                if name == "upload" and self.components[component].get("elem_id") == PLACES[kind]:
                    return event
        raise LookupError(kind)

    def run(self, event: dict, session: str, given: object = None) -> Answer:
        """What an event answers. The upload is `given`; the other inputs stand as the page first shows them."""
        places = PLACES.values()
        inputs = [self.components[i] for i in event["inputs"]]
        data = [each["value"] for each in inputs]
        if given is not None:
            at = next(i for i, each in enumerate(inputs) if each.get("elem_id") in places)
            data[at] = [given] if inputs[at].get("file_count") == "multiple" else self.asked(inputs[at], given)
        call = {"data": data, "fn_index": event["id"], "session_hash": session}
        self.http.post("gradio_api/queue/join", json=call).raise_for_status()
        texts, html = [], []
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                said = json.loads(line.removeprefix("data: ") or "{}")
                for output, value in zip(event["outputs"], said.get("output", {}).get("data", ()), strict=False):
                    ours = str(self.components[output].get("elem_id")).startswith(ANSWERS)  # JSON, shown as texts
                    found = strings(json.loads(value) if ours and isinstance(value, str) else value)
                    texts += found
                    html += found if self.kinds[output] == "html" and not ours else []
                if said.get("msg") == "process_completed":
                    assert said["success"], said
                    break
        return Answer(texts, html)

    def asked(self, component: dict, file: dict) -> dict:
        """What the Diagnose page asks for with an uploaded file; other components hold the file itself."""
        if component.get("elem_id") != PLACES["image"]:
            return file
        page = next(each for each in self.components.values() if each.get("elem_id") == PAGE)
        task = read_config(page["js_on_load"])["tasks"]["pneumonia"]
        lists = {name: [{"text": text, "on": True} for text in texts] for name, texts in task["lists"].items()}
        return {"path": file["path"], "task": "pneumonia", "mode": "vip", "choice": 1, "id": 1, "lists": lists}

    def then(self, event: dict) -> dict:
        """What the page does after it."""
        return next(each for each in self.events if each["trigger_after"] == event["id"])

    def diagnose(self, file: dict) -> dict:
        """The answer of the API."""
        call = self.http.post("gradio_api/call/diagnose", json={"data": [file, "pneumonia", None]}).json()
        text = self.http.get(f"gradio_api/call/diagnose/{call['event_id']}").text
        assert text.startswith("event: complete"), text
        return json.loads(text.split("data: ", 1)[1])[0]


@pytest.fixture(scope="module")
def caller(server):
    return Caller(server)


@pytest.fixture(scope="module")
def expected(caller):
    """What the server says of an X-ray before anything hostile came."""
    return caller.diagnose(caller.file("film.jpeg", XRAY))


def listing(folder) -> set[str]:
    """All files below a folder, without what tools keep for themselves."""
    found = set()
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        found |= {os.path.join(here, name) for name in files}  # noqa: PTH118
    return found


@pytest.fixture
def unharmed(server, caller, expected):
    """Afterwards nothing is in the log, nothing lies outside the temporary folder, and a diagnosis is as it was."""
    parent = server.uploads.parent
    begins, before = server.log.stat().st_size, listing(PROJECT) | listing(parent)
    yield
    with server.log.open("rb") as log:
        log.seek(begins)
        text = log.read().decode()
    assert not [word for word in ("Traceback", "Error", ESCAPED, "pwned", *PATIENT) if word in text], text
    new = (listing(PROJECT) | listing(parent)) - before
    assert [path for path in new if not path.startswith(f"{server.uploads}/")] == []
    inside = [path for path in new if path.startswith(f"{server.uploads}/")]
    assert len(inside) <= 6, inside  # the uploads themselves: nothing is unpacked
    assert not [
        path for path in (PROJECT.parent, parent, server.uploads.parent.parent) if list(path.glob(f"*{ESCAPED}*"))
    ]
    answer = caller.diagnose(caller.file("film.jpeg", XRAY))
    assert answer["prediction"] == expected["prediction"]
    assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)


@pytest.fixture(scope="module")
def blank(browser):
    """An empty page that tells whether anything ran on it."""
    page = browser.new_page()
    page.on("dialog", lambda dialog: (page.evaluate("window.__pwned = 3"), dialog.dismiss()))
    yield page
    page.close()


SENT = [each for each in UPLOADS if each.where != "symptoms"]  # symptom files stay in the browser


@pytest.mark.parametrize("upload", SENT, ids=[each.what for each in SENT])
def test_it_is_refused_in_a_sentence_or_read_as_what_it_is(server, caller, unharmed, blank, upload, request):
    session = uuid.uuid4().hex
    file = caller.file(upload.name, upload.make())
    if file is None:
        assert not upload.taken and not upload.words
        return
    answer = caller.run(caller.find(upload.where), session, file)
    if upload.where == "labels":
        answer += caller.run(caller.find("cohort"), session, caller.file("film.jpeg", XRAY))
    if upload.where in ("cohort", "labels"):
        answer += caller.run(caller.then(caller.find("cohort")), session)

    pictures = [text for text in answer.texts if text.startswith("data:image")]
    whole = "\n".join(text for text in answer.texts if not text.startswith("data:"))
    assert [word for word in upload.words if word not in whole] == []
    assert [word for word in ("Traceback", str(server.uploads), str(PROJECT), *PATIENT) if word in whole] == []
    messages = [re.sub("<[^>]*>", "", text) for text in answer.html if text.startswith('<p class="vip-message"')]
    messages = [text for text in messages if text]
    if upload.where == "image":
        said = [text for text in answer.texts if text.endswith(".") and not upload.taken]
        messages += dict.fromkeys(said)  # Gradio sends what a handler yields last a second time, as its result
    assert all(text.endswith(".") and "\n" not in text and len(text) < 1000 for text in messages)
    if upload.where == "image" and not upload.taken:
        assert len(messages) == 1
    if upload.where == "image":
        assert bool(pictures) == upload.taken
    for picture in pictures:
        if picture.startswith("data:image/jpeg"):  # the visitor's, drawn anew; charts are SVG
            data = base64.b64decode(picture.split(",", 1)[1])
            assert Image.open(BytesIO(data)).format == "JPEG"
            assert [word for word in ("pwned", "html", *PATIENT) if word.encode() in data] == []
    blank.goto("about:blank")
    for html in answer.html:
        blank.evaluate("html => { document.body.innerHTML = html }", html)  # as the page does it
        assert blank.evaluate(ACTIVE) == 0
        blank.set_content(html)  # as a document, where scripts would run too
    assert blank.evaluate("window.__pwned") is None


@pytest.mark.parametrize("case", LINKS)
def test_a_hostile_link_is_text(visit, caller, unharmed, case):
    query, words = LINKS[case]
    assert "window.__pwned" not in caller.http.get(f"?{query}").text
    person = Guarded(visit(query=f"?{query}"))
    if words:
        person.visit.wait(lambda: words in person.visit.status)
    person.visit.choose_example(0)
    person.leave()


class Guarded:
    """A visit that no upload may have run anything on."""

    def __init__(self, visit):
        self.visit, self.page, self.dialogs = visit, visit.page, []
        visit.listen("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def leave(self) -> None:
        self.page.wait_for_timeout(200)
        assert self.page.evaluate("window.__pwned") is None and self.dialogs == []
        text = self.page.inner_text("body")
        assert not [word for word in ("Traceback", *PATIENT) if word in text]


def files(folder, uploads):
    """The uploads as files, those whose name a disk takes; a folder each, as names repeat."""
    for i, upload in enumerate(uploads):
        if "/" in upload.name or len(upload.name) > 200 or upload.name == "..":
            continue
        (folder / str(i)).mkdir(parents=True)
        (folder / str(i) / upload.name).write_bytes(upload.make())
        yield upload, folder / str(i) / upload.name


def named(uploads, *whats):
    found = [upload for upload in uploads if upload.what in whats]
    assert len(found) == len(whats)
    return found


def test_on_the_page_images_are_pictures_or_a_sentence(visit, unharmed, tmp_path):
    person = Guarded(visit())
    chosen = named(
        IMAGES + NAMES,
        "an SVG with a script",
        "a PNG that is a page too",
        "a name that turns the writing",
        "a DICOM that names its patient",
    )
    (tmp_path / "x").mkdir()
    evil = tmp_path / "x" / '<img src=x onerror="window.__pwned=1">.png'
    evil.write_bytes(b"x")
    for upload, path in [*files(tmp_path, chosen), (None, evil)]:
        if upload is not None and upload.taken:
            person.visit.upload(path)
            person.page.click(".vip-clear")
        else:
            person.page.locator(".vip-tools input[type=file]").first.set_input_files(path)
            person.visit.wait(lambda: "is not a PNG" in person.visit.message)
            assert person.visit.picture == ""
    expect(person.page.locator(".vip-answer .vip-message")).to_contain_text("img src=x onerror")
    person.leave()


def test_on_the_page_lists_of_html_are_text(visit, unharmed, tmp_path):
    person = Guarded(visit())
    person.visit.choose_example(0)
    for upload, path in files(tmp_path, named(SYMPTOMS, "classes of HTML", "symptoms of HTML")):
        person.page.locator(".vip-actions input[type=file]").set_input_files(path)
        if upload.taken:
            person.visit.wait(lambda: PWN in person.visit.texts(1) and person.visit.scored(PWN))
        else:
            person.visit.wait(lambda: PWN in person.visit.status)
    person.page.get_by_role("tab", name="Symptoms").click()
    text = person.page.locator("#vip-library-text textarea")
    text.fill(f"[{PWN}]\n{PWN}\n[x]\ny")
    expect(person.page.locator("#vip-symptoms-note")).to_contain_text("2 classes")
    person.leave()


def test_on_the_page_a_cohort_of_html_names_is_text(visit, unharmed, tmp_path):
    person = Guarded(visit())
    person.page.get_by_role("tab", name="Cohort").click()
    person.page.wait_for_selector("#vip-cohort-files input[type=file]", state="attached")
    ((_, path),) = files(tmp_path, named(COHORTS, "a ZIP with names of HTML"))
    person.page.set_input_files("#vip-cohort-files input[type=file]", path)
    expect(person.page.locator("#vip-cohort-summary")).to_contain_text("2 images could not be read")
    expect(person.page.locator("#vip-cohort-table")).to_contain_text("script>.png")
    person.leave()


def test_a_file_over_the_limit_is_refused_before_it_is_read(server, unharmed):
    """The server answers once the limit is passed, and does not wait for the rest of 400 MB."""
    url = httpx.URL(server.url)
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: {400 * 2**20}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="large.png"\r\n\r\n'
    )
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        connection.sendall(head.encode() + bytes(MAX_BYTES + 2**20))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_the_list_holds_at_least_40_uploads():
    assert len(UPLOADS) >= 40 and len({each.what for each in UPLOADS}) == len(UPLOADS)
