"""The Cohort page without a browser: reading in turns, labels, figures, table, CSV, and what it says."""

import base64
import csv
import json
import re
import time
from dataclasses import replace
from html import unescape
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio.utils import get_upload_folder
from PIL import Image
from sklearn.metrics import roc_auc_score

from demo.render.cohort_cards import charts_card, download_link, summary_card
from demo.render.cohort_charts import operating_point, points
from demo.sections.cohort_handlers import (
    read_upload,
    show,
    slider_value,
    take_labels,
    take_meanings,
)
from demo.sections.cohort_rows import choose_row, filtered
from demo.sections.uploads import uploaded_files
from demo.state import cohort_loader as cohort_reading
from demo.state.cohort import STEP, Cohort, CohortChoices, finding, reference_cohort, score_cohort, screening_point
from demo.state.cohort_loader import BATCH, GONE_AFTER, Turns, read_cohort
from demo.state.cohort_table import (
    ALL,
    BY_NAME,
    DISTANT,
    FINDING,
    FLAGGED,
    UNLABELLED,
    UNREAD,
    UNSURE,
    UPLOADED,
    WRONG,
    as_csv,
    harmless,
    table_rows,
)
from demo.state.labels import Labels, match_labels, read_labels
from vip_core.data.images import read_image
from vip_core.errors import DataError, SymptomError
from vip_core.utils.paths import PROJECT

CLASSES = ("normal lung", "pneumonia")
REST = (0.5, "", {}, "", ALL, UPLOADED)  # threshold, prevalence, meanings of labels; search, filter and order
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def cohort(task):
    """The reference images under names of their own and without labels, the third unreadable."""
    bank = task.predictor.vip.reference
    names = tuple(f"film{i:02d}.png" for i in range(41))
    errors = tuple("film02.png is damaged." if i == 2 else None for i in range(41))
    rows = torch.cat([torch.nonzero(bank.labels == label).flatten()[:20] for label in (0, 1)])
    return Cohort(names, errors, bank.features[rows])


@pytest.fixture(scope="module")
def labels():
    """Of all images but the last; those of 0 to 20 normal, and film02.png, which cannot be read, too."""
    lines = [(i + 2, f"film{i:02d}.png", CLASSES[i > 20]) for i in range(40)]
    return Labels("labels.csv", tuple(lines))


@pytest.fixture(scope="module")
def results(task, cohort, labels):
    return score_cohort(task, cohort, labels, task.predictor.symptoms)


def files_of(folder, count, bad=()):
    """Images as an upload has them; those in `bad` are no images."""
    files = []
    for i in range(count):
        path = folder / f"{i:03d}.png"
        if i in bad:
            path.write_bytes(b"no picture")
        else:
            pixels = np.random.default_rng(i).integers(0, 255, (40, 50), dtype=np.uint8)
            Image.fromarray(pixels).resize((200, 160)).save(path)
        files.append((path, path.name))
    return files


# ---- reading


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch):
    """However slow the machine is."""
    monkeypatch.setattr(cohort_reading, "BATCH_SECONDS", 600.0)


def test_features_are_those_of_one_image_at_a_time_and_errors_stay_in_place(task, tmp_path):
    files = files_of(tmp_path, BATCH + 3, bad=(0, 5, BATCH))
    steps = list(read_cohort(task.predictor.vip.backbone, files, "me", Turns()))
    cohort = steps[-1].cohort
    assert [step.done for step in steps] == [0, BATCH, BATCH + 3] and "19 images read" in steps[-1].sentence
    assert cohort.names == tuple(name for _, name in files)
    assert [i for i, error in enumerate(cohort.errors) if error] == [0, 5, BATCH]
    assert "005.png is not a PNG" in cohort.errors[5]
    backbone = task.predictor.vip.backbone
    readable = [path for (path, _), error in zip(files, cohort.errors, strict=True) if not error]
    with torch.inference_mode():  # in float32, as `evaluate` has it
        alone = [backbone.encode_images(backbone.preprocess(read_image(path))[None])[0] for path in readable]
    together = torch.nn.functional.cosine_similarity(torch.stack(alone), cohort.features)
    assert cohort.features.shape == (BATCH, backbone.embed_dim) and together.min() > 0.99999


