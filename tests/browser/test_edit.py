"""Editing the lists in a real browser: the shift, lines switched off, undo and reset, files and links."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow
EVIL = '<img src=x onerror="window.harmed=1"> <script>window.harmed=2</script> ${x}'


def reworded(person, index, line, text):
    """The list of a box with one line reworded."""
    lines = person.box(index).input_value().splitlines()
    return "\n".join([*lines[:line], text, *lines[line + 1 :]])


def probability(person):
    return person.page.inner_text("#vip-result .vip-probability")


def test_an_edit_shows_the_shift_in_bars_and_probability_until_it_is_reset(visit, xrays):
    person = visit()
    person.upload(xrays[0])
    rows, chart, result = person.rows, person.bars, person.result
    assert "→" not in probability(person) and not any(", was " in text for text in chart)
    person.write(1, reworded(person, 1, 0, "clear lungs without any shadow"))
    person.wait(lambda: "→" in probability(person))
    shifted = [text for text in person.bars if ", was " in text]
    was = float(rows[len(rows) - len(person.box(1).input_value().splitlines())][2])
    assert len(shifted) == 1 and f"was {was:.2f}".replace("-", "−") in shifted[0]
    assert "calibrated" not in person.result and "Calibration" not in result
    person.page.click("#vip-reset")
    person.wait(lambda: (person.rows, person.bars, person.result) == (rows, chart, result))
    person.page.click("#vip-undo")  # the reset itself
    person.wait(
        lambda: person.box(1).input_value().startswith("clear lungs without any shadow") and "→" in person.result
    )


def test_undo_goes_back_edit_by_edit(visit):
    person = visit()
    person.choose_example(0)
    undo, first = person.page.locator("#vip-undo"), person.box(1).input_value()
    chart = person.bars
    expect(undo).to_be_disabled()
    box = person.box(1)
    box.focus()
    person.page.keyboard.press("ControlOrMeta+End")
    person.page.keyboard.type(" and haze", delay=20)  # rapid typing: one step
    person.wait(lambda: any(row[1].endswith(" and haze") for row in person.rows))
    typed = box.input_value()
    person.write(0, "clear lungs")
    person.wait(lambda: "clear lungs" in person.bars)
    expect(undo).to_be_enabled()
    undo.click()
    person.wait(lambda: person.box(0).input_value() != "clear lungs" and "clear lungs" not in person.bars)
    assert person.box(1).input_value() == typed
    undo.click()
    person.wait(lambda: person.box(1).input_value() == first and person.bars == chart)
    expect(undo).to_be_disabled()


def test_undo_without_an_image(visit):
    person = visit()
    text = person.box(0).input_value()
    person.box(0).fill("another sign")
    expect(person.page.locator("#vip-undo")).to_be_enabled()
    person.page.click("#vip-undo")
    expect(person.box(0)).to_have_value(text)


def test_a_line_that_begins_with_a_hash_is_ignored_and_kept(visit):
    person = visit()
    person.choose_example(0)
    rows = person.rows
    lines = person.box(1).input_value().splitlines()
    person.box(1).fill("\n".join([lines[0], f"# {lines[1]}", *lines[2:]]))
    person.wait(lambda: len(person.rows) == len(rows) - 1 and person.agrees())
    assert (
        lines[1] not in [row[1] for row in person.rows]
        and person.box(1).input_value().splitlines()[1] == f"# {lines[1]}"
    )
    person.box(1).fill("\n".join(f"# {line}" for line in lines))
    person.complain("list", "All symptoms of “pneumonia” are switched off")
    person.box(1).fill("\n".join(lines))
    person.wait(lambda: person.rows == rows)


def test_lines_that_mean_little_to_the_model_are_marked(visit):
    person = visit()
    person.choose_example(0)
    weak = [row[1] for row in person.rows if float(row[5]) <= 0.6]  # of the task's own lines too
    assert sum("Hardly" in text or "Speaks" in text for text in person.bars) == len(weak) < len(person.rows) / 4
    assert any(re.fullmatch(r"AUROC 0\.\d\d|AUROC 1\.00", text) for text in person.bars)
    person.write(
        1, "\n".join(["a letter in the upper corner", "dense white opacity", "a dog on a lawn", "clear lungs"])
    )
    marks = [text for text in person.bars if re.search("hardly separates|speaks for another", text, re.IGNORECASE)]
    assert any("speaks for another class, AUROC 0." in text.lower().replace("auroc", "AUROC") for text in marks)
    by_line = {row[1]: float(row[5]) for row in person.rows}
    assert by_line["clear lungs"] < 0.4 < 0.6 < by_line["dense white opacity"]


# ---- files


def test_lists_are_saved_and_loaded_again(visit, tmp_path):
    person = visit()
    person.choose_example(0)
    person.box(1).fill(f"dense white opacity\n# streaks\n{EVIL}")
    person.wait(lambda: len(person.rows) and person.rows[-1][1] == EVIL)
    rows = person.rows
    with person.page.expect_download() as download:
        person.page.click("#vip-save")
    assert download.value.suggested_filename == "pneumonia-symptoms.json"
    path = Path(download.value.path())
    assert json.loads(path.read_text(encoding="utf-8"))["classes"]["pneumonia"] == ["dense white opacity", EVIL]
    other = visit()
    other.choose_example(0)
    saved = tmp_path / "mine.json"
    saved.write_bytes(path.read_bytes())
    load(other, saved)
    other.wait(lambda: other.rows == rows)
    assert other.box(1).input_value() == f"dense white opacity\n{EVIL}\n# streaks"
    other.page.click("#vip-undo")
    other.wait(lambda: EVIL not in other.box(1).input_value())
    assert other.page.evaluate("window.harmed") is None


def load(person, path):
    with person.page.expect_file_chooser() as chooser:
        person.page.click("#vip-load")
    chooser.value.set_files(path)


def test_a_file_that_is_none_says_so_and_the_lists_stay(visit, tmp_path):
    person = visit()
    before = person.box(1).input_value()
    files = {
        "deep": (b"[" * 50_000, "deep.json is"),
        "huge": (b" " * 10 * 2**20, "10,240 KB"),
        "html": (json.dumps({EVIL: ["a"], "pneumonia": ["b"]}).encode(), EVIL),
        "bytes": (bytes(range(256)), "not UTF-8"),
    }
    for name, (content, words) in files.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(content)
        load(person, path)
        assert "/tmp" not in person.complain("file", words)
        assert person.box(1).input_value() == before
    assert person.page.evaluate("window.harmed") is None
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"normal lung": ["clear"], "pneumonia": [EVIL]}))
    load(person, good)
    expect(person.box(1)).to_have_value(EVIL)
    person.wait_for_peace("file")


# ---- the link


def test_two_colleagues_see_the_same_list_by_a_link(visit, server):
    ann = visit()
    ann.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ann.page.get_by_role("radio", name="Melanoma").check()
    expect(ann.page.locator("#vip-box-0 [data-testid=block-info]")).to_have_text("melanoma")
    ann.choose_example(0, "melanoma")
    ann.box(0).fill(f"blue-white veil\n# streaks\n{EVIL} + 100 % & 肺")
    ann.wait(lambda: len(ann.rows) and any(row[1].endswith("肺") for row in ann.rows))
    ann.page.click("#vip-share")
    link = ann.page.locator("#vip-link textarea")
    expect(link).to_have_value(re.compile(r"\?task=melanoma&symptoms="))
    address = link.input_value()
    assert address.startswith(server.url) and not link.is_editable()
    ann.wait(lambda: ann.page.evaluate("navigator.clipboard.readText()") == address)

    ben = visit(query=address.removeprefix(server.url))
    expect(ben.box(0)).to_have_value(ann.box(0).input_value())
    assert ben.box(1).input_value() == ann.box(1).input_value()
    expect(ben.page.locator("#vip-box-0 [data-testid=block-info]")).to_have_text("melanoma")
    expect(ben.page.locator("#vip-examples-melanoma")).to_be_visible()
    assert ben.page.get_by_role("radio", name="Melanoma").is_checked()
    ben.choose_example(0, "melanoma")
    ben.wait(lambda: (ben.rows, ben.bars, ben.result) == (ann.rows, ann.bars, ann.result))
    assert "→" in ben.result  # the shift from the task's own lists
    assert ben.page.evaluate("window.harmed") is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?task=fracture", "names a task that is not here"),
        ("?task=pneumonia&symptoms={", "are damaged"),
        ("?symptoms=" + "%5B" * 2500, "are damaged"),
        ("?symptoms=" + "a" * 30_000, "too long"),
        ('?symptoms={"<img src=x onerror=harmed=1>":["a"],"pneumonia":["b"]}', "<img src=x"),
    ],
)
def test_a_wrong_link_says_so_and_the_page_works(visit, query, words):
    person = visit(query=query)
    person.complain("file", words)
    person.choose_example(0)
    assert person.rows and person.page.evaluate("window.harmed") is None
