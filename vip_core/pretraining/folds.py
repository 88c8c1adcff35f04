"""Cross-validation of the recipe inside the dermoscopy training images: the validation split has 8 with streaks."""

from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import KFold
from torch.nn import functional as F

from vip_core.device import best_device
from vip_core.pretraining.aligning import align
from vip_core.pretraining.corpus import read_corpus
from vip_core.pretraining.evaluation import Ranking, rank_images
from vip_core.pretraining.labels import bank_sentences, dermoscopy_images
from vip_core.pretraining.meaning import MeaningConfig, meant
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.pixels import VIEWS, image_features_of, pooled_features, read_pixels
from vip_core.pretraining.resuming import same_run
from vip_core.pretraining.teacher import teach
from vip_core.pretraining.tower import TowerConfig
from vip_core.pretraining.towers import new_vip_mini


def cross_validate(
    root: Path,
    work: Path,
    folds: int,
    seed: int = 1,
    meaning_config: MeaningConfig | None = None,
    tower_config: TowerConfig | None = None,
) -> dict[str, Ranking]:
    """How well held-out sentences rank dermoscopy images that neither the meanings nor the tower were trained on.

    Meaning and tower are made anew for each fold, from the dermoscopy images of the others; sentences mean what the
    meaning says, without the text tower. So the recipe is measured, not the shipped weights. Similarities become
    ranks within their fold, since those of two towers do not compare.

    Args:
        root: as for `pretrain`.
        work: where the stages are kept; a later call goes on from there.
        folds: how many.
        seed: of the folds and of everything random.
        meaning_config: of the first stage; the recipe's where it is not given.
        tower_config: of the second.

    Raises:
        DataError: if data or the packages with the starting weights are missing.
    """
    device = best_device()
    meaning_config, tower_config = meaning_config or MeaningConfig(seed=seed), tower_config or TowerConfig(seed=seed)
    images = dermoscopy_images(root, "train")
    same_run(work / "folds" / "run.json", root, images, seed)
    pixels = read_pixels(images)
    pooled = pooled_features(new_vip_mini(seed).to(device), images, pixels, VIEWS, work / "folds" / "pooled", seed)
    general = teach(read_corpus(root)[0], work / "teacher", device)
    measured = {part: bank_sentences(load_phrases(), part) for part in ("held_out", "loose")}
    heard = {part: teach([s.text for s in said], work / "teacher", device) for part, said in measured.items()}
    seen = {part: np.empty((len(images), len(said))) for part, said in measured.items()}

    splits = KFold(folds, shuffle=True, random_state=seed).split(np.arange(len(images)))
    for number, (kept, left_out) in enumerate(splits, start=1):
        backbone, theirs = new_vip_mini(seed).to(device), [images[row] for row in kept]
        parts = theirs, pixels[kept], pooled[kept], general, work / "teacher", work / "folds" / f"{number} of {folds}"
        meaning = align(backbone, *parts, meaning_config, tower_config)
        features = F.normalize(image_features_of(backbone, [images[row] for row in left_out]), dim=-1)
        for part, sentences_heard in heard.items():
            similarities = features @ meant(meaning, sentences_heard).float().T
            seen[part][left_out] = rankdata(similarities.numpy(), axis=0) / len(left_out)
    return rank_images(images, measured, seen, np.random.default_rng(0))
