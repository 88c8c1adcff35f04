"""An image as the page keeps it: a small picture, the feature, and the features of its patches; never the file."""

import base64
import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from vip_core.data.images import read_image
from vip_core.errors import BackboneError
from vip_core.scoring import evidence

from .tasks import Task

PREVIEW = 768  # pixels of the picture's longer side on the page; the model reads its own size

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ImageView:
    """What is kept of an image. feature: (D,); cells: (h, w, D), None where the backbone has no patch features."""

    picture: Json
    feature: Tensor
    cells: Tensor | None


def view_file(task: Task, path: Path) -> ImageView:
    """Read a file for a task. Raises ImageError."""
    image = read_image(path)
    feature, cells = task.predictor.encode(image), encode_cells(task, image)
    return ImageView(picture_for_page(image, feature), feature, cells)


def encode_cells(task: Task, image: Image.Image) -> Tensor | None:
    """Features (h, w, D) of the image's patches; None where the backbone has none."""
    try:
        return evidence.encode_cells(task.predictor, image)
    except BackboneError:
        return None


def picture_for_page(image: Image.Image, feature: Tensor) -> Json:
    """The image as a data URL in the form of Gradio's ImageData, named after its feature; the server needs no file."""
    image.thumbnail((PREVIEW, PREVIEW))
    image.info = {}  # Pillow would write a comment of the upload into the picture
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return {
        "path": None,
        "url": f"data:image/jpeg;base64,{data}",
        "size": None,
        "orig_name": f"{mark_of(feature)}.jpg",
        "mime_type": None,
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }


def mark_of(feature: Tensor) -> str:
    """Ties the page's picture to its feature: a report is only made of a picture and a feature of one image."""
    return hashlib.sha256(feature.numpy().tobytes()).hexdigest()[:16]
