"""What a label says of an image's findings: 1 present, 0 absent; what is not in the result is unknown."""

from collections.abc import Mapping

ATTRIBUTES = ("pigment_network", "negative_network", "streaks", "milia_like_cyst", "globules")
CELLS = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
TUMOURS = ("glioma", "meningioma", "pituitary tumor")
# ChestX-ray14's labels of a finding. Opacity is apart: its absence is known only where nothing was found.
ADULT = {
    "effusion": ("Effusion",),
    "atelectasis": ("Atelectasis",),
    "cardiomegaly": ("Cardiomegaly",),
    "nodule_or_mass": ("Nodule", "Mass"),
    "pneumothorax": ("Pneumothorax",),
    "edema": ("Edema",),
}
OPACITIES = {"Pneumonia", "Consolidation"}


def child_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a child's chest film, by `subtype`.

    Kermany et al. (Cell 2018) state that bacterial pneumonia typically is a focal lobar consolidation and viral
    pneumonia a diffuse interstitial pattern in both lungs; these are tendencies of the classes, not readings of the
    radiograph.
    """
    subtype = details["subtype"]
    pneumonia = int(subtype != "normal")
    return {
        "pneumonia": pneumonia,
        "bacterial": int(subtype == "bacteria"),
        "viral": int(subtype == "virus"),
        "opacity": pneumonia,
        "adult": 0,
    }


def adult_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of an adult's chest film, by `findings`, which were mined from reports and are wrong at times.

    Pneumonia is left unknown: the films' labels were read from reports that saw more than the film.
    """
    named = set(details["findings"].split("|"))
    findings = {name: int(any(label in named for label in labels)) for name, labels in ADULT.items()}
    if named & OPACITIES:
        findings["opacity"] = 1
    elif "No Finding" in named:
        findings["opacity"] = 0
    return {**findings, "adult": 1}


def skin_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a dermoscopy image. The signs of ABCD rule and seven-point list go with the diagnosis, as tendencies."""
    diagnosis = details["diagnosis"]
    findings = {name: int(details[name]) for name in ATTRIBUTES if details.get(name)}
    if details.get("melanoma"):
        findings["melanoma"] = int(float(details["melanoma"]))
    if diagnosis:
        findings["nevus"] = int(diagnosis == "nevus")
        findings["seborrheic_keratosis"] = int(diagnosis == "seborrheic_keratosis")
    if diagnosis in ("melanoma", "nevus"):
        findings["melanoma_signs"] = int(diagnosis == "melanoma")
    return findings


def knee_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a knee, by its Kellgren-Lawrence grade, "KL 0" to "KL 4".

    The grade's definition names osteophytes as definite from grade 2 and doubtful in 1, and the narrowing of the joint
    space as definite from 3 and possible in 2 (Kellgren and Lawrence, Ann Rheum Dis 1957).
    """
    grade = int(details["label"].removeprefix("KL "))
    findings = {"osteoarthritis": int(grade >= 2), "severe_osteoarthritis": int(grade == 4)}
    if grade != 1:
        findings["osteophytes"] = int(grade >= 2)
    if grade != 2:
        findings["joint_space_narrowing"] = int(grade >= 3)
    return findings


def cell_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a blood cell: one of eight kinds."""
    return {_key(name): int(details["label"] == name) for name in CELLS}


def breast_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a breast ultrasound: benign, malignant or normal."""
    label = details["label"]
    return {"lesion": int(label != "normal"), "malignant": int(label == "malignant"), "benign": int(label == "benign")}


def brain_findings(details: Mapping[str, str]) -> dict[str, int]:
    """Of a slice with a brain tumour: one of three kinds."""
    return {_key(name): int(details["label"] == name) for name in TUMOURS}


def _key(name: str) -> str:
    return name.replace(" ", "_")
