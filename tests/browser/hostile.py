"""Hostile uploads, made on the fly: where on the page each goes, its name, its bytes, and what must be said of it."""

import json
import stat
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset

from vip_core.utils.paths import PROJECT

XRAY = next((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg")).read_bytes()
PWN = '<img src=x onerror="window.__pwned=1"><svg onload=alert(1)><script>window.__pwned=2</script>'
ESCAPED = "pwned-by-an-upload"  # what a file outside the temporary folder would be called
PATIENT = ("Roe^Jane", "PHI-4711-0815", "19610203", "St. Nowhere")
MB = 2**20


@dataclass(frozen=True)
class Upload:
    """what: a name for the test; where: image, cohort, labels or symptoms; name: as the visitor's machine calls it.

    words: what the answer must hold, all of them; taken: it is no more than odd, and is read as what it is.
    """

    what: str
    where: str
    name: str
    make: Callable[[], bytes]
    words: tuple[str, ...] = ()
    taken: bool = False


# ---- images


def small() -> Image.Image:
    return Image.open(BytesIO(XRAY)).convert("L").resize((96, 80))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of eight grey bits that declares a size, with chunks as given."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in (header, *chunks, (b"IEND", b"")):
        parts += [struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data))]
    return b"".join(parts)


def polyglot_png() -> bytes:
    """A PNG for a reader of images, a page for a browser that sniffs."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", f"<html>{PWN}</html>")
    return saved(small(), "PNG", pnginfo=notes) + f"<!doctype html>{PWN}".encode()


def rotated_jpeg() -> bytes:
    exif = Image.Exif()
    exif[274], exif[270] = 6, PWN  # a quarter turn, and a description
    return saved(small(), "JPEG", exif=exif, comment=PWN.encode())


def many_pages() -> bytes:
    pages = [Image.new("L", (16, 16), i) for i in range(200)]
    return saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def looped_tiff() -> bytes:
    """A TIFF whose first directory names itself as the next."""
    data = bytearray(saved(small(), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * entries, start)
    return bytes(data)


def dicom(**changes: object) -> bytes:
    """A DICOM file that names its patient everywhere. changes: keywords to set, to remove where None."""
    image, data = small(), Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.generate_uid()
    data.PatientName, data.PatientID, data.PatientBirthDate, data.InstitutionName = PATIENT
    data.PatientComments = data.ImageComments = f"{' '.join(PATIENT)} {PWN}"
    data.Rows, data.Columns = image.height, image.width
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = image.tobytes()
    for keyword, value in changes.items():
        delattr(data, keyword) if value is None else setattr(data, keyword, value)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


# ---- ZIP files


def zipped(*members: tuple[str | ZipInfo, bytes], **central: int) -> bytes:
    """A ZIP file. central: what its own list then says of every member, true or not."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
        for member in archive.infolist():
            for key, value in central.items():
                setattr(member, key, value)
    return buffer.getvalue()


def link(name: str) -> ZipInfo:
    member = ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def lzma(name: str) -> ZipInfo:
    member = ZipInfo(name)
    member.compress_type = ZIP_LZMA
    return member


def encrypted() -> bytes:
    return zipped(("film.jpeg", XRAY), flag_bits=0x1)


def climbing() -> bytes:
    """A good film, and others whose names lead out of any folder."""
    above = [f"{'../' * depth}{ESCAPED}.jpeg" for depth in range(1, 8)]
    absolute = [f"/tmp/{ESCAPED}.jpeg", f"C:\\{ESCAPED}.jpeg", f"..\\..\\{ESCAPED}.jpeg", f"a/../../{ESCAPED}.jpeg"]
    return zipped(("film.jpeg", XRAY), *((name, XRAY) for name in above + absolute))


# ---- all of them

NO_IMAGE = ("is not a PNG, JPEG, WebP, TIFF, BMP, HEIC or DICOM file",)
DAMAGED = ("is damaged, cut short or unusual",)
LISTS = {"normal lung": ["clear dark lungs"], "pneumonia": ["dense white opacity"]}


def lists(**changes: object) -> bytes:
    return json.dumps({**LISTS, **changes}).encode()


def image(what: str, name: str, make: Callable[[], bytes], *words: str, taken: bool = False) -> Upload:
    return Upload(what, "image", name, make, words, taken)


