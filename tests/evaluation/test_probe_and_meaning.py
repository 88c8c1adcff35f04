"""The probe beside a model, and what its symptoms mean."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from vip_core.data.dataset import Row
from vip_core.data.features import FeatureSplit
from vip_core.evaluation.meaning import FINDINGS, measure_meaning
from vip_core.evaluation.metrics import mean_auroc
from vip_core.evaluation.probe import fit_probe
from vip_core.models.vip import ViP


def split(seed: int, shift: float, classes: int = 2) -> FeatureSplit:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(60) % classes
    features = torch.randn(60, 8, generator=generator)
    features[torch.arange(60), labels] += shift
    return FeatureSplit(features, labels)


def test_fit_probe_finds_what_separates_and_nothing_where_nothing_does():
    probe = fit_probe(split(0, 8.0), {"val": split(1, 8.0), "test": split(2, 8.0)})
    assert probe.auroc["val"] > 0.99 and probe.auroc["test"] > 0.99
    chance = fit_probe(split(0, 0.0), {"val": split(1, 0.0), "test": split(2, 0.0)})
    assert abs(chance.auroc["test"] - 0.5) < 0.2


def test_fit_probe_needs_two_classes():
    only = FeatureSplit(torch.randn(5, 8), torch.zeros(5, dtype=torch.int64))
    assert fit_probe(only, {"val": split(1, 1.0)}) is None


def test_mean_auroc_is_that_of_scikit_learn():
    scores, truth = np.random.default_rng(0).random((50, 3)), np.arange(50) % 3
    expected = np.mean([roc_auc_score(truth == c, scores[:, c]) for c in range(3)])
    assert mean_auroc(scores, truth) == pytest.approx(expected)
    assert mean_auroc(scores, np.zeros(50, dtype=int)) is None


def test_measure_meaning_by_hand(backbone, symptoms, tmp_path):
    torch.manual_seed(0)
    vip = ViP(backbone, symptoms).requires_grad_(False)
    features = torch.randn(12, 8)
    flags = ["1", "0", ""] * 4
    rows = [Row(tmp_path, 0, str(i), {"streaks": flag}) for i, flag in enumerate(flags)]
    found = measure_meaning(vip, features, rows)
    similarity = (F.normalize(features, dim=-1) @ F.normalize(vip.encode_symptoms(), dim=-1).T).numpy()
    pairs = [np.corrcoef(similarity[:, i], similarity[:, j])[0, 1] for i in range(1, 4) for j in range(i + 1, 4)]
    pairs += [np.corrcoef(similarity[:, i], similarity[:, j])[0, 1] for i in range(4, 9) for j in range(i + 1, 9)]
    assert found.line_correlation == pytest.approx(np.mean(pairs), abs=1e-5)
    text = backbone.encode_prompts(list(FINDINGS["streaks"]), vip.context_prompt.vectors)
    known = [i for i, flag in enumerate(flags) if flag]
    scores = (F.normalize(features[known], dim=-1) @ F.normalize(text, dim=-1).T).numpy()
    truth = [flags[i] == "1" for i in known]
    assert found.findings == {"streaks": [pytest.approx(roc_auc_score(truth, scores[:, k])) for k in (0, 1)]}