def test_no_readable_image_is_a_cohort_of_errors(task, tmp_path):
    *_, last = read_cohort(task.predictor.vip.backbone, files_of(tmp_path, 2, bad=(0, 1)), "me", Turns())
    results = score_cohort(task, last.cohort, None, task.predictor.symptoms)
    assert [row.error is not None for row in results.rows] == [True, True] and results.figures is None
    assert "2 images could not be read" in summary_card(results, 1)


def test_visitors_read_one_after_the_other(task, tmp_path):
    turns, backbone = Turns(), task.predictor.vip.backbone
    files = files_of(tmp_path, BATCH + 1)
    first, second = (read_cohort(backbone, files, visitor, turns) for visitor in ("a", "b"))
    next(first), next(first)
    waiting = next(second)
    assert waiting.cohort is None and waiting.sentence.startswith("Another visitor’s images are being read first")
    assert next(second).cohort is None
    list(first)
    assert next(second).sentence.startswith("Reading 17 images")
    assert list(second)[-1].done == BATCH + 1
    assert turns.before("b") is None  # both have left


def test_leaving_stops_a_reading_and_keeps_what_was_done(task, tmp_path):
    turns = Turns()
    reading = read_cohort(task.predictor.vip.backbone, files_of(tmp_path, 2 * BATCH + 1), "me", turns)
    next(reading), next(reading)
    turns.leave("me")
    (last,) = reading
    assert last.done == BATCH == len(last.cohort.names) and last.sentence == "Stopped after 16 of 33 images."


def test_leaving_while_others_are_before_stops_too(task, tmp_path):
    turns = Turns()
    turns.come("other")
    reading = read_cohort(task.predictor.vip.backbone, files_of(tmp_path, 2), "me", turns)
    next(reading)
    turns.leave("me")
    (last,) = reading
    assert last.cohort is None and last.sentence == "Stopped after 0 of 2 images."


def test_a_reading_that_is_dropped_makes_room(task, tmp_path):
    turns = Turns()
    reading = read_cohort(task.predictor.vip.backbone, files_of(tmp_path, 2), "gone", turns)
    next(reading)
    reading.close()
    turns.come("next")
    assert turns.before("next") == 0


def test_who_has_not_asked_for_long_loses_the_place(monkeypatch):
    turns, now = Turns(), time.monotonic()
    turns.come("asleep")
    turns.come("awake")
    assert turns.before("awake") == 1
    monkeypatch.setattr(time, "monotonic", lambda: now + GONE_AFTER - 1)
    assert turns.before("awake") == 1
    monkeypatch.setattr(time, "monotonic", lambda: now + GONE_AFTER + 1)
    assert turns.before("awake") == 0 and turns.before("asleep") is None


def test_uploads_that_wait_count_as_new(tmp_path):
    """Gradio deletes by the time of the last change to the file's entry."""
    ((path, name),) = files_of(tmp_path, 1)
    before = path.stat().st_ctime_ns
    time.sleep(0.02)
    assert cohort_reading._renew([(path, name), (tmp_path / "gone", "gone")], -1e9) > 0
    assert path.stat().st_ctime_ns > before


def test_only_uploaded_files_are_read(tasks, tmp_path):
    ((path, name),) = files_of(tmp_path, 1)
    assert uploaded_files([{"path": str(path), "orig_name": name}, {"path": "/etc/passwd"}, None]) == []
    *_, last = read_upload(tasks, "pneumonia", [{"path": "/etc/passwd"}], "me")
    assert "has expired" in last["progress"]


# ---- labels


