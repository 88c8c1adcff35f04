"""The static page in a browser: answers as vip_core.score gives them, no request after loading, offline, two tabs."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import expect

from tests.browser.axe import barriers
from tests.browser.static.bench import StaticBench, assert_alike
from tests.browser.static.conftest import StaticServer
from tests.conftest import PROJECT

pytestmark = pytest.mark.slow

EDIT = "dense white area in one lobe"


@pytest.mark.parametrize("task", ["pneumonia", "melanoma"])
def test_saved_json_is_that_of_vip_core_score_before_and_after_an_edit(static_bench, scored, task):
    bench = static_bench()
    bench.choose_task(task)
    image = sorted((PROJECT / "assets" / "examples" / task).glob("*.jp*g"))[0]
    bench.upload(image)
    bench.open_panel("Numbers and chart")
    own = scored(image, task)
    assert_alike(bench.saved_json("Save JSON"), own)
    bench.write(EDIT, 0, of=1)
    lists = {name: bench.texts(of=index) for index, name in enumerate(own["probabilities"])}
    assert_alike(bench.saved_json("Save JSON"), scored(image, task, lists))


def test_page_says_which_words_cannot_matter(static_bench):
    bench = static_bench()
    bench.choose_example(0)
    bench.write("opacity in the left lower zone", 0, of=1)
    note = bench.page.locator(".vip-row-note:visible")
    expect(note).to_contain_text("Left and right are not distinguished")
    expect(note).to_contain_text("Zones are not distinguished")


def test_page_makes_no_request_after_loading_and_none_to_another_origin(static_bench, served_site):
    bench = static_bench()
    requests = []
    bench.listen("request", lambda request: requests.append(request.url))
    before = len(served_site.paths)
    for task in ("pneumonia", "melanoma"):
        bench.choose_task(task)
        bench.choose_example(0)
        bench.write(EDIT, 0)
        bench.upload(sorted((PROJECT / "assets" / "ood").glob("*.jpg"))[0])
    assert served_site.paths[before:] == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == []


def test_page_forbids_itself_other_addresses(static_bench):
    bench = static_bench()
    tried = bench.page.evaluate("fetch('https://example.org/').then(() => 'sent', error => error.name)")
    assert tried == "TypeError"
    assert "connect-src 'self'" in bench.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute(
        "content"
    )
    bench.abroad.clear()  # the attempt is noted, and was blocked


def test_page_works_offline_after_the_first_visit(first_visit, site):
    server = StaticServer(site)
    bench = first_visit(server)
    assert "works without a network" in bench.page.inner_text(".vip-loading")
    server.close()
    bench.open("?task=melanoma")
    bench.choose_example(0)
    assert "melanoma" in bench.headline
    bench.write(EDIT, 0)
    assert bench.scored(EDIT)


def test_browser_keeps_files_of_the_page_and_no_image(first_visit, xrays):
    bench = first_visit()
    bench.upload(xrays[0])
    kept = bench.page.evaluate(
        """async () => {
            const names = await caches.keys();
            const urls = [];
            for (const name of names) for (const each of await (await caches.open(name)).keys()) urls.push(each.url);
            return { urls, databases: (await indexedDB.databases()).length, stored: Object.keys(localStorage) };
        }"""
    )
    listed = {"", *json.loads((bench.page.request.get(bench.home + "files.json")).text())["files"], "files.json"}
    assert {url.removeprefix(bench.home) for url in kept["urls"]} <= listed
    assert kept["databases"] == 0 and set(kept["stored"]) <= {"vip:seen"}


def test_two_tabs_do_not_disturb_each_other(first_visit, xrays):
    first = first_visit()
    first.upload(xrays[0])
    before = first.headline
    other = StaticBench.__new__(StaticBench)
    other.context, other.home, other.abroad, other.errors = first.context, first.home, [], []
    other.page = first.context.new_page()
    other.open()
    other.upload(xrays[-1])
    other.write(EDIT, 0, of=1)
    assert first.headline == before and EDIT not in first.texts(of=1)
    first.write("a veil", 0)
    assert other.texts(of=1)[0] == EDIT
    assert other.abroad == other.errors == []


def test_undo_switch_link_and_map_work_as_on_the_served_page(static_bench, xrays):
    bench = static_bench()
    bench.upload(xrays[0])
    own = bench.texts()
    value = bench.probability
    bench.write("a table", 0)
    edited = bench.probability
    assert edited != value
    assert bench.page.locator(".vip-map").first.get_attribute("src").startswith("data:image/png")
    bench.page.locator(".vip-share").click()
    link = bench.page.locator(".vip-link").get_attribute("href")
    bench.page.locator(".vip-undo").click()
    bench.settle()
    assert bench.texts() == own and bench.probability == value
    bench.row(0).locator("input[type=checkbox]").uncheck()
    bench.settle()
    assert bench.probability != value
    bench.page.locator(".vip-undo").click()
    bench.open("?" + link.split("?")[1])
    assert bench.texts()[0] == "a table"
    bench.upload(xrays[0])
    assert bench.probability == edited


def test_zero_shot_and_untrained_tasks_are_scored(static_bench, xrays):
    bench = static_bench()
    bench.upload(xrays[0])
    with bench.new_scores():
        bench.page.locator(".vip-mode").select_option("names")
    assert len(bench.scores["rows"]) == 2
    with bench.new_scores():
        bench.page.locator(".vip-mode").select_option("symptoms")
    bench.choose_task("brain_tumor_mri")
    bench.upload(xrays[0])
    assert bench.scores["domain"] is None and sum(bench.scores["probabilities"]) == pytest.approx(1, abs=1e-3)


def test_domain_warning_hides_the_result_of_a_photograph(static_bench):
    bench = static_bench()
    bench.upload(PROJECT / "assets" / "ood" / "cat.jpg")
    assert "No result" in bench.headline and "Out of distribution" in bench.headline
    assert bench.page.locator(".vip-disclaimer").inner_text() == "Research use only, not a medical device."


def broken_files(folder, xray):
    """Files that cannot be read, each with a piece of its sentence."""
    whole = xray.read_bytes()
    (folder / "cut.jpeg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not an image")
    (folder / "empty.png").write_bytes(b"")
    (folder / "scan.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    Image.new("L", (10_000, 6_000)).save(folder / "large.png")
    Image.new("L", (6, 6)).save(folder / "small.png")
    Image.new("RGB", (64, 64)).save(folder / "short.png")
    png = (folder / "short.png").read_bytes()
    (folder / "short.png").write_bytes(png[: len(png) - 20])
    return {
        "cut.jpeg": "cut.jpeg is damaged, cut short or unusual; export it again as PNG.",
        "text.png": "text.png is not a PNG, JPEG or WebP file; export it as one of these.",
        "empty.png": "empty.png is empty; copy or export it again.",
        "scan.dcm": "scan.dcm is a DICOM file, which this page does not read",
        "large.png": "large.png has 10,000 x 6,000 pixels; the limit is 50,000,000 pixels in total; export it smaller.",
        "small.png": "small.png has 6 x 6 pixels; each side needs at least 8; choose a larger image.",
        "short.png": "short.png is damaged, cut short or unusual; export it again as PNG.",
    }


def test_file_that_cannot_be_read_gives_a_sentence_and_the_page_goes_on(static_bench, xrays, tmp_path):
    bench = static_bench()
    for name, sentence in broken_files(tmp_path, xrays[0]).items():
        bench.choose(tmp_path / name)
        bench.wait(lambda sentence=sentence: bench.message.startswith(sentence))
    bench.upload(xrays[0])
    assert bench.message == ""
    bench.text(0).fill("word " * 90)
    bench.wait(lambda: "and the text tower of vip-mini takes 77; shorten it." in bench.message)
    bench.write("a veil", 0)
    assert bench.message == ""


def test_picture_is_turned_by_its_exif_orientation(static_bench, xrays, tmp_path):
    with Image.open(xrays[0]) as image:
        film = image.convert("RGB").crop((0, 0, 224, 150))
    bench = static_bench()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        film.save(tmp_path / "turned.jpg", exif=exif, quality=95)
        with Image.open(tmp_path / "turned.jpg") as image:
            ImageOps.exif_transpose(image).save(tmp_path / "upright.png")
        found = []
        for name in ("turned.jpg", "upright.png"):
            with bench.new_scores():
                bench.choose(tmp_path / name)
            found.append([row["similarity"] for row in bench.scores["rows"]])
        assert found[0] == pytest.approx(found[1], abs=0.003), orientation


@pytest.mark.parametrize("kind", ["grey 16", "rgba", "webp", "palette"])
def test_picture_is_read_as_by_vip_core(static_bench, scored, xrays, tmp_path, kind):
    with Image.open(xrays[0]) as image:
        grey = image.convert("L").resize((300, 260))
    path = tmp_path / ("image.webp" if kind == "webp" else "image.png")
    if kind == "grey 16":
        grey.convert("I").point(lambda value: value * 9 + 400).convert("I;16").save(path)
    elif kind == "rgba":
        rgba = grey.convert("RGBA")
        rgba.paste((0, 0, 0, 0), (0, 0, 40, 260))
        rgba.save(path)
    elif kind == "webp":
        grey.convert("RGB").save(path, lossless=True)
    else:
        grey.convert("P").save(path)
    bench = static_bench()
    bench.upload(path)
    bench.open_panel("Numbers and chart")
    assert_alike(bench.saved_json("Save JSON"), scored(path, "pneumonia"))


def test_twenty_images_do_not_grow_memory(browser, static_bench, tmp_path):
    rng_image = Image.effect_noise((2000, 1600), 60)
    paths = []
    for index in range(2):
        paths.append(tmp_path / f"{index}.jpg")
        rng_image.rotate(90 * index).save(paths[-1], quality=80)
    bench = static_bench()

    for index in range(4):
        bench.upload(paths[index % 2])
    before = resident(browser)
    for index in range(20):  # decoded they have 10 MB each
        bench.upload(paths[index % 2])
    assert resident(browser) - before < 100e6


def resident(browser) -> int:
    """Bytes that the renderer processes of this browser hold."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    total = 0
    for process in processes:
        status = Path(f"/proc/{process['id']}/status")
        if process["type"] == "renderer" and status.exists():
            total += int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text()).group(1)) * 1024
    return total


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_barrier(static_bench, xrays, width, scheme):
    # axe's own style and script are let through, which the page's policy forbids
    bench = static_bench(width=width, height=900, bypass_csp=True, color_scheme=scheme)
    assert barriers(bench.page) == {}
    bench.upload(xrays[0])
    bench.write(EDIT, 0)
    assert barriers(bench.page) == {}


def test_page_is_used_by_keyboard_alone(static_bench):
    bench = static_bench()
    page = bench.page
    page.locator(".vip-example").first.focus()
    with bench.new_result():
        page.keyboard.press("Enter")
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.matches('.vip-row textarea')")
    before = bench.latest
    page.keyboard.press("Control+a")
    page.keyboard.type("a faint veil")
    bench.wait(lambda: bench.latest > before and bench.scored("a faint veil"))
    page.keyboard.press("Control+z")
    bench.wait(lambda: not bench.scored("a faint veil"))
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")
