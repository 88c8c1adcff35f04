"""ViP: visual symptoms as prompts over a frozen CLIP. Research use, not a medical device."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vip_core.models.backbone import Backbone
    from vip_core.models.reference import ReferenceBank
    from vip_core.models.vip import ViP
    from vip_core.scoring.diagnosis import Diagnosis
    from vip_core.scoring.predictor import Predictor
    from vip_core.symptoms import SymptomSet

__version__ = "0.1.0"
__all__ = ["Backbone", "Diagnosis", "Predictor", "ReferenceBank", "SymptomSet", "ViP"]

_MODULES = {
    "Backbone": "vip_core.models.backbone",
    "Diagnosis": "vip_core.scoring.diagnosis",
    "Predictor": "vip_core.scoring.predictor",
    "ReferenceBank": "vip_core.models.reference",
    "SymptomSet": "vip_core.symptoms",
    "ViP": "vip_core.models.vip",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that `--help` does not wait for torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