def write(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_labels_match_by_base_name_whatever_case_and_ending(tmp_path):
    text = "\ufeffimage,label\na/B.PNG,Pneumonia\nc\\d.dcm,normal_lung\nISIC_01,NORMAL LUNG\nnone.png,\n"
    labels = read_labels(write(tmp_path, text), "labels.csv")
    matched = match_labels(labels, ["b.png", "d.dcm", "isic_01.jpg", "none.png", "more.png"], CLASSES)
    assert matched.labels == [1, 0, 0, None, None] and matched.notes == ()


def test_each_thing_that_does_not_fit_is_said_in_one_sentence():
    lines = [("a.png", "pneumonia"), ("a.png", "normal lung"), ("b.png", "flu"), ("c.png", "cold"), ("x.png", "flu")]
    lines = tuple((i + 2, *line) for i, line in enumerate([*lines, ("twin.png", "pneumonia")]))
    matched = match_labels(Labels("l.csv", lines), ["a.png", "b.png", "c.png", "twin.png", "twin.png"], CLASSES)
    assert matched.labels == [None] * 5 and matched.unknown == ("flu", "cold")
    assert matched.notes == (
        "l.csv has labels other than normal lung, pneumonia: 2, the first “flu” in line 4; say below what they mean.",
        "l.csv names images that were not uploaded: “x.png” in line 6.",
        "l.csv lists images twice: “a.png” in line 3; these count as unlabelled.",
        "Several images have the same name: “twin.png” in line 7; these count as unlabelled.",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file;diagnosis\na;b\n", "needs the columns image and label. Its first line has: file, diagnosis. Separate"),
        ("image,label\n", "has no rows below its header"),
        ("image,label\na,b,c\n", "has 3 cells"),
        (b"image,label\n\xff\xfe\n", "is not UTF-8"),
        ("image,label\n" + "a,b\n" * 300_000, "is larger than 1 MB"),
        ("", "needs the columns image and label"),
    ],
)
def test_a_labels_file_that_cannot_be_used_says_why_without_its_folder(tmp_path, text, words):
    with pytest.raises(DataError, match=re.escape(words)) as error:
        read_labels(write(tmp_path, text), "../../mine.csv")
    assert "mine.csv" in str(error.value) and str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_labels_file_may_separate_cells_as_spreadsheets_do(tmp_path, separator):
    lines = [("image", "label", "age"), ("a.png", "pneumonia", "3,5" if separator != "," else "3")]
    labels = read_labels(write(tmp_path, "\n".join(map(separator.join, lines)) + "\n"), "mine.csv")
    assert [each[1:] for each in labels.lines] == [("a.png", "pneumonia")] and "age" in labels.details[0]


def test_labels_that_are_not_here_any_more_are_no_labels(tasks):
    assert take_labels(tasks, "pneumonia", None, {})["labels"] is None
    assert "choose the files again" in take_labels(tasks, "pneumonia", {"path": "/etc/hosts"}, {})["labels note"]


def test_match_labels_takes_a_word_of_one_class_for_it_and_says_so():
    lines = ((2, "a.png", "NORMAL"), (3, "b.png", "Pneumonia"), (4, "c.png", "1"))
    matched = match_labels(Labels("l.csv", lines), ["a.png", "b.png", "c.png"], CLASSES)
    assert matched.labels == [0, 1, None] and matched.unknown == ("1",)
    assert "“NORMAL” was interpreted as normal lung." in matched.notes
    two = match_labels(Labels("l.csv", ((2, "a.png", "normal"),)), ["a.png"], ("normal lung", "normal heart"))
    assert two.labels == [None] and two.unknown == ("normal",)


def test_match_labels_takes_meanings_for_what_is_no_name():
    lines = ((2, "a.png", "0"), (3, "b.png", "1"), (4, "c.png", "2"))
    matched = match_labels(Labels("l.csv", lines), ["a.png", "b.png", "c.png"], CLASSES, {"0": 0, "1": 1})
    assert matched.labels == [0, 1, None] and matched.unknown == ("2",)


def test_take_meanings_refuses_a_label_of_two_classes(tasks):
    asked = take_meanings(tasks, "pneumonia", ["0", "x"], ["1", "x"])
    assert asked["meanings"] == {"0": 0, "1": 1} and "“x”: chosen for two classes" in asked["labels note"]
    assert take_meanings(tasks, "pneumonia", None, [])["meanings"] == {}


def test_read_labels_keeps_the_other_columns(tmp_path):
    labels = read_labels(write(tmp_path, "Image,Label,age,Patient ID\na.png,pneumonia,4,p1\n"), "l.csv")
    assert labels.lines == ((2, "a.png", "pneumonia"),) and dict(labels.details[0]) == {"age": "4", "Patient ID": "p1"}


