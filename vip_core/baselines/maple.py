"""MaPLe: prompts in several layers of both towers, coupled image to text (Khattak et al., CVPR 2023)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.baselines.text import class_names
from vip_core.errors import BackboneError
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import CONTEXT_LENGTH
from vip_core.models.towers.causal import CausalTower
from vip_core.symptoms import SymptomSet

DEPTH = 9
BATCH = 64  # images per pass when nothing is trained


class MaPLe(PromptLearner):
    """P_0 .. P_{J-1} (M, W) in the text tower, Q_i = F_i(P_i) (M, U) in the image tower; P and F are trained.

    Text: [SOS][P_0][name].[EOS]; before block i < J the M positions after [SOS] become P_i. Image: Q_0 is appended to
    the patch tokens, without a position, before the first norm; before block i < J the last M tokens become Q_i. From
    block J on both run through. M = 4 and random starts, as in the ViP paper's comparison; F_1 .. start as copies.

    Args:
        backbone: with a ViT as its image tower.
        symptoms: of which the class names are used.
        depth: J; at most the number of blocks of either tower, to which the default of 9 is cut.
        vision_prompts: False leaves the image tower as it is.

    Raises:
        BackboneError: if the image tower is not a ViT that is read at its class token, or the text tower not CLIP's.
    """

    reads_pixels: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, depth: int = DEPTH, vision_prompts: bool = True):
        visual: Any = backbone.clip.visual
        if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None or visual.pool_type != "tok":
            raise BackboneError(
                f"MaPLe puts prompts into the layers of a ViT, and backbone {backbone.name} has an image tower of "
                f"type {type(visual).__name__}; choose a ViT such as ViT-B-16, or leave MaPLe out."
            )
        if not isinstance(backbone.text_tower, CausalTower):
            raise BackboneError(
                f"MaPLe needs CLIP's own text tower, and backbone {backbone.name} has another; leave MaPLe out."
            )
        super().__init__(backbone, symptoms)
        self.names = class_names(symptoms)
        self.vision_prompts = vision_prompts
        text: Any = backbone.text_tower
        self._blocks = (list(text.text.transformer.resblocks), list(visual.transformer.resblocks))  # not submodules
        self.depth = min(depth, *map(len, self._blocks))
        shape = self.depth, CONTEXT_LENGTH, backbone.text_width
        self.prompts = nn.Parameter(nn.init.normal_(torch.empty(shape), std=0.02))
        self.couplings = nn.ModuleList(
            nn.Linear(backbone.text_width, visual.conv1.out_channels) for _ in range(self.depth)
        )
        for coupling in self.couplings[2:]:
            coupling.load_state_dict(self.couplings[1].state_dict())
        self.to(backbone.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of pixels (B, 3, H, W)."""
        text = F.normalize(self._text_features(), dim=-1)
        parts = [images] if self.training else images.split(BATCH)
        features = torch.cat([self._image_features(part.to(text.device)) for part in parts])
        return self.scale * F.normalize(features, dim=-1) @ text.T

    def _text_features(self) -> Tensor:
        deeper = {
            self._blocks[0][i]: _replacing(slice(1, 1 + CONTEXT_LENGTH), self.prompts[i]) for i in range(1, self.depth)
        }
        with _hooked(deeper):
            return self.encode_prompts(self.names, self.prompts[0])

    def _image_features(self, pixels: Tensor) -> Tensor:
        if not self.vision_prompts:
            return self.backbone.encode_images(pixels)
        visual: Any = self.backbone.clip.visual
        prompts = [coupling(prompt) for coupling, prompt in zip(self.couplings, self.prompts, strict=True)]  # (M, U)

        def append(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            tokens = arguments[0]
            return torch.cat([tokens, prompts[0].expand(len(tokens), -1, -1)], dim=1), *arguments[1:]

        last = slice(-CONTEXT_LENGTH, None)
        deeper = {self._blocks[1][i]: _replacing(last, prompts[i]) for i in range(1, self.depth)}
        with _hooked({visual.ln_pre: append, **deeper}):
            return self.backbone.encode_images(pixels)


def _replacing(places: slice, prompt: Tensor) -> Any:  # noqa: ANN401
    """A hook that puts a prompt (M, width) into places of the tokens (B, L, width) that a block is given."""

    def replace(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        tokens = arguments[0]
        start, stop, _ = places.indices(tokens.shape[1])
        middle = prompt.expand(len(tokens), -1, -1)
        return torch.cat([tokens[:, :start], middle, tokens[:, stop:]], dim=1), *arguments[1:]

    return replace


@contextmanager
def _hooked(hooks: dict[nn.Module, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for module, hook in hooks.items():
            handle = module.register_forward_pre_hook(hook)
            stack.callback(handle.remove)
        yield
