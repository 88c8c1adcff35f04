"""ViP: visual symptoms as prompts over a frozen CLIP. Research use, not a medical device."""

__version__ = "0.1.0"

from vip_core.backbone import Backbone
from vip_core.model import ViP
from vip_core.predictor import Diagnosis, Predictor
from vip_core.reference import ReferenceBank
from vip_core.symptoms import SymptomSet

__all__ = ["Backbone", "Diagnosis", "Predictor", "ReferenceBank", "SymptomSet", "ViP"]
