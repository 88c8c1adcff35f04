"""A frozen CLIP from open_clip: image features, text features under a context, and features of image patches."""

import hashlib
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, cast

import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import transforms

from vip_core.errors import BackboneError, PromptTooLong, SymptomError
from vip_core.models.contrast import LocalContrast
from vip_core.models.loading import load_open_clip
from vip_core.models.patches import encode_with_patches
from vip_core.models.towers.choice import text_tower
from vip_core.models.towers.tokens import shorten
from vip_core.utils.device import trainable_attention
from vip_core.utils.paths import cache_folder, checkpoint_folder

EMBEDDED = "vip-mini"
DEVISE = "devise-mini"


class Backbone(nn.Module):
    """A CLIP model with frozen weights, always in evaluation mode, in float32.

    Features are as open_clip gives them, not normalised. Which text towers work: see `vip_core.models.towers`.

    Args:
        clip: the model, with its preprocessing set as open_clip's factory does.
        tokenizer: the one that open_clip gives with it.
        name: as given to `load`.
        pretrained: open_clip's tag of the weights, "random", or None for a name that implies its weights.

    Raises:
        BackboneError: if the text tower is of another kind.
    """

    def __init__(
        self,
        clip: CLIP | CustomTextCLIP,
        tokenizer: SimpleTokenizer | HFTokenizer,
        name: str,
        pretrained: str | None = None,
    ):
        super().__init__()
        self.clip = clip
        self.tokenizer = tokenizer
        self.name = name
        self.pretrained = pretrained
        self.text_tower = text_tower(clip, tokenizer, name)
        self._fingerprint: str | None = None
        self.contrast: LocalContrast | None = None
        clip.visual.to(memory_format=torch.channels_last)  # convolutions run half as fast again on a CPU
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str = EMBEDDED, pretrained: str | None = None) -> "Backbone":
        """Load a backbone by name, on the CPU.

        Args:
            name: "vip-mini" (embedded), "devise-mini" (once built), an open_clip model name such as "ViT-B-16",
                "hf-hub:org/name", or "local-dir:PATH" (a folder with open_clip_config.json and weights).
            pretrained: for an open_clip model name, the tag of its weights ("openai"), a weights file, or "random"
                for reproducible random weights (tests and timing).

        Raises:
            BackboneError: if the name or tag is unknown, or the weights or the kind of text tower are not available.
        """
        source = f"local-dir:{_own_folder(name)}" if name in (EMBEDDED, DEVISE) else name
        clip, tokenizer = load_open_clip(name, source, pretrained)
        return cls(clip, tokenizer, name, pretrained)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Backbone":
        if fn(torch.zeros(1)).dtype != torch.float32:
            raise BackboneError("A backbone stays in float32; pass autocast=True to run a tower in bfloat16.")
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: a frozen tower keeps its BatchNorm statistics and has no dropout."""
        return super().train(False)

    def with_contrast(self, contrast: LocalContrast | None) -> "Backbone":
        """This backbone with an equalisation of images before its transforms, or without; it shares the weights."""
        if contrast == self.contrast:
            return self
        changed = copy(self)
        changed.contrast = contrast
        return changed

    # ---- what it is

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.clip.logit_scale.device

    @property
    def logit_scale(self) -> Tensor:
        """The frozen logarithm of CLIP's temperature, a scalar; logits are exp(logit_scale) times a cosine."""
        return self.clip.logit_scale.reshape(())

    @property
    def embed_dim(self) -> int:
        """D, the size of image and text features."""
        return self.text_tower.embed_dim

    @property
    def text_width(self) -> int:
        """W, the size of a token embedding."""
        return self.text_tower.width

    @property
    def context_length(self) -> int:
        """The number of tokens that the text tower takes, markers and context included."""
        return self.text_tower.context_length

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the pixels that the image tower takes."""
        size = self._preprocess.size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def resize_mode(self) -> str:
        """How `preprocess` fits an image: "squash", "shortest" (a centre crop) or "longest" (margins added)."""
        return self._preprocess.resize_mode

    @property
    def preprocess_config(self) -> dict[str, Any]:
        """open_clip's preprocessing configuration."""
        return dict(cast("dict[str, Any]", self.clip.visual.preprocess_cfg))

    @property
    def _preprocess(self) -> PreprocessCfg:
        return PreprocessCfg(**self.preprocess_config)

    @property
    def preprocess(self) -> Callable[[Image], Tensor]:
        """The model's own evaluation transform: an RGB image -> pixels (3, H, W)."""
        own = cast("Callable[[Image], Tensor]", image_transform_v2(self._preprocess, is_train=False))
        return own if self.contrast is None else transforms.Compose([self.contrast, own])

    def train_transform(self, least: float) -> Callable[[Image], Tensor]:
        """The paper's training transform: random resized crop (bicubic), horizontal flip.

        least: the smallest share of the image's area that a crop may have; 0.08 in the paper.
        """
        config = self._preprocess
        return transforms.Compose(
            [
                *([] if self.contrast is None else [self.contrast]),
                transforms.RandomResizedCrop(
                    self.image_size, (least, 1.0), interpolation=transforms.InterpolationMode.BICUBIC
                ),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(config.mean, config.std),
            ]
        )

    @property
    def transform_id(self) -> str:
        """A string that changes whenever `preprocess` would give other pixels, its equalisation apart."""
        config = self._preprocess  # field by field: a later open_clip may give it more
        mean, std = (_as_in_json(value, name) for value, name in ((config.mean, "mean"), (config.std, "std")))
        fields = config.size, config.mode, mean, std, config.interpolation, config.resize_mode
        return repr((*fields, config.fill_color))

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the names, shapes and a sample of the values of all weights; it identifies a backbone."""
        if self._fingerprint is None:
            digest = hashlib.sha256(self.transform_id.encode())
            for key, tensor in sorted(self.clip.state_dict().items()):
                step = max(1, tensor.numel() // 512)
                sample = tensor.flatten()[::step].float().cpu().contiguous()
                digest.update(f"{key}{tuple(tensor.shape)}".encode())
                digest.update(sample.numpy().tobytes())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    # ---- images

    def encode_images(self, pixels: Tensor, autocast: bool = False) -> Tensor:
        """Image features (B, D), float32, not normalised. pixels: (B, 3, H, W) from `preprocess`.

        autocast: run the tower in bfloat16, which is two to three times faster where the processor has it.
        """
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=autocast):
            return self.clip.encode_image(pixels.contiguous(memory_format=torch.channels_last)).float()

    def encode_with_patches(self, pixels: Tensor, autocast: bool = False) -> tuple[Tensor, Tensor | None]:
        """Image features (B, D), as `encode_images` gives them, and patch features (B, h, w, D), from one pass.

        The patches are in the space of the image features, float32, not normalised. For vip-mini and for ResNets their
        mean is the image feature exactly; for a ViT they are a heuristic. See `vip_core.models.patches`. They are None
        for an image tower of another kind.
        """
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=autocast):
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            features, patches = encode_with_patches(self.clip.visual, pixels)
        return features.float(), None if patches is None else patches.float()

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Patch features (B, h, w, D) alone, as `encode_with_patches` gives them.

        Raises:
            BackboneError: if the image tower gives none.
        """
        _, patches = self.encode_with_patches(pixels)
        if patches is None:
            raise BackboneError(
                f"Backbone {self.name} has an image tower of type {type(self.clip.visual).__name__}, "
                "which gives no patch features; use vip-mini, a ViT or a ResNet to see where a symptom is."
            )
        return patches

    # ---- text

    def token_count(self, text: str) -> int:
        """The number of tokens of the prompt of `text` without a context: the markers, the words, the full stop."""
        return len(self.prompt_tokens(text)) + self._markers

    def word_embeddings(self, words: str) -> Tensor:
        """Embeddings (M, W) of literal words, to start a context from. M is their number of tokens."""
        return self.text_tower.words(words)

    def encode_prompts(self, symptoms: list[str], context: Tensor | None = None, autocast: bool = False) -> Tensor:
        """Text features (n, D) of the prompts "[context][symptom].", float32, not normalised.

        Args:
            symptoms: n texts; a final full stop is added where there is none.
            context: embeddings (M, W) shared by all prompts, or (n, M, W), one set each; None for plain sentences.
            autocast: run the tower in bfloat16.

        Raises:
            PromptTooLong: if a prompt has more tokens than the text tower takes.
            SymptomError: if a text is blank, contains a marker that the tokenizer reserves, or only unknown tokens.
        """
        if not symptoms:
            return torch.empty(0, self.embed_dim, device=self.device)
        size = self._markers + (0 if context is None else context.shape[-2])
        rows = [self.prompt_tokens(symptom, context is not None) for symptom in symptoms]
        for symptom, row in zip(symptoms, rows, strict=True):
            if len(row) + size > self.context_length:
                raise PromptTooLong(
                    f"The symptom “{shorten(symptom)}” makes a prompt of {len(row) + size} tokens, "
                    f"and the text tower of {self.name} takes {self.context_length}; shorten it."
                )
        trained = torch.is_grad_enabled() and context is not None and context.requires_grad
        with (
            torch.autocast(self.device.type, torch.bfloat16, enabled=autocast),
            trainable_attention(self.device, trained),
        ):
            return self.text_tower.encode(rows, context)

    def prompt_tokens(self, symptom: str, follows: bool = False) -> list[int]:
        """Tokens of a symptom's prompt between context and end marker. Raises SymptomError as `encode_prompts` does.

        follows: whether there is a context before it.
        """
        words = symptom.strip().removesuffix(".").rstrip()
        if not words:
            raise SymptomError("A symptom is empty; write what would be seen in the image, or remove the line.")
        return self.text_tower.tokens.encode(words + ".", follows)

    @property
    def _markers(self) -> int:
        tokens = self.text_tower.tokens
        return len(tokens.start) + len(tokens.end)


def _own_folder(name: str) -> Path:
    """The folder of one of the project's own backbones. Raises BackboneError if it has not been built."""
    folder = checkpoint_folder(name)
    if name == DEVISE and not (folder / "open_clip_config.json").is_file():
        folder = cache_folder() / name
        if not (folder / "open_clip_config.json").is_file():
            raise BackboneError(
                f"{name} is not built yet; run python -m vip_core.pretrain devise, which takes a minute "
                "and needs no data."
            )
    return folder


def _as_in_json(value: Any, name: str) -> Any:  # noqa: ANN401
    """The value that `save_backbone` and then open_clip make of a preprocessing value: a tuple only by default."""
    return list(value) if isinstance(value, tuple) and value != getattr(PreprocessCfg(), name) else value
