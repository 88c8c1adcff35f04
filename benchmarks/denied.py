"""Do sentences that deny several findings at once speak for a normal film?

    python benchmarks/denied.py --root DATA [--split val] [--backbone local-dir:…]

DATA has the folders of `vip_core.pretraining.sets`. For each sentence of benchmarks/tasks/denied_findings.json, which
people wrote who had not seen the phrase bank: the AUROC with which it ranks films without pneumonia above films with
it (children), and films without findings above films with an opacity (adults). Below .5 it is understood the wrong way
round.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from torch.nn import functional as F

from vip_core.models.backbone import EMBEDDED, Backbone
from vip_core.pretraining.evaluation import encode_texts
from vip_core.pretraining.labels import labelled_sentences, normalise
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import image_features_of
from vip_core.pretraining.sets import SETS, labelled_images
from vip_core.utils.ranking import auroc

SENTENCES = Path(__file__).parent / "tasks" / "denied_findings.json"
FILMS = ("pneumonia", "chest_adult")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--backbone", default=EMBEDDED)
    arguments = parser.parse_args()
    backbone = Backbone.load(arguments.backbone)
    sentences = json.loads(SENTENCES.read_text(encoding="utf-8"))
    text = F.normalize(encode_texts(backbone, sentences), dim=-1)
    trained = {normalise(sentence.text) for sentence in labelled_sentences(load_phrases(), 1)}
    columns = []
    for name in FILMS:
        images = labelled_images(arguments.root, arguments.split, [each for each in SETS if each.name == name])
        images = [image for image in images if "opacity" in image.findings]
        normal = np.array([image.findings["opacity"] == 0 for image in images])
        cosines = (F.normalize(image_features_of(backbone, images), dim=-1) @ text.T).numpy()
        columns.append(auroc(cosines, normal))
        print(f"{name}: {normal.sum()} without and {(~normal).sum()} with")
    print("| sentence | children | adults |\n|---|---|---|")
    for sentence, *values in zip(sentences, *columns, strict=True):
        seen = " (in the bank)" if normalise(sentence) in trained else ""
        print(f"| {sentence}{seen} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print(f"the wrong way round: {', '.join(str(sum(value < 0.5 for value in each)) for each in columns)}")


if __name__ == "__main__":
    main()
