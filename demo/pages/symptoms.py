"""The Symptoms page: the symptom libraries, an editor that shows the AUROC of each symptom, and the generator."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from vip_core.errors import SymptomError, ViPError
from vip_core.symptoms import SymptomSet
from vip_core.utils.paths import PROJECT
from vip_core.vsg import KINDS, NOT_SET_UP, GenerationRequest, Progress, ground

from ..pages.diagnose import put_lists
from ..render.cards import message
from ..render.listing import dropped_lines, findings_table, from_text, sources, to_text
from ..sections.wiring import AT_ONCE, PRIVATE, Json, Tasks, Updates, kept, listener
from ..settings import DEFAULTS, Settings
from ..state.generation import (
    NOT_OPEN,
    Allowance,
    Calls,
    check_budget,
    choose_server,
    generate_until,
    host_is_set_up,
    host_serves,
    may_set_base_url,
)
from ..state.lists import refuse_long
from ..state.task_view import reference_note
from ..state.tasks import Task

LIBRARIES = PROJECT / "assets" / "symptoms"
SAVE = """(text, task) => {
  if (!text) return
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}))
  link.download = `${task}-symptoms.json`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60000)
}"""
# Apart from the Diagnose page's queues, so that an edit there never waits for one here.
CHECK: Json = {"concurrency_id": "symptoms", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
GENERATE: Json = {"concurrency_id": "generate", "concurrency_limit": 8, **PRIVATE}
TRAIN = (
    "<p>No task of this page has these classes. To use such a list, download it, train a "
    "checkpoint with it on images of these classes (one folder per class), and start the page with this checkpoint:</p>"
    "<pre>python -m vip_core.train --data folder --root IMAGES --symptoms symptoms.json --out runs/mine\n"
    "python app.py --tasks runs/mine</pre>"
)
UNTRAINED = "<p>Opened in Diagnose, zero-shot: no model was trained for these classes. To train one:</p>"
HOW_TO_SET_UP = (
    "<p>{reason} The operator of this page can set one up with two commands, here for a model on the "
    "same machine (llama.cpp, vLLM, Ollama):</p>"
    "<pre>export OPENAI_BASE_URL=http://127.0.0.1:11434/v1 VIP_LLM_MODEL=llama3.1\n"
    "python app.py --visitors-may-generate</pre><p>The included symptom sets work without one.</p>"
)


def symptoms_page(tasks: Tasks, offered: Tasks, answers: gr.HTML, tabs: gr.Tabs, settings: Settings = DEFAULTS) -> None:
    """Lay the page out and wire it; called within gr.Blocks.

    Args:
        tasks: the trained ones.
        offered: all that the Diagnose page offers.
        answers, tabs: of the Diagnose page, where a list can be put to use.
    """
    known = libraries()
    order = [task.key for task in tasks.values()]  # what can be used at once comes first
    known = dict(sorted(known.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
    first, shown = next(iter(known.items()))
    checked = check(tasks, shown.modality, to_text(shown))
    with gr.Row(elem_classes="vip-page"):
        with gr.Column(scale=4, min_width=280):
            choices = [(title(symptoms), name) for name, symptoms in known.items()]
            library = gr.Radio(choices, value=first, label="Libraries", elem_id="vip-libraries")
            with gr.Accordion("Write a list with a language model", open=False, elem_id="vip-generator"):
                form = generator_form(shown, settings)
        with gr.Column(scale=7, min_width=300):
            modality = gr.Textbox(shown.modality, label="Kind of image", elem_id="vip-modality")
            text = gr.Textbox(
                to_text(shown),
                label="Classes in square brackets, each followed by its symptoms, one per line",
                lines=18,
                max_lines=18,
                elem_id="vip-library-text",
            )
            notes = gr.HTML(checked["notes"], elem_id="vip-symptoms-note", js_on_load=None)
            with gr.Row():
                use = gr.Button("Use in Diagnose", variant="primary", size="sm", elem_id="vip-use")
                save = gr.Button("Download as JSON", size="sm", elem_id="vip-download")
            use_note = gr.HTML(elem_id="vip-use-note", js_on_load=None)
            findings = gr.HTML(checked["findings"], elem_id="vip-findings", js_on_load=None)
            dropped = gr.HTML(elem_id="vip-dropped", js_on_load=None)
            about = gr.HTML(sources(shown.source), elem_id="vip-sources", js_on_load=None)
    current = kept(None)  # the list as it was opened or generated, for its source; None: the library shown first
    payload = gr.Textbox(visible="hidden", label="The list as a file")

    opened = {"modality": modality, "text": text, "current": current, "about": about, "dropped": dropped}
    to_library = {**opened, "use note": use_note}
    library.change(**listener(partial(open_library, known), library, to_library, **CHECK))
    checks = listener(
        partial(check, tasks),
        [modality, text],
        {"notes": notes, "findings": findings},
        trigger_mode="always_last",
        **CHECK,
    )
    gr.on([modality.change, text.change], **checks)
    file_parts = {"payload": payload, "notes": notes}
    saved = save.click(**listener(partial(as_json, shown), [modality, text, current], file_parts, **CHECK))
    saved.then(None, [payload, modality], None, js=SAVE)

    put = {"use note": use_note, "tabs": tabs, "diagnose": answers}
    use.click(**listener(partial(use_list, offered), text, put, **CHECK))

    calls, allowance = Calls(), Allowance(settings.generate_limit)
    write = generator(tasks, settings, calls, allowance)
    written = {"note": form["note"], "key": form["key"], **opened}
    fields = [form[name] for name in FIELDS]
    asked = form["generate"].click(**listener(write, fields, written, **GENERATE), show_progress_on=form["note"])
    # Gradio remembers what an event was sent until something else comes: after a fault of ours, this.
    asked.failure(lambda: "", None, form["key"], **PRIVATE)

    def cancel(request: gr.Request) -> None:
        calls.stop(request.session_hash or "")

    form["cancel"].click(cancel, None, None, **AT_ONCE)
    page = Context.root_block
    assert page is not None, "symptoms_page is called within gr.Blocks"
    page.unload(cancel)


FIELDS = ("modality", "classes", "number", "kind", "samples", "critique", "model", "base_url", "key")


def generator_form(example: SymptomSet, settings: Settings) -> dict[str, Any]:
    """The generator's controls by name."""
    status = (
        f"<p>Leave the key empty to use this page’s own model, up to {settings.generate_limit} times per hour.</p>"
        if host_serves(settings)
        else HOW_TO_SET_UP.format(reason=NOT_OPEN if host_is_set_up() else NOT_SET_UP)
    )
    gr.HTML(status, elem_id="vip-generator-status", js_on_load=None)
    form: dict[str, Any] = {
        "modality": gr.Textbox(example.modality, label="Kind of image", elem_id="vip-gen-modality"),
        "classes": gr.Textbox(
            "\n".join(example.classes), label="Classes, one per line", lines=3, elem_id="vip-gen-classes"
        ),
    }
    with gr.Row():
        form["number"] = gr.Number(5, label="Symptoms per class", precision=0, min_width=110, elem_id="vip-gen-number")
        form["samples"] = gr.Number(1, label="Samples", precision=0, min_width=110, elem_id="vip-gen-samples")
    form["kind"] = gr.Dropdown([(k.label, k.key) for k in KINDS.values()], value="visual", label="Kind of knowledge")
    form["critique"] = gr.Checkbox(False, label="Second pass that removes lines that no image can show")
    form["model"] = gr.Textbox(label="Model", placeholder="gpt-4o", elem_id="vip-gen-model")
    form["base_url"] = gr.Textbox(
        label="Server’s base URL",
        placeholder="empty: OpenAI",
        visible=settings.base_url_allowed,
        elem_id="vip-gen-url",
    )
    form["key"] = gr.Textbox(
        label="Key",
        info="Used for this one request, then discarded; the box is emptied.",
        type="password",
        elem_id="vip-gen-key",
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False),
    )
    with gr.Row():
        form["generate"] = gr.Button("Generate", variant="primary", size="sm", elem_id="vip-generate")
        form["cancel"] = gr.Button("Cancel", size="sm", elem_id="vip-cancel")
    form["note"] = gr.HTML(message(), elem_id="vip-generator-note", js_on_load=None)
    return form


