"""All methods by name: how each is built, and the learning rate that it was published with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vip_core.baselines.ablations import ContextOnly, MergeOnly, TokensOnly
from vip_core.baselines.bayesian import BayesianPrompts, ConditionalBayesianPrompts
from vip_core.baselines.biomedcoop import BiomedCoOp
from vip_core.baselines.clip_adapter import ClipAdapter
from vip_core.baselines.cocoop import CoCoOp
from vip_core.baselines.coop import CoOp
from vip_core.baselines.fine_tuned import FineTunedTower
from vip_core.baselines.kgcoop import KgCoOp
from vip_core.baselines.linear_probe import LinearProbe
from vip_core.baselines.maple import MaPLe
from vip_core.baselines.tip_adapter import TipAdapter, TipAdapterF
from vip_core.baselines.zero_shot import NameZeroShot, SymptomZeroShot
from vip_core.models.backbone import Backbone
from vip_core.models.learner import PromptLearner
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import METHOD_DEFAULTS

ADAPTER = {"method": "vip-adapter", **METHOD_DEFAULTS["vip-adapter"]}


@dataclass(frozen=True)
class Method:
    """A method of the comparison.

    Attributes:
        name: as on the command line and in tables.
        label: for people.
        build: makes the learner; random starts come from torch's global generator.
        rate: the published learning rate; None where no gradient step is made.
        start: the zero-shot method whose text it starts from, and which training should not fall below.
        settings: fields of TrainConfig in which its training differs from the others'.
        rates: learning rates among which validation chooses; none: those of all methods.
        epoch_share: of the others' epochs, the share that it trains for.
        note: a sentence below a table that has the method, or empty.
    """

    name: str
    label: str
    build: Callable[[Backbone, SymptomSet], PromptLearner]
    rate: float | None = None
    start: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    epoch_share: float = 1.0
    note: str = ""


LAST = "ViP with image adapter has an optimizer of its own, and keeps the last epoch."
NAMES, ENSEMBLE, SYMPTOMS = "zero-shot-names", "zero-shot-ensemble", "zero-shot-symptoms"


def _adapter(backbone: Backbone, symptoms: SymptomSet) -> ViP:
    return ViP(backbone, symptoms, adapter_rank=ADAPTER["rank"])


_ALL = (
    Method("vip", "ViP", ViP, 2e-3, SYMPTOMS),
    Method(NAMES, "Zero-shot, class names", NameZeroShot.one_template),
    Method(ENSEMBLE, "Zero-shot, template ensemble", NameZeroShot.ensemble),
    Method(SYMPTOMS, "Zero-shot, symptoms averaged", SymptomZeroShot),
    Method("linear-probe", "Linear probe", LinearProbe),
    Method("coop", "CoOp, shared context", CoOp, 2e-3, NAMES),
    Method("coop-csc", "CoOp, class-specific context", CoOp.per_class, 2e-3, NAMES),
    Method("cocoop", "CoCoOp", CoCoOp, 2e-3, NAMES),
    Method(
        "bayesian",
        "Bayesian prompts, unconditional",
        BayesianPrompts,
        2e-3,
        NAMES,
        note="Bayesian prompts ran in the unconditional form: one distribution for all images, batches of any size.",
    ),
    Method("bayesian-conditional", "Bayesian prompts, conditional", ConditionalBayesianPrompts, 2e-3, NAMES),
    Method("maple", "MaPLe", MaPLe, 3.5e-3, NAMES, note="MaPLe draws a new random view of each image in every epoch."),
    Method("tip-adapter", "Tip-Adapter", TipAdapter),
    Method("tip-adapter-f", "Tip-Adapter-F", TipAdapterF, 1e-3, ENSEMBLE),
    Method("clip-adapter", "CLIP-Adapter", ClipAdapter, 2e-3, NAMES),
    Method("kgcoop", "KgCoOp", KgCoOp, 2e-3, NAMES),
    Method(
        "biomedcoop",
        "BiomedCoOp",
        BiomedCoOp,
        2.5e-3,
        SYMPTOMS,
        note="BiomedCoOp calls for 50 sentences per class; here it uses the symptoms, with the shorter list repeated.",
    ),
    # One of its epochs takes as long as a whole run of most others, and it starts from trained weights of its own.
    Method(
        "fine-tuned",
        "Image tower fine-tuned from ImageNet",
        FineTunedTower.from_imagenet,
        1e-3,
        rates=(1e-3, 2e-3, 1e-2),
        epoch_share=0.2,
        note="The fine-tuned tower draws a new random view of each image in every epoch.",
    ),
    Method("context-only", "ViP without merge prompt", ContextOnly, 2e-3, SYMPTOMS),
    Method("merge-only", "ViP without context prompt", MergeOnly, 2e-3, SYMPTOMS),
    Method("tokens-only", "Merge tokens without symptoms", TokensOnly, 2e-3),
    Method("vip-swap", "ViP, lists exchanged in training", ViP, 2e-3, SYMPTOMS, {"swap": 0.5}),
    Method("vip-adapter", "ViP with image adapter", _adapter, 2e-3, SYMPTOMS, ADAPTER, note=LAST),
    Method(
        "vip-adapter-no-swap",
        "ViP with image adapter, no exchange",
        _adapter,
        2e-3,
        SYMPTOMS,
        {**ADAPTER, "swap": 0.0},
        note=LAST,
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