IMAGES = [
    image("an empty file", "film.png", lambda: b"", "is empty"),
    image("a JPEG cut short", "film.jpg", lambda: XRAY[: len(XRAY) // 2], *DAMAGED),
    image("a PNG cut short", "film.png", lambda: saved(small(), "PNG")[:-500], *DAMAGED),
    image("a JPEG called .png", "film.png", lambda: XRAY, taken=True),
    image("a PNG called .dcm", "film.dcm", lambda: saved(small(), "PNG"), taken=True),
    image("a PNG called .exe", "setup.exe", lambda: saved(small(), "PNG"), taken=True),
    image("one pixel", "dot.png", lambda: saved(Image.new("L", (1, 1)), "PNG"), "1 x 1 pixels"),
    image("a PNG that declares a huge size", "bomb.png", lambda: png(60_000, 60_000), "60,000 x 60,000 pixels"),
    image(
        "a PNG whose text unpacks to 40 MB",
        "text.png",
        lambda: png(64, 64, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(40 * MB), 9))),
        *DAMAGED,
    ),
    image("a PNG without pixels", "none.png", lambda: png(64, 64), *DAMAGED),
    image(
        "a BMP of a huge size",
        "b.bmp",
        lambda: b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0),
    ),
    image("text called .jpg", "letter.jpg", lambda: b"Dear colleague", *NO_IMAGE),
    image("a GIF", "film.gif", lambda: saved(small(), "GIF"), *NO_IMAGE),
    image("a GIF called .png", "film.png", lambda: saved(small(), "GIF"), *NO_IMAGE),
    image(
        "a PDF", "report.pdf", lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>", *NO_IMAGE
    ),
    image("a program", "setup.exe", lambda: b"MZ" + bytes(4000), *NO_IMAGE),
    image("a program called .png", "film.png", lambda: Path("/bin/sh").read_bytes()[:50_000], *NO_IMAGE),
    image(
        "an SVG with a script",
        "x.svg",
        lambda: f'<svg xmlns="http://www.w3.org/2000/svg">{PWN}</svg>'.encode(),
        *NO_IMAGE,
    ),
    image(
        "an SVG called .png",
        "x.png",
        lambda: f'<?xml version="1.0"?><svg onload="alert(1)">{PWN}</svg>'.encode(),
        *NO_IMAGE,
    ),
    image("a page called .png", "x.png", lambda: f"<!doctype html>{PWN}".encode(), *NO_IMAGE),
    image("a PNG that is a page too", "x.html", polyglot_png, taken=True),
    image("a ZIP called .png", "x.png", lambda: zipped(("film.jpeg", XRAY)), *NO_IMAGE),
    image("a TIFF of 200 pages", "pages.tif", many_pages, "holds 200 pages or frames"),
    image("a TIFF in a circle", "circle.tif", looped_tiff, taken=True),
    image(
        "a WebP in motion",
        "m.webp",
        lambda: saved(small(), "WEBP", save_all=True, append_images=[Image.new("L", (96, 80))]),
        "holds 2 pages",
    ),
    image("a CMYK JPEG", "cmyk.jpg", lambda: saved(small().convert("CMYK"), "JPEG"), taken=True),
    image(
        "a PNG of 16 bits",
        "deep.png",
        lambda: saved(Image.fromarray(np.asarray(small(), np.uint16) * 200), "PNG"),
        taken=True,
    ),
    image("a rotated JPEG with a comment", "turned.jpg", rotated_jpeg, taken=True),
    image("a DICOM that names its patient", "film.dcm", dicom, taken=True),
    image("a DICOM without pixels", "film.dcm", lambda: dicom(PixelData=None), "holds no DICOM pixel data"),
    image("a DICOM of absurd size", "film.dcm", lambda: dicom(Rows=65535, Columns=65535), "65,535 x 65,535 pixels"),
    image("a DICOM with fewer pixels than it says", "film.dcm", lambda: dicom(Rows=4000, Columns=4000), "is damaged"),
    image("a DICOM cut short", "film.dcm", lambda: dicom()[:-3000]),
    image("a DICOM cut in its header", "film.dcm", lambda: dicom()[:400]),
    image(
        "a DICOM of a patient in odd places",
        "film.dcm",
        lambda: dicom(PhotometricInterpretation="ROE^JANE", LossyImageCompressionMethod="Roe^Jane"),
        "photometric interpretation",
    ),
]
NAMES = [
    image("a name of HTML", f"{PWN}.png", lambda: b"x", *NO_IMAGE),
    image("a name with line breaks", "a\r\nX-Pwned: 1\r\n\r\nb.png", lambda: b"x"),
    image("a name that climbs", f"../../../{ESCAPED}.png", lambda: b"x", *NO_IMAGE),
    image("a name that climbs in the Windows manner", f"..\\..\\{ESCAPED}.png", lambda: b"x", *NO_IMAGE),
    image("an absolute name", f"/tmp/{ESCAPED}.png", lambda: b"x", *NO_IMAGE),
    image("a name of 5,000 letters", "a" * 5000 + ".png", lambda: b"x"),
    image("a name that turns the writing", "film\u202egnp.exe", lambda: b"x", *NO_IMAGE),
    image("a name of dots", "..", lambda: b"x"),
    image("a name of a device", "CON", lambda: b"x", *NO_IMAGE),
]


def cohort(what: str, make: Callable[[], bytes], *words: str, name: str = "films.zip") -> Upload:
    return Upload(what, "cohort", name, make, words)


