"""The configuration of a run: the paper's values, and what differs from them by backbone. Imports no torch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from typer import Option

from vip_core.errors import UsageError
from vip_core.utils.options import check_ranges, fraction, not_negative, part
from vip_core.utils.paths import PROJECT

Select = Literal["accuracy", "loss", "last"]  # the best epoch on validation images, or the last
MethodName = Literal["vip", "vip-adapter"]
DataName = Literal["pneumonia", "isic2017", "derm7pt", "folder", "csv"]

BY_BACKBONE: Any = None  # stands for the value of BACKBONE_DEFAULTS, or of the paper
BY_METHOD: Any = None  # stands for the value of METHOD_DEFAULTS
BY_DATA: Any = None  # stands for the symptom file that the project has for the data set

SHIPPED_SYMPTOMS = {"pneumonia": "pneumonia.json", "isic2017": "melanoma.json", "derm7pt": "melanoma.json"}

PAPER = {"batch_size": 32, "rate": 2e-3, "crop": 0.08, "context_words": "", "method": "vip"}
BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
# Random vectors are unlike anything that a bidirectional tower has read; BiomedCoOp starts from these words, too.
WORDS = {"context_words": "a photo of a"}
# What differs from the paper's values by backbone. For the two large ones the difference is the paper's own. vip-mini
# is a small tower tuned on whole images: crops down to 8 % move its features far from what it sees later
# (docs/vip-mini.md).
BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {
    "vip-mini": {"crop": 0.6, "method": "vip-adapter"},
    "ViT-L-14-336": {"batch_size": 16},
    "ViT-L-14-336-quickgelu": {"batch_size": 16},
    "RN50x64": {"batch_size": 8, "rate": 1e-3},
    "RN50x64-quickgelu": {"batch_size": 8, "rate": 1e-3},
    BIOMEDCLIP: WORDS,
    "ViT-B-16-SigLIP": WORDS,
    "ViT-B-16-SigLIP2": WORDS,
    "ViT-L-16-SigLIP-384": {"batch_size": 16, **WORDS},
    "ViT-L-16-SigLIP2-384": {"batch_size": 16, **WORDS},
    "ViT-SO400M-14-SigLIP-384": {"batch_size": 16, **WORDS},
    "ViT-SO400M-14-SigLIP2-378": {"batch_size": 16, **WORDS},
}
# The paper's method, and its extension for a backbone on which the paper's rates teach the prompts nothing
# (docs/method.md; chosen on validation images).
METHOD_DEFAULTS: dict[str, dict[str, Any]] = {
    "vip": {
        "weight_decay": 5e-4,
        "rank": 0,
        "swap": 0.0,
        "unrelated": 0.0,
        "wordings": False,
        "train_prompts": True,
        "select": "accuracy",
    },
    "vip-adapter": {
        "weight_decay": 1.0,
        "rank": 64,
        "swap": 0.5,
        "unrelated": 0.25,
        "wordings": True,
        "train_prompts": False,
        "select": "last",
    },
}


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a run; the paper's values where it has them.

    A value that is left out takes the backbone's or the data set's own default, and paths of a local backbone become
    absolute, so that the checkpoint finds it from any folder.

    Raises:
        UsageError: if a value is out of range, or `symptoms` is missing for your own data.
    """

    data: Annotated[DataName, Option(help="the layout of the data set")]
    root: Annotated[str, Option(help="the folder of the data set (csv: the file, or its folder)")]
    symptoms: Annotated[
        str, Option(help="JSON file of classes and symptoms; pneumonia, isic2017 and derm7pt have their own")
    ] = BY_DATA
    backbone: Annotated[
        str, Option(help="vip-mini, devise-mini, an open_clip name, hf-hub:org/name or local-dir:PATH")
    ] = "vip-mini"
    pretrained: Annotated[
        str | None,
        Option(
            help="open_clip's name for the weights, a file (for OpenAI's files use --backbone "
            "NAME-quickgelu), or random"
        ),
    ] = None
    method: Annotated[
        MethodName,
        Option(
            help="vip (the paper's method) or vip-adapter (its extension)",
            show_default="vip-adapter for vip-mini, else vip",
        ),
    ] = BY_BACKBONE
    seed: Annotated[
        int, Option(min=0, max=2**63 - 1, help="seed of the initial prompts, the batches, and the views of --views 0")
    ] = 1
    epochs: Annotated[int, Option(min=1, help="passes over the training images")] = 50
    batch_size: Annotated[
        int, Option(min=1, help="images per step", show_default="the paper's for the backbone, else 32")
    ] = BY_BACKBONE
    rate: Annotated[
        float,
        Option(
            parser=not_negative,
            metavar="NUMBER",
            help="peak learning rate, reached in epoch 1",
            show_default="the paper's for the backbone, else 0.002",
        ),
    ] = BY_BACKBONE
    warmup_rate: Annotated[float, Option(parser=not_negative, metavar="NUMBER", help="learning rate of epoch 0")] = 1e-5
    momentum: Annotated[float, Option(parser=not_negative, metavar="NUMBER", help="momentum of SGD")] = 0.9
    weight_decay: Annotated[
        float,
        Option(
            parser=not_negative,
            metavar="NUMBER",
            help="weight decay on all trained parameters",
            show_default="1 for vip-adapter, else the paper's 0.0005",
        ),
    ] = BY_METHOD
    rank: Annotated[
        int, Option(min=0, help="rank of the image adapter", show_default="64 for vip-adapter; vip has none")
    ] = BY_METHOD
    swap: Annotated[
        float,
        Option(
            parser=part,
            metavar="PART",
            help="share of the batches in which the classes exchange their symptom lists",
            show_default="0.5 for vip-adapter, else 0",
        ),
    ] = BY_METHOD
    unrelated: Annotated[
        float,
        Option(
            parser=part,
            metavar="PART",
            help="share of the batches with everyday sentences as symptoms and a uniform target",
            show_default="0.25 for vip-adapter, else 0",
        ),
    ] = BY_METHOD
    wordings: Annotated[
        bool,
        Option(
            "--wordings/--no-wordings",
            help="use a random wording of each symptom in each step",
            show_default="yes for vip-adapter",
        ),
    ] = BY_METHOD
    train_prompts: Annotated[
        bool,
        Option(
            "--train-prompts/--no-train-prompts",
            help="train the context and merge prompts",
            show_default="yes for vip; vip-adapter keeps them as initialised",
        ),
    ] = BY_METHOD
    train_context: Annotated[
        bool,
        Option(
            "--train-context/--no-train-context",
            help="train the context prompt too; without it, texts that are not in the lists keep their meaning",
        ),
    ] = True
    anchor: Annotated[
        float,
        Option(
            parser=not_negative,
            metavar="NUMBER",
            help="weight of a penalty that keeps other texts near what they meant before training",
        ),
    ] = 0.0
    select: Annotated[
        Select,
        Option(
            help="the epoch to keep: the best on validation images, or the last",
            show_default="last for vip-adapter, else accuracy",
        ),
    ] = BY_METHOD
    context_length: Annotated[int, Option(min=1, help="context vectors before a symptom")] = 4
    context_words: Annotated[
        str,
        Option(
            help='start the context from words such as "a photo of a" instead of random vectors',
            show_default="the backbone's, else none",
        ),
    ] = BY_BACKBONE
    class_context: Annotated[bool, Option("--class-context", help="one context per class instead of one for all")] = (
        False
    )
    views: Annotated[
        int,
        Option(
            min=0,
            help="random views per image, encoded once; 0: encode the images anew in every epoch, as in the paper",
        ),
    ] = 8
    crop: Annotated[
        float,
        Option(
            parser=fraction,
            metavar="SHARE",
            help="smallest share of an image in a random view",
            show_default="0.6 for vip-mini, else the paper's 0.08",
        ),
    ] = BY_BACKBONE
    shots: Annotated[int | None, Option(min=1, help="images per class to train on", show_default="all")] = None
    class_weights: Annotated[
        bool, Option("--class-weights", help="weight each class in the loss by the inverse of its image count")
    ] = False
    hold_out_reference: Annotated[
        bool,
        Option(
            "--hold-out-reference",
            help="keep a tenth of the training images, by patient, for the reference bank alone",
        ),
    ] = False
    equalised: Annotated[
        bool,
        Option(
            "--equalised",
            help="the local contrast of the images was equalised (CLAHE); scoring equalises images that have less",
        ),
    ] = False
    positive: Annotated[
        str | None,
        Option(metavar="CLASS", help="with two classes, the one to detect: the card's threshold reaches --sensitivity"),
    ] = None
    sensitivity: Annotated[
        float,
        Option(parser=fraction, metavar="SHARE", help="sensitivity that the threshold reaches on validation images"),
    ] = 0.95

    def __post_init__(self) -> None:
        if self.data not in get_args(DataName):
            raise UsageError(f"Unknown data layout {self.data!r}; use one of {', '.join(get_args(DataName))}.")
        values: dict[str, Any] = {"backbone": _resolved(self.backbone)}
        if self.pretrained and Path(self.pretrained).is_file():
            values["pretrained"] = str(Path(self.pretrained).resolve())
        defaults = {**PAPER, **BACKBONE_DEFAULTS.get(values["backbone"], {})}
        method = self.method or defaults["method"]
        if method not in METHOD_DEFAULTS:
            raise UsageError(f"Unknown method {method!r}; use one of {', '.join(METHOD_DEFAULTS)}.")
        for name, value in {**METHOD_DEFAULTS[method], **defaults}.items():
            if getattr(self, name) is None:
                values[name] = value
        if self.symptoms is None:
            if self.data not in SHIPPED_SYMPTOMS:
                raise UsageError(f"--data {self.data} needs --symptoms with a JSON file of its classes.")
            values["symptoms"] = str(PROJECT / "assets" / "symptoms" / SHIPPED_SYMPTOMS[self.data])
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the data class is frozen
        check_ranges(self)
        if self.select not in get_args(Select):
            raise UsageError(f"--select {self.select!r} is unknown; use {', '.join(get_args(Select))}.")
        if (self.rank > 0) != (self.method == "vip-adapter"):
            raise UsageError(f"The method {self.method} cannot have an adapter of rank {self.rank}; leave --rank out.")
        if self.method == "vip" and not self.train_prompts:
            raise UsageError("The method vip trains only the prompts; leave --no-train-prompts out.")
        if self.anchor and not self.trains_text:
            raise UsageError("Without a trained context no text changes its meaning; leave --anchor out.")
        if self.positive is None and self.sensitivity != TrainConfig.sensitivity:
            raise UsageError("--sensitivity needs --positive with the class to detect.")

    @property
    def varies(self) -> bool:
        """Whether a training step does more than encode the model's own symptoms and compare."""
        return bool(self.swap or self.unrelated or self.wordings or self.anchor or not self.trains_text)

    @property
    def trains_text(self) -> bool:
        """Whether training changes the features of a text."""
        return self.train_prompts and self.train_context

    @property
    def default_out(self) -> Path:
        """runs/DATA-BACKBONE-seedN in the current folder."""
        local = self.backbone.removeprefix("local-dir:")
        name = Path(local).name if local != self.backbone else self.backbone.replace("/", "-")
        return Path("runs") / f"{self.data}-{name}-seed{self.seed}"


def rate_at(epoch: int, config: TrainConfig) -> float:
    """Learning rate of an epoch: the warm-up rate in epoch 0, then a cosine over `epochs` that starts at its peak."""
    if epoch == 0:
        return config.warmup_rate
    return 0.5 * config.rate * (1 + math.cos(math.pi * (epoch - 1) / config.epochs))


def _resolved(backbone: str) -> str:
    """A name by which the backbone is found from any folder; an open_clip name as BACKBONE_DEFAULTS has it."""
    if backbone.startswith("local-dir:"):
        return f"local-dir:{Path(backbone.removeprefix('local-dir:')).resolve()}"
    return backbone if backbone.startswith("hf-hub:") else backbone.replace("/", "-")