# ---- results


def test_each_row_is_the_diagnosis_of_its_image(task, cohort, results):
    feature = iter(cohort.features)
    for i, row in enumerate(results.rows):
        assert row.image == cohort.names[i]
        if i == 2:
            assert row.error and not row.probabilities and row.known is None
            continue
        diagnosis = task.predictor.diagnose(next(feature))
        assert row.probabilities == pytest.approx(tuple(diagnosis.probabilities.values()), abs=1e-5)
        assert CLASSES[row.prediction] == diagnosis.prediction and row.known == diagnosis.domain.in_domain


def test_figures_count_what_is_read_and_labelled(results):
    counted = [row for row in results.rows if row.label is not None and not row.error]
    assert results.figures.n == len(counted) == 39
    right = sum(row.prediction == row.label for row in counted)
    assert results.figures.accuracy.value == pytest.approx(right / 39)
    truth, scores = [row.label for row in counted], [row.probabilities[1] for row in counted]
    assert results.figures.auroc.value == pytest.approx(roc_auc_score(truth, scores))
    auroc = results.figures.auroc
    perfect = auroc.interval is None and auroc.value == 1  # which has no interval
    assert perfect or auroc.low <= auroc.value <= auroc.high


def test_an_edit_is_compared_with_the_original_lists(task, cohort, labels, results):
    swapped = replace(task.predictor.symptoms, symptoms=task.predictor.symptoms.symptoms[::-1])
    edited = score_cohort(task, cohort, labels, swapped, results)
    assert edited.original is results  # not worked out again
    assert edited.changed == sum(a.prediction != b.prediction for a, b in zip(edited.rows, results.rows, strict=True))
    assert edited.changed > 20 and f"change the class of {edited.changed} of 40 images" in summary_card(edited, 1)
    assert f"was {results.figures.accuracy.value:.3f}" in summary_card(edited, 1)
    other = score_cohort(task, replace(cohort), labels, swapped, edited)
    assert other.original is not results and other.original.figures == results.figures
    assert score_cohort(task, cohort, labels, task.predictor.symptoms, edited).original is None


def test_without_labels_words_stand_instead_of_figures(task, cohort, labels):
    bare = score_cohort(task, cohort, None, task.predictor.symptoms)
    assert bare.figures is None and "No image has a label" in summary_card(bare, 1)
    assert "With a labels file" in charts_card(bare, 1)
    none = Labels("l.csv", ((2, "x.png", "pneumonia"),))
    assert "No label matches" in summary_card(score_cohort(task, cohort, none, task.predictor.symptoms), 1)


def test_labels_that_leave_a_class_empty_are_refused(task, cohort, labels):
    one = score_cohort(task, cohort, replace(labels, lines=labels.lines[:10]), task.predictor.symptoms)
    card, charts = summary_card(one, 1), charts_card(one, 1)
    assert one.figures is None and one.belief is None and "nan" not in card
    assert "No image that could be read is labelled “pneumonia”" in card and "<dt>" not in card
    assert "With a labels file" in charts and "<svg" not in charts


def test_summary_of_reference_images_that_the_model_was_trained_on_says_that_it_is_biased(held_out):
    task = held_out(False)
    cohort = reference_cohort(task)
    results = score_cohort(task, cohort, None, task.predictor.symptoms)
    assert [row.label for row in results.rows] == task.predictor.vip.reference.labels.tolist()
    assert "optimistically biased" in summary_card(results, finding(task))


def test_sensitivity_speaks_of_the_class_that_the_task_is_called_after(tasks):
    called = {key: task.classes[finding(task)] for key, task in tasks.items() if len(task.classes) == 2}
    assert called == {"pneumonia": "pneumonia", "chest_adult": "airspace opacity", "melanoma": "melanoma"} | {
        "knee_osteoarthritis": "knee osteoarthritis"
    }


# ---- table and CSV


