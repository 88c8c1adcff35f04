"""python -m vip_core.generate: have a language model write symptoms for a kind of image and its classes."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from vip_core.cli import run
from vip_core.errors import UsageError
from vip_core.utils.options import above_zero, command, not_negative
from vip_core.vsg import KINDS

if TYPE_CHECKING:
    from vip_core.models.vip import ViP
    from vip_core.vsg import Dropped, Generated, GenerationRequest, GroundedLine, Progress

CLEAR = "\r\033[K"  # the terminal's line
TIMEOUT = 120.0  # seconds
SHOWN = 5  # dropped lines that are shown of each class and reason


def generate(
    modality: Annotated[str, Option(help='the kind of image, such as "chest X-ray"')],
    classes: Annotated[list[str], Option(metavar="CLASS...", help="the classes, in order")],
    out: Annotated[Path | None, Option(metavar="FILE", help="the JSON file of symptoms to write")] = None,
    number: Annotated[int, Option(min=1, metavar="N", help="symptoms per class")] = 4,
    kind: Annotated[
        str,
        Option(metavar="KIND", help=f"kind of knowledge: {', '.join(KINDS)}"),
    ] = "visual",
    samples: Annotated[
        int, Option(min=1, metavar="N", help="number of requests; lines that occur in several replies rank first")
    ] = 1,
    critique: Annotated[
        bool, Option("--critique", help="finally, have the model remove lines that no image can show")
    ] = False,
    temperature: Annotated[
        float | None,
        Option(
            parser=not_negative,
            metavar="NUMBER",
            help="sampling temperature of the model",
            show_default="the server's own",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        Option(min=0, metavar="N", help="seed of the model, if the server supports one, and of random words"),
    ] = None,
    base_url: Annotated[
        str | None,
        Option(metavar="URL", help="address of the server, up to /v1", show_default="OPENAI_BASE_URL, or OpenAI"),
    ] = None,
    model: Annotated[str | None, Option(metavar="NAME", help="the model's name", show_default="VIP_LLM_MODEL")] = None,
    key_variable: Annotated[
        str, Option(metavar="NAME", help="the environment variable that contains the key; a local server needs none")
    ] = "OPENAI_API_KEY",
    timeout: Annotated[
        float | None,
        Option(
            parser=above_zero,
            metavar="SECONDS",
            help="seconds without an answer before giving up",
            show_default=str(TIMEOUT),
        ),
    ] = None,
    retries: Annotated[int, Option(min=0, metavar="N", help="retries after a failure")] = 3,
    no_stream: Annotated[bool, Option("--no-stream", help="receive the reply all at once")] = False,
    checkpoint: Annotated[
        str | None,
        Option("--ground", metavar="CHECKPOINT", help="check each line against a checkpoint's reference bank"),
    ] = None,
    keep: Annotated[
        int | None, Option(min=1, metavar="N", help="with --ground: keep the N best lines per class")
    ] = None,
    raw: Annotated[bool, Option("--raw", help="also write the model's replies, to FILE.raw.json")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="print the messages, send nothing")] = False,
) -> int:
    """Have a language model write visual symptoms. Research use only."""
    from vip_core.models.vip import ViP
    from vip_core.vsg import GenerationRequest, server_from_environment
    from vip_core.vsg import generate as generate_symptoms

    request = GenerationRequest(modality, tuple(classes), number, kind, samples, critique, temperature, seed)
    if keep and not checkpoint:
        raise UsageError("--keep chooses lines by a checkpoint's reference bank; name the checkpoint with --ground.")
    if keep and keep > number:
        raise UsageError(f"--keep {keep} cannot choose from {number} per class; raise --number.")
    if dry_run:
        print(json.dumps(_requests(request), indent=2, ensure_ascii=False))
        return 0
    if out is None:
        raise UsageError("There is no file to write the symptoms to; give --out FILE.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give --out a file, such as {out / 'symptoms.json'}.")
    server = None
    if KINDS[kind].uses_model:
        key = os.environ.get(key_variable, "")
        server = server_from_environment(
            base_url, model, key, timeout=timeout or TIMEOUT, retries=retries, stream=not no_stream
        )
    vip = ViP.from_pretrained(checkpoint) if checkpoint else None
    if vip is not None:  # before anything is paid for
        vip.symptoms.ordered(request.classes)
    result = generate_symptoms(request, server, None if vip is None else vip.backbone, _show_progress)
    _finish(result, request, vip, out, keep, raw)
    return 0


def _finish(
    result: "Generated", request: "GenerationRequest", vip: "ViP | None", out: Path, keep: int | None, raw: bool
) -> None:
    """Report, choose, write."""
    from vip_core.utils.files import write_json
    from vip_core.vsg import ground, select_best

    if sys.stderr.isatty():
        print(CLEAR, end="", file=sys.stderr, flush=True)
    _report_dropped(result.dropped)
    symptoms = result.symptoms
    if vip is not None:
        findings = ground(symptoms, vip)
        _report_findings(findings)
        if keep:
            symptoms = select_best(symptoms, findings, keep, vip.backbone)
    symptoms.save(out)
    if raw:
        write_json(out.with_suffix(".raw.json"), {"replies": list(result.replies)})
    wanted = "" if request.kind == "name" else f" of {request.number} requested"
    for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True):
        _say(f"{name}: {len(lines)}{wanted}")
    if KINDS[request.kind].uses_model:
        _say(f"Cost: {result.tokens}")
    _say(f"Written to {out}. Read it before you use it: a language model can be wrong. Research use only.")


def _requests(request: "GenerationRequest") -> dict[str, object]:
    """What would be sent, as JSON."""
    from vip_core.vsg.parsing import schema
    from vip_core.vsg.prompts import ask, ask_critique

    kind = KINDS[request.kind]
    if not kind.uses_model:
        return {"messages": [], "note": f"“{kind.label}” needs no language model; nothing is sent."}
    messages: dict[str, object] = {
        "samples": request.samples,
        "messages": ask(kind, request.modality, request.classes, request.number),
        "schema": schema(request.classes, (request.number, request.number)),
    }
    if request.critique:
        messages["critique"] = ask_critique(request.modality, {name: ["…"] for name in request.classes})
    return messages


def _say(text: str) -> None:
    # What a model wrote may hold characters that move a terminal's cursor.
    print("".join(character if character.isprintable() else "?" for character in text), file=sys.stderr)


def _show_progress(progress: "Progress") -> None:
    if sys.stderr.isatty():
        print(f"{CLEAR}{progress.step}, {progress.characters} characters", end="", file=sys.stderr, flush=True)


def _report_dropped(dropped: "tuple[Dropped, ...]") -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for line in dropped:
        group = (line.class_name, line.reason)
        counts[group] += 1
        if counts[group] <= SHOWN:
            _say(f"dropped from {line.class_name}: “{line.line}” ({line.reason})")
    for (name, reason), count in counts.items():
        if count > SHOWN:
            _say(f"dropped from {name}: {count - SHOWN:,} more ({reason})")


def _report_findings(findings: "list[GroundedLine]") -> None:
    for finding in findings:
        auroc = "no AUROC" if finding.auroc is None else f"AUROC {finding.auroc:.2f}"
        notes = " ".join(("", *finding.notes))
        _say(f"{finding.class_name}: “{finding.symptom}”, {finding.tokens} tokens, {auroc}.{notes}")


main = command(generate, "generate")

if __name__ == "__main__":
    run(main)