COHORTS = [
    cohort("a ZIP bomb", lambda: zipped(("film.png", bytes(40 * MB))), "100 times its size"),
    cohort("a ZIP that says it unpacks to 4 GB", lambda: zipped(("film.png", b"x"), file_size=2**32 - 2), "unpacks to"),
    cohort(
        "a ZIP that says less than it holds",
        lambda: zipped(("film.png", bytes(MB)), file_size=1000),
        "damaged inside the ZIP",
    ),
    cohort("a ZIP that climbs", climbing, "1 image</b>", "11 entries of the ZIP were left out"),
    cohort("a ZIP in a ZIP", lambda: zipped(("inner.zip", zipped(("film.jpeg", XRAY)))), "contains no image"),
    cohort("a ZIP called .png in a ZIP", lambda: zipped(("inner.png", zipped(("film.jpeg", XRAY)))), *NO_IMAGE),
    cohort("an encrypted ZIP", encrypted, "is protected by a password"),
    cohort(
        "a ZIP with a link",
        lambda: zipped(("film.jpeg", XRAY), (link("link.jpeg"), b"/etc/passwd")),
        "1 entry of the ZIP was left out",
    ),
    cohort("a ZIP of 20,000 entries", lambda: zipped(*((f"{i}.png", b"") for i in range(20_000))), "20,000 files"),
    cohort("a ZIP packed in another way", lambda: zipped((lzma("film.jpeg"), XRAY)), "unusual compression"),
    cohort("a ZIP cut short", lambda: zipped(("film.jpeg", XRAY))[:-10], "is not a ZIP file, or is damaged"),
    cohort(
        "a ZIP with names of HTML",
        lambda: zipped(("film.jpeg", XRAY), (f"{PWN}.png", b"x"), ("a\n\u202eb.png", b"x")),
        "2 images could not be read",
    ),
    cohort("a ZIP called HTML", lambda: b"PK\3\4", "is not a ZIP file", name=f"{PWN}.zip"),
    cohort("text as a ZIP", lambda: b"no ZIP", "is not a ZIP file", name=f"../{ESCAPED}.zip"),
    cohort("an SVG among images", lambda: PWN.encode(), *NO_IMAGE, name="x.svg"),
]


def labels(what: str, make: Callable[[], bytes], *words: str) -> Upload:
    return Upload(what, "labels", "labels.csv", make, words)


LABELS = [
    labels("labels of formulas", lambda: b"image,label\nfilm.jpeg,=cmd|'/C calc'!A0\n", "has labels other than"),
    labels("labels of HTML", lambda: f"image,label\nfilm.jpeg,{PWN}\n{PWN},x\n".encode(), "has labels other than"),
    labels("labels of 10 MB", lambda: b"image,label\n" + b"film.jpeg,pneumonia\n" * (10 * MB // 20), "is larger than"),
    labels("labels of bytes", lambda: bytes(range(256)) * 50, "labels.csv"),
    labels("labels on one long line", lambda: b"image,label," + b"a" * MB, "labels.csv"),
]


def symptoms(what: str, make: Callable[[], bytes], *words: str, taken: bool = False) -> Upload:
    return Upload(what, "symptoms", "lists.json", make, words, taken)


SYMPTOMS = [
    symptoms("symptoms of 10 MB", lambda: lists(pneumonia=["x" * 10 * MB]), "KB, and at most"),
    symptoms("symptoms deep in brackets", lambda: b"[" * 100_000 + b"]" * 100_000, "lists.json"),
    symptoms("symptoms with control characters", lambda: lists(pneumonia=["a\0b\x1b[31m\x08c\u202ed"]), taken=True),
    symptoms("symptoms with a line break", lambda: lists(pneumonia=["one\ntwo"]), "spans several lines"),
    symptoms("symptoms of HTML", lambda: lists(pneumonia=[PWN]), taken=True),
    symptoms("classes of HTML", lambda: json.dumps({PWN: ["a"], "pneumonia": ["b"]}).encode(), "classes do not match"),
    symptoms("half a character", lambda: lists(pneumonia=["\ud800"]), "an incomplete character"),
    symptoms("a number of many digits", lambda: b'{"normal lung": ' + b"9" * 100_000 + b"}", "lists.json"),
    symptoms("a class twice", lambda: b'{"pneumonia": ["a"], "pneumonia": ["b"]}', "stands twice"),
    symptoms("symptoms of bytes", lambda: bytes(range(256)), "not UTF-8"),
    symptoms("a prototype as a class", lambda: b'{"__proto__": {"x": 1}, "pneumonia": ["b"]}', "lists.json"),
    symptoms(
        "10,000 symptoms", lambda: lists(pneumonia=[f"sign {i}" for i in range(10_000)]), "10000 symptoms; at most 64"
    ),
    symptoms("an image as symptoms", lambda: XRAY, "not UTF-8"),
]
UPLOADS = IMAGES + NAMES + COHORTS + LABELS + SYMPTOMS
