"""A frozen CLIP from open_clip: image features, text features under a context, and features of image patches."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import open_clip
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import TextTransformer, VisionTransformer
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import transforms

from vip_core.errors import BackboneError, PromptTooLong, SymptomError
from vip_core.paths import checkpoint_folder

EMBEDDED = "vip-mini"


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
        self._text = _native_text_tower(clip, tokenizer, name)
        self._fingerprint: str | None = None
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
        with_schema = source.startswith(("local-dir:", "hf-hub:"))
        if with_schema and pretrained:
            raise BackboneError(f"Backbone {name} brings its own weights; leave --pretrained {pretrained} out.")
        quick_gelu = False if with_schema else _check_tag(name, pretrained)
        try:
            with _quiet(), _fixed_seed():
                clip = open_clip.create_model(
                    source,
                    pretrained=None if pretrained == "random" else pretrained,
                    force_quick_gelu=quick_gelu,
                    require_pretrained=pretrained != "random",
                )
                tokenizer = open_clip.get_tokenizer(source)
        except (OSError, RuntimeError, ValueError, ImportError, HfHubHTTPError, HFValidationError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise BackboneError(
                f"The weights of backbone {name} could not be loaded ({reason}); check the name and the connection, "
                "or give local-dir:PATH of a folder that holds them."
            ) from error
        return cls(clip, tokenizer, name, pretrained)

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
        return (
            self._preprocess_config.size
            if isinstance(self._preprocess_config.size, tuple)
            else (
                self._preprocess_config.size,
                self._preprocess_config.size,
            )
        )

    @property
    def _preprocess_config(self) -> PreprocessCfg:
        return PreprocessCfg(**self.clip.visual.preprocess_cfg)

    @property
    def preprocess(self) -> Callable[[Image], Tensor]:
        """The model's own evaluation transform: an RGB image -> pixels (3, H, W)."""
        return image_transform_v2(self._preprocess_config, is_train=False)

    @property
    def train_transform(self) -> Callable[[Image], Tensor]:
        """The paper's training transform: random resized crop (scale .08 to 1, bicubic), horizontal flip."""
        config = self._preprocess_config
        return transforms.Compose(
            [
                transforms.RandomResizedCrop(self.image_size, interpolation=transforms.InterpolationMode.BICUBIC),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(config.mean, config.std),
            ]
        )

    @property
    def transform_id(self) -> str:
        """A string that changes whenever `preprocess` would give other pixels."""
        return repr(self._preprocess_config)

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

        For an average-pooled timm tower the head runs on each cell alone; where the head is linear, as in vip-mini,
        the mean over the cells IS the image feature, so the evidence of the cells adds up exactly. For a ViT it is the
        last block's value path through the final norm and projection (Zhou et al., "Extract Free Dense Labels from
        CLIP", ECCV 2022), without that block's residual and MLP; this is a heuristic and adds up to nothing.

        Args:
            pixels: (B, 3, H, W) from `preprocess`.

        Raises:
            BackboneError: if the image tower is of another kind.
        """
        visual = self.clip.visual
        if isinstance(visual, TimmModel):
            return self._timm_cells(visual, pixels)
        if isinstance(visual, VisionTransformer) and visual.attn_pool is None and not visual.final_ln_after_pool:
            return self._vit_values(visual, pixels)
        raise BackboneError(
            f"Backbone {self.name} has an image tower of type {type(visual).__name__}, whose patches have no feature "
            "of their own here; take vip-mini or a ViT to see where a symptom is."
        )

    def _timm_cells(self, visual: TimmModel, pixels: Tensor) -> Tensor:
        cells = visual.trunk.forward_features(pixels)  # (B, C, h, w)
        if cells.ndim != 4 or getattr(visual.trunk.default_cfg, "pool_size", visual.trunk.default_cfg) is None:
            raise BackboneError(
                f"Backbone {self.name} does not average its cells, so a cell has no feature of its own; "
                "take vip-mini or one of open_clip's ViTs to see where a symptom is."
            )
        batch, channels, height, width = cells.shape
        alone = cells.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)  # each cell as an image of one cell
        return visual.head(visual.trunk.forward_head(alone)).float().view(batch, height, width, -1)

    def _vit_values(self, visual: VisionTransformer, pixels: Tensor) -> Tensor:
        tokens = visual._embeds(pixels)  # (B, 1 + h*w, width)
        blocks = visual.transformer.resblocks
        for block in blocks[:-1]:
            tokens = block(tokens)
        last = blocks[-1]
        width = tokens.shape[-1]
        attention = last.attn
        values = nn.functional.linear(
            last.ln_1(tokens[:, 1:]), attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
        )
        patches = visual.ln_post(last.ls_1(attention.out_proj(values)))
        if visual.proj is not None:
            patches = patches @ visual.proj
        height, width = visual.grid_size
        return patches.float().view(len(pixels), height, width, -1)

    # ---- text

    def token_count(self, text: str) -> int:
        """The number of tokens of the prompt of `text` without a context: [SOS], the words, the full stop, [EOS]."""
        return len(self.prompt_tokens(text)) + 2

    def word_embeddings(self, words: str) -> Tensor:
        """Embeddings (M, W) of literal words, to serve as a context. M is their number of tokens."""
        tokens = torch.tensor(self.tokenizer.encode(words), device=self.device, dtype=torch.long)
        return self._text.token_embedding(tokens)

    def encode_prompts(self, symptoms: list[str], context: Tensor | None = None) -> Tensor:
        """Text features (n, D) of `[SOS][context][symptom].[EOS]`, float32, not normalised.

        The sequence ends with the longest prompt, not at the tower's context length: under a causal mask no position
        sees a later one, so the feature at [EOS] is the same and the work several times less.

        Args:
            symptoms: n texts; a final full stop is added where there is none.
            context: embeddings (M, W) shared by all prompts, or (n, M, W), one set a prompt; None for plain sentences.

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
        return self.encode_tokens(rows, context)

    def encode_tokens(self, rows: list[list[int]], context: Tensor | None = None) -> Tensor:
        """Text features (n, D), float32, of n lists of tokens (neither [SOS] nor [EOS]); context as above."""
        size = 0 if context is None else context.shape[-2]
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        longest = max(map(len, rows))
        tokens = torch.tensor(
            [[start, *row, end, *[0] * (longest - len(row))] for row in rows], device=self.device
        )  # (n, longest + 2)
        embeddings = self._text.token_embedding(tokens)  # (n, longest + 2, W)
        if context is not None:
            context = context.to(embeddings.dtype).expand(len(rows), -1, -1)
            embeddings = torch.cat([embeddings[:, :1], context, embeddings[:, 1:]], dim=1)
        eos = torch.tensor([size + 1 + len(row) for row in rows], device=self.device)
        return self.encode_embeddings(embeddings, eos)

    def encode_embeddings(self, embeddings: Tensor, eos: Tensor) -> Tensor:
        """Text features (n, D), float32, of token embeddings (n, L, W) whose [EOS] stand at positions eos (n,)."""
        text = self._text
        length = embeddings.shape[1]
        x = embeddings + text.positional_embedding[:length]
        x = text.transformer(x, attn_mask=text.attn_mask[:length, :length])  # (n, L, W)
        x = text.ln_final(x[torch.arange(len(x), device=x.device), eos])  # (n, W)
        if isinstance(text.text_projection, nn.Linear):
            x = text.text_projection(x)
        elif text.text_projection is not None:
            x = x @ text.text_projection
        return x.float()  # (n, D)

    def prompt_tokens(self, symptom: str) -> list[int]:
        """Tokens of a symptom's prompt between context and [EOS]. Raises SymptomError as `encode_prompts` does."""
        words = symptom.strip().removesuffix(".").rstrip()
        if not words:
            raise SymptomError("A symptom is empty; write what would be seen in the image, or remove the line.")
        tokens = self.tokenizer.encode(words + ".")
        if set(tokens) & set(self.tokenizer.all_special_ids):
            raise SymptomError(
                f"The symptom “{_shorten(symptom)}” holds a marker that the text tower reserves for the start or the "
                "end of a text; remove it."
            )
        return tokens


