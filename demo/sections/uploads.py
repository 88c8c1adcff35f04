"""Files that the page has uploaded, as handlers without Gradio's own processing get them."""

import re
from pathlib import Path
from urllib.parse import unquote

from gradio.utils import get_upload_folder

from .wiring import Json

OWN_ADDRESS = re.compile(r"https?://[^/]+(?:/[^?#]*)?/gradio_api/file=")
GONE = "The upload has expired. Please choose the {thing} again."


def uploaded_file(upload: Json | None) -> Path | None:
    """The file of an upload, if it is still there; nothing else on this machine can be named."""
    path = upload.get("path") if isinstance(upload, dict) else None
    if isinstance(path, str) and OWN_ADDRESS.match(path):  # nothing is fetched: the file is here, or it is not taken
        path = unquote(OWN_ADDRESS.sub("", path, count=1))
    if not isinstance(path, str) or "\0" in path:
        return None
    path = Path(path).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file() else None


def uploaded_files(upload: list[Json] | Json | None) -> list[tuple[Path, str]]:
    """The files of an upload that are still there, each with the visitor's name for it."""
    files = []
    for each in upload if isinstance(upload, list) else [upload]:
        path = uploaded_file(each)
        if path is not None:
            called = each.get("orig_name") if isinstance(each, dict) else None
            files.append((path, called if isinstance(called, str) else path.name))
    return files