def test_the_table_is_searched_narrowed_and_sorted(results):
    names = lambda **wanted: [row[0] for row in table_rows(results, **wanted)]  # noqa: E731
    assert len(names()) == 41 and names(search="FILM1") == [f"film{i}.png" for i in range(10, 20)]
    assert names(which=UNREAD) == ["film02.png"] and names(which=UNLABELLED) == ["film40.png"]
    wrong = [row.image for row in results.rows if row.wrong]
    assert names(which=WRONG) == wrong and all(row[5] == "wrong" for row in table_rows(results, which=WRONG))
    assert sorted(names(which="class 0") + names(which="class 1") + ["film02.png"]) == names(order=BY_NAME)
    assert names(which=FLAGGED) == [row.image for row in results.rows if row.known is False]
    sure = {row.image: max(row.probabilities) for row in results.rows if not row.error}
    assert names(order=UNSURE)[:-1] == sorted(sure, key=sure.get)
    by_finding = {row.image: row.probabilities[1] for row in results.rows if not row.error}
    assert names(order=FINDING, positive=1)[:-1] == sorted(by_finding, key=lambda name: -by_finding[name])
    distances = {row.image: row.distance for row in results.rows if not row.error}
    assert names(order=DISTANT)[:-1] == sorted(distances, key=lambda name: -distances[name])


def test_an_image_unlike_the_known_ones_has_no_probability_in_the_table(results):
    seen = {cells[0]: cells for cells in table_rows(results, positive=1)}
    for row in results.rows:
        shown = None if row.error or not row.known else round(row.probabilities[1], 3)  # of the finding, in every row
        assert seen[row.image][2] == shown
    assert {row.known for row in results.rows} >= {True, False}


def test_the_csv_holds_all_images_and_no_formula(task, results):
    names = ("=cmd|' /C calc'!A0", "+1", "-1", "@x", 'a "b", c\nd', "é🫁.png", " =1", "plain.png")
    cohort = Cohort(names, ("=HYPERLINK()", *[None] * 7), results.cohort.features[:7])
    scored = score_cohort(task, cohort, None, task.predictor.symptoms)
    header, *rows = csv.reader(StringIO(as_csv(scored), newline=""))
    assert header[:4] == ["image", "class", "probability of normal lung", "probability of pneumonia"]
    assert [row[0] for row in rows] == [harmless(name) for name in names]
    assert not [cell for row in rows for cell in row if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert rows[0][1:5] == [""] * 4 and rows[0][-1] == "'=HYPERLINK()"
    for row, cells in zip(scored.rows[1:], rows[1:], strict=True):
        assert [float(cell) for cell in cells[2:4]] == pytest.approx(row.probabilities, abs=1e-6)
    assert harmless("a=b") == "a=b" and harmless("") == ""


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("  @x", "  '@x"),
        ("a;=1+1", "a;'=1+1"),
        ("a\t-1", "a\t'-1"),
        ("a\n+1", "a\n'+1"),
        ("\t=1", "'\t'=1"),
        ("person-1=a.png", "person-1=a.png"),
        ("−1", "−1"),
    ],
)
def test_harmless_starts_no_formula_in_any_cell(cell, safe):
    assert harmless(cell) == safe


def test_the_link_holds_the_csv_itself(results):
    data = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', download_link(results)).group(1)
    assert base64.b64decode(data).decode("utf-8-sig") == as_csv(results)


def test_text_from_outside_is_escaped(task, cohort):
    lines = ((2, f"{EVIL}.png", EVIL), (3, "film00.png", EVIL))
    results = score_cohort(task, cohort, Labels(EVIL, lines), task.predictor.symptoms)
    card = summary_card(results, 1)
    assert "<img" not in card and EVIL in unescape(card)


# ---- charts


def test_charts_have_the_numbers_and_no_small_text(results):
    charts = charts_card(results, 1)
    counts = results.figures.confusion
    assert re.findall(r"<b>(\d+)</b>", charts) == [str(count) for row in counts for count in row]
    titles = ["Confusion matrix", "ROC", "Calibration of pneumonia", "Probabilities by label", "Decision curve"]
    assert re.findall(r"<figcaption>([^<]+)<", charts) == titles
    assert charts.count('<svg class="vip-plot" role="img" aria-label="') == 4
    css = (PROJECT / "assets" / "cohort.css").read_text(encoding="utf-8")
    sizes = re.findall(r"\.vip-plot text { font-size: ([\d.]+)px", css)
    assert [float(size) >= 12 for size in sizes] == [True]