# ---- what happens: plain functions of the tasks and of what the page sends


def libraries(folder: Path = LIBRARIES) -> dict[str, SymptomSet]:
    """The shipped symptom sets by name. Raises SymptomError."""
    return {path.stem: SymptomSet.load(path) for path in sorted(folder.glob("*.json"))}


def title(symptoms: SymptomSet) -> str:
    """The displayed name of a library: the kind of image, and the first classes."""
    names = ", ".join(symptoms.classes[:3])
    more = f" and {len(symptoms.classes) - 3} more" if len(symptoms.classes) > 3 else ""
    return f"{symptoms.modality}: {names}{more}"


def matching_task(tasks: Tasks, symptoms: SymptomSet) -> Task | None:
    """The task with the same classes, in any order."""
    return next((task for task in tasks.values() if sorted(task.classes) == sorted(symptoms.classes)), None)


def open_library(known: Mapping[str, SymptomSet], name: str) -> Updates:
    """A library in the editor."""
    return {**opened_set(known[name]), "dropped": "", "use note": ""}


def opened_set(symptoms: SymptomSet) -> Updates:
    """A symptom set in the editor."""
    shown = {"modality": symptoms.modality, "text": to_text(symptoms)}
    return {**shown, "current": symptoms, "about": sources(symptoms.source)}


