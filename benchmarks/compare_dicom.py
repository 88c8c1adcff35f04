"""Compare the DICOM reader with DCMTK and GDCM over a folder: the difference of grey levels, file by file.

    apt install dcmtk; pip install SimpleITK
    python benchmarks/compare_dicom.py [FOLDER]        (default: pydicom's own test files)

Each tool shows the same thing: the first VOI LUT, else the first window, else the range of the values. Of GDCM, which
has no VOI step of its own, the values after the rescale are windowed here. A tool that refuses a file is "refused".
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from vip_core.data.dicom_header import first_frame, first_number, items, numbers, text
from vip_core.data.images import read_image
from vip_core.errors import ImageError


def main() -> None:
    own = Path(pydicom.__file__).parent / "data" / "test_files"
    paths = sorted(Path(sys.argv[1] if len(sys.argv) > 1 else own).rglob("*"))
    print(f"{'file':44} {'DCMTK':>16} {'GDCM':>16}  ours")
    within = {"DCMTK": 0, "GDCM": 0}
    both = dict(within)
    for path in paths:
        if not path.is_file() or "PixelData" not in (dataset := pydicom.dcmread(path, force=True)):
            continue
        try:
            ours, remark = np.asarray(read_image(path)).astype(int), ""
        except ImageError as error:
            ours, remark = None, str(error).removeprefix(path.name)
        cells = []
        for tool, show in (("DCMTK", by_dcmtk), ("GDCM", by_gdcm)):
            theirs = show(path, dataset)
            if theirs is None or ours is None or theirs.shape != ours.shape:
                cells.append("refused" if theirs is None else "-" if ours is None else f"{theirs.shape[:2]}")
                continue
            difference = np.abs(theirs - ours)
            both[tool] += 1
            within[tool] += int(difference.max() <= 1)
            cells.append(f"{difference.max():3d} mean {difference.mean():.2f}")
        print(f"{path.name:44} {cells[0]:>16} {cells[1]:>16} {remark}")
    print(", ".join(f"{tool}: {within[tool]} of {both[tool]} files within one grey level" for tool in both))


def by_dcmtk(path: Path, dataset: pydicom.Dataset) -> np.ndarray | None:
    """(H, W, 3) as DCMTK's dcmj2pnm renders the first frame, or None."""
    if shutil.which("dcmj2pnm") is None:
        return None
    option = "+Wm"
    if "VOILUTSequence" in dataset and len(dataset.VOILUTSequence):
        option = "+Wl"
    elif window(dataset) is not None:
        option = "+Wi"
    arguments = [option] if option == "+Wm" else [option, "1"]
    grey = text(dataset, "PhotometricInterpretation").startswith("MONO")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.pnm"
        command = ["dcmj2pnm", "+F", "1", *(arguments if grey else []), str(path), str(out)]
        done = subprocess.run(command, capture_output=True)
        if done.returncode or not out.is_file():
            return None
        return np.asarray(Image.open(out).convert("RGB")).astype(int)


def by_gdcm(path: Path, dataset: pydicom.Dataset) -> np.ndarray | None:
    """(H, W, 3) from the values that GDCM, in SimpleITK, gives; None where it refuses the file or has no window."""
    try:
        import SimpleITK as sitk
    except ImportError:
        return None
    if "VOILUTSequence" in dataset and len(dataset.VOILUTSequence):
        return None
    try:
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        values = np.squeeze(sitk.GetArrayFromImage(reader.Execute())).astype(float)
    except RuntimeError:
        return None
    if values.ndim == 3 and values.shape[-1] == 3:
        return values.astype(int) >> (8 if dataset.BitsAllocated == 16 else 0)
    if values.ndim != 2:
        return None
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":  # ITK has turned the stored values round
        slope, intercept = first_number(dataset, "RescaleSlope") or 1, first_number(dataset, "RescaleIntercept") or 0
        values = slope * (2**dataset.BitsStored - 1) + 2 * intercept - values
    low, high = window(dataset) or (values.min(), values.max())
    tones = np.rint(((values - low) / max(high - low, 1e-9)).clip(0, 1) * 255).astype(int)
    tones = 255 - tones if text(dataset, "PhotometricInterpretation") == "MONOCHROME1" else tones
    return tones[..., None].repeat(3, axis=-1)


def window(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """The ends of the first window, LINEAR."""
    for holder in first_frame(dataset, "FrameVOILUTSequence"):
        for center, width in zip(numbers(holder, "WindowCenter"), numbers(holder, "WindowWidth"), strict=False):
            if center is not None and width is not None and width >= 1 and not items(holder, "VOILUTSequence"):
                return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    return None


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
