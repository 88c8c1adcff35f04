"""VSG, the visual symptom generator: asks a language model on any OpenAI-compatible server for symptoms."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from vip_core import __version__
from vip_core.errors import GenerationError
from vip_core.models.backbone import Backbone
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.vsg.agreement import Ranked, meaning_tower, rank
from vip_core.vsg.client import FORMS, Conversation
from vip_core.vsg.parsing import Dropped, Sieve, prompt_fault
from vip_core.vsg.prompts import KINDS, VERSION, Kind, without_model
from vip_core.vsg.request import Generated, GenerationRequest, Progress, Tokens
from vip_core.vsg.server import NOT_SET_UP, Server, is_local, server_from_environment

__all__ = [
    "NOT_SET_UP",
    "Dropped",
    "Generated",
    "GenerationRequest",
    "Progress",
    "Server",
    "Tokens",
    "generate",
    "is_local",
    "server_from_environment",
]


def _ignore(progress: Progress) -> None:
    pass


def generate(
    request: GenerationRequest,
    server: Server | None,
    backbone: Backbone | None = None,
    on_progress: Callable[[Progress], None] = _ignore,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generated:
    """Ask for symptoms, sift them, merge the samples, and have them criticised.

    Args:
        request: what is asked for.
        server: whom to ask; None will do for class names and random words.
        backbone: counts the tokens of a line, and tells lines that mean the same if it is vip-mini, the default.
        on_progress: called before each request and as text arrives.
        cancelled: asked at the same moments; a wait without any answer is not broken off.

    Raises:
        GenerationError: if no server is given but needed, it does not answer, or a reply cannot be used twice.
        GenerationCancelled: once `cancelled` says so.
    """
    kind, tower = KINDS[request.kind], backbone or Backbone.load()
    fault = prompt_fault(lambda line: tower.token_count(line) + TrainConfig.context_length, tower.context_length)
    sieve = Sieve(request.classes, kind.words, fault, names_allowed=kind.key == "name")
    if not kind.uses_model:
        return _without_model(request, kind, sieve)
    if server is None:
        raise GenerationError(NOT_SET_UP)
    with Conversation(request, server, sieve, on_progress, cancelled) as conversation:
        samples = [conversation.sample(number) for number in range(request.samples)]
        conversation.report("Merging")
        meaning = meaning_tower(tower)
        ranked = {name: rank([sample[name] for sample in samples], meaning) for name in request.classes}
        if request.critique:
            ranked = conversation.critique({name: groups[: 2 * request.number] for name, groups in ranked.items()})
    dropped = [*conversation.dropped, *_not_taken(ranked, request)]
    best = [ranked[name][: request.number] for name in request.classes]
    agreement = tuple(tuple(len(group.samples) for group in groups) for groups in best)
    tokens = conversation.tokens
    source = {
        "model": server.model,
        "server": server.kind,
        **_source(request, kind),
        "reply": FORMS[conversation.form],
        "tokens": {"requests": tokens.requests, "sent": tokens.sent, "received": tokens.received},
    }
    if request.samples > 1:
        source["agreement"] = {
            name: {group.line: len(group.samples) for group in groups}
            for name, groups in zip(request.classes, best, strict=True)
        }
    lines = tuple(tuple(group.line for group in groups) for groups in best)
    symptoms = SymptomSet(request.classes, lines, request.modality, source)
    return Generated(symptoms, tuple(dropped), agreement, tokens, tuple(conversation.replies))


def _without_model(request: GenerationRequest, kind: Kind, sieve: Sieve) -> Generated:
    lists, dropped = sieve.sift(without_model(kind, request.classes, request.number, request.seed or 0))
    for name, lines in lists.items():
        if not lines:
            reason = next(line.reason for line in dropped if line.class_name == name)
            raise GenerationError(f"The class name “{name}” cannot be a prompt ({reason}); choose another name.")
    lines = tuple(tuple(lists[name]) for name in request.classes)
    source = {"model": None, "server": None, **_source(request, kind)}
    symptoms = SymptomSet(request.classes, lines, request.modality, source)
    return Generated(symptoms, tuple(dropped), tuple((1,) * len(group) for group in lines), Tokens(), ())


def _source(request: GenerationRequest, kind: Kind) -> dict[str, Any]:
    names = ("number", "samples", "critique", "temperature", "seed")
    return {
        "date": datetime.date.today().isoformat(),
        "kind": kind.label,
        "prompts": VERSION,
        "parameters": {"kind": kind.key, **{name: getattr(request, name) for name in names}},
        "program": f"vip_core {__version__}",
    }


def _not_taken(ranked: dict[str, list[Ranked]], request: GenerationRequest) -> Iterator[Dropped]:
    for name, groups in ranked.items():
        for place, group in enumerate(groups):
            if place >= request.number:
                named = f", named by {len(group.samples)} of {request.samples} samples" if request.samples > 1 else ""
                yield Dropped(name, group.line, f"beyond the {request.number} asked for{named}")
            for line, cosine in group.wordings:
                yield Dropped(name, line, f"means the same as “{group.line}” (cosine {cosine:.2f})")
