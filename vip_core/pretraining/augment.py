"""Random views of images: framing, border, light, colour and sharpness, as far as their kind allows."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.pretraining.kinds import Augmentation
from vip_core.pretraining.quantise import quantised

CENTRAL = (0.65, 0.85)  # sides of central crops
WIDE = 1.2  # largest side of a view that is wider than the image
DEPTH = 0.2  # of a border, as a share of the side
COARSE = 14  # pixels to which a border is averaged
CIRCLE = (0.95, 1.3)  # radius of a vignette; the corners of a view are 1.41 from its centre
QUALITY = (20.0, 80.0)  # of JPEG


def augmented(
    pixels: Tensor,
    kinds: Tensor,
    size: tuple[int, int],
    generator: torch.Generator,
    settings: Sequence[Augmentation],
) -> Tensor:
    """A random view (B, 3, *size), values from -1 to 1, of each image.

    Args:
        pixels: bytes (B, 3, H, W).
        kinds: (B,) the place in `settings` of each image's kind.
        size: height and width of the view.
        generator: on the CPU; of everything random here.
        settings: how far to go with each kind.
    """
    draw = _Draw(kinds, settings, generator)
    views = _framed(pixels, size, draw)
    views = _with_border(views, draw)
    views = _exposed(views, draw)
    views = draw.towards(views, "blurred", _halved)
    grain = torch.randn(len(views), 1, *size, generator=generator).to(views.device)
    views.addcmul_(_column(draw.setting("noise") * draw.between(0, 1), views), grain).clamp_(-1, 1)
    views = draw.towards(views, "equalised", _equalised)
    chosen, quality = draw.chosen("compressed"), draw.between(*QUALITY)
    if chosen.any():
        views[chosen.to(views.device)] = quantised(views[chosen.to(views.device)], quality[chosen])
    return views


class _Draw:
    """Random numbers and settings, one of each for every image of a batch, on the CPU."""

    def __init__(self, kinds: Tensor, settings: Sequence[Augmentation], generator: torch.Generator):
        self.kinds, self.settings, self.generator = kinds.cpu(), settings, generator

    def setting(self, name: str) -> Tensor:
        return torch.tensor([float(getattr(setting, name)) for setting in self.settings])[self.kinds]

    def between(self, low: float | Tensor, high: float | Tensor) -> Tensor:
        return low + (high - low) * torch.rand(len(self.kinds), generator=self.generator)

    def chosen(self, name: str) -> Tensor:
        """Which images a share chooses."""
        return torch.rand(len(self.kinds), generator=self.generator) < self.setting(name)

    def within(self, name: str) -> Tensor:
        """Values from minus the setting to the setting."""
        return self.setting(name) * self.between(-1, 1)

    def towards(self, views: Tensor, name: str, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Views of which a share is moved towards a changed version of themselves, by a random amount."""
        rows, amount = self.chosen(name), self.between(0, 1)
        if rows.any():
            at = rows.to(views.device)
            views[at] += _column(amount[rows], views) * (change(views[at]) - views[at])
        return views


def _framed(pixels: Tensor, size: tuple[int, int], draw: _Draw) -> Tensor:
    """Crop, rotate, mirror and, sometimes, zoom out or look through a circle."""
    count = len(pixels)
    central, wide = draw.chosen("central"), draw.chosen("wide")
    side = draw.between(draw.setting("min_area"), 1.0).sqrt()
    side = torch.where(central, draw.between(*CENTRAL), side)
    side = torch.where(wide, draw.between(1.0, WIDE), side)
    aspect = torch.exp(draw.between(-1, 1) * draw.setting("aspect").log() / 2)
    limit = torch.where(wide, math.inf, 1.0)
    width, height = torch.minimum(side * aspect, limit), torch.minimum(side / aspect, limit)
    reach = torch.where(central, 0.3, 1.0)
    mirror = torch.where(draw.between(0, 1) < 0.5, -1.0, 1.0)
    angle = draw.within("angle") * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([mirror * width * cos, -height * sin, reach * (1 - width) * draw.between(-1, 1)], dim=-1),
            torch.stack([mirror * width * sin, height * cos, reach * (1 - height) * draw.between(-1, 1)], dim=-1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix, [count, 3, *size], align_corners=False).to(pixels.device)
    views = F.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False).div_(127.5).sub_(1)
    black = (grid.abs().amax(-1) > 1) & _column(draw.chosen("dark"), views)[:, 0]  # (B, H, W)
    radius = torch.where(draw.chosen("vignette"), draw.between(*CIRCLE), math.inf)
    x, y = _places(size, views.device)
    black |= x**2 + y[:, None] ** 2 > _column(radius**2, views)[:, 0]
    return views.masked_fill_(black[:, None], -1.0)


