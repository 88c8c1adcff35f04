"""Stage 3: fine-tuning of the sentence encoder, together with the text adapter, on negation.

An adapter of the encoder's features can separate only what the encoder separates, and "lungs not clear" nearly
coincides with "lungs clear" there. The encoder's layers are therefore fine-tuned on the bank and on sentences in which
a negation or a hedge reverses the meaning, against the features of the tuned image tower, which stay fixed. On general
sentences both are held to the original encoder's features.
"""

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from vip_core.pretraining.distillation import distillation_loss
from vip_core.pretraining.draw import ImageDraw
from vip_core.pretraining.labels import Sentence, heldout_texts, normalise
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import PhraseBank
from vip_core.pretraining.state import load_state, save_state
from vip_core.pretraining.teacher import SentenceEncoder, teach
from vip_core.pretraining.text_adapter import TextAdapter, adapt
from vip_core.utils.console import console

MAX_WORDS = 16  # of a general sentence; longer ones cost more and teach no more


@dataclass(frozen=True)
class EncoderConfig:
    """How the sentence encoder is fine-tuned."""

    rounds: int = 12  # the state is saved after each
    steps: int = 100  # per round
    layers: int = 6  # of the encoder, counted from its end; its embeddings stay
    images: int = 512  # per step
    sentences: int = 256  # of the bank, per step
    general: int = 96  # sentences of the corpus per step
    framed: float = 0.3  # share of the bank's sentences put into a frame that keeps their meaning
    rate: float = 5e-5  # of the encoder
    adapter_rate: float = 3e-4
    loss_rate: float = 1e-3
    weight_decay: float = 0.05
    held: float = 0.3  # weight of the original encoder's features of general sentences
    seed: int = 1


@dataclass(frozen=True)
class AdaptedEncoder:
    """The fine-tuned encoder with its adapter: unit features (n, D), float16, of n texts.

    The encoder's features of them are cached in `folder`.
    """

    encoder: SentenceEncoder
    adapter: TextAdapter
    folder: Path

    def __call__(self, texts: list[str]) -> Tensor:
        """Shapes as above."""
        return adapt(self.adapter, teach(texts, self.folder, self.encoder.device, self.encoder))


def finetune_encoder(
    encoder: SentenceEncoder,
    adapter: TextAdapter,
    seen: Tensor,
    sentences: Sequence[Sentence],
    bank: PhraseBank,
    general: tuple[Sequence[str], Tensor],
    loss: SentenceLoss,
    state_path: Path,
    config: EncoderConfig,
    draw: ImageDraw,
) -> None:
    """Fine-tune the encoder's layers and the adapter, in place.

    The state is saved at `state_path` after every round; a later call resumes from it.

    Args:
        encoder: of sentences.
        adapter: of its features.
        seen: features (N, V, D) of V views of the training images, by the tuned tower.
        sentences: S to train on.
        bank: has the frames.
        general: n general sentences and the untuned encoder's unit features (n, D) of them.
        loss: with rows for the images and columns for the sentences; its scale and bias are trained too.
        state_path: where the state is saved.
        config: of this stage.
        draw: of the training images.
    """
    device = next(adapter.parameters()).device
    texts, own = general
    short = [i for i, text in enumerate(texts) if len(text.split()) <= MAX_WORDS]
    never = heldout_texts(bank)
    tail = encoder.last(config.layers)
    for parameter in tail.parameters():
        parameter.requires_grad_(True)
    rates = [
        {"params": tail.parameters(), "lr": config.rate},
        {"params": adapter.parameters(), "lr": config.adapter_rate},
        {"params": loss.parameters(), "lr": config.loss_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(rates, weight_decay=config.weight_decay, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [rate["lr"] for rate in rates], total_steps=config.rounds * config.steps, pct_start=0.1
    )
    parts = {"tail": tail, "adapter": adapter, "loss": loss, "optimizer": optimizer, "schedule": schedule}
    done = load_state(state_path, parts, device)
    tail.train()  # the dropout
    adapter.train()
    for number in range(done, config.rounds):
        # Of the round alone, so that a resumed run draws what an unbroken one does.
        generator = torch.Generator().manual_seed(1000 * config.seed + number)
        chance = random.Random(1000 * config.seed + number)
        torch.manual_seed(1000 * config.seed + number)
        title = f"Sentence encoder, round {number + 1} of {config.rounds}"
        for _ in track(range(config.steps), description=title, console=console):
            rows = draw.some(config.images, generator)
            view = torch.randint(seen.shape[1], (config.images,), generator=generator)
            columns = torch.randperm(len(sentences), generator=generator)[: config.sentences]
            taken = [short[i] for i in torch.randint(len(short), (config.general,), generator=generator).tolist()]
            said = [sentences[i] for i in columns.tolist()]
            spoken = [
                framed(sentence, bank, never, chance) if chance.random() < config.framed else sentence.text
                for sentence in said
            ]
            text = adapter(encoder(spoken))
            value = loss(seen[rows, view].to(device), text, rows.to(device), columns.to(device))
            after = adapter(encoder([texts[i] for i in taken]))
            value = value + config.held * distillation_loss(after, own[taken].float().to(device))
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
        save_state(state_path, parts, number + 1)
    for parameter in tail.parameters():
        parameter.requires_grad_(False)
    tail.eval()
    adapter.eval()


def framed(sentence: Sentence, bank: PhraseBank, never: Container[str], chance: random.Random) -> str:
    """A sentence in a frame that keeps its meaning; unframed where the result, normalised, would be in `never`."""
    frames = bank.frames
    for modality in bank.modalities:
        if modality.name == sentence.modality:
            frames += modality.frames
    text = chance.choice(frames).format(sentence.text)
    return sentence.text if normalise(text) in never else text
