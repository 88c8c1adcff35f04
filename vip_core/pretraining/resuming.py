"""The states of the stages belong to one seed and to one set of data."""

import hashlib
import json
from pathlib import Path

from vip_core.errors import DataError
from vip_core.files import write_json
from vip_core.pretraining.corpus import FILES
from vip_core.pretraining.labels import LabelledImage, bank_sentences
from vip_core.pretraining.phrases import load_phrases


def same_run(path: Path, root: Path, images: list[LabelledImage], seed: int) -> None:
    """Tie the states of the stages to a seed and to data. Raises DataError where they are another run's."""
    listed = [f"{image.path.name} {sorted(image.findings.items())}" for image in images]
    texts = [(root / "text" / name).stat().st_size for name in FILES if (root / "text" / name).is_file()]
    digest = hashlib.sha256(repr((listed, texts, bank_sentences(load_phrases()))).encode()).hexdigest()
    run = {"seed": seed, "data": digest}
    if path.is_file() and json.loads(path.read_text()) != run:
        raise DataError(f"{path.parent} holds the stages of another seed or of other data; give another --out.")
    write_json(path, run)
