"""What a model's input pixels depend on besides the file: the code of the reader and the libraries' versions."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

READER = ("images", "raster", "png", "tiff", "colour", "pixels", "dicom*")
LIBRARIES = ("torch", "torchvision", "open_clip_torch", "pillow", "pydicom", "imagecodecs", "pi_heif", "numpy")


@cache
def reader_version() -> str:
    """A string that changes whenever a file may be read as other pixels, or pixels be transformed otherwise."""
    digest = hashlib.sha256()
    for pattern in READER:
        for path in sorted(Path(__file__).parent.glob(f"{pattern}.py")):
            digest.update(path.read_bytes())
    return "|".join((digest.hexdigest()[:16], *(f"{name} {_version(name)}" for name in LIBRARIES)))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
