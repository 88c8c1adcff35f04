"""Several people at once, and the API over HTTP beside them."""

import json
from threading import Thread

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demo.state.tasks import load_tasks

pytestmark = pytest.mark.slow


def test_two_people_never_see_each_others_image_or_lists(visit, xrays):
    ann, ben = visit(), visit()
    ann.upload(xrays[0])
    ben.upload(xrays[3])
    pictures = ann.picture, ben.picture
    assert pictures[0] != pictures[1]
    for turn in range(2):
        texts = [f"opacity of visitor-one, number {turn}", f"opacity of visitor-two, number {turn}"]
        for person, text in zip((ann, ben), texts, strict=True):
            person.text(0, 1).fill(text)
        for person, text in zip((ann, ben), texts, strict=True):
            person.wait(lambda person=person, text=text: person.scored(text))
    assert "visitor-two" not in ann.page.content() and "visitor-one" not in ben.page.content()
    assert (ann.picture, ben.picture) == pictures
    alone = visit()
    alone.upload(xrays[3])
    alone.write(ben.texts(1)[0], 0, 1)
    assert alone.values == ben.values and alone.probability == ben.probability


def test_the_same_file_from_two_people_is_read_for_both(visit, xrays):
    """Gradio stores it once: deleting it for the one would take it from the other."""
    ann, ben = visit(), visit()
    with ann.new_result(), ben.new_result():
        for person in (ann, ben):
            person.page.locator(".vip-tools input[type=file]").first.set_input_files(xrays[1])
    assert ann.values == ben.values != []


@pytest.fixture(scope="module")
def client(server):
    return Client(server.url, verbose=False, download_files=False)


def test_the_api_is_diagnose_alone(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/diagnose"]


def test_the_api_answers_as_the_predictor_does(client, xrays):
    predictor = load_tasks(["pneumonia"])["pneumonia"].predictor
    features = predictor.encode(xrays[0])
    answer = client.predict(handle_file(xrays[0]), "pneumonia", None, api_name="/diagnose")
    assert_alike(answer, predictor.diagnose(features).to_dict())
    lists = {"normal lung": ["clear lungs"], "pneumonia": ["<b>dense</b> 🫁", "patchy"]}
    answer = client.predict(image=handle_file(xrays[0]), task="pneumonia", symptoms=lists, api_name="/diagnose")
    assert [(row["class"], row["symptom"]) for row in answer["symptoms"]] == [
        ("normal lung", "clear lungs"),
        ("pneumonia", "<b>dense</b> 🫁"),
        ("pneumonia", "patchy"),
    ]


def assert_alike(answer, expected):
    """The same JSON, with numbers as close as two processes get."""
    assert type(answer) is type(expected)
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        for key in expected:
            assert_alike(answer[key], expected[key])
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for pair in zip(answer, expected, strict=True):
            assert_alike(*pair)
    else:
        assert answer == (pytest.approx(expected, abs=1e-3) if isinstance(expected, float) else expected)


def test_the_api_says_what_is_wrong(client, xrays, tmp_path):
    bad = tmp_path / "letter.png"
    bad.write_text("Dear colleague")
    calls = {
        "letter.png is not a PNG": (handle_file(bad), "pneumonia", None),
        "Unknown task “fracture”": (handle_file(xrays[0]), "fracture", None),
        "no symptom": (handle_file(xrays[0]), "pneumonia", {"normal lung": [], "pneumonia": ["x"]}),
        "classes do not match": (handle_file(xrays[0]), "melanoma", {"normal lung": ["x"], "pneumonia": ["x"]}),
    }
    for words, call in calls.items():
        with pytest.raises(AppError, match=words):
            client.predict(*call, api_name="/diagnose")


def test_the_api_by_plain_http(server, xrays):
    """The calls that curl would make."""
    api = server.url + "gradio_api/"
    (path,) = httpx.post(api + "upload", files={"files": xrays[0].open("rb")}).json()
    image = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = httpx.post(api + "call/diagnose", json={"data": [image, "pneumonia", None]}).json()["event_id"]
    stream = httpx.get(f"{api}call/diagnose/{event}", timeout=60).text
    assert stream.startswith("event: complete")
    (answer,) = json.loads(stream.split("data: ", 1)[1])
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("path", ["/etc/hostname", "vip_core/models/vip.py", "../../etc/passwd"])
@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_the_api_reads_no_file_that_was_not_uploaded(server, path, meta):
    api = server.url + "gradio_api/"
    event = httpx.post(api + "call/diagnose", json={"data": [{"path": path, **meta}, "pneumonia", None]}).json()
    stream = httpx.get(f"{api}call/diagnose/{event['event_id']}", timeout=60).text
    assert stream.startswith("event: error")
    assert "PNG" not in stream  # what the reader would have said of it


def test_eight_calls_at_once_get_their_own_answers(client, xrays):
    alone = [client.predict(handle_file(path), "pneumonia", None, api_name="/diagnose") for path in xrays[:4]]
    together = {}

    def call(i: int) -> None:
        together[i] = client.predict(handle_file(xrays[i % 4]), "pneumonia", None, api_name="/diagnose")

    threads = [Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        assert_alike(together[i], alone[i % 4])