def test_charts_draw_the_numbers_of_evaluate(results):
    found, charts = results.belief, charts_card(results, 1)
    for each in found.reliability:
        assert f"{each.observed.n} images of about {each.mean:.2f}: {each.observed.value:.2f}" in charts
    assert f"{found.curve.at(0.3):+.3f} at 0.3".replace("-", "−") in charts
    assert f"area under the curve is {results.figures.auroc.value:.3f}" in charts


def test_the_roc_curve_passes_through_the_decision(results):
    rows = [row for row in results.rows if row.label is not None and row.probabilities]
    alarms, found = points(rows, 1)
    recall = results.figures.recall
    assert operating_point(rows, 1) == pytest.approx((1 - recall["normal lung"].value, recall["pneumonia"].value))
    assert np.trapezoid(found, alarms) == pytest.approx(results.figures.auroc.value)
    x, y = operating_point(rows, 1)
    on_it = [np.interp(x, alarms, found), y]
    assert x in alarms or on_it[0] >= on_it[1] - 1e-9


# ---- what the page does


def texts_of(task):
    return ["\n".join(lines) for lines in task.predictor.symptoms.symptoms]


def test_lists_that_cannot_be_used_leave_this_cohorts_result_and_no_other(tasks, task, cohort, results):
    bad = ["", texts_of(task)[1]]
    kept = show(tasks, "pneumonia", cohort, results.labels, results, *REST, *bad)
    assert set(kept) == {"list note"} and "no symptom" in kept["list note"]
    other = show(tasks, "pneumonia", replace(cohort), None, results, *REST, *bad)
    assert "Fix the symptom lists" in other["summary"]
    assert other["results"] is None and other["table"] is None and other["link"] == ""


def test_without_images_the_page_invites(tasks, task):
    shown = show(tasks, "pneumonia", None, None, None, *REST, *texts_of(task))
    assert shown["results"] is None and "Upload images" in shown["summary"] and shown["table"] is None
    assert filtered(tasks, "pneumonia", None, "", ALL, UPLOADED) == {"table": None, "count": ""}


def test_a_line_that_is_too_long_is_refused(task, cohort):
    endless = task.predictor.symptoms.edited("pneumonia", ["shadow " * 200])
    with pytest.raises(SymptomError, match="tokens"):
        score_cohort(task, cohort, None, endless)


def test_show_encodes_only_the_edited_line_for_500_images(tasks, task):
    bank = task.predictor.vip.reference
    drawn = torch.arange(500) % len(bank.labels)
    cohort = Cohort(tuple(f"{i}.png" for i in range(500)), (None,) * 500, bank.features[drawn])
    labels = Labels("l.csv", tuple((i + 2, f"{i}.png", CLASSES[bank.labels[drawn[i]]]) for i in range(500)))
    results = show(tasks, "pneumonia", cohort, labels, None, *REST, *texts_of(task))["results"]
    clip, images, lines = task.predictor.vip.backbone.clip, [], []
    hooks = [
        clip.visual.register_forward_hook(lambda *call: images.append(1)),
        clip.transformer.register_forward_pre_hook(lambda module, inputs: lines.append(len(inputs[0]))),
    ]
    try:
        texts = [texts_of(task)[0], f"white opacity in other words\n{texts_of(task)[1]}"]
        results = show(tasks, "pneumonia", cohort, labels, results, *REST, *texts)["results"]
    finally:
        for hook in hooks:
            hook.remove()
    assert (images, lines) == ([], [1])
    assert results.original is not None and len(results.rows) == 500


def test_an_upload_is_read_to_its_end_and_the_page_set_free(tasks, tmp_path):
    folder = Path(get_upload_folder()) / "cohort-test"
    folder.mkdir(parents=True, exist_ok=True)
    files = files_of(folder, 2)
    try:
        sent = [{"path": str(path), "orig_name": f"folder/{name}"} for path, name in files]
        steps = list(read_upload(tasks, "pneumonia", sent, "me"))
        assert steps[-2]["cohort"].names == ("000.png", "001.png") and "2 images read" in steps[-1]["progress"]
        assert [step["stop"]["interactive"] for step in (steps[0], steps[-1])] == [True, False]
        assert [step["files"]["interactive"] for step in (steps[0], steps[-1])] == [False, True]
    finally:
        for path, _ in files:
            path.unlink()
        folder.rmdir()


