"""The API's `/diagnose`: one image in, the diagnosis out; it is on no page."""

from functools import partial

import gradio as gr

from vip_core.errors import ImageError, UsageError, ViPError
from vip_core.symptoms import SymptomSet

from ..state.decode import DECODER
from ..state.lists import refuse_long
from .uploads import uploaded_file
from .wiring import Json, Tasks


def diagnose_endpoint(tasks: Tasks) -> None:
    """Publish `/diagnose`; called within gr.Blocks."""
    inputs = [
        gr.Image(visible=False, label="image"),
        gr.Textbox(visible=False, label="task"),
        gr.JSON(visible=False, label="symptoms"),
    ]
    gr.Button(visible=False).click(
        partial(answer_call, tasks),
        inputs,
        gr.JSON(visible=False),
        api_name="diagnose",
        concurrency_id="read",
        preprocess=False,
        postprocess=False,
        show_progress="hidden",
    )


def answer_call(tasks: Tasks, image: Json | None, task: str, symptoms: dict[str, list[str]] | None = None) -> Json:
    """Diagnose one image: class, probabilities, a score for each symptom, and the domain check.

    image: a PNG, JPEG, WebP, TIFF, BMP or DICOM file; task: "pneumonia" or "melanoma"; symptoms: {class: [symptom, …]}
    or null for the model's own. The answer is that of `python -m vip_core.score --json`, without the image's name.
    """
    try:
        if not isinstance(task, str) or task not in tasks:
            raise UsageError(f"Unknown task “{task}”. Available: {', '.join(tasks)}.")
        path = uploaded_file(image)
        if path is None:
            raise ImageError("There is no image. Upload a file first and pass what the upload returns.")
        predictor = tasks[task].predictor
        chosen = None if symptoms is None else SymptomSet.from_dict(symptoms)
        if chosen is not None:
            refuse_long({name: "\n".join(lines) for name, lines in zip(chosen.classes, chosen.symptoms, strict=True)})
        return predictor.diagnose(predictor.encode(DECODER.read_file(path)), chosen).to_dict()
    except ViPError as error:
        raise gr.Error(str(error), print_exception=False) from None
