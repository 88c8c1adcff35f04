"""The conversation of one generation: samples, the critique, and a second attempt after an unusable reply."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from vip_core.errors import GenerationCancelled, GenerationError
from vip_core.vsg.client import Client
from vip_core.vsg.duplicates import Merged
from vip_core.vsg.filtering import Dropped, LineFilter, Lists
from vip_core.vsg.parsing import UnusableReply, clean_line, read_reply
from vip_core.vsg.prompts import Message, ask, ask_again, ask_critique
from vip_core.vsg.request import GenerationRequest, Progress
from vip_core.vsg.templates import KINDS

MAX_SHOWN = 160  # characters of a reply that are shown

T = TypeVar("T")


@dataclass
class Conversation:
    """The requests of one generation, and their results so far."""

    request: GenerationRequest
    client: Client
    filter: LineFilter
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    step: str = ""
    steps_done: int = 0
    dropped: list[Dropped] = field(default_factory=list)

    def sample(self, number: int) -> Lists:
        """One answer to the question, filtered."""
        request = self.request
        self.step = f"Sample {number + 1} of {request.samples}" if request.samples > 1 else "Asking the model"
        messages = ask(KINDS[request.kind], request.modality, request.classes, request.number)
        seed = None if request.seed is None else request.seed + number

        def take(reply: str) -> Lists:
            lists, dropped = self.filter.filter(read_reply(reply, request.classes))
            self.dropped += dropped
            for name, lines in lists.items():
                if not lines:
                    reasons = {line.reason for line in dropped if line.class_name == name} or {"there is none"}
                    raise UnusableReply(f"It has no usable line for “{name}”: {'; '.join(sorted(reasons)[:3])}.")
            return lists

        return self._usable(messages, take, (request.number, request.number), seed)

    def critique(self, merged: dict[str, list[Merged]]) -> dict[str, list[Merged]]:
        """The groups whose line the model keeps; a line that it rewrote or added does not count."""
        self.step = "Critique"
        request = self.request
        messages = ask_critique(
            request.modality, {name: [group.line for group in groups] for name, groups in merged.items()}
        )

        def take(reply: str) -> dict[str, list[Merged]]:
            kept = {}
            for name, lines in read_reply(reply, request.classes).items():
                left = {clean_line(line).casefold() for line in lines if isinstance(line, str)}
                kept[name] = [group for group in merged[name] if group.line.casefold() in left]
                if not kept[name]:
                    raise UnusableReply(f"It keeps no line of “{name}” unchanged.")
            return kept

        kept = self._usable(messages, take, (1, 2 * request.number), request.seed)
        for name, groups in merged.items():
            gone = [group.line for group in groups if group not in kept[name]]
            self.dropped += [Dropped(name, line, "the critique: it cannot be seen in an image") for line in gone]
        return kept

    def report(self, step: str, characters: int = 0) -> None:
        """Report the progress. Raises GenerationCancelled."""
        if self.cancelled():
            raise GenerationCancelled("Generation cancelled; nothing was written.")
        request = self.request
        expected = 60 * request.number * len(request.classes)
        steps = request.samples + request.critique
        done = (self.steps_done + min(0.95, characters / expected)) / steps
        self.on_progress(Progress(step, min(done, 1.0), characters))

    def _usable(
        self, messages: list[Message], take: Callable[[str], T], limits: tuple[int, int], seed: int | None
    ) -> T:
        """The reply as read by `take`; if it cannot be used, the model is asked once more."""
        reply = self._reply(messages, limits, seed)
        try:
            result = take(reply)
        except UnusableReply as fault:
            again = ask_again(messages, reply, str(fault), self.request.classes)
            reply = self._reply(again, limits, seed)
            try:
                result = take(reply)
            except UnusableReply as fault:
                beginning = " ".join(reply[: 4 * MAX_SHOWN].split())[:MAX_SHOWN]
                raise GenerationError(
                    f"The model's reply cannot be used, and neither could the previous one; try another model. {fault} "
                    f"It begins “{beginning}”."
                ) from None
        self.steps_done += 1
        return result

    def _reply(self, messages: list[Message], limits: tuple[int, int], seed: int | None) -> str:
        settings = {"temperature": self.request.temperature, "seed": seed}
        given = {name: value for name, value in settings.items() if value is not None}
        return self.client.reply(
            messages, self.request.classes, limits, given, lambda characters: self.report(self.step, characters)
        )
