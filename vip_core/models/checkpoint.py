"""A trained checkpoint: model.safetensors, card.json and reference.safetensors in one folder."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vip_core.errors import CheckpointError, SymptomError
from vip_core.models.backbone import Backbone
from vip_core.models.card import FILES, Card, read_card
from vip_core.models.reference import ReferenceBank
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.utils.files import atomic_together, json_bytes, tensor_bytes
from vip_core.utils.paths import checkpoint_folder


def save_checkpoint(vip: ViP, folder: str | Path) -> None:
    """Write a trained model: all three files, or, if there is no room, none of them.

    Raises:
        CheckpointError: if the model has no card or reference bank, which training gives it, or was changed since, so
            that its card is of another model.
        StorageError: if the folder cannot be written.
    """
    if vip.card is None or vip.reference is None:
        raise CheckpointError("This model was not trained to the end: it has no card and no reference bank to save.")
    trained = SymptomSet.from_dict(vip.card.symptoms)
    same_lists = (vip.symptoms.classes, vip.symptoms.symptoms) == (trained.classes, trained.symptoms)
    if not same_lists or vip.temperature != vip.card.temperature:
        raise CheckpointError(
            "The symptoms or the temperature were changed after training, and the card's figures are of those before; "
            "save edited lists with SymptomSet.save, or train with them."
        )
    model = tensor_bytes(vip.state_dict(), {"classes": json.dumps(list(vip.symptoms.classes))})
    reference = tensor_bytes({"features": vip.reference.features, "labels": vip.reference.labels})
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in zip(FILES, (model, reference), strict=False)}
    card = json_bytes({**asdict(vip.card), "digests": digests})
    atomic_together(Path(folder), dict(zip(FILES, (model, reference, card), strict=True)))


def load_checkpoint(name: str | Path, backbone: Backbone | None = None) -> ViP:
    """Load a checkpoint by name in the project, folder, or Hugging Face Hub id.

    Args:
        name: see `find_checkpoint`.
        backbone: the backbone it was trained on, where it is loaded already; else it is loaded by the card.

    Raises:
        CheckpointError: if a file is missing or damaged, or the checkpoint belongs to another backbone, other classes
            or another class order.
        BackboneError: if the backbone cannot be loaded.
    """
    folder = find_checkpoint(name)
    card = read_card(folder)
    try:
        symptoms = SymptomSet.from_dict(card.symptoms)
    except SymptomError as error:
        raise CheckpointError(f"{folder / 'card.json'} is damaged: {error}") from error
    state, metadata = _read_tensors(folder / FILES[0], card)
    bank, _ = _read_tensors(folder / FILES[1], card)
    _check_classes(folder, card, symptoms, metadata)
    backbone = backbone or Backbone.load(card.backbone["name"], card.backbone["pretrained"])
    if backbone.fingerprint != card.backbone["fingerprint"]:
        raise CheckpointError(
            f"{folder} was trained on another backbone than this {backbone.name}: fingerprint "
            f"{card.backbone['fingerprint']} in the card, {backbone.fingerprint} here; train it again on this one."
        )
    vip = ViP(backbone, symptoms, card.context["length"], card.context["per_class"])
    _check_state(folder / FILES[0], state, vip.state_dict())
    vip.load_state_dict(state)
    _check_state(
        folder / FILES[1], bank, {"features": bank.get("features"), "labels": bank.get("labels")}, backbone.embed_dim
    )
    vip.temperature = card.temperature
    vip.reference = ReferenceBank(bank["features"], bank["labels"], card.domain_threshold)
    vip.card = card
    return vip.eval().requires_grad_(False)


def find_checkpoint(name: str | Path) -> Path:
    """The folder of a checkpoint: a name in the project's checkpoints/ or VIP_CHECKPOINTS, a folder, or a hub id.

    Raises:
        CheckpointError: if it is none of these.
    """
    given = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where there is no such user
    for folder in (checkpoint_folder(str(name)), given):
        if (folder / "card.json").is_file():
            return folder
    if given.is_dir():
        raise CheckpointError(f"{name} is no checkpoint: it has no card.json; give the folder that training wrote.")
    if str(name).count("/") == 1 and not str(name).startswith((".", "/", "~")):
        try:
            return Path(snapshot_download(str(name), allow_patterns=list(FILES)))
        except Exception as error:  # as in push_checkpoint
            raise CheckpointError(
                f"There is no checkpoint {name}: no folder of that name, and the Hugging Face Hub did not give it "
                f"({type(error).__name__}); check the name and the connection."
            ) from error
    here = sorted(path.parent.name for path in checkpoint_folder("").glob("*/card.json"))
    raise CheckpointError(
        f"There is no checkpoint {name}; give one of {', '.join(here) or '(none here)'}, or a folder."
    )


def push_checkpoint(vip: ViP, repo_id: str, private: bool = False) -> str:
    """Upload a trained model to the Hugging Face Hub; returns its address.

    Raises:
        CheckpointError: if the backbone lies on this machine alone, or the hub refuses it or cannot be reached.
    """
    name, pretrained = vip.backbone.name, vip.backbone.pretrained
    if name.startswith("local-dir:") or (pretrained and Path(pretrained).is_file()):
        raise CheckpointError(
            f"Nobody else could load this checkpoint, since its backbone {pretrained or name} lies here alone; push "
            "that to the hub first, and train over hf-hub:org/name."
        )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(vip, folder)
        try:
            api = HfApi()
            address = api.create_repo(repo_id, private=private, exist_ok=True)
            api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload a ViP checkpoint")
        except Exception as error:  # the hub's, the connection's and the log-in's errors share no class
            raise CheckpointError(
                f"The checkpoint could not be pushed to {repo_id} ({type(error).__name__}); "
                "log in with `hf auth login` and check the name and the connection."
            ) from error
    return str(address)


def _read_tensors(path: Path, card: Card) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != card.digests[path.name]:
            raise CheckpointError(
                f"{path} is damaged or of another training than its card: its SHA-256 is {digest[:12]}…, "
                f"{card.digests[path.name][:12]}… in card.json; copy the whole checkpoint again."
            )
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}).") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}); copy the checkpoint again.") from error


def _check_classes(folder: Path, card: Card, symptoms: SymptomSet, metadata: dict[str, str]) -> None:
    trained = json.loads(metadata.get("classes", "null"))
    for where, classes in (("its symptoms have", list(symptoms.classes)), ("its tensors were trained for", trained)):
        if classes != card.classes:
            raise CheckpointError(
                f"{folder} is inconsistent: its card names the classes {card.classes}, {where} {classes}; "
                "names and order must be the same."
            )


def _check_state(path: Path, found: dict[str, Tensor], wanted: dict[str, Any], dimension: int | None = None) -> None:
    if missing := sorted(key for key in wanted if found.get(key) is None):
        raise CheckpointError(f"{path} lacks {', '.join(missing)}; it is not a ViP checkpoint.")
    if extra := sorted(found.keys() - wanted.keys()):
        raise CheckpointError(f"{path} holds {', '.join(extra)}, which a ViP checkpoint does not have.")
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise CheckpointError(
                f"{path} holds {key} of shape {tuple(value.shape)}, {tuple(wanted[key].shape)} is needed here."
            )
    if dimension is not None and (found["features"].ndim != 2 or found["features"].shape[1] != dimension):
        raise CheckpointError(
            f"{path} holds features of shape {tuple(found['features'].shape)}, (N, {dimension}) is needed here."
        )
