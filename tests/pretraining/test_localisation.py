"""Where the evidence of sentences is, on real cells, and how lists of denials rank images."""

import json
from dataclasses import replace

import numpy as np
import torch

from vip_core.models.backbone import Backbone
from vip_core.pretraining.evaluation import measure_alignment
from vip_core.pretraining.kinds import XRAY
from vip_core.pretraining.localisation import evidence_maps, measure_placement
from vip_core.scoring.evidence import evidence


def test_evidence_maps_are_those_of_scoring_up_to_a_factor():
    cells, text = torch.randn(2, 3, 4, 8), torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    for image, found in zip(cells, evidence_maps(cells, text), strict=True):
        ratio = found / evidence(image, text)
        torch.testing.assert_close(ratio, ratio[:1, :1, :1].expand_as(ratio), rtol=1e-3, atol=1e-3)
        assert ratio.min() > 0


def test_measure_placement_gives_shares_of_the_images_with_a_finding(examples):
    found = measure_placement(Backbone.load("vip-mini"), examples)
    assert set(found) >= {"pneumonia vs normal", "melanoma vs nevus"} and "osteophytes" not in found
    for name, finding in (("pneumonia vs normal", "pneumonia"), ("melanoma vs nevus", "melanoma")):
        placement = found[name]
        assert placement.n == sum(image.findings.get(finding) == 1 for image in examples)
        assert 0 <= placement.low <= placement.median <= placement.high <= 1 and 0.4 < placement.area < 0.6


def test_measure_alignment_ranks_denials_and_leaves_out_kinds_without_images(examples):
    films = [image for image in examples if image.modality == XRAY]
    result = measure_alignment(Backbone.load("vip-mini"), films, "examples", resamples=5)
    denials = result.denials["pneumonia vs normal"]
    assert denials.without + denials.with_finding == len(films) and 0.5 < denials.value.value <= 1
    assert set(result.denials) == {"pneumonia vs normal"}  # none of them is an adult's
    assert set(result.images) == {XRAY} == set(result.modality)
    assert set(result.negation) <= {"pneumonia", "bacterial", "viral"} | {
        name for name in result.negation if not np.isnan(result.negation[name])
    }
    json.dumps(result.to_dict())
    assert replace(result, rankings={}).kinds == {}
