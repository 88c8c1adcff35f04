"""A frozen CLIP from open_clip: image features, text features under a context, and features of image patches."""

import hashlib
from collections.abc import Callable

import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import transforms

from vip_core.errors import BackboneError, PromptTooLong, SymptomError
from vip_core.models.loading import load_open_clip, native_text_tower
from vip_core.models.patches import patch_features
from vip_core.utils.lru import LRU
from vip_core.utils.paths import checkpoint_folder

EMBEDDED = "vip-mini"
PACKED = 32  # prompts a sequence; attention grows with the square of its length


class Backbone(nn.Module):
    """A CLIP model with frozen weights, always in evaluation mode, in float32.

    Any open_clip model with a native CLIP text tower works: text modules on the model itself (`CLIP`) or under
    `.text` (`CustomTextCLIP` with a causal `TextTransformer`). Features are as open_clip gives them, not normalised.

    Args:
        clip: the model, with its preprocessing set as open_clip's factory does.
        tokenizer: CLIP's byte-pair tokenizer.
        name: as given to `load`.
        pretrained: open_clip's tag of the weights, "random", or None for a name that implies its weights.

    Raises:
        BackboneError: if the text tower is of another kind.
    """

    def __init__(self, clip: CLIP | CustomTextCLIP, tokenizer: SimpleTokenizer, name: str, pretrained: str | None):
        super().__init__()
        self.clip = clip
        self.tokenizer = tokenizer
        self.name = name
        self.pretrained = pretrained
        self._text = native_text_tower(clip, tokenizer, name)
        self._fingerprint: str | None = None
        self._tokens: LRU[str, list[int]] = LRU(4096)  # tokenising is slow, and training asks for the same texts again
        clip.visual.to(memory_format=torch.channels_last)  # convolutions run half as fast again on a CPU
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str = EMBEDDED, pretrained: str | None = None) -> "Backbone":
        """Load a backbone by name, on the CPU.

        Args:
            name: "vip-mini" (embedded), an open_clip model name such as "ViT-B-16", "hf-hub:org/name", or
                "local-dir:PATH" (a folder with open_clip_config.json and weights).
            pretrained: for an open_clip model name, the tag of its weights ("openai"), a weights file, or "random"
                for reproducible random weights (tests and timing).

        Raises:
            BackboneError: if the name or tag is unknown, the weights cannot be had, or the text tower is not CLIP's.
        """
        source = f"local-dir:{checkpoint_folder(EMBEDDED)}" if name == EMBEDDED else name
        clip, tokenizer = load_open_clip(name, source, pretrained)
        return cls(clip, tokenizer, name, pretrained)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Backbone":
        if fn(torch.zeros(1)).dtype != torch.float32:
            raise BackboneError("A backbone stays in float32; pass autocast=True to run a tower in bfloat16.")
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: a frozen tower keeps its BatchNorm statistics and drops nothing out."""
        return super().train(False)

    # ---- what it is

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self._text.positional_embedding.device

    @property
    def logit_scale(self) -> Tensor:
        """The frozen logarithm of CLIP's temperature, a scalar; logits are exp(logit_scale) times a cosine."""
        return self.clip.logit_scale.reshape(())

    @property
    def embed_dim(self) -> int:
        """D, the size of image and text features."""
        projection = self._text.text_projection
        if projection is None:
            return self.text_width
        return projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1]

    @property
    def text_width(self) -> int:
        """W, the size of a token embedding."""
        return self._text.token_embedding.weight.shape[1]

    @property
    def context_length(self) -> int:
        """The number of tokens that the text tower takes, [SOS] and [EOS] included."""
        return self._text.positional_embedding.shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the pixels that the image tower takes."""
        size = self._preprocess_config.size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def resize_mode(self) -> str:
        """How `preprocess` fits an image: "squash", "shortest" (a centre crop) or "longest" (margins added)."""
        return self._preprocess_config.resize_mode

    @property
    def _preprocess_config(self) -> PreprocessCfg:
        return PreprocessCfg(**self.clip.visual.preprocess_cfg)

    @property
    def preprocess(self) -> Callable[[Image], Tensor]:
        """The model's own evaluation transform: an RGB image -> pixels (3, H, W)."""
        return image_transform_v2(self._preprocess_config, is_train=False)

    def train_transform(self, least: float) -> Callable[[Image], Tensor]:
        """The paper's training transform: random resized crop (bicubic), horizontal flip.

        least: the smallest share of the image's area that a crop may have; 0.08 in the paper.
        """
        config = self._preprocess_config
        return transforms.Compose(
            [
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
        """A string that changes whenever `preprocess` would give other pixels."""
        config = self._preprocess_config  # field by field: a later open_clip may give it more
        fields = config.size, config.mode, config.mean, config.std, config.interpolation, config.resize_mode
        return repr((*fields, config.fill_color))

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the names, shapes and a sample of the values of all weights: tells backbones apart."""
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

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Features of image patches (B, h, w, D), float32, not normalised, in the space of the image features.

        For an average-pooled timm tower with a linear head, as vip-mini's, they average to the image feature exactly;
        for a ViT they are a heuristic. `vip_core.models.patches` says how both are had.

        Args:
            pixels: (B, 3, H, W) from `preprocess`.

        Raises:
            BackboneError: if the image tower is of another kind.
        """
        return patch_features(self.clip.visual, pixels, self.name)

    # ---- text

    def token_count(self, text: str) -> int:
        """The number of tokens of the prompt of `text` without a context: [SOS], the words, the full stop, [EOS]."""
        return len(self.prompt_tokens(text)) + 2

    def word_embeddings(self, words: str) -> Tensor:
        """Embeddings (M, W) of literal words, to serve as a context. M is their number of tokens."""
        tokens = torch.tensor(self.tokenizer.encode(words), device=self.device, dtype=torch.long)
        return self._text.token_embedding(tokens)

    def encode_prompts(self, symptoms: list[str], context: Tensor | None = None, autocast: bool = False) -> Tensor:
        """Text features (n, D) of `[SOS][context][symptom].[EOS]`, float32, not normalised.

        Under a causal mask no position sees a later one, so nothing need follow [EOS], and what prompts begin with need
        stand only once: they are packed into one sequence without padding, which gives the same features for a fraction
        of the work of 77 tokens each.

        Args:
            symptoms: n texts; a final full stop is added where there is none.
            context: embeddings (M, W) shared by all prompts, or (n, M, W), one set a prompt; None for plain sentences.
            autocast: run the tower in bfloat16.

        Raises:
            PromptTooLong: if a prompt has more tokens than the text tower takes.
            SymptomError: if a text is blank or holds a marker that the tokenizer reserves.
        """
        if not symptoms:
            return torch.empty(0, self.embed_dim, device=self.device)
        size = 0 if context is None else context.shape[-2]
        rows = [self.prompt_tokens(symptom) for symptom in symptoms]
        for symptom, row in zip(symptoms, rows, strict=True):
            if len(row) + size + 2 > self.context_length:
                raise PromptTooLong(
                    f"The symptom “{_shorten(symptom)}” makes a prompt of {len(row) + size + 2} tokens, "
                    f"and the text tower of {self.name} takes {self.context_length}; shorten it."
                )
        groups = [slice(i, i + PACKED) for i in range(0, len(rows), PACKED)]
        own = context is not None and context.ndim == 3
        with torch.autocast(self.device.type, torch.bfloat16, enabled=autocast):
            return torch.cat([self._encode_packed(rows[group], context[group] if own else context) for group in groups])

    def _encode_packed(self, rows: list[list[int]], context: Tensor | None) -> Tensor:
        """Features (n, D) of n lists of tokens in one sequence: what is shared, then each prompt's own part.

        A position attends to the shared beginning and to its own part up to itself, at the place in the prompt that it
        would have alone.
        """
        device, text = self.device, self._text
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        shared = text.token_embedding(torch.tensor([start], device=device))  # (1, W)
        own = text.token_embedding(torch.tensor([token for row in rows for token in (*row, end)], device=device))
        parts = list(own.split([len(row) + 1 for row in rows]))
        if context is not None and context.ndim == 2:
            shared = torch.cat([shared, context])  # (1 + M, W)
        elif context is not None:
            parts = [torch.cat(pair) for pair in zip(context, parts, strict=True)]
        first, sizes = len(shared), torch.tensor([len(part) for part in parts], device=device)
        part_of = torch.arange(len(parts), device=device).repeat_interleave(sizes)
        part_of = torch.cat([part_of.new_full((first,), -1), part_of])  # (L,), -1 for what is shared
        ends = first + sizes.cumsum(0)  # (n,)
        order = torch.arange(len(part_of), device=device)
        begins = torch.cat([order.new_zeros(first), (ends - sizes).repeat_interleave(sizes) - first])
        seen = ((part_of[:, None] == part_of) | (part_of == -1)) & (order[:, None] >= order)
        mask = torch.zeros(seen.shape, device=device).masked_fill(~seen, float("-inf"))  # (L, L)
        x = torch.cat([shared, *parts]) + text.positional_embedding[order - begins]
        return self._project(text.transformer(x.unsqueeze(0), attn_mask=mask)[0, ends - 1])

    def encode_tokens(self, rows: list[list[int]], context: Tensor | None = None) -> Tensor:
        """Text features (n, D), float32, of n lists of tokens (neither [SOS] nor [EOS]), padded to the longest.

        The plain way, and the faster one for the hundreds of sentences alike in length that vip-mini is trained on.
        context: (M, W), shared.
        """
        size = 0 if context is None else len(context)
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        longest = max(map(len, rows))
        tokens = torch.tensor([[start, *row, end, *[0] * (longest - len(row))] for row in rows], device=self.device)
        x = self._text.token_embedding(tokens)  # (n, longest + 2, W)
        if context is not None:
            x = torch.cat([x[:, :1], context.expand(len(rows), -1, -1), x[:, 1:]], dim=1)
        length = x.shape[1]
        x = x + self._text.positional_embedding[:length]
        x = self._text.transformer(x, attn_mask=self._text.attn_mask[:length, :length])  # (n, L, W)
        eos = torch.tensor([size + 1 + len(row) for row in rows], device=self.device)
        return self._project(x[torch.arange(len(x), device=self.device), eos])

    def _project(self, x: Tensor) -> Tensor:
        """Features (n, D) of the states (n, W) at [EOS]."""
        x = self._text.ln_final(x)
        projection = self._text.text_projection
        if isinstance(projection, nn.Linear):
            x = projection(x)
        elif projection is not None:
            x = x @ projection
        return x.float()

    def prompt_tokens(self, symptom: str) -> list[int]:
        """Tokens of a symptom's prompt between context and [EOS]. Raises SymptomError as `encode_prompts` does."""
        words = symptom.strip().removesuffix(".").rstrip()
        if not words:
            raise SymptomError("A symptom is empty; write what would be seen in the image, or remove the line.")
        (tokens,) = self._tokens.get([words + "."], lambda texts: [self.tokenizer.encode(text) for text in texts])
        if set(tokens) & set(self.tokenizer.all_special_ids):
            raise SymptomError(
                f"The symptom “{_shorten(symptom)}” holds a marker that the text tower reserves for the start or the "
                "end of a text; remove it."
            )
        return tokens


def _shorten(text: str, length: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
