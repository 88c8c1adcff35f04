"""ViP: visual symptoms as prompts over a frozen CLIP. Research use, not a medical device."""

__version__ = "0.1.0"

from vip_core.models.backbone import Backbone
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Diagnosis, Predictor
from vip_core.symptoms import SymptomSet

__all__ = ["Backbone", "Diagnosis", "Predictor", "ReferenceBank", "SymptomSet", "ViP"]
