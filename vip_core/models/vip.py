"""ViP: a context prompt and a merge prompt over a frozen CLIP; its logits, and their exact explanation."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vip_core.errors import CheckpointError
from vip_core.models.adapter import ImageAdapter
from vip_core.models.backbone import Backbone
from vip_core.models.card import Card
from vip_core.models.checkpoint import Checkpoint, check_state, find_checkpoint
from vip_core.models.learner import PromptLearner
from vip_core.models.prompts import ContextPrompt, MergePrompt
from vip_core.models.reference import ReferenceBank
from vip_core.symptoms import SymptomSet

METHODS = ("vip", "vip-adapter")  # the paper's, and the extension with an image adapter


@dataclass(frozen=True)
class Terms:
    """What makes up the logit of one class, for B images: logit = token + symptoms.sum(-1), exactly.

    Attributes:
        token: (B,) the class token's term.
        symptoms: (B, m) one term per symptom.
        attention: (m,) the merge prompt's weights, which sum to 1.
        similarity: (B, m) cosine of the image, as `ViP.adapt` gives it, with each symptom's text feature.
    """

    token: Tensor
    symptoms: Tensor
    attention: Tensor
    similarity: Tensor


class ViP(PromptLearner):
    """Visual symptoms as prompts (Fang et al., MICCAI 2024).

    The backbone is frozen and not a submodule: parameters and state are those of the prompts alone, under the keys
    `context_prompt.vectors`, `merge_prompt.tokens`, `merge_prompt.query.weight` and `merge_prompt.key.weight`. It
    follows the prompts to another device, and is copied and pickled with them. The extension `vip-adapter` adds an
    image adapter, under `image_adapter.mean`, `.distance`, `.down` and `.up`.

    Args:
        backbone: the frozen CLIP.
        symptoms: the classes in order and their symptoms.
        context_length: M, the number of context vectors.
        class_context: one context per class instead of one for all.
        context_words: words such as "a photo of a" that the context starts from, one vector per token, instead of
            `context_length` random vectors.
        adapter_rank: the rank of the image adapter; 0 for the paper's method, which has none.

    Attributes:
        image_adapter: None for the paper's method.
        temperature: divides the logits before the softmax; fitted on validation data, 1 until then.
        reference: features of reference images, or None until trained.
    """

    def __init__(
        self,
        backbone: Backbone,
        symptoms: SymptomSet,
        context_length: int = 4,
        class_context: bool = False,
        context_words: str | None = None,
        adapter_rank: int = 0,
    ):
        super().__init__(backbone, symptoms)
        classes = len(symptoms.classes)
        words = None if context_words is None else backbone.word_embeddings(context_words)  # (M, W)
        self.context_prompt = ContextPrompt(
            context_length if words is None else len(words),
            backbone.text_width,
            classes if class_context else None,
            backbone.text_tower.context_std,
        )
        if words is not None:
            self.context_prompt.vectors.data.copy_(words)
        self.merge_prompt = MergePrompt(classes, backbone.embed_dim)
        self.image_adapter = ImageAdapter(backbone.embed_dim, adapter_rank) if adapter_rank else None
        self.temperature = 1.0
        self.reference: ReferenceBank | None = None
        self._card: Card | None = None
        self._described = ""
        self.to(backbone.device)

    @property
    def card(self) -> Card | None:
        """What is known of the training, or None until trained. Setting it states that it describes the model as is."""
        return self._card

    @card.setter
    def card(self, card: Card | None) -> None:
        self._card = card
        self._described = self._content()

    def _content(self) -> str:
        """A digest of all that a card's figures depend on."""
        digest = hashlib.sha256(repr((self.symptoms.classes, self.symptoms.symptoms, self.temperature)).encode())
        for key, value in self.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    # ---- checkpoints

    @classmethod
    def from_pretrained(cls, name: str | Path, backbone: Backbone | None = None) -> "ViP":
        """Load a checkpoint by its name in the project, its folder, or its id on the Hugging Face Hub.

        Args:
            name: such as "pneumonia", "checkpoints/mine" or "org/name"; see `find_checkpoint`.
            backbone: the backbone it was trained on, where it is loaded already; else it is loaded by the card.

        Raises:
            CheckpointError: if a file is missing or damaged, or the checkpoint belongs to another backbone, other
                classes or another class order.
            BackboneError: if the backbone cannot be loaded.
        """
        folder = find_checkpoint(name)
        checkpoint = Checkpoint.read(folder)
        card = checkpoint.card
        if card.method not in METHODS:
            raise CheckpointError(
                f"{folder} was trained with the method {card.method}, which this version does not have."
            )
        backbone = backbone or Backbone.load(card.backbone.name, card.backbone.pretrained)
        if backbone.fingerprint != card.backbone.fingerprint:
            raise CheckpointError(
                f"{folder} was trained on another backbone than this {backbone.name}: fingerprint "
                f"{card.backbone.fingerprint} in the card, {backbone.fingerprint} here; train it again on this one."
            )
        backbone = backbone.with_contrast(card.contrast and card.contrast.step)
        rank = card.adapter.rank if card.adapter else 0
        vip = cls(backbone, card.symptom_set, card.context.length, card.context.per_class, adapter_rank=rank)
        check_state(checkpoint.state, vip.state_dict())
        if checkpoint.reference.features.shape[1] != backbone.embed_dim:
            raise CheckpointError(
                f"{folder} has reference features of {checkpoint.reference.features.shape[1]} values; "
                f"{backbone.embed_dim} are needed."
            )
        vip.load_state_dict(checkpoint.state)
        vip.temperature = card.temperature
        vip.reference = checkpoint.reference
        vip.card = card
        return vip.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the checkpoint to a folder, atomically.

        Raises:
            CheckpointError: if the model has no card or reference bank, which training gives it, or was changed since
                its card was set, whose figures are therefore of another model.
            StorageError: if the folder cannot be written.
        """
        self._checkpoint().write(Path(folder))

    def push_to_hub(self, repo_id: str, private: bool = False) -> str:
        """Upload the checkpoint to the Hugging Face Hub with the token of its environment; returns the address.

        Raises:
            CheckpointError: as `save_pretrained` does, or if the hub refuses it or cannot be reached.
        """
        return self._checkpoint().push(repo_id, private)

    def _checkpoint(self) -> Checkpoint:
        if self.card is None or self.reference is None:
            raise CheckpointError(
                "This model was not trained to the end: it has no card and no reference bank to save."
            )
        if self._described != self._content():
            raise CheckpointError(
                "The model was changed after training, and its card still has the figures "
                "measured before the change. Save edited "
                "symptoms with SymptomSet.save; to save a changed model, evaluate it and set its "
                "card, or clear the figures with vip.card = vip.card.without_figures()."
            )
        now = {"symptoms": self.symptoms.to_dict(), "temperature": self.temperature}
        return Checkpoint(self.card.model_copy(update=now), self.state_dict(), self.reference)

    # ---- the method

    def prepare(self, features: Tensor, labels: Tensor) -> None:
        """Centre the image adapter on the training images: features (n, V, D), the evaluation view first."""
        if self.image_adapter is not None:
            self.image_adapter.centre(features[:, 0])

    def encode_symptoms(self, symptoms: SymptomSet | None = None) -> Tensor:
        """Text features (n, D) of all symptoms under the context prompt, class after class, not normalised."""
        symptoms = symptoms or self.symptoms
        context = self.context_prompt(symptoms.counts)
        return self.encode_prompts(symptoms.texts, context)

    def merge(self, text: Tensor, counts: list[int]) -> tuple[Tensor, Tensor]:
        """Class features (C, D) and attention (C, m) of text features (n, D), `counts` of them per class."""
        padded = pad_sequence(list(text.split(counts)), batch_first=True)  # (C, m, D)
        present = torch.arange(padded.shape[1], device=text.device) < torch.tensor(counts, device=text.device)[:, None]
        return self.merge_prompt(padded, present)

    @torch.no_grad()
    def token_ratio(self) -> float:
        """Norm of a class's token relative to that of its merged symptoms, the largest of all classes.

        At the start of training it should be far below 1. Where a tower's text features are as small as the tokens,
        the tokens can decide by themselves.
        """
        merged, _ = self.merge(self.encode_symptoms(), self.symptoms.counts)
        tokens = self.merge_prompt.tokens
        return (tokens.norm(dim=-1) / (merged - tokens).norm(dim=-1)).max().item()

    @property
    def method(self) -> str:
        """One of METHODS."""
        return METHODS[self.image_adapter is not None]

    def adapt(self, image_features: Tensor) -> Tensor:
        """Image features (B, D) as they are compared with the symptoms: normalised, and adapted by an adapter."""
        image = F.normalize(image_features, dim=-1)
        return image if self.image_adapter is None else self.image_adapter(image)

    @property
    def adapted_reference(self) -> ReferenceBank | None:
        """The reference bank for similarities: its features as `adapt` gives them. Its domain check does not apply."""
        if self.reference is None or self.image_adapter is None:
            return self.reference
        features = self.adapt(self.reference.features.to(self.backbone.device)).detach().cpu()
        return replace(self.reference, features=features)

    def forward(self, image_features: Tensor, text: Tensor | None = None, counts: list[int] | None = None) -> Tensor:
        """Logits (B, C), before the temperature.

        Args:
            image_features: (B, D), which are normalised here.
            text: text features (n, D) where they are known already, else those of the model's own symptoms.
            counts: their number per class; needed with `text`.
        """
        if text is None or counts is None:
            text, counts = self.encode_symptoms(), self.symptoms.counts
        merged, _ = self.merge(text, counts)
        return self.scale * self.adapt(image_features) @ F.normalize(merged, dim=-1).T

    def explain(
        self, image_features: Tensor, text: Tensor | None = None, counts: list[int] | None = None
    ) -> list[Terms]:
        """Split the logits into one term per symptom and one for the class token.

        With the image feature x normalised, and adapted if there is an adapter, logit_c = s/|g_c| * (p_c.x + sum_j
        a_cj T_cj.x), a sum over what g_c is made of; nothing is approximated.

        Args:
            image_features: (B, D).
            text: text features (n, D) where they are known already, else those of the model's own symptoms.
            counts: their number per class; needed with `text`.

        Returns:
            Terms for each class, in order.
        """
        if text is None or counts is None:
            text, counts = self.encode_symptoms(), self.symptoms.counts
        merged, attention = self.merge(text, counts)
        image = self.adapt(image_features)  # (B, D)
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
def predict(learner: PromptLearner, features: Tensor) -> Tensor:
    """Logits (n, C), on the CPU, of image features (n, D), or of pixels where the method reads them."""
    learner.eval()
    return learner(features.to(learner.backbone.device)).cpu()
