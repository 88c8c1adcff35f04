"""Kinds of knowledge in place of the symptoms, as in the paper's figure 5."""

from dataclasses import replace

from vip_core.baselines.text import class_names
from vip_core.data.tables import class_key
from vip_core.symptoms import SymptomSet
from vip_core.vsg.prompts import without_model
from vip_core.vsg.templates import KINDS

# Written for this project, from textbook knowledge; no language model and no image was used. The class name occurs in
# none of them. "other" is the visual symptoms of a disease that the same kind of image shows, and that fits no class.
WRITTEN: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "pneumonia": {
        "description": {
            "normal lung": (
                "a healthy organ of the chest that takes up oxygen and gives off carbon dioxide",
                "two organs of three and two lobes, filled with air in millions of alveoli",
                "the airways branch from the trachea to the alveoli and carry no germs",
                "a person without any disease of the airways",
            ),
            "pneumonia": (
                "an inflammation of the tissue of the organ, mostly caused by bacteria or viruses",
                "a common cause of death of small children all over the world",
                "germs reach the alveoli, which fill with fluid and white blood cells",
                "it is caught from other people or after a viral infection of the upper airways",
            ),
        },
        "clinical": {
            "normal lung": (
                "no cough and no fever",
                "breathing at a normal rate without effort",
                "oxygen saturation of 98 percent",
                "vesicular breath sounds on both sides",
            ),
            "pneumonia": (
                "high fever with chills",
                "cough with yellow sputum",
                "fast and laboured breathing",
                "crackles on auscultation and raised C-reactive protein",
            ),
        },
        "other": {
            "normal lung": (
                "thin bright line of the pleura with no vessels beyond it",
                "black space beside the collapsed tissue",
                "mediastinum pushed to the opposite side",
                "deep dark costophrenic sulcus",
            ),
            "pneumonia": (
                "heart shadow wider than half of the chest",
                "round smooth mass in the upper mediastinum",
                "fracture line through a rib",
                "stomach bubble above the diaphragm",
            ),
        },
    },
    "melanoma": {
        "description": {
            "melanoma": (
                "a malignant tumour of the cells that make pigment",
                "it spreads early to lymph nodes, liver, lung and brain",
                "ultraviolet light and fair skin raise the risk",
                "it causes most deaths among tumours of the skin",
            ),
            "nevus": (
                "a benign growth of the cells that make pigment",
                "most people have some dozens of them, and they appear in childhood",
                "it stays for decades and hardly ever turns malignant",
                "it needs no treatment",
            ),
        },
        "clinical": {
            "melanoma": (
                "itching and bleeding for some weeks",
                "a relative had the same tumour",
                "enlarged lymph nodes in the groin",
                "raised lactate dehydrogenase in the blood",
            ),
            "nevus": (
                "unchanged since childhood",
                "no itching and no pain",
                "lymph nodes of normal size",
                "normal blood values",
            ),
        },
        "other": {
            "melanoma": (
                "bright arborising vessels on a pearly surface",
                "central ulcer covered by a crust",
                "leaf-like areas at the edge",
                "shiny white strands",
            ),
            "nevus": (
                "red lagoons separated by pale septa",
                "dark red to violet clods",
                "silvery scales on a pink plaque",
                "regular dotted vessels all over",
            ),
        },
    },
}
TASK_OF = {"pneumonia": "pneumonia", "isic2017": "melanoma", "derm7pt": "melanoma"}
LABELS = {
    "name": "Class name",
    "description": "Description of the disease",
    "clinical": "Clinical symptoms",
    "visual": "Visual symptoms",
    "random": "Random words",
    "other": "Another disease's visual symptoms",
}


def knowledge_sets(symptoms: SymptomSet, data: str, seed: int) -> dict[str, SymptomSet]:
    """Symptom sets by kind of knowledge: visual, name and random for any data, the others where they are written.

    Args:
        symptoms: the visual ones.
        data: the name of the data set.
        seed: of the random words, as many lines per class as `symptoms` has.
    """
    names = tuple((name,) for name in class_names(symptoms))
    drawn = without_model(KINDS["random"], symptoms.classes, max(symptoms.counts), seed)
    words = tuple(tuple(drawn[name][:count]) for name, count in zip(symptoms.classes, symptoms.counts, strict=True))
    found = {
        "visual": symptoms,
        "name": replace(symptoms, symptoms=names, source={"kind": "class names"}),
        "random": replace(symptoms, symptoms=words, source={"kind": "random words", "seed": seed}),
    }
    for kind, lists in WRITTEN.get(TASK_OF.get(data, ""), {}).items():
        by_key = {class_key(name): lines for name, lines in lists.items()}
        if not {class_key(name) for name in symptoms.classes} <= by_key.keys():
            continue  # a split file may give the images of a data set other classes
        lines = tuple(by_key[class_key(name)] for name in symptoms.classes)
        found[kind] = replace(symptoms, symptoms=lines, source={"kind": LABELS[kind], "author": "this project"})
    return found
