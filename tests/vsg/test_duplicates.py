"""Lines that mean the same are merged, those that differ in what is seen are not: how often, measured."""

import torch

from vip_core.models.backbone import Backbone
from vip_core.vsg.duplicates import SAME_MEANING, closeness, merge_samples, sentence_tower

# Written for this measurement; none of them is in the phrase bank that vip-mini was made with.
PARAPHRASES = [
    ("dense white opacity filling one lobe", "one lobe filled by a dense white opacity"),
    ("patchy white areas in both lungs", "both lungs show patchy white areas"),
    ("blunted costophrenic angle", "costophrenic angle is blunted"),
    ("enlarged heart shadow", "heart shadow larger than usual"),
    ("air bronchograms within the opacity", "dark branching air-filled bronchi inside the opacity"),
    ("irregular, blurred border", "blurred and irregular edge"),
    ("several shades of brown and black", "multiple brown and black tones"),
    ("symmetric round shape", "round, symmetrical outline"),
    ("ring-shaped contrast enhancement", "enhancement in the form of a ring"),
    ("midline shift to the opposite side", "midline structures pushed to the other side"),
    ("small red dots near the blood vessels", "tiny red dots close to vessels"),
    ("yellow deposits with sharp edges", "sharply edged yellow deposits"),
    ("dark posterior shadowing behind the mass", "acoustic shadow behind the mass"),
    ("mass wider than tall", "mass that is wider than it is tall"),
    ("smooth, well-defined margin", "margin smooth and clearly defined"),
    ("spiculated margin", "edge with spicules radiating outward"),
    ("crowded, dark, elongated nuclei", "elongated dark nuclei crowded together"),
    ("clear lungs with no opacity", "lung fields clear, without opacities"),
    ("sharp heart borders", "sharply outlined heart border"),
    ("blue-white veil over the centre", "central blue-white veil"),
    ("ground-glass haze at the lung periphery", "peripheral ground-glass opacities"),
    ("cavity in the upper lobe", "upper lobe cavity"),
    ("flattened diaphragm", "diaphragm looks flat"),
    ("regular network of thin brown lines", "thin brown lines forming a regular network"),
]
DIFFERENT = [
    ("dense white opacity filling one lobe", "patchy white areas in both lungs"),
    ("opacity in the upper lobe", "opacity in the lower lobe"),
    ("left pleural effusion", "right pleural effusion"),
    ("irregular border", "irregular colour"),
    ("symmetric shape", "symmetric colour"),
    ("brown globules", "brown streaks"),
    ("thin brown lines", "thick black lines"),
    ("enlarged heart shadow", "enlarged lymph nodes beside the trachea"),
    ("small red dots", "large red blots"),
    ("yellow deposits with sharp edges", "white deposits with blurred edges"),
    ("mass wider than tall", "mass taller than wide"),
    ("smooth margin", "spiculated margin"),
    ("bright on T2 images", "dark on T2 images"),
    ("ring enhancement", "homogeneous enhancement"),
    ("crowded dark nuclei", "pale nuclei with clear space between"),
    ("sharp heart borders", "sharp domes of the diaphragm"),
    ("blue-white veil", "white scar-like area"),
    ("air bronchograms", "thick bronchial walls"),
    ("cavity in the upper lobe", "nodules in the upper lobe"),
    ("haze in both lungs", "streaks in both lungs"),
    ("flat diaphragm", "high diaphragm"),
    ("clear lungs", "clear costophrenic angles"),
    ("new fragile vessels on the optic disc", "cotton wool spots near the optic disc"),
    ("black dots at the edge", "black dots in the centre"),
]


def merged(pairs, tower) -> int:
    return sum(bool(closeness(pair, tower)[0, 1] >= SAME_MEANING) for pair in pairs)


def test_closeness_merges_two_in_three_paraphrases_and_few_different_findings(vip_mini):
    assert merged(PARAPHRASES, vip_mini) >= 16  # 16 with the weights of today
    assert merged(DIFFERENT, vip_mini) <= 2  # 2


def test_closeness_needs_the_opposites(vip_mini, monkeypatch):
    monkeypatch.setattr("vip_core.vsg.duplicates.OPPOSITES", (("left", "left"),))
    assert merged(DIFFERENT, vip_mini) >= 4  # 6


def test_closeness_is_symmetric_with_ones_on_the_diagonal(vip_mini):
    cosines = closeness(["clear lungs", "left effusion", "right effusion"], vip_mini)
    torch.testing.assert_close(cosines, cosines.T)
    torch.testing.assert_close(cosines.diagonal(), torch.ones(3))
    assert cosines[1, 2] == 0


def test_merge_samples_keeps_the_order_in_a_tie_and_counts_a_sample_once(vip_mini):
    groups = merge_samples([["clear lungs", "brown streaks", "Brown streaks"], ["cavity", "brown streaks"]], vip_mini)
    assert [(group.line, len(group.samples)) for group in groups] == [
        ("brown streaks", 2),
        ("clear lungs", 1),
        ("cavity", 1),
    ]
    assert groups[0].phrasings == []  # the same text is no other wording
    assert merge_samples([[], []], vip_mini) == []


def test_sentence_tower_is_vip_mini_and_is_loaded_once(vip_mini, backbone):
    assert sentence_tower(vip_mini) is vip_mini
    loaded = sentence_tower(backbone)
    assert isinstance(loaded, Backbone) and loaded.name == "vip-mini"
    assert sentence_tower(backbone) is loaded is sentence_tower()
