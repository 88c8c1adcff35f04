"""The API's `/diagnose`: one image in, the diagnosis out; no page shows it."""

from dataclasses import replace

import gradio as gr

from vip_core.errors import ImageError, UsageError, ViPError
from vip_core.symptoms import SymptomSet

from ..state.decode import DECODER
from ..state.lists import refuse_long
from .uploads import uploaded_file
from .wiring import Json, Tasks

LISTS_SCHEMA = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}


def diagnose_endpoint(tasks: Tasks) -> None:
    """Publish `/diagnose`; called within gr.Blocks."""
    inputs = [
        gr.Image(visible=False, label="image"),
        gr.Textbox(visible=False, label="task"),
        gr.JSON(visible=False, label="symptoms"),
    ]
    # gr.JSON publishes a schema that is none; a subclass would make Gradio write a file beside this one.
    setattr(inputs[2], "api_info", lambda: LISTS_SCHEMA)  # noqa: B010
    served = ", ".join(f'"{key}"' for key in tasks)

    def diagnose(image: Json | None, task: str, symptoms: dict[str, list[str]] | None = None) -> Json:
        return answer_call(tasks, image, task, symptoms)

    # Gradio shows it to people in the API panel and to language models as a tool's description.
    diagnose.__doc__ = f"""
    Score a medical image by its visual symptoms. For research only, not a medical device.

    Args:
        image: a PNG, JPEG, WebP, TIFF, BMP or DICOM file as a data URL (data:image/png;base64,…), or the address of a
            file that was uploaded to this server before.
        task: what to look for, one of {served}.
        symptoms: lists of short English descriptions of findings per class, {{class: [symptom, …]}}, with exactly the
            classes of the task. If omitted, the symptoms that the model was trained with;
            the probabilities are calibrated only for these.

    Returns:
        The predicted class, a probability per class, a score per symptom, and whether the image resembles the
        reference images. If "in_domain" is false, do not interpret the rest.
    """
    gr.Button(visible=False).click(
        diagnose,
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
        read = DECODER.read_file(path)
        diagnosis = predictor.diagnose(predictor.encode(read), chosen)
        return replace(diagnosis, remarks=tuple(read.info["remarks"])).to_dict()
    except ViPError as error:
        raise gr.Error(str(error), print_exception=False) from None