def check(tasks: Tasks, modality: str, text: str) -> Updates:
    """Remarks on a list while it is edited; while it cannot be parsed, the last table stays."""
    try:
        symptoms = from_text(text, modality)
        refuse_long({name: "\n".join(lines) for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True)})
        task = matching_task(tasks, symptoms)
        table = "" if task is None else findings_table(ground(symptoms, task.predictor.vip), reference_note(task))
    except SymptomError as error:
        return {"notes": message(str(error))}
    return {"notes": f"<p>{len(symptoms.classes)} classes, {len(symptoms.texts)} symptoms.</p>", "findings": table}


def as_json(first: SymptomSet, modality: str, text: str, current: SymptomSet | None) -> Updates:
    """The list as a symptom file, with its source and, where it was edited, the date."""
    original = current or first
    try:
        symptoms = from_text(text, modality, original.source)
    except SymptomError as error:
        return {"payload": "", "notes": message(str(error))}
    if (symptoms.classes, symptoms.symptoms) != (original.classes, original.symptoms):
        symptoms = from_text(text, modality, {**original.source, "edited": date.today().isoformat()})
    return {"payload": json.dumps(symptoms.to_dict(), indent=2, ensure_ascii=False) + "\n"}


def use_list(offered: Tasks, text: str) -> Updates:
    """Open the list on the Diagnose page if a task has its classes; otherwise explain how to train one."""
    try:
        symptoms = from_text(text)
    except SymptomError as error:
        return {"use note": message(str(error))}
    task = matching_task(offered, symptoms)
    if task is None:
        return {"use note": TRAIN}
    ordered = symptoms.ordered(task.classes)
    lists = {name: list(texts) for name, texts in zip(ordered.classes, ordered.symptoms, strict=True)}
    note = "" if task.predictor.vip.card is not None else UNTRAINED + TRAIN[TRAIN.index("<pre>") :]
    return {"use note": note, "tabs": gr.Tabs(selected="diagnose"), "diagnose": put_lists(task.key, lists)}


def generator(tasks: Tasks, settings: Settings, calls: Calls, allowance: Allowance) -> Callable[..., Updates]:
    """What the Generate button does."""

    def write(
        modality: str,
        classes: str,
        number: float | None,
        kind: str,
        samples: float | None,
        critique: bool,
        model: str,
        base_url: str,
        key: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how gradio finds it)
    ) -> Updates:
        """A new list in the editor, or a message; the key's box is emptied, here and in what Gradio remembers."""
        page = request.session_hash or ""
        stop = calls.begin(page)
        try:
            wanted = GenerationRequest(
                modality.strip(),
                tuple(line.strip() for line in classes.splitlines() if line.strip()),
                int(number or 0),
                kind,
                int(samples or 0),
                critique,
            )
            server = None
            if KINDS[kind].uses_model:
                allowed = may_set_base_url(settings, request.headers)
                server, hosts = choose_server(settings, model, base_url, key, allowed)
                if hosts:
                    check_budget(wanted)
                    allowance.take(f"page {page}", f"address {request.client.host if request.client else ''}")

            def report(step: Progress) -> None:
                progress(step.done, desc=f"{step.step}, {step.characters} characters")

            backbone = next(iter(tasks.values())).predictor.vip.backbone
            made = generate_until(stop, wanted, server, backbone, report)
        except ViPError as error:
            return {"note": message(str(error)), "key": ""}
        finally:
            calls.end(page, stop)
        symptoms, dropped = made.symptoms, made.dropped
        done = f"Written: {len(symptoms.texts)} symptoms; {len(dropped)} lines were dropped. {made.tokens}"
        note = f'<p role="status">{escape(done)}</p>'
        return {"note": note, "key": "", **opened_set(symptoms), "dropped": dropped_lines(dropped)}

    return write
