"""Stages 2 and 3: the image side learns to meet the locked text tower, first its projection, then its last blocks."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from vip_core.backbone import Backbone
from vip_core.device import fast_bf16
from vip_core.files import atomic
from vip_core.images import read_image
from vip_core.pretraining.labels import DERMOSCOPY, LabelledImage

WORKERS = 2


@dataclass(frozen=True)
class AlignConfig:
    """How the image side is aligned."""

    projection_epochs: int = 30
    projection_rate: float = 1e-3
    projection_views: int = 4  # random views an image that the projection is fitted on, beside the plain one
    tower_epochs: int = 3
    tower_rate: float = 4e-4
    tower_projection_rate: float = 1.5e-3
    tower_stages: int = 4  # of the tower's seven, counted from its end, with the convolution after them
    batch_size: int = 64
    weight_decay: float = 0.02
    seed: int = 1


class SentenceLoss(nn.Module):
    """Sigmoid loss over all sentences that are decided for an image (after Zhai et al., SigLIP, ICCV 2023).

    The right and the wrong images of a sentence weigh alike, however many there are of each, and so do all sentences.

    Args:
        text: (S, D) features of the sentences, locked.
        decided: (N, S) of all training images: 1 right, -1 wrong, 0 undecided.
    """

    def __init__(self, text: Tensor, decided: Tensor):
        super().__init__()
        self.register_buffer("text", F.normalize(text, dim=-1))
        self.register_buffer("decided", decided)
        for name, sign in (("right", 1), ("wrong", -1)):
            count = (decided == sign).sum(0).clamp(min=1)
            self.register_buffer(name, len(decided) / (2.0 * count))
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, image_features: Tensor, rows: Tensor) -> Tensor:
        """The loss of the images `rows` (B,) with features (B, D)."""
        logits = self.scale.exp() * F.normalize(image_features, dim=-1) @ self.text.T + self.bias  # (B, S)
        sign = self.decided[rows].float()
        weight = torch.where(sign > 0, self.right, self.wrong) * sign.abs()
        return (weight * F.softplus(-sign * logits)).sum() / weight.sum()


class AugmentedImages(Dataset):
    """Pixels of training images under an augmentation fit for their modality, or plain."""

    def __init__(self, images: list[LabelledImage], backbone: Backbone, plain: bool = False):
        self.images = images
        self.plain = backbone.preprocess if plain else None
        config = backbone.clip.visual.preprocess_cfg
        size, bicubic = backbone.image_size, transforms.InterpolationMode.BICUBIC
        finish = [transforms.ToTensor(), transforms.Normalize(config["mean"], config["std"])]
        crop = transforms.RandomResizedCrop(size, scale=(0.6, 1.0), ratio=(0.8, 1.25), interpolation=bicubic)
        # A film has a left and a right but its findings fall on both sides; exposure varies. It is never upside down.
        self.chest = transforms.Compose(
            [crop, transforms.RandomHorizontalFlip(), transforms.ColorJitter(0.2, 0.2), *finish]
        )
        # A lesion has no up or down, and its colours carry the diagnosis, so hue stays nearly as it is.
        self.skin = transforms.Compose(
            [
                crop,
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.ColorJitter(0.15, 0.15, 0.1, 0.01),
                *finish,
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        transform = self.plain or (self.skin if image.modality == DERMOSCOPY else self.chest)
        return transform(read_image(image.path)), index


def pooled_features(
    backbone: Backbone, images: list[LabelledImage], views: int, folder: Path, config: AlignConfig
) -> Tensor:
    """Average-pooled features (N, 1 + views, C) of the image tower before its projection: plain, then augmented.

    A view that lies in `folder` already is not encoded again.
    """
    columns = []
    for view in range(1 + views):
        path = folder / f"view{view}.pt"
        if not path.is_file():
            loader = _loader(AugmentedImages(images, backbone, plain=view == 0), 64, config.seed + view)
            batches = []
            for pixels, _ in track(loader, total=len(loader), description=f"Image tower, view {view} of {views}"):
                with (
                    torch.inference_mode(),
                    torch.autocast(backbone.device.type, torch.bfloat16, enabled=fast_bf16(backbone.device)),
                ):
                    batches.append(backbone.clip.visual.trunk(pixels.to(backbone.device)).float().cpu())
            with atomic(path) as temporary:
                torch.save(torch.cat(batches), temporary)
        columns.append(torch.load(path, weights_only=True))
    return torch.stack(columns, dim=1)


def fit_projection(backbone: Backbone, pooled: Tensor, loss: SentenceLoss, config: AlignConfig) -> None:
    """Stage 2: train the projection alone, in place, on pooled features (N, V, C) of the ImageNet tower."""
    projection = backbone.clip.visual.head.proj
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        projection.reset_parameters()
    projection.requires_grad_(True)
    parameters = [*projection.parameters(), loss.scale, loss.bias]
    generator = torch.Generator().manual_seed(config.seed)
    steps = config.projection_epochs * math.ceil(len(pooled) / 256)
    optimizer = torch.optim.AdamW(parameters, config.projection_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.projection_rate, total_steps=steps)
    for _ in track(range(config.projection_epochs), description="Projection"):
        view = torch.randint(pooled.shape[1], (len(pooled),), generator=generator)
        for rows in torch.randperm(len(pooled), generator=generator).split(256):
            value = loss(projection(pooled[rows, view[rows]].to(backbone.device)), rows)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
    projection.requires_grad_(False)


def tune_tower(
    backbone: Backbone, images: list[LabelledImage], loss: SentenceLoss, state_path: Path, config: AlignConfig
) -> None:
    """Stage 3: train the tower's last blocks and the projection, in place, BatchNorm statistics frozen.

    The state is kept at `state_path` after every epoch; a later call goes on from there.
    """
    visual, device = backbone.clip.visual, backbone.device
    tail = [*visual.trunk.blocks[-config.tower_stages :], visual.trunk.conv_head, visual.trunk.bn2]
    groups = [
        {"params": [p for module in tail for p in module.parameters()], "lr": config.tower_rate},
        {"params": [*visual.head.proj.parameters(), loss.scale, loss.bias], "lr": config.tower_projection_rate},
    ]
    parameters = [p for group in groups for p in group["params"]]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    steps = math.ceil(len(images) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in groups], total_steps=steps * config.tower_epochs
    )
    start = 0
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        backbone.clip.load_state_dict(state["clip"])
        loss.load_state_dict(state["loss"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start = state["epoch"]
    for epoch in range(start, config.tower_epochs):
        loader = _loader(AugmentedImages(images, backbone), config.batch_size, config.seed + epoch, shuffle=True)
        for pixels, rows in track(
            loader, total=len(loader), description=f"Image tower, epoch {epoch + 1} of {config.tower_epochs}"
        ):
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16(device)):
                features = visual(pixels.to(device))
            value = loss(features.float(), rows.to(device))
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
        with atomic(state_path) as temporary:
            torch.save(
                {
                    "clip": backbone.clip.state_dict(),
                    "loss": loss.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "epoch": epoch + 1,
                },
                temporary,
            )
    for parameter in parameters:
        parameter.requires_grad_(False)


def _loader(dataset: AugmentedImages, batch_size: int, seed: int, shuffle: bool = False) -> DataLoader:
    # The generator seeds the workers too, so augmentation does not depend on what ran before.
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=WORKERS, generator=generator)


def encode_labelled(backbone: Backbone, images: list[LabelledImage]) -> Tensor:
    """Image features (N, D), plain view, on the CPU."""
    batches = []
    for pixels, _ in _loader(AugmentedImages(images, backbone, plain=True), 64, 0):
        with torch.inference_mode():
            batches.append(backbone.encode_images(pixels.to(backbone.device), fast_bf16(backbone.device)).cpu())
    return torch.cat(batches)