def _native_text_tower(clip: nn.Module, tokenizer: object, name: str) -> nn.Module:
    """The module that holds CLIP's text modules, in either of open_clip's forms."""
    text = clip if isinstance(clip, CLIP) else getattr(clip, "text", None)
    pool = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    native = (
        isinstance(text, CLIP | TextTransformer)
        and isinstance(tokenizer, SimpleTokenizer)
        and getattr(text, "cls_emb", None) is None
        and text.attn_mask is not None
        and pool in ("argmax", "eos")
    )
    if not native:
        raise BackboneError(
            f"Backbone {name} has a text tower of another kind than CLIP's (causal, byte-pair tokens, read at the end "
            "of the text), which prompts cannot be trained over yet; take one such as ViT-B-16."
        )
    return text


def _check_tag(name: str, pretrained: str | None) -> bool:
    """Check an open_clip name and tag before anything is downloaded. True: the weights want QuickGELU."""
    known = open_clip.list_models()
    model = name.replace("/", "-")
    if model not in known:
        raise BackboneError(
            f"Backbone {name} is unknown; give vip-mini, hf-hub:org/name, local-dir:PATH or one of open_clip's "
            f"{len(known)} names, such as ViT-B-16, ViT-L-14-336 or RN50x64."
        )
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained is None:
        raise BackboneError(f"Backbone {name} needs --pretrained with one of: {', '.join(tags) or 'a weights file'}.")
    if pretrained == "random" or Path(pretrained).is_file():
        return False
    if pretrained not in tags:
        raise BackboneError(
            f"Backbone {name} has no weights called {pretrained}; give --pretrained one of: {', '.join(tags)}."
        )
    wanted = bool(open_clip.get_pretrained_cfg(model, pretrained).get("quick_gelu", False))
    if not wanted and open_clip.get_model_config(model).get("quick_gelu", False):
        raise BackboneError(
            f"The weights {pretrained} were not trained with QuickGELU, which {name} uses; "
            f"give --backbone {model.removesuffix('-quickgelu')}."
        )
    return wanted


@contextmanager
def _fixed_seed() -> Iterator[None]:
    """Random weights are the same each time, and the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what open_clip logs on the root logger while it builds a model."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _shorten(text: str, length: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
