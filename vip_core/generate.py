"""python -m vip_core.generate: have a language model write symptoms for a kind of image and its classes."""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from vip_core.cli import Parser, at_least, not_negative, run
from vip_core.errors import UsageError
from vip_core.models.vip import ViP
from vip_core.utils.files import write_json
from vip_core.vsg import (
    KINDS,
    Dropped,
    Generated,
    GenerationRequest,
    GroundedLine,
    Progress,
    Server,
    generate,
    ground,
    select_best,
    server_from_environment,
)
from vip_core.vsg.parsing import schema
from vip_core.vsg.prompts import ask, ask_critique

CLEAR = "\r\033[K"  # the terminal's line
SHOWN = 5  # dropped lines that are shown of each class and reason


def main(argv: list[str]) -> int:
    """Parse the arguments, ask, write. Returns 0."""
    arguments = _parser().parse_args(argv)
    request = GenerationRequest(
        arguments.modality,
        tuple(arguments.classes),
        arguments.number,
        arguments.kind,
        arguments.samples,
        arguments.critique,
        arguments.temperature,
        arguments.seed,
    )
    if arguments.keep and not arguments.ground:
        raise UsageError("--keep chooses by a checkpoint's reference bank; name the checkpoint with --ground.")
    if arguments.keep and arguments.keep > request.number:
        raise UsageError(
            f"--keep {arguments.keep} cannot choose from {request.number} a class; ask for more by --number."
        )
    if arguments.dry_run:
        print(json.dumps(_requests(request), indent=2, ensure_ascii=False))
        return 0
    out: Path | None = arguments.out
    if out is None:
        raise UsageError("The symptoms need a file to be written to; give --out FILE.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give --out a file, such as {out / 'symptoms.json'}.")
    server = _server(arguments) if KINDS[request.kind].uses_model else None
    vip = ViP.from_pretrained(arguments.ground) if arguments.ground else None
    if vip is not None:  # before anything is paid for
        vip.symptoms.ordered(request.classes)
    result = generate(request, server, None if vip is None else vip.backbone, _show_progress)
    _finish(result, request, vip, arguments)
    return 0


def _finish(result: Generated, request: GenerationRequest, vip: ViP | None, arguments: argparse.Namespace) -> None:
    """Report, choose, write."""
    if sys.stderr.isatty():
        print(CLEAR, end="", file=sys.stderr, flush=True)
    _report_dropped(result.dropped)
    symptoms = result.symptoms
    if vip is not None:
        findings = ground(symptoms, vip)
        _report_findings(findings)
        if arguments.keep:
            symptoms = select_best(symptoms, findings, arguments.keep, vip.backbone)
    symptoms.save(arguments.out)
    if arguments.raw:
        write_json(arguments.out.with_suffix(".raw.json"), {"replies": list(result.replies)})
    wanted = "" if request.kind == "name" else f" of {request.number} asked for"
    for name, lines in zip(symptoms.classes, symptoms.symptoms, strict=True):
        _say(f"{name}: {len(lines)}{wanted}")
    if KINDS[request.kind].uses_model:
        _say(f"Cost: {result.tokens}")
    _say(f"Written to {arguments.out}. Read it before you use it: a language model can be wrong. Research use only.")


def _server(arguments: argparse.Namespace) -> Server:
    key = os.environ.get(arguments.key_variable, "")
    return server_from_environment(
        arguments.base_url,
        arguments.model,
        key,
        timeout=arguments.timeout,
        retries=arguments.retries,
        stream=arguments.stream,
    )


def _requests(request: GenerationRequest) -> dict[str, object]:
    """What would be sent, as JSON."""
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


def _show_progress(progress: Progress) -> None:
    if sys.stderr.isatty():
        print(f"{CLEAR}{progress.step}, {progress.characters} characters", end="", file=sys.stderr, flush=True)


def _report_dropped(dropped: tuple[Dropped, ...]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for line in dropped:
        group = (line.class_name, line.reason)
        counts[group] += 1
        if counts[group] <= SHOWN:
            _say(f"dropped from {line.class_name}: “{line.line}” ({line.reason})")
    for (name, reason), count in counts.items():
        if count > SHOWN:
            _say(f"dropped from {name}: {count - SHOWN:,} more ({reason})")


def _report_findings(findings: list[GroundedLine]) -> None:
    for finding in findings:
        auroc = "no AUROC" if finding.auroc is None else f"AUROC {finding.auroc:.2f}"
        notes = " ".join(("", *finding.notes))
        _say(f"{finding.class_name}: “{finding.symptom}”, {finding.tokens} tokens, {auroc}.{notes}")


def _parser() -> Parser:
    parser = Parser("generate", "Have a language model write visual symptoms. Research use only.")
    parser.add_argument("--modality", required=True, help='the kind of image, such as "chest X-ray"')
    parser.add_argument("--classes", required=True, nargs="+", metavar="CLASS", help="the classes, in order")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the JSON file of symptoms to write")
    parser.add_argument("--number", type=at_least(1), default=4, metavar="N", help="symptoms a class (default: 4)")
    kinds = ", ".join(KINDS)
    parser.add_argument("--kind", default="visual", metavar="KIND", help=f"of knowledge: {kinds} (default: visual)")
    parser.add_argument(
        "--samples", type=at_least(1), default=1, metavar="N", help="ask so often; what several name ranks first"
    )
    parser.add_argument("--critique", action="store_true", help="then have the model remove what no image shows")
    parser.add_argument("--temperature", type=not_negative, help="of the model (default: the server's own)")
    parser.add_argument(
        "--seed", type=at_least(0), help="of the model, where the server knows one, and of random words"
    )
    parser.add_argument("--base-url", metavar="URL", help="of the server, up to /v1 (default: OPENAI_BASE_URL, OpenAI)")
    parser.add_argument("--model", metavar="NAME", help="the model's name (default: VIP_LLM_MODEL)")
    parser.add_argument(
        "--key-variable",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="the environment variable that holds the key (default: OPENAI_API_KEY); a local server needs none",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="of silence before giving up (default: 120)"
    )
    parser.add_argument("--retries", type=at_least(0), default=3, metavar="N", help="after a failure (default: 3)")
    parser.add_argument("--no-stream", dest="stream", action="store_false", help="have the reply in one piece")
    parser.add_argument("--ground", metavar="CHECKPOINT", help="check each line against a checkpoint's reference bank")
    parser.add_argument("--keep", type=at_least(1), metavar="N", help="with --ground: keep the N best lines a class")
    parser.add_argument("--raw", action="store_true", help="write the model's replies beside FILE, as FILE.raw.json")
    parser.add_argument("--dry-run", action="store_true", help="print the messages, send nothing")
    return parser


def _seconds(text: str) -> float:
    seconds = not_negative(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("0 seconds leave no time for an answer")
    return seconds


if __name__ == "__main__":
    run(main)
