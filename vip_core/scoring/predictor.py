"""Predictor: runs the image tower once per image, then scores symptom sets by encoding only what changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vip_core.data.features import encode_stream
from vip_core.data.images import read_image
from vip_core.errors import ImageError, UsageError
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import Terms, ViP
from vip_core.scoring.diagnosis import Diagnosis
from vip_core.scoring.inputs import ImageSource, to_readable
from vip_core.scoring.scorer import Scorer, Symptoms
from vip_core.symptoms import SymptomSet
from vip_core.utils.device import best_device
from vip_core.utils.priors import full_mix, shift_prior

BATCH = 32  # images; larger batches cost more CPU time per image


class Predictor(Scorer):
    """Scores images with a trained model.

    `set_image` and `score` handle one image at a time. `encode` and `diagnose` keep no image between calls, so that a
    page can hold each visitor's small feature and share one model among threads.

    Args:
        vip: a trained model; it is moved to the best available device.
    """

    def __init__(self, vip: ViP):
        super().__init__(vip.backbone, vip.reference, vip.temperature)
        self.vip = vip.to(best_device())
        self._features: Tensor | None = None
        self._remarks: tuple[str, ...] = ()

    @classmethod
    def from_pretrained(cls, name: str) -> "Predictor":
        """From a checkpoint's name, folder or hub id. Raises CheckpointError or BackboneError."""
        return cls(ViP.from_pretrained(name))

    @property
    def symptoms(self) -> SymptomSet:
        """The model's own symptom set."""
        return self.vip.symptoms

    # ---- one image at a time

    def set_image(self, image: ImageSource) -> None:
        """Run the image tower on an image, once.

        Args:
            image: a path; a Pillow image; an array (H, W) of uint8 or uint16, or (H, W, 3) of uint8; or the content of
                an image file, as bytes or as an open binary file.

        Raises:
            ImageError: if it cannot be read.
        """
        read = read_image(to_readable(image))
        self.set_features(self.encode(read))
        self._remarks = tuple(read.info["remarks"])

    def set_features(self, features: Tensor) -> None:
        """Use the feature (D,) of an image, as `encode` returns it."""
        self._features, self._remarks = features, ()

    def score(self, symptoms: Symptoms | None = None, prevalence: Mapping[str, float] | None = None) -> Diagnosis:
        """Score the image.

        Args:
            symptoms: a symptom set or {class: [symptom, …]}; the model's own by default.
            prevalence: see `at_prevalence`.

        Raises:
            RuntimeError: if no image was set.
            SymptomError: if the symptom set has other classes, or a symptom cannot be a prompt.
            UsageError: as `at_prevalence` does.
        """
        if self._features is None:
            raise RuntimeError("No image is set; call set_image first.")
        diagnosis = replace(self.diagnose(self._features, symptoms), remarks=self._remarks)
        return diagnosis if prevalence is None else self.at_prevalence(diagnosis, prevalence)

    def at_prevalence(self, diagnosis: Diagnosis, prevalence: Mapping[str, float]) -> Diagnosis:
        """The diagnosis where the classes are more or less frequent than among the images of the calibration.

        Args:
            diagnosis: of this model.
            prevalence: shares of classes, such as {"pneumonia": 0.1}. Classes not named divide the rest as they do
                among the validation images.

        Raises:
            UsageError: for an unknown class, shares that are inconsistent, or a checkpoint that does not state what it
                was calibrated on.
        """
        classes = list(self.symptoms.classes)
        mix = None if self.vip.card is None else self.vip.card.calibrated_on
        if mix is None:
            raise UsageError(
                "The card of this checkpoint lacks the number of validation images per class; train it again."
            )
        wanted = full_mix(prevalence, classes, mix)
        before = [diagnosis.probabilities[name] for name in classes]
        after = dict(zip(classes, shift_prior(np.array(before), mix, wanted).tolist(), strict=True))
        shares = dict(zip(classes, wanted, strict=True))
        prediction = max(classes, key=lambda name: after[name])
        return replace(diagnosis, prediction=prediction, probabilities=after, prevalence=shares)

    def score_many(
        self, paths: Sequence[str | Path], symptoms: Symptoms | None = None
    ) -> Iterator[Diagnosis | ImageError]:
        """Score image files in order, in batches, as `score` does each; one that cannot be read gives its error.

        Raises SymptomError.
        """
        symptoms = self.resolve(symptoms)
        self.encode_symptoms(symptoms)  # a symptom that cannot be a prompt is refused before any image is read
        files = [Path(path) for path in paths]
        remarks: dict[Path, list[str]] = {}
        found = encode_stream(self.backbone, files, batch_size=BATCH, float32=True, remarks=remarks)
        stream = zip(files, found, strict=True)
        while batch := list(islice(stream, BATCH)):
            features = [item[0] for _, item in batch if not isinstance(item, ImageError)]
            diagnoses = iter(self.diagnose_all(torch.stack(features), symptoms) if features else [])
            for path, item in batch:
                if isinstance(item, ImageError):
                    yield item
                else:
                    yield replace(next(diagnoses), remarks=tuple(remarks.get(path, ())))

    # ---- without state

    @torch.inference_mode()
    def encode(self, image: ImageSource) -> Tensor:
        """Image feature (D,) of an image, on the CPU, not normalised. Takes and raises what `set_image` does.

        In float32, so that an image gets the same probability on every processor and from every command.
        """
        return self.backbone.encode_images(self._pixels(image))[0].cpu().clone()

    @torch.inference_mode()
    def encode_with_patches(self, image: ImageSource) -> tuple[Tensor, Tensor | None]:
        """Image feature (D,), as `encode` gives it, and patch features (h, w, D), float16, from one pass of the tower.

        Both are on the CPU, not normalised. The patches, which `evidence` takes, are None where the image tower gives
        none. Raises ImageError.
        """
        features, patches = self.backbone.encode_with_patches(self._pixels(image))
        return features[0].cpu().clone(), None if patches is None else patches[0].half().cpu().clone()

    def _pixels(self, image: ImageSource) -> Tensor:
        """(1, 3, H, W), on the device."""
        return self.backbone.preprocess(read_image(to_readable(image))).unsqueeze(0).to(self.backbone.device)

    def diagnose(self, features: Tensor, symptoms: Symptoms | None = None) -> Diagnosis:
        """Diagnosis of one image by its feature (D,). Raises SymptomError as `score` does."""
        return super().diagnose(features, self.resolve(symptoms))

    def diagnose_all(self, features: Tensor, symptoms: Symptoms | None = None) -> list[Diagnosis]:
        """Diagnoses of B images by their features (B, D). Raises SymptomError as `score` does."""
        return super().diagnose_all(features, self.resolve(symptoms))

    # ---- how a trained model scores

    def resolve(self, symptoms: Symptoms | None = None) -> SymptomSet:
        """The symptom set to score, with its classes in the model's order. Raises SymptomError if they differ."""
        return self.symptoms if symptoms is None else super().resolve(symptoms).ordered(self.symptoms.classes)

    @cached_property
    def similarity_reference(self) -> ReferenceBank | None:
        """The reference bank, its features adapted if the model has an image adapter."""
        with torch.inference_mode():
            return self.vip.adapted_reference

    @torch.inference_mode()
    def map_cells(self, cells: Tensor) -> Tensor:
        """An image's cells (h, w, D), adapted if the model has an image adapter; their mean is then normalised."""
        adapter = self.vip.image_adapter
        return cells if adapter is None else adapter.cells(cells.float().to(adapter.mean.device))

    def context_of(self, label: int) -> int:
        """The class itself where each class has its own context, else 0."""
        return label if self.vip.context_prompt.vectors.ndim == 3 else 0

    def encode_new(self, symptoms: list[tuple[int, str]]) -> Tensor:
        """Text features (k, D) under the trained context."""
        vectors = self.vip.context_prompt.vectors  # (M, W) or (C, M, W)
        context = vectors[[label for label, _ in symptoms]] if vectors.ndim == 3 else vectors
        return self.vip.backbone.encode_prompts([text for _, text in symptoms], context)

    def explain(self, features: Tensor, text: Tensor, counts: list[int]) -> list[Terms]:
        """The terms of the model's logits."""
        return self.vip.explain(features, text, counts)

    def calibrated(self, symptoms: SymptomSet) -> bool:
        """Whether these are the symptoms that the model was trained and calibrated with."""
        card = self.vip.card
        return card is not None and card.symptom_set.symptoms == symptoms.symptoms
