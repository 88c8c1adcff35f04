"""VSG, the visual symptom generator: asks a language model on any OpenAI-compatible server for symptoms."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from vip_core import __version__
from vip_core.errors import GenerationError
from vip_core.models.backbone import Backbone
from vip_core.models.prompts import CONTEXT_LENGTH
from vip_core.symptoms import SymptomSet
from vip_core.vsg.client import FORMS, Client
from vip_core.vsg.conversation import Conversation
from vip_core.vsg.duplicates import Merged, merge_samples, sentence_tower
from vip_core.vsg.filtering import Dropped, LineFilter, prompt_fault
from vip_core.vsg.prompts import without_model
from vip_core.vsg.request import Generated, GenerationRequest, Progress, TokenUsage
from vip_core.vsg.server import NOT_SET_UP, Server
from vip_core.vsg.templates import KINDS, VERSION, Kind


def _ignore(progress: Progress) -> None:
    pass


def generate(
    request: GenerationRequest,
    server: Server | None,
    backbone: Backbone | None = None,
    on_progress: Callable[[Progress], None] = _ignore,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generated:
    """Ask for symptoms, filter them, merge the samples, and have them criticised.

    Args:
        request: what is asked for.
        server: which server to ask; None suffices for class names and random words.
        backbone: counts the tokens of a line, and compares the meanings of lines if it is vip-mini, the default.
        on_progress: called before each request and as text arrives.
        cancelled: asked at the same moments; it does not interrupt a wait without any answer.

    Raises:
        GenerationError: if no server is given but needed, it does not answer, or two replies in a row cannot be used.
        GenerationCancelled: once `cancelled` returns True.
    """
    kind, tower = KINDS[request.kind], backbone or Backbone.load()
    fault = prompt_fault(lambda line: tower.token_count(line) + CONTEXT_LENGTH, tower.context_length)
    line_filter = LineFilter(request.classes, kind.max_words, fault, names_allowed=kind.key == "name")
    if not kind.uses_model:
        return _without_model(request, kind, line_filter)
    if server is None:
        raise GenerationError(NOT_SET_UP)
    with Client(server) as client:
        conversation = Conversation(request, client, line_filter, on_progress, cancelled)
        samples = [conversation.sample(number) for number in range(request.samples)]
        conversation.report("Merging")
        meaning = sentence_tower(tower)
        merged = {name: merge_samples([sample[name] for sample in samples], meaning) for name in request.classes}
        if request.critique:
            merged = conversation.critique({name: groups[: 2 * request.number] for name, groups in merged.items()})
    dropped = [*conversation.dropped, *_not_taken(merged, request)]
    best = [merged[name][: request.number] for name in request.classes]
    agreement = tuple(tuple(len(group.samples) for group in groups) for groups in best)
    tokens = client.tokens
    source = {
        "model": server.model,
        "server": server.kind,
        **_source(request, kind),
        "reply": FORMS[client.form],
        "tokens": {"requests": tokens.requests, "sent": tokens.sent, "received": tokens.received},
    }
    if request.samples > 1:
        source["agreement"] = {
            name: {group.line: len(group.samples) for group in groups}
            for name, groups in zip(request.classes, best, strict=True)
        }
    lines = tuple(tuple(group.line for group in groups) for groups in best)
    symptoms = SymptomSet(request.classes, lines, request.modality, source)
    return Generated(symptoms, tuple(dropped), agreement, tokens, tuple(client.replies))


def _without_model(request: GenerationRequest, kind: Kind, line_filter: LineFilter) -> Generated:
    lists, dropped = line_filter.filter(without_model(kind, request.classes, request.number, request.seed or 0))
    for name, lines in lists.items():
        if not lines:
            reason = next(line.reason for line in dropped if line.class_name == name)
            raise GenerationError(f"The class name “{name}” cannot be a prompt ({reason}); choose another name.")
    lines = tuple(tuple(lists[name]) for name in request.classes)
    source = {"model": None, "server": None, **_source(request, kind)}
    symptoms = SymptomSet(request.classes, lines, request.modality, source)
    return Generated(symptoms, tuple(dropped), tuple((1,) * len(group) for group in lines), TokenUsage(), ())


def _source(request: GenerationRequest, kind: Kind) -> dict[str, Any]:
    names = ("number", "samples", "critique", "temperature", "seed")
    return {
        "date": datetime.date.today().isoformat(),
        "kind": kind.label,
        "prompts": VERSION,
        "parameters": {"kind": kind.key, **{name: getattr(request, name) for name in names}},
        "program": f"vip_core {__version__}",
    }


def _not_taken(merged: dict[str, list[Merged]], request: GenerationRequest) -> Iterator[Dropped]:
    for name, groups in merged.items():
        for place, group in enumerate(groups):
            if place >= request.number:
                samples = f" (proposed in {len(group.samples)} of {request.samples} samples)"
                yield Dropped(
                    name, group.line, f"over the limit of {request.number}{samples if request.samples > 1 else ''}"
                )
            for line, cosine in group.phrasings:
                yield Dropped(name, line, f"means the same as “{group.line}” (cosine {cosine:.2f})")