def test_threshold_moves_the_decisions_and_nothing_else(task, cohort, labels, results):
    strict = score_cohort(task, cohort, labels, task.predictor.symptoms, None, CohortChoices(threshold=0.99))
    for row, before in zip(strict.rows, results.rows, strict=True):
        assert row.probabilities == before.probabilities
        if row.probabilities:
            assert row.prediction == int(row.probabilities[1] >= 0.99)
    assert strict.figures.auroc == results.figures.auroc
    counts = np.array(strict.figures.confusion)
    assert strict.figures.recall["pneumonia"].value == pytest.approx(counts[1, 1] / counts[1].sum())
    assert counts[:, 1].sum() == sum(row.prediction == 1 for row in strict.counted)


def test_cohort_starts_at_the_screening_point_itself(tasks, task, cohort, labels):
    for other in tasks.values():
        at = other.predictor.vip.card.threshold_of(finding(other))
        assert screening_point(other) == (0.5 if at is None else at)
        assert (at is None) == (len(other.classes) > 2)
        assert abs(slider_value(other) - screening_point(other)) <= STEP / 2
    shown = show(tasks, "pneumonia", cohort, labels, None, slider_value(task), *REST[1:], *texts_of(task))
    assert shown["results"].asked.threshold == task.predictor.vip.card.threshold
    moved = show(tasks, "pneumonia", cohort, labels, None, slider_value(task) + STEP, *REST[1:], *texts_of(task))
    assert moved["results"].asked.threshold == slider_value(task) + STEP


def test_figures_are_given_without_out_of_distribution_images_too(task, cohort, labels):
    """Some images are made foreign: their features point away from the reference images."""
    features = cohort.features.clone()
    features[[3, 30]] *= -1
    foreign = score_cohort(task, replace(cohort, features=features), labels, task.predictor.symptoms)
    flagged = [row.image for row in foreign.rows if row.known is False]
    rest = [row for row in foreign.counted if row.known is not False]
    assert len(flagged) >= 2 and foreign.figures.n == foreign.within.n + len(foreign.counted) - len(rest)
    assert foreign.within.accuracy.value == np.mean([row.label == row.prediction for row in rest])
    said = unescape(summary_card(foreign, 1))
    assert "The large numbers below include these images" in said and said.count("without them") == 4
    unlabelled = summary_card(score_cohort(task, foreign.cohort, None, task.predictor.symptoms), 1)
    assert "Out of distribution" in unlabelled and "include these images" not in unlabelled


def test_show_refuses_a_prevalence_that_is_no_share(tasks, task, cohort, labels):
    shown = show(tasks, "pneumonia", cohort, labels, None, 0.5, "150", {}, "", ALL, UPLOADED, *texts_of(task))
    assert "“150” is not a percentage" in shown["list note"]
    shown = show(tasks, "pneumonia", cohort, labels, None, 0.5, "10 %", {}, "", ALL, UPLOADED, *texts_of(task))
    assert shown["results"].belief.at_prevalence.prevalence == pytest.approx(0.1)


def test_choose_row_finds_the_image_also_among_equal_names(tasks, task, cohort, results):
    twins = replace(cohort, names=("a.png", *cohort.names[1:40], "a.png"))
    scored = score_cohort(task, twins, None, task.predictor.symptoms)
    chosen = json.loads(choose_row(tasks, "pneumonia", scored, "a.png", ALL, UPLOADED, 1, "a.png")["chosen"])
    assert chosen == {"task": "pneumonia", "place": 40, "name": "a.png", "nth": 1}
    assert choose_row(tasks, "pneumonia", results, "", ALL, UPLOADED, 2, "film02.png")["chosen"] == ""  # unreadable
    assert torch.equal(cohort.feature(3), cohort.features[2]) and cohort.feature(2) is None
