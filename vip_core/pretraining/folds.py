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
from vip_core.pretraining.labels import bank_sentences, dermoscopy_images
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, image_features_of, pooled_features, read_pixels
from vip_core.pretraining.state import same_run
from vip_core.pretraining.teacher import teach
from vip_core.utils.device import best_device


def cross_validate(
    root: Path,
    work: Path,
    folds: int,
    seed: int = 1,
    config: AlignConfig | None = None,
) -> dict[str, Ranking]:
    """How well held-out sentences rank dermoscopy images that neither the meanings nor the tower were trained on.

    Stages 1 to 3 are made anew for each fold, from the dermoscopy images of the others; sentences mean what stage 3
    says, without the text tower. So the recipe is measured, not the shipped weights. Similarities become ranks within
    their fold, since those of two towers do not compare.

    Args:
        root: as for `pretrain`.
        work: where the stages are kept; a later call goes on from there.
        folds: how many.
        seed: of the folds and, where no configuration is given, of everything random.
        config: of the stages; the recipe's where it is not given.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
    """
    device = best_device()
    config = config or AlignConfig().seeded(seed)
    images = dermoscopy_images(root, "train")
    same_run(work / "folds" / "run.json", root, images, seed)
    pixels = read_pixels(images)
    pooled = pooled_features(new_vip_mini(seed).to(device), images, pixels, VIEWS, work / "folds" / "pooled", seed)
    corpus, _ = read_corpus(root)
    general = corpus, teach(corpus, work / "teacher", device)
    measured = {part: bank_sentences(load_phrases(), part) for part in ("held_out", "loose")}
    seen = {part: np.empty((len(images), len(said))) for part, said in measured.items()}

    splits = KFold(folds, shuffle=True, random_state=seed).split(np.arange(len(images)))
    for number, (kept, left_out) in enumerate(splits, start=1):
        backbone, theirs = new_vip_mini(seed).to(device), [images[row] for row in kept]
        parts = theirs, pixels[kept], pooled[kept], general, work / "teacher", work / "folds" / f"{number} of {folds}"
        understood = align(backbone, *parts, config)
        features = F.normalize(image_features_of(backbone, [images[row] for row in left_out]), dim=-1)
        for part, said in measured.items():
            similarities = features @ understood([sentence.text for sentence in said]).float().T
            seen[part][left_out] = rankdata(similarities.numpy(), axis=0) / len(left_out)
    return rank_images(images, measured, seen, np.random.default_rng(0))
