"""The files of a trained checkpoint: model.safetensors, card.json and reference.safetensors in one folder."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vip_core.errors import CheckpointError
from vip_core.models.card import CHECKPOINT_FILES, Card, read_card
from vip_core.models.model_card import model_card
from vip_core.models.near_misses import KEYS, NearMisses
from vip_core.models.reference import ReferenceBank
from vip_core.utils.console import console
from vip_core.utils.files import atomic_together, json_bytes, tensor_bytes
from vip_core.utils.paths import checkpoint_folder


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint's folder holds.

    Attributes:
        card: what is known of the training.
        state: the trained tensors by their keys.
        reference: features of reference images.
    """

    card: Card
    state: dict[str, Tensor]
    reference: ReferenceBank

    @classmethod
    def read(cls, folder: Path) -> "Checkpoint":
        """Read the three files. Raises CheckpointError if one is missing, damaged or of another training."""
        card = read_card(folder)
        state, metadata = _read_tensors(folder / CHECKPOINT_FILES[0], card)
        bank, _ = _read_tensors(folder / CHECKPOINT_FILES[1], card)
        trained = json.loads(metadata.get("classes", "null"))
        if trained != card.classes:
            raise CheckpointError(
                f"{folder} is inconsistent: its card names the classes {card.classes}, its tensors were trained for "
                f"{trained}; names and order must be the same."
            )
        return cls(card, state, _reference(bank, card, folder / CHECKPOINT_FILES[1]))

    def write(self, folder: Path) -> None:
        """Write the three files and a model card, README.md; if there is no room, none of them. Raises StorageError."""
        model = tensor_bytes(self.state, {"classes": json.dumps(self.card.classes)})
        learned = {} if self.reference.near_misses is None else self.reference.near_misses.tensors
        bank = {"features": self.reference.features, "labels": self.reference.labels, **learned}
        reference = tensor_bytes(bank)
        digests = {
            CHECKPOINT_FILES[0]: hashlib.sha256(model).hexdigest(),
            CHECKPOINT_FILES[1]: hashlib.sha256(reference).hexdigest(),
        }
        card = json_bytes({**self.card.model_dump(), "digests": digests})
        readme = model_card(self.card).encode()
        # card.json comes last: a folder without it is no checkpoint.
        names = (*CHECKPOINT_FILES[:2], "README.md", CHECKPOINT_FILES[2])
        atomic_together(folder, dict(zip(names, (model, reference, readme, card), strict=True)))

    def push(self, repo_id: str, private: bool = False) -> str:
        """Upload the three files to the Hugging Face Hub; returns the address.

        Raises:
            CheckpointError: if the backbone is on this machine alone, or the hub refuses or cannot be reached.
        """
        name, pretrained = self.card.backbone.name, self.card.backbone.pretrained
        if name.startswith("local-dir:") or (pretrained and Path(pretrained).is_file()):
            raise CheckpointError(
                f"Nobody else could load this checkpoint: its backbone {pretrained or name} "
                "exists only on this machine. Push the backbone to the Hub first, and train on hf-hub:org/name."
            )
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder))
            try:
                api = HfApi()
                address = api.create_repo(repo_id, private=private, exist_ok=True)
                api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload a ViP checkpoint")
            except Exception as error:  # the errors of the hub, the connection and the log-in share no class
                raise CheckpointError(
                    f"The checkpoint could not be pushed to {repo_id} ({type(error).__name__}); "
                    "log in with `hf auth login` and check the name and the connection."
                ) from error
        return str(address)


def find_checkpoint(name: str | Path) -> Path:
    """The folder of a checkpoint.

    Args:
        name: a name in VIP_CHECKPOINTS or the project's checkpoints/, such as "pneumonia"; a folder; or a hub id,
            "org/name". A Path, and a name with a separator or a leading dot, is a folder: "./pneumonia" is never the
            project's.

    Raises:
        CheckpointError: if it is none of these.
    """
    given = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where there is no such user
    if _is_plain(name):
        folder = checkpoint_folder(str(name))
        if (folder / "card.json").is_file():
            if (given / "card.json").is_file() and not given.samefile(folder):
                console.print(
                    f"Note: using the checkpoint {folder}. For the folder of that name here, give ./{name}.",
                    markup=False,
                    soft_wrap=True,
                )
            return folder
    if (given / "card.json").is_file():
        return given
    if given.is_dir():
        raise CheckpointError(
            f"{name} has no card.json, so it is not a checkpoint; give the folder that training wrote."
        )
    if str(name).count("/") == 1 and not str(name).startswith((".", "/", "~")) and not str(name).endswith("/"):
        try:
            return Path(snapshot_download(str(name), allow_patterns=list(CHECKPOINT_FILES)))
        except Exception as error:  # as in push
            raise CheckpointError(
                f"Unknown checkpoint {name}: there is no such folder, and the Hugging Face Hub did not provide it "
                f"({type(error).__name__}); check the name and the connection."
            ) from error
    here = sorted(path.parent.name for path in checkpoint_folder("").glob("*/card.json"))
    raise CheckpointError(f"Unknown checkpoint {name}. Available: {', '.join(here) or 'none'}; or give a folder.")


def _is_plain(name: str | Path) -> bool:
    """Whether this is a bare name. A Path is always a folder, since Path("./x") no longer shows its dot."""
    return isinstance(name, str) and not name.startswith((".", "~")) and "/" not in name and os.sep not in name


def _reference(tensors: dict[str, Tensor], card: Card, path: Path) -> ReferenceBank:
    """The reference bank, with the learned half of its check where the card names one. Raises CheckpointError."""
    learned, info = {}, card.near_misses
    if info is not None:
        learned = {key: tensors.pop(key) for key in KEYS if key in tensors}
    bank = ReferenceBank.from_tensors(tensors, card.domain_threshold, len(card.classes), path)
    if info is None:
        return bank
    near_misses = NearMisses.from_tensors(learned, tuple(info.kinds), info.limit, bank.features.shape[1], path)
    return replace(bank, near_misses=near_misses)


def _read_tensors(path: Path, card: Card) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != card.digests[path.name]:
            raise CheckpointError(
                f"{path} is damaged, or from another training run than its card: its SHA-256 is {digest[:12]}…, "
                f"{card.digests[path.name][:12]}… in card.json; copy the whole checkpoint again."
            )
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}).") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}); copy the checkpoint again.") from error


def check_state(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Compare the tensors of a checkpoint with a model's. Raises CheckpointError naming the first difference."""
    if missing := sorted(wanted.keys() - found.keys()):
        raise CheckpointError(f"{CHECKPOINT_FILES[0]} lacks {', '.join(missing)}; it does not belong to this model.")
    if extra := sorted(found.keys() - wanted.keys()):
        raise CheckpointError(f"{CHECKPOINT_FILES[0]} has {', '.join(extra)}, which this model does not have.")
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise CheckpointError(
                f"{CHECKPOINT_FILES[0]} has {key} of shape {tuple(value.shape)}; {tuple(wanted[key].shape)} is needed."
            )
        if not (value.is_floating_point() and value.isfinite().all()):
            raise CheckpointError(f"{CHECKPOINT_FILES[0]} has {key} with values that are not finite numbers.")
