"""The input and the output of the generator, as plain data."""

from dataclasses import dataclass

from vip_core.errors import UsageError
from vip_core.symptoms import MAX_SYMPTOMS, SymptomSet
from vip_core.vsg.filtering import Dropped
from vip_core.vsg.templates import KINDS

MAX_SAMPLES = 20
MAX_NAME_LENGTH = 100  # characters of a class name or a modality


@dataclass(frozen=True)
class GenerationRequest:
    """What is asked for.

    Attributes:
        modality: the kind of image, such as "chest X-ray".
        classes: two or more names, in order.
        number: symptoms per class, 1 to 64.
        kind: a key of KINDS: visual, description, clinical, other, name or random.
        samples: how often the model is asked, 1 to 20; lines that several samples name rank first.
        critique: have the model remove what cannot be seen in an image.
        temperature: of the model's sampling; None: the server's own.
        seed: of the model's sampling, where the server supports one, and of random words.

    Raises:
        UsageError: if a value is out of its range.
        SymptomError: if a class is blank or listed twice.
    """

    modality: str
    classes: tuple[str, ...]
    number: int = 4
    kind: str = "visual"
    samples: int = 1
    critique: bool = False
    temperature: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        SymptomSet(self.classes, tuple(("-",) for _ in self.classes))  # the same rules for names, in the same words
        for name in (self.modality, *self.classes):
            if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
                raise UsageError(
                    f"The kind of image and the class names must be one line of 1 to {MAX_NAME_LENGTH} characters; "
                    f"“{name[:MAX_NAME_LENGTH]}” is not."
                )
        if self.kind not in KINDS:
            raise UsageError(f"Unknown kind of knowledge “{self.kind}”; choose one of {', '.join(KINDS)}.")
        if not 1 <= self.number <= MAX_SYMPTOMS:
            raise UsageError(f"{self.number} symptoms per class are not possible; ask for 1 to {MAX_SYMPTOMS}.")
        if not 1 <= self.samples <= MAX_SAMPLES:
            raise UsageError(f"{self.samples} samples are not possible; ask for 1 to {MAX_SAMPLES}.")
        if self.critique and not KINDS[self.kind].visible:
            raise UsageError(
                "A critique removes lines that no image can show; use it only with the kinds visual and other."
            )


@dataclass(frozen=True)
class Progress:
    """How far a generation is.

    Attributes:
        step: for people.
        done: approximate share of the whole, 0 to 1.
        characters: received of the present reply.
    """

    step: str
    done: float
    characters: int = 0


@dataclass(frozen=True)
class TokenUsage:
    """What a generation cost. sent and received are None if the server did not report them."""

    requests: int = 0
    sent: int | None = None
    received: int | None = None

    def __str__(self) -> str:
        requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        if self.sent is None or self.received is None:
            return f"{requests}; the server did not report the number of tokens."
        return f"{requests}, {self.sent:,} tokens sent, {self.received:,} received."


@dataclass(frozen=True)
class Generated:
    """What the generator returns.

    Attributes:
        symptoms: an ordinary set; its source names the model that wrote it, the date and the version of the prompts.
        dropped: every line that was not taken, with the reason.
        agreement: for each class and line, how many samples named it.
        tokens: what it cost.
        replies: as the server gave them, in order.
    """

    symptoms: SymptomSet
    dropped: tuple[Dropped, ...]
    agreement: tuple[tuple[int, ...], ...]
    tokens: TokenUsage
    replies: tuple[str, ...]
