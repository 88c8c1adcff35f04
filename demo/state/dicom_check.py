"""Whether a DICOM file is of the kind that a task is for: modality, body part, view and age."""

from collections.abc import Mapping
from typing import Any

from vip_core.data.viewing import DicomFacts

MODALITIES = {
    "CR": "a computed radiograph",
    "CT": "a CT image",
    "DMS": "a dermoscopy image",
    "DX": "a digital radiograph",
    "MG": "a mammogram",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "PT": "a PET image",
    "US": "an ultrasound image",
    "XA": "an angiogram",
    "XC": "a photograph",
}
VIEWS = {"LL": "a left lateral view", "RL": "a right lateral view", "LAT": "a lateral view"}


def mismatch(facts: DicomFacts | None, expected: Mapping[str, Any] | None) -> str:
    """Why an image does not fit a task, in one sentence; empty where it does, or where the header does not say.

    expected: "modality", "body_part" and "view" list what fits; "years" are the ends of the ages that do.
    """
    if facts is None or not expected:
        return ""
    found = []
    if facts.modality and facts.modality not in expected.get("modality", [facts.modality]):
        found.append(f"is {MODALITIES.get(facts.modality, f'of modality {facts.modality}')}")
    if facts.body_part and facts.body_part not in expected.get("body_part", [facts.body_part]):
        found.append(f"shows the body part “{facts.body_part.lower()}”")
    if facts.view and facts.view not in expected.get("view", [facts.view]):
        found.append(f"is {VIEWS.get(facts.view, f'a {facts.view} view')}")
    low, high = expected.get("years", (0, 200))
    if facts.years is not None and not low <= facts.years < high:
        found.append(f"is of a patient aged {facts.years:.0f} years")
    return (
        f"According to its header, this image {' and '.join(found)}; the model was not trained on such images."
        if found
        else ""
    )
