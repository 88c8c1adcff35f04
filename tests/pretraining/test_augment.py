"""Random views of images: each setting does what it says, to the kinds that have it and to no other."""

from dataclasses import fields, replace

import pytest
import torch

from vip_core.pretraining.augment import augmented
from vip_core.pretraining.kinds import BLOOD, DERMOSCOPY, IMAGE_KINDS, XRAY, Augmentation, augmentations, kind_indices
from vip_core.pretraining.quantise import quantised

# The whole image, its values as they are.
STILL = replace(Augmentation(), min_area=1, aspect=1, **{field.name: 0 for field in fields(Augmentation)[2:]})


def views(pixels: torch.Tensor, kinds: torch.Tensor, *settings: Augmentation, seed: int = 0) -> torch.Tensor:
    size = (pixels.shape[2], pixels.shape[3])
    return augmented(pixels, kinds, size, torch.Generator().manual_seed(seed), settings)


def same_picture(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two views are alike, or mirror images."""
    return torch.allclose(one, other, atol=1e-3) or torch.allclose(one, other.flip(-1), atol=1e-3)


def halves(count: int, **change: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Kinds (count,) 0 and 1, and views of the same noise: half of them still, the others with a changed setting."""
    noise = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    kinds = (torch.arange(count) >= count // 2).long()
    return kinds, views(noise.expand(count, -1, -1, -1), kinds, STILL, replace(STILL, **change))


def test_augmented_without_extent_only_mirrors():
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    made, whole = views(pixels, torch.zeros(8).long(), STILL), pixels.float() / 127.5 - 1
    mirrored = [torch.allclose(view, image.flip(-1), atol=1e-4) for view, image in zip(made, whole, strict=True)]
    same = [torch.allclose(view, image, atol=1e-4) for view, image in zip(made, whole, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True)) and any(mirrored) and any(same)


@pytest.mark.parametrize("name", [field.name for field in fields(Augmentation)])
def test_augmented_changes_the_images_of_a_kind_alone(name):
    value = {"min_area": 0.5, "aspect": 2, "angle": 30, "dark": 1}.get(name, 0.5)
    change = {name: value, **({"angle": 30.0} if name == "dark" else {})}
    _, made = halves(60, **change)
    still, changed = made[:30], made[30:]
    assert all(same_picture(image, still[0]) for image in still)
    assert not all(same_picture(image, still[0]) for image in changed)
    assert made.min() >= -1 and made.max() <= 1 and made.isfinite().all()


def test_augmented_keeps_radiographs_upright_and_rotates_lesions_and_cells():
    """A bright upper half stays above in a radiograph; in a lesion it comes to be anywhere."""
    half = torch.zeros(200, 3, 32, 32, dtype=torch.uint8)
    half[:, :, :16] = 255
    for name in IMAGE_KINDS:
        angle = IMAGE_KINDS[name].augmentation.angle
        made = views(half, torch.zeros(200).long(), replace(STILL, angle=angle))
        above = (made[:, 0, :16].mean((1, 2)) > made[:, 0, 16:].mean((1, 2))).float().mean()
        assert 0.3 < above < 0.7 if name in (DERMOSCOPY, BLOOD) else above == 1


def test_augmented_exposure_is_monotone():
    """Gamma, contrast, brightness and equalisation are monotone; blur, grain and compression are not."""
    ramp = torch.linspace(0, 255, 32 * 32).round().to(torch.uint8).view(1, 1, 32, 32).expand(40, 3, -1, -1)
    exposed = replace(STILL, brightness=0.3, contrast=0.4, gamma=0.6, equalised=1)
    made = views(ramp, torch.zeros(40).long(), exposed)
    made = torch.where((made[:, :1, :, :1] > made[:, :1, :, -1:]), made.flip(-1), made)  # mirrored back
    rows = made[:, 0].flatten(1)
    assert (rows.diff(dim=1) > -1e-4).all()
    assert rows.mean(1).std() > 0.1  # and they differ


def test_augmented_tint_changes_the_channels_apart():
    grey = torch.full((50, 3, 16, 16), 90, dtype=torch.uint8)
    made = views(grey, torch.zeros(50).long(), replace(STILL, tint=0.2)).mean((2, 3))  # (B, 3)
    gain = ((made + 1) / 2 / (90 / 255)).log()
    assert gain.abs().max() < 0.2 + 1e-3 and gain.std(0).min() > 0.05
    assert torch.corrcoef(gain.T)[0, 1].abs() < 0.5


def test_augmented_border_leaves_the_centre_and_takes_the_edge():
    noise = torch.randint(0, 256, (100, 3, 56, 56), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    whole = noise.float() / 127.5 - 1
    made = views(noise, torch.zeros(100).long(), replace(STILL, border=1))
    changed = torch.minimum((made - whole).abs(), (made - whole.flip(-1)).abs()).amax(1) > 1e-3  # (B, H, W)
    assert not changed[:, 12:44, 12:44].any()  # a fifth of 56 is 11.2
    assert changed[:, 0].float().mean() > 0.5 and changed[:, :, 0].float().mean() > 0.5
    assert changed.float().mean((1, 2)).std() > 0.02  # to different depths


def test_augmented_central_crops_show_no_corner():
    pixels = torch.zeros(60, 3, 64, 64, dtype=torch.uint8)
    for rows, columns in ((slice(0, 4), slice(0, 4)), (slice(60, 64), slice(60, 64))):
        pixels[:, :, rows, columns] = 255  # tags in two corners
    whole = views(pixels, torch.zeros(60).long(), STILL)
    crops = views(pixels, torch.zeros(60).long(), replace(STILL, central=1))
    assert (whole > 0).any((1, 2, 3)).all() and not (crops > 0).any()


def test_augmented_wide_views_show_the_whole_image_and_black_around_it():
    white = torch.full((40, 3, 64, 64), 255, dtype=torch.uint8)
    made = views(white, torch.zeros(40).long(), replace(STILL, wide=1, dark=1))
    black = (made[:, 0] == -1).float().mean((1, 2))
    assert (black > 0).float().mean() > 0.8 and black.max() < 1 - 1 / 1.2**2 + 0.05


def test_augmented_draws_the_same_for_a_seed():
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8)
    kinds = kind_indices(list(IMAGE_KINDS) * 2)
    first, again, other = (views(pixels, kinds, *augmentations(), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_softened_augmentation_has_less_blur_and_grain_and_nothing_else_less():
    chest = IMAGE_KINDS[XRAY].augmentation
    half = chest.softened(0.5)
    assert (half.blurred, half.noise) == (chest.blurred / 2, chest.noise / 2)
    assert replace(half, blurred=chest.blurred, noise=chest.noise) == chest


def test_quantised_is_jpeg_without_its_subsampling():
    """Beside Pillow's, of a grey image, whose chrominance is zero: the same steps, but for rounding."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    coarse = torch.randint(0, 256, (1, 1, 9, 9), generator=torch.Generator().manual_seed(0)).float()
    grey = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 255).round()
    for quality in (10, 50, 90):
        buffer = BytesIO()
        Image.fromarray(grey[0, 0].byte().numpy()).save(buffer, "JPEG", quality=quality)
        theirs = torch.from_numpy(np.asarray(Image.open(buffer)).copy()).float()
        image = (grey / 127.5 - 1).expand(1, 3, -1, -1)
        ours = (quantised(image, torch.tensor([float(quality)]))[0, 0] + 1) * 127.5
        assert (ours - theirs).abs().mean() < 0.5 and (ours - theirs).abs().max() < 5  # of 256 levels
    odd = torch.rand(2, 3, 21, 30) * 2 - 1  # sides that are no multiple of 8
    assert quantised(odd, torch.tensor([50.0, 80.0])).shape == odd.shape
