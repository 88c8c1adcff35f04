"""ViP: a context prompt and a merge prompt over a frozen CLIP; its logits, and their exact explanation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vip_core.models.backbone import Backbone
from vip_core.models.prompts import ContextPrompt, MergePrompt
from vip_core.symptoms import SymptomSet

if TYPE_CHECKING:
    from vip_core.models.card import Card
    from vip_core.models.reference import ReferenceBank


@dataclass(frozen=True)
class Terms:
    """What makes up the logit of one class, for B images: logit = token + symptoms.sum(-1), exactly.

    Attributes:
        token: (B,) the class token's term.
        symptoms: (B, m) one term a symptom.
        attention: (m,) the merge prompt's weights, which sum to 1.
        similarity: (B, m) cosine of the image with each symptom's text feature.
    """

    token: Tensor
    symptoms: Tensor
    attention: Tensor
    similarity: Tensor


class ViP(nn.Module):
    """Visual symptoms as prompts (Fang et al., MICCAI 2024).

    The backbone is frozen and no submodule: parameters and state are those of the prompts alone, under the keys
    `context_prompt.vectors`, `merge_prompt.tokens`, `merge_prompt.query.weight` and `merge_prompt.key.weight`.

    Args:
        backbone: the frozen CLIP.
        symptoms: the classes in order and their symptoms.
        context_length: M, the number of context vectors.
        class_context: one context a class instead of one for all.

    Attributes:
        fast_training: in training mode, run the frozen text tower in bfloat16; the prompts stay in float32.
        temperature: divides the logits before the softmax; fitted on validation data, 1 until then.
        reference: features of reference images, or None until trained.
        card: what is known of the training, or None until trained.
    """

    def __init__(self, backbone: Backbone, symptoms: SymptomSet, context_length: int = 4, class_context: bool = False):
        super().__init__()
        object.__setattr__(self, "backbone", backbone)  # past nn.Module, which would register it as a submodule
        self.symptoms = symptoms
        classes = len(symptoms.classes)
        self.context_prompt = ContextPrompt(context_length, backbone.text_width, classes if class_context else None)
        self.merge_prompt = MergePrompt(classes, backbone.embed_dim)
        self.fast_training = False
        self.temperature = 1.0
        self.reference: ReferenceBank | None = None
        self.card: Card | None = None
        self.to(backbone.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ViP":
        self.backbone._apply(fn, recurse)  # .to(device) moves the backbone along
        return super()._apply(fn, recurse)

    @classmethod
    def from_pretrained(cls, name: str, backbone: Backbone | None = None) -> "ViP":
        """Load a checkpoint by its name in the project, its folder, or its id on the Hugging Face Hub.

        Args:
            name: such as "pneumonia", "checkpoints/mine" or "org/name".
            backbone: the backbone it was trained on, where it is loaded already.

        Raises:
            CheckpointError: if it is missing, damaged or foreign.
        """
        from vip_core.models.checkpoint import load_checkpoint  # checkpoint.py builds ViP, so it imports this file

        return load_checkpoint(name, backbone)

    def save_pretrained(self, folder: str) -> None:
        """Write the checkpoint to a folder, atomically. Raises CheckpointError or StorageError."""
        from vip_core.models.checkpoint import save_checkpoint

        save_checkpoint(self, folder)

    def push_to_hub(self, repo_id: str, private: bool = False) -> str:
        """Upload the checkpoint to the Hugging Face Hub with the token of its environment; returns the address."""
        from vip_core.models.checkpoint import push_checkpoint

        return push_checkpoint(self, repo_id, private)

    # ---- the method

    def encode_symptoms(self, symptoms: SymptomSet | None = None) -> Tensor:
        """Text features (n, D) of all symptoms under the context prompt, class after class, not normalised."""
        symptoms = symptoms or self.symptoms
        context = self.context_prompt(symptoms.counts)
        return self.backbone.encode_prompts(symptoms.lines, context, autocast=self.training and self.fast_training)

    def merge(self, text: Tensor, counts: list[int]) -> tuple[Tensor, Tensor]:
        """Class features (C, D) and attention (C, m) of text features (n, D), `counts` of them a class."""
        padded = pad_sequence(text.split(counts), batch_first=True)  # (C, m, D)
        present = torch.arange(padded.shape[1], device=text.device) < torch.tensor(counts, device=text.device)[:, None]
        return self.merge_prompt(padded, present)

    def forward(self, image_features: Tensor) -> Tensor:
        """Logits (B, C) of image features (B, D), which are normalised here; before the temperature."""
        merged, _ = self.merge(self.encode_symptoms(), self.symptoms.counts)
        return self.scale * F.normalize(image_features, dim=-1) @ F.normalize(merged, dim=-1).T

    @property
    def scale(self) -> Tensor:
        """exp(logit_scale), which CLIP multiplies a cosine by."""
        return self.backbone.logit_scale.exp()

    def explain(
        self, image_features: Tensor, text: Tensor | None = None, counts: list[int] | None = None
    ) -> list[Terms]:
        """Split the logits into one term a symptom and one for the class token.

        With the image feature x normalised, logit_c = s/|g_c| * (p_c.x + sum_j a_cj T_cj.x), a sum over what g_c is
        made of; nothing is approximated.

        Args:
            image_features: (B, D).
            text: text features (n, D) where they are known already, else those of the model's own symptoms.
            counts: their number a class; needed with `text`.

        Returns:
            Terms for each class, in order.
        """
        if text is None:
            text, counts = self.encode_symptoms(), self.symptoms.counts
        assert counts is not None
        merged, attention = self.merge(text, counts)
        image = F.normalize(image_features, dim=-1)  # (B, D)
        factor = self.scale / merged.norm(dim=-1)  # (C,)
        terms = []
        for c, features in enumerate(text.split(counts)):  # (m, D)
            weights = attention[c, : len(features)]
            terms.append(
                Terms(
                    token=factor[c] * image @ self.merge_prompt.tokens[c],
                    symptoms=factor[c] * weights * (image @ features.T),
                    attention=weights,
                    similarity=image @ F.normalize(features, dim=-1).T,
                )
            )
        return terms


@torch.inference_mode()
def predict(vip: ViP, features: Tensor) -> Tensor:
    """Logits (n, C), on the CPU, of image features (n, D)."""
    vip.eval()
    return vip(features.to(vip.backbone.device)).cpu()
