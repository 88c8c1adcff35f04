"""The shifts of images: each changes what it names and nothing else."""

import pytest
import torch
from torch.nn import functional as F

from vip_core.pretraining.shifts import ANGLE, SHIFTS, ZOOM, colour_constancy, gamma


def photographs(count: int = 3) -> torch.Tensor:
    """Smooth colour images: bytes (n, 3, 64, 64)."""
    coarse = torch.randint(20, 200, (count, 3, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    return F.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_keep_shape_and_type_and_never_touch_their_input(name):
    pixels = photographs()
    before = pixels.clone()
    shifted = SHIFTS[name](pixels)
    assert shifted.shape == pixels.shape and shifted.dtype == torch.uint8 and torch.equal(pixels, before)
    assert torch.equal(shifted, SHIFTS[name](pixels))  # a fixed set: nothing is drawn
    assert torch.equal(shifted, pixels) == (name == "as it is")
    if name not in ("zoom", "rotation"):
        assert (shifted.float() - pixels.float()).abs().mean() < 60  # still the same picture


def test_colour_constancy_removes_a_tint_and_spares_grey_images():
    pixels = photographs()
    tinted = (pixels.float() * torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1)).to(torch.uint8)

    def channels(images: torch.Tensor) -> torch.Tensor:
        means = images.float().mean((2, 3))
        return means / means.sum(1, keepdim=True)

    before = (channels(tinted) - channels(pixels)).abs().max()
    after = (channels(colour_constancy(tinted)) - channels(colour_constancy(pixels))).abs().max()
    assert after < before / 10
    grey = pixels.float().mean(1, keepdim=True).round().to(torch.uint8).expand(-1, 3, -1, -1)
    assert torch.equal(colour_constancy(grey), grey)


def test_gamma_is_monotone_and_keeps_black_and_white():
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256).expand(1, 3, 4, 256)
    lighter, darker = gamma(ramp, 0.6)[0, 0, 0].int(), gamma(ramp, 1.6)[0, 0, 0].int()
    assert (lighter.diff() >= 0).all() and (darker.diff() >= 0).all()
    assert [lighter[0], lighter[-1], darker[0], darker[-1]] == [0, 255, 0, 255]
    assert (lighter >= ramp[0, 0, 0]).all() and (darker <= ramp[0, 0, 0]).all()


def test_blur_and_jpeg_lose_what_changes_from_pixel_to_pixel():
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def roughness(images: torch.Tensor) -> float:
        return images.float().diff(dim=-1).abs().mean().item()

    assert roughness(SHIFTS["blur"](pixels)) < roughness(pixels) / 2
    assert roughness(SHIFTS["JPEG"](pixels)) < roughness(pixels)


def test_zoom_and_rotation_move_a_point_to_where_geometry_puts_it():
    size, place = 101, (70, 50)  # row, column: below the centre at (50, 50)
    pixels = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    pixels[:, :, place[0] - 1 : place[0] + 2, place[1] - 1 : place[1] + 2] = 255

    def centre(image: torch.Tensor) -> tuple[float, float]:
        weight = image[0, 0].float() / image[0, 0].sum()
        steps = torch.arange(size)
        return float((weight.sum(1) * steps).sum()), float((weight.sum(0) * steps).sum())

    row, column = centre(SHIFTS["zoom"](pixels))
    assert row == pytest.approx(50 + 20 / ZOOM, abs=0.5) and column == pytest.approx(50, abs=0.5)
    row, column = centre(SHIFTS["rotation"](pixels))
    turn = torch.deg2rad(torch.tensor(ANGLE))
    assert row == pytest.approx(50 + 20 * float(turn.cos()), abs=0.5)
    assert abs(column - 50) == pytest.approx(20 * float(turn.sin()), abs=0.5)