def _with_border(views: Tensor, draw: _Draw) -> Tensor:
    """Blur the border of some views, or make it grey, so that nothing can be learnt from what is there."""
    chosen, grey, value = draw.chosen("border"), draw.between(0, 1) < 0.5, draw.between(-1, 1)
    depth = [2 * DEPTH * draw.between(0, 1) for _ in range(4)]
    if not chosen.any():
        return views
    at = chosen.to(views.device)
    part = views[at]
    left, right, top, bottom = (_column(each[chosen], views)[:, 0] for each in depth)
    x, y = _places((views.shape[2], views.shape[3]), views.device)
    x, y = x[None, None], y[None, :, None]
    outside = (x < left - 1) | (x > 1 - right) | (y < top - 1) | (y > 1 - bottom)  # (n, H, W)
    smooth = F.interpolate(F.interpolate(part, (COARSE, COARSE), mode="area"), part.shape[2:], mode="bilinear")
    filling = torch.where(_column(grey[chosen], views), _column(value[chosen], views), smooth)
    views[at] = torch.where(outside[:, None], filling, part)
    return views


def _exposed(views: Tensor, draw: _Draw) -> Tensor:
    """Change colours, gamma, contrast and brightness, in place."""
    saturation = _column(1 + draw.within("saturation"), views)
    gains = torch.stack([draw.within("tint") for _ in range(3)], dim=1)[:, :, None, None].exp().to(views.device)
    exponent = _column(draw.within("gamma").exp(), views)
    contrast, brightness = _column(1 + draw.within("contrast"), views), _column(draw.within("brightness"), views)
    if (saturation != 1).any():
        views.lerp_(views.mean(1, keepdim=True), 1 - saturation)
    views.clamp_(-1, 1).add_(1).mul_(gains / 2).clamp_(0, 1)
    views.pow_(exponent).mul_(2).sub_(1)
    middle = views.mean((1, 2, 3), keepdim=True)
    return views.mul_(contrast).add_(middle * (1 - contrast) + brightness).clamp_(-1, 1)


def _places(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """The places of a view's columns and rows, from -1 to 1."""
    height, width = size
    x, y = ((2 * torch.arange(n, device=device) + 1) / n - 1 for n in (width, height))
    return x, y


def _column(values: Tensor, views: Tensor) -> Tensor:
    """Values (B,) of views (B, 3, H, W) as (B, 1, 1, 1), where the views are."""
    return values.view(-1, 1, 1, 1).to(views.device)


def _halved(views: Tensor) -> Tensor:
    """Views (B, 3, H, W) as they look at half their resolution."""
    small = F.interpolate(views, scale_factor=0.5, mode="bilinear", antialias=True)
    return F.interpolate(small, views.shape[2:], mode="bilinear")


def _equalised(views: Tensor) -> Tensor:
    """Grey images (B, 3, H, W), values from -1 to 1, as (B, 1, H, W) with a flat histogram."""
    levels = ((views.mean(1).flatten(1) + 1) * 127.5).round().long()  # (B, H W)
    histogram = torch.zeros(len(views), 256, device=views.device)
    histogram.scatter_add_(1, levels, torch.ones_like(levels, dtype=histogram.dtype))
    share = histogram.cumsum(1) / levels.shape[1]
    return (2 * share.gather(1, levels) - 1).view(len(views), 1, *views.shape[2:])
