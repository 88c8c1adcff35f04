"""Does a trained model still understand texts that it was not trained on? An editor of symptoms relies on it.

    python benchmarks/wordings.py [CHECKPOINT …]

Without arguments: the shipped checkpoints; else names or folders. For each sentence of the phrase bank on the task's
kind of image: the AUROC with which it ranks the reference images of each class above the others, as a plain sentence
on the backbone, and under the trained prompts and adapter. A sentence that the backbone ranks clearly (at least .8, or
at most .2) and the model the other way round was reversed by training. The reference images were kept out of training.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vip_core.models.vip import ViP
from vip_core.pretraining.evaluation import encode_texts
from vip_core.pretraining.kinds import BLOOD, DERMOSCOPY, KNEE, MRI, ULTRASOUND, XRAY
from vip_core.pretraining.labels import bank_sentences
from vip_core.pretraining.phrases import load_phrases
from vip_core.utils.ranking import auroc

SHIPPED = {
    "pneumonia": XRAY,
    "chest_adult": XRAY,
    "melanoma": DERMOSCOPY,
    "knee_osteoarthritis": KNEE,
    "blood_cells": BLOOD,
    "breast_ultrasound": ULTRASOUND,
    "brain_tumor": MRI,
}
CLEAR = 0.3  # distance of an AUROC from .5
BATCH = 256  # sentences


def ranked(images: Tensor, text: Tensor, labels: Tensor, classes: int) -> NDArray:
    """AUROC (C, n) with which n texts rank the images of each class above the others; of two classes, (1, n)."""
    cosines = (images @ F.normalize(text, dim=-1).T).numpy()
    return np.array([auroc(cosines, (labels == c).numpy()) for c in range(1 if classes == 2 else 0, classes)])


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "checkpoints", nargs="*", default=list(SHIPPED), help="folders are named as the shipped ones are"
    )
    parser.add_argument("--show", type=int, default=0, help="print as many of the reversed sentences")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.checkpoints if Path(name).name not in SHIPPED]:
        parser.error(f"{unknown[0]} is not named as a shipped checkpoint: {', '.join(SHIPPED)}")
    bank = load_phrases()
    print("| checkpoint | method | ranked clearly | reversed by training |\n|---|---|---|---|")
    for name in arguments.checkpoints:
        vip = ViP.from_pretrained(name)
        assert vip.reference is not None
        kind = SHIPPED[Path(name).name]
        texts = sorted({each.text for each in bank_sentences(bank) if each.modality == kind and each.finding})
        classes = len(vip.symptoms.classes)
        plain = encode_texts(vip.backbone, texts)
        parts = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        counts = [[len(part), *[0] * (classes - 1)] for part in parts]
        trained = torch.cat(
            [vip.encode_prompts(part, vip.context_prompt(count)) for part, count in zip(parts, counts, strict=True)]
        )
        reference, labels = vip.reference.features, vip.reference.labels
        before = ranked(F.normalize(reference, dim=-1), plain, labels, classes)
        after = ranked(vip.adapt(reference), trained, labels, classes)
        clear = np.abs(before - 0.5) >= CLEAR
        turned = clear & ((before - 0.5) * (after - 0.5) < 0)
        share = turned.sum() / max(1, clear.sum())
        print(f"| {name} | {vip.method} | {clear.sum():,} | {turned.sum():,} ({share:.1%}) |", flush=True)
        for row, column in np.argwhere(turned)[: arguments.show]:
            print(f"    {texts[column]}: {before[row, column]:.2f}, {after[row, column]:.2f}")


if __name__ == "__main__":
    main()
