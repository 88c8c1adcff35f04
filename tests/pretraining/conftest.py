"""Small data in the layout of the real ones: seven sets of tiny images, three files of text, and a small bank."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROJECT
from vip_core.pretraining import phrases
from vip_core.pretraining.corpus import TEXT_FILES
from vip_core.pretraining.findings import CELLS, TUMOURS
from vip_core.pretraining.kinds import DERMOSCOPY, XRAY
from vip_core.pretraining.sets import LabelledImage

WHOLE = ("comparisons", "listed", "denied_in")  # lists of names in the bank
SPLITS = ("train",) * 12 + ("val",) * 4
DIAGNOSES = ("melanoma", "nevus", "seborrheic_keratosis", "")
FINDINGS = ("No Finding", "Pneumonia", "Effusion|Atelectasis", "Infiltration", "Consolidation|Mass|Edema")


class Folder:
    """Writes images and the table of one set."""

    def __init__(self, path: Path, header: str):
        self.path, self.lines, self.rng = path, [header], np.random.default_rng(len(path.name))
        (path / "images").mkdir(parents=True)

    def add(self, name: str, *cells: object) -> None:
        """An image of noise and its line."""
        picture(self.path / "images" / name, self.rng)
        self.lines.append(",".join(map(str, (f"images/{name}", *cells))))

    def close(self) -> None:
        """Write the table."""
        (self.path / "labels.csv").write_text("\n".join(self.lines))


def picture(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(path)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """The root of such data. Not to be written to."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for number in range(60):
        picture(root / "pneumonia" / "train" / "PNEUMONIA" / f"person{number}_bacteria_{number}.jpeg", rng)
        picture(root / "pneumonia" / "train" / "PNEUMONIA" / f"person{100 + number}_virus_{number}.jpeg", rng)
        picture(root / "pneumonia" / "train" / "NORMAL" / f"IM-{number:04}-0001.jpeg", rng)
    for folder, name in (("NORMAL", "IM-9000-0001"), ("PNEUMONIA", "person900_virus_1")):
        picture(root / "pneumonia" / "test" / folder / f"{name}.jpeg", rng)
    adults = Folder(root / "chest_adult", "image,split,label,findings,patient")
    knees = Folder(root / "knee", "image,split,label,patient")
    cells = Folder(root / "blood_cells", "image,split,label,subtype")
    breasts = Folder(root / "breast_ultrasound", "image,split,label,group")
    brains = Folder(root / "brain_mri", "image,split,label")
    skin = Folder(root / "isic2017", "image,split,melanoma,diagnosis,pigment_network,streaks")
    for number in range(5 * len(SPLITS)):
        split = SPLITS[number % len(SPLITS)]
        adults.add(f"a{number}.png", split, "", FINDINGS[number % 5], f"{split}{number // 2}")
        knees.add(f"k{number}.png", split, f"KL {number % 5}", f"{split}{number // 2}")
        cells.add(f"c{number}.png", split, CELLS[number % 8], "")
        breasts.add(f"b{number}.png", split, ("benign", "malignant", "normal")[number % 3], f"{split} {number // 2}")
        brains.add(f"m{number}.png", split, TUMOURS[number % 3])
        diagnosis = DIAGNOSES[number % 4]
        skin.add(f"s{number}.png", split, int(diagnosis == "melanoma"), diagnosis, number % 2, "" if number % 3 else 1)
    for folder in (adults, knees, cells, breasts, brains, skin):
        folder.close()
    (root / "text").mkdir()
    for name in TEXT_FILES:
        lines = [f"Finding {number} of an organ, brown and even." for number in range(200)]
        (root / "text" / name).write_text("\n".join(lines))
    return root


@pytest.fixture
def small_bank(tmp_path, monkeypatch):
    """The bank with a few sentences of each list."""

    def trimmed(value):
        if isinstance(value, dict):
            return {key: item if key in WHOLE else trimmed(item) for key, item in value.items()}
        return value[:2] if isinstance(value, list) else value

    for path in phrases.FOLDER.glob("*.json"):
        (tmp_path / path.name).write_text(json.dumps(trimmed(json.loads(path.read_text(encoding="utf-8")))))
    monkeypatch.setattr(phrases, "FOLDER", tmp_path)
    phrases.load_phrases.cache_clear()
    yield
    phrases.load_phrases.cache_clear()


@pytest.fixture(scope="module")
def examples() -> list[LabelledImage]:
    """The example images of the pneumonia and melanoma checkpoints."""
    images = []
    for task, modality, finding in (("pneumonia", XRAY, "pneumonia"), ("melanoma", DERMOSCOPY, "melanoma")):
        folder = PROJECT / "assets" / "examples" / task
        for name, diagnosis in json.loads((folder / "examples.json").read_text()).items():
            state = int(finding in diagnosis and "no " not in diagnosis)
            images.append(LabelledImage(folder / name, modality, {finding: state, "nevus": 1 - state}))
    return images
