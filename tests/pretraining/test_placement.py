"""The share of evidence in a region: exact for cells inside, outside and on its border."""

import pytest
import torch

from vip_core.pretraining.placement import cell_weights, central_box, central_ellipse, share_inside, share_of_area


def test_share_of_area_is_that_of_the_region():
    assert share_of_area(central_box, 7, 7) == pytest.approx(0.70 * 0.75, abs=0.01)
    assert share_of_area(central_ellipse, 7, 7) == pytest.approx(torch.pi / 4 * 0.8 * 0.8, abs=0.01)


@pytest.mark.parametrize("region", [central_box, central_ellipse])
def test_cell_weights_are_symmetric_full_inside_and_empty_in_the_corners(region):
    weights = cell_weights(region, 7, 7)
    assert torch.equal(weights, weights.flip(0)) and torch.equal(weights, weights.flip(1))
    assert weights[3, 3] == 1 and weights[0, 0] == 0
    assert ((weights > 0) & (weights < 1)).any()  # the border crosses cells
    assert cell_weights(central_box, 7, 7)[3, 0] == pytest.approx(0, abs=0.02)  # 15 % of the width is left out


def test_share_inside_counts_positive_evidence_alone():
    evidence = torch.zeros(3, 7, 7)
    evidence[0, 3, 3] = 2.0
    evidence[1, 0, 0] = 1.0
    evidence[2, 3, 3], evidence[2, 0, 0], evidence[2, 6, 6] = 3.0, 1.0, -100.0
    assert share_inside(evidence, central_box).tolist() == pytest.approx([1.0, 0.0, 0.75])


def test_share_inside_of_even_evidence_is_the_area_whatever_its_size():
    for rows, columns in ((7, 7), (14, 14), (10, 12)):
        share = share_inside(torch.full((rows, columns), 0.3), central_ellipse)
        assert float(share) == pytest.approx(share_of_area(central_ellipse, rows, columns))


def test_share_inside_is_not_a_number_where_nothing_speaks_for_the_sentence():
    assert share_inside(-torch.ones(7, 7), central_box).isnan()
