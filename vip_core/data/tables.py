"""Reading class folders and CSV files, and matching class names; errors name the file and the line."""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from vip_core.errors import DataError

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def class_key(name: str) -> str:
    """The form in which class names are compared: case does not count, `_` is a space, accents in either form."""
    return " ".join(unicodedata.normalize("NFC", name).replace("_", " ").split()).casefold()


def match_classes(found: Iterable[str], classes: Sequence[str], where: Path) -> dict[str, int]:
    """Class key -> label, an index into `classes`. Raises DataError with both lists where `found` has other names."""
    found, label_of = list(found), {class_key(name): label for label, name in enumerate(classes)}
    if sorted(map(class_key, found)) != sorted(label_of) or len(label_of) != len(classes):
        raise DataError(
            f"{where} has the classes {found}, the symptom set has {list(classes)}; "
            "give a symptom file with the same class names."
        )
    return label_of


def folders_in(parent: Path) -> list[Path]:
    """Folders of a folder, sorted, without hidden ones and macOS's own."""
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def images_in(parent: Path, endings: set[str]) -> list[Path]:
    """Images of a folder, sorted, without hidden files (macOS's `._x.jpeg`). Raises DataError where there are none."""
    paths = sorted(parent.iterdir()) if parent.is_dir() else []
    images = [path for path in paths if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not images:
        found = "has no images" if parent.is_dir() else "is missing"
        raise DataError(f"The folder {parent} {found}; expected files ending in {', '.join(sorted(endings))} there.")
    return images


def separator(file: TextIO, allowed: str) -> str:
    """What separates the cells of an open CSV file: the most frequent of `allowed` in its first line."""
    first = file.readline()
    file.seek(0)
    return max(allowed, key=first.count)


def read_csv(path: Path, needed: Sequence[str], separators: str = ",") -> list[tuple[int, dict[str, str]]]:
    """(line number, column -> cell) of each line that is not blank; cells missing at the end of a line are empty.

    separators: the characters of which one may separate the cells.

    Raises DataError: a column of `needed` is missing, a line is too long, the file is not CSV in UTF-8.
    """
    table, reader = [], csv.reader(())
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=separator(file, separators))
            header = [cell.strip() for cell in next(reader, [])]
            if twice := sorted({name for name in header if name and header.count(name) > 1}):
                raise DataError(f"{path} has the columns {twice} twice; give each column a name of its own.")
            if missing := [name for name in needed if name not in header]:
                raise DataError(
                    f"{path} lacks the columns {missing}: its first line has {header}; separate columns with commas."
                )
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > len(header):
                    raise DataError(
                        f"Line {reader.line_num} of {path} has {len(cells)} cells, the first line {len(header)}; "
                        "put a cell that contains a comma in quotes."
                    )
                filled = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
                table.append((reader.line_num, dict(zip(header, filled, strict=True))))
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it again as CSV in UTF-8.") from None
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {path} is not CSV ({error}); correct that line.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); the layout needs that file.") from None
    return table


def listed_image(image: Path, source: Path, line: int, seen: dict[Path, int]) -> Path:
    """Check that an image exists and is not in `seen` (file -> line), then add it there. Raises DataError."""
    forms = (image, *(Path(unicodedata.normalize(form, str(image))) for form in ("NFC", "NFD")))
    image = next((path for path in forms if path.is_file()), image)  # accents differ between systems
    if not image.is_file():
        raise DataError(f"Line {line} of {source} names the image {image}, which does not exist; correct the line.")
    if (first := seen.setdefault(image.resolve(), line)) != line:
        raise DataError(f"Line {line} of {source} lists {image} again, after line {first}; list each image once.")
    return image


def read_header(path: Path, separators: str = ",") -> list[str]:
    """The names of a CSV file's columns. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [cell.strip() for cell in next(csv.reader(file, delimiter=separator(file, separators)), [])]
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} is not UTF-8 text; save it again as CSV in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); the layout needs that file.") from None


def split_name(cell: str, source: Path, line: int) -> str:
    """Train, val or test. Raises DataError with the line."""
    if (split := SPLITS.get(cell.casefold())) is None:
        raise DataError(f"Line {line} of {source} has the split {cell!r}; choose train, val or test.")
    return split
