"""Training images as pixels, under an augmentation fit for their kind, and as features."""

from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from vip_core.backbone import Backbone
from vip_core.device import fast_bf16
from vip_core.files import atomic
from vip_core.images import read_image
from vip_core.pretraining.labels import DERMOSCOPY, LabelledImage

WORKERS = 2


class AugmentedImages(Dataset):
    """Pixels (3, H, W) of images, augmented or plain, each with its index."""

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


def batches(dataset: AugmentedImages, batch_size: int, seed: int, shuffle: bool = False) -> DataLoader:
    """A loader whose augmentation depends on the seed alone, not on what ran before."""
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=WORKERS, generator=generator)


def pooled_features(backbone: Backbone, images: list[LabelledImage], views: int, folder: Path, seed: int) -> Tensor:
    """Average-pooled features (N, 1 + views, C) of the image tower before its projection: plain, then augmented.

    A view that lies in `folder` already is not encoded again.
    """
    columns = []
    for view in range(1 + views):
        path = folder / f"view{view}.pt"
        if not path.is_file():
            loader = batches(AugmentedImages(images, backbone, plain=view == 0), 64, seed + view)
            pooled = []
            for pixels, _ in track(loader, total=len(loader), description=f"Image tower, view {view} of {views}"):
                pixels = pixels.to(backbone.device, memory_format=torch.channels_last)
                autocast = torch.autocast(backbone.device.type, torch.bfloat16, enabled=fast_bf16(backbone.device))
                with torch.inference_mode(), autocast:
                    pooled.append(backbone.clip.visual.trunk(pixels).float().cpu())
            with atomic(path) as temporary:
                torch.save(torch.cat(pooled), temporary)
        columns.append(torch.load(path, weights_only=True))
    return torch.stack(columns, dim=1)


@torch.inference_mode()
def image_features_of(backbone: Backbone, images: list[LabelledImage]) -> Tensor:
    """Image features (N, D), plain view, on the CPU."""
    loader = batches(AugmentedImages(images, backbone, plain=True), 64, 0)
    autocast = fast_bf16(backbone.device)
    return torch.cat([backbone.encode_images(pixels.to(backbone.device), autocast).cpu() for pixels, _ in loader])
