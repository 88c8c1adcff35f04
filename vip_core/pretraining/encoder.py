"""Stage 3: the sentence encoder learns, with the meaning, to hear what a small word does.

A map of the encoder's features can part only what the encoder parts, and "lungs not clear" all but coincides with
"lungs clear" in them. So its layers are trained on over the bank and over sentences that a small word turns round,
against the features of the tuned image tower, which stay as they are; on general sentences both are held to the
encoder's own word.
"""

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from vip_core.pretraining.adapter import Meaning, meant
from vip_core.pretraining.distillation import distillation_loss
from vip_core.pretraining.labels import Sentence, bare, measured
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import PhraseBank
from vip_core.pretraining.state import keep, take_up
from vip_core.pretraining.teacher import SentenceEncoder, teach
from vip_core.utils.console import console

LONGEST = 16  # words of a general sentence; longer ones cost more and teach no more


@dataclass(frozen=True)
class HearingConfig:
    """How the sentence encoder is trained on."""

    rounds: int = 5  # the state is kept after each
    steps: int = 100  # a round
    layers: int = 6  # of the encoder, counted from its end; its embeddings stay
    images: int = 512  # a step
    sentences: int = 256  # of the bank, a step
    general: int = 96  # sentences of the corpus a step
    framed: float = 0.3  # share of the bank's sentences put into a frame that leaves their meaning alone
    rate: float = 5e-5  # of the encoder
    meaning_rate: float = 3e-4
    loss_rate: float = 1e-3
    weight_decay: float = 0.05
    held: float = 0.3  # weight of the encoder's own word on general sentences
    seed: int = 1


@dataclass(frozen=True)
class Understanding:
    """What sentences mean for an image: unit features (n, D), float16, of n texts.

    The encoder's features of them are kept in `folder`.
    """

    encoder: SentenceEncoder
    meaning: Meaning
    folder: Path

    def __call__(self, texts: list[str]) -> Tensor:
        """Shapes as above."""
        return meant(self.meaning, teach(texts, self.folder, self.encoder.device, self.encoder))


def learn_to_hear(
    encoder: SentenceEncoder,
    meaning: Meaning,
    seen: Tensor,
    sentences: Sequence[Sentence],
    bank: PhraseBank,
    general: tuple[Sequence[str], Tensor],
    loss: SentenceLoss,
    state_path: Path,
    config: HearingConfig,
) -> None:
    """Train the encoder's layers and the meaning on, in place.

    The state is kept at `state_path` after every round; a later call goes on from there.

    Args:
        encoder: of sentences.
        meaning: of its features.
        seen: features (N, V, D) of V views of the training images, by the tuned tower.
        sentences: S to train on.
        bank: has the frames.
        general: n general sentences and the untuned encoder's unit features (n, D) of them.
        loss: with rows for the images and columns for the sentences; its scale and bias are trained too.
        state_path: where the state is kept.
        config: of this stage.
    """
    device = next(meaning.parameters()).device
    texts, own = general
    short = [i for i, text in enumerate(texts) if len(text.split()) <= LONGEST]
    never = measured(bank)
    tail = encoder.last(config.layers)
    for parameter in tail.parameters():
        parameter.requires_grad_(True)
    rates = [
        {"params": tail.parameters(), "lr": config.rate},
        {"params": meaning.parameters(), "lr": config.meaning_rate},
        {"params": loss.parameters(), "lr": config.loss_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(rates, weight_decay=config.weight_decay, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [rate["lr"] for rate in rates], total_steps=config.rounds * config.steps, pct_start=0.1
    )
    parts = {"tail": tail, "meaning": meaning, "loss": loss, "optimizer": optimizer, "schedule": schedule}
    done = take_up(state_path, parts, device)
    tail.train()  # the dropout
    meaning.train()
    for number in range(done, config.rounds):
        # Of the round alone, so that a resumed run draws what an unbroken one does.
        generator = torch.Generator().manual_seed(1000 * config.seed + number)
        chance = random.Random(1000 * config.seed + number)
        torch.manual_seed(1000 * config.seed + number)
        title = f"Sentence encoder, round {number + 1} of {config.rounds}"
        for _ in track(range(config.steps), description=title, console=console):
            rows = torch.randint(len(seen), (config.images,), generator=generator)
            view = torch.randint(seen.shape[1], (config.images,), generator=generator)
            columns = torch.randperm(len(sentences), generator=generator)[: config.sentences]
            taken = [short[i] for i in torch.randint(len(short), (config.general,), generator=generator).tolist()]
            said = [sentences[i] for i in columns.tolist()]
            heard = [
                framed(sentence, bank, never, chance) if chance.random() < config.framed else sentence.text
                for sentence in said
            ]
            text = meaning(encoder(heard))
            value = loss(seen[rows, view].to(device), text, rows.to(device), columns.to(device))
            after = meaning(encoder([texts[i] for i in taken]))
            value = value + config.held * distillation_loss(after, own[taken].float().to(device))
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
        keep(state_path, parts, number + 1)
    for parameter in tail.parameters():
        parameter.requires_grad_(False)
    tail.eval()
    meaning.eval()


def framed(sentence: Sentence, bank: PhraseBank, never: Container[str], chance: random.Random) -> str:
    """A sentence in a frame that leaves its meaning alone; as it is where that would be one of `never`, bare words."""
    frames = bank.frames
    for modality in bank.modalities:
        if modality.name == sentence.modality:
            frames += modality.frames
    text = chance.choice(frames).format(sentence.text)
    return sentence.text if bare(text) in never else text
