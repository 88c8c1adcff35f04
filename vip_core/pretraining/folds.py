"""Cross-validation of the recipe inside the dermoscopy training images: the validation split has 8 with streaks."""

from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import KFold
from torch.nn import functional as F

from vip_core.pretraining.alignment import AlignConfig, align
from vip_core.pretraining.architecture import new_vip_mini
from vip_core.pretraining.corpus import read_corpus
from vip_core.pretraining.evaluation import Ranking, rank_images
from vip_core.pretraining.kinds import DERMOSCOPY
from vip_core.pretraining.labels import bank_sentences
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, image_features_of, pooled_features, read_pixels
from vip_core.pretraining.sets import SETS, labelled_images
from vip_core.pretraining.state import check_same_run
from vip_core.pretraining.teacher import teach
from vip_core.utils.device import best_device


def cross_validate(
    root: Path,
    work: Path,
    folds: int,
    seed: int = 1,
    config: AlignConfig | None = None,
) -> dict[str, Ranking]:
    """How well held-out sentences rank dermoscopy images that neither the text adapter nor the tower saw.

    Stages 1 to 3 are repeated for each fold, on the dermoscopy images of the others; sentences have the features of
    stage 3, without the text tower. So this measures the recipe, not the shipped weights. Similarities become ranks
    within their fold, since those of two towers are not comparable.

    Args:
        root: as for `pretrain`.
        work: where the stages are saved; a later call resumes from them.
        folds: how many.
        seed: of the folds and, where no configuration is given, of everything random.
        config: of the stages; the recipe's where it is not given.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
    """
    device = best_device()
    config = config or AlignConfig().seeded(seed)
    images = labelled_images(root, "train", [each for each in SETS if each.kind == DERMOSCOPY])
    check_same_run(work / "folds" / "run.json", root, images, seed)
    pixels = read_pixels(images)
    pooled = pooled_features(new_vip_mini(seed).to(device), images, pixels, VIEWS, work / "folds" / "pooled", seed)
    corpus, _ = read_corpus(root)
    general = corpus, teach(corpus, work / "teacher", device)
    heldout = {part: bank_sentences(load_phrases(), part) for part in ("held_out", "lay")}
    seen = {part: np.empty((len(images), len(said))) for part, said in heldout.items()}

    splits = KFold(folds, shuffle=True, random_state=seed).split(np.arange(len(images)))
    for number, (kept, left_out) in enumerate(splits, start=1):
        backbone, theirs = new_vip_mini(seed).to(device), [images[row] for row in kept]
        parts = theirs, pixels[kept], pooled[kept], general, work / "teacher", work / "folds" / f"{number} of {folds}"
        adapted = align(backbone, *parts, config)
        features = F.normalize(image_features_of(backbone, [images[row] for row in left_out]), dim=-1)
        for part, said in heldout.items():
            similarities = features @ adapted([sentence.text for sentence in said]).float().T
            seen[part][left_out] = rankdata(similarities.numpy(), axis=0) / len(left_out)
    return rank_images(images, heldout, seen, np.random.default_rng(0))
