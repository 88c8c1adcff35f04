"""vip export-web: the Diagnose page as a folder of static files, with the model in the visitor's browser."""

from pathlib import Path
from typing import Annotated, Any

from typer import Option

from vip_core.errors import UsageError
from vip_core.utils.options import command

LIMIT = {"fp16": 0.005, "int8": 0.02}  # of a similarity's difference from the model's, on the example images


def export_web(
    checkpoint: Annotated[
        list[str], Option(metavar="NAME...", help="checkpoints on one backbone: names, folders or Hugging Face ids")
    ],
    out: Annotated[Path, Option(metavar="FOLDER", help="the folder to write; an earlier export in it is replaced")],
    int8: Annotated[bool, Option("--int8", help="store the weights in 8 bits: a smaller but less exact page")] = False,
    runtime: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="a folder with onnxruntime-web", show_default="downloaded by npm, then cached"),
    ] = None,
) -> int:
    """Write the Diagnose page as static files. Research use, not a medical device.

    Any web server or a static Hugging Face Space can serve the folder; no image leaves the visitor's machine.
    """
    from rich.console import Console

    from vip_core.web.folder import check_target, with_manifest, write_folder
    from vip_core.web.model_files import backbone_files, checkpoint_files
    from vip_core.web.runtime import find_runtime
    from vip_core.web.towers import refuse_other_backbones

    from .state import static_page
    from .state.library_tasks import library_tasks
    from .state.tasks import load_tasks

    check_target(out)
    files = {f"runtime/{name}": content for name, content in find_runtime(runtime).items()}
    tasks = load_tasks(checkpoint)
    backbones = {task.predictor.vip.backbone.fingerprint: task.predictor.vip.backbone for task in tasks.values()}
    if len(backbones) > 1:
        raise UsageError("The checkpoints use different backbones; export a page for each.")
    if equalised := [key for key, task in tasks.items() if task.predictor.vip.backbone.contrast is not None]:
        raise UsageError(
            f"{equalised[0]} equalises the contrast of plain images, which the static page cannot do; leave it out, or "
            "serve it with vip demo."
        )
    (backbone,) = backbones.values()
    refuse_other_backbones(backbone)
    precision = "int8" if int8 else "fp16"
    towers, difference = _towers(tasks, precision)
    for name, (key, task) in zip(checkpoint, tasks.items(), strict=True):
        files |= checkpoint_files(name, task.predictor.vip, f"tasks/{key}", half=int8)
    offered = {**tasks, **library_tasks(tasks)}
    files |= {
        **static_page.page_files(),
        **static_page.example_files(tasks),
        **static_page.licence_files(),
        **static_page.config_file(static_page.page_config(tasks, offered, precision)),
        **backbone_files(backbone, towers),
        "README.md": static_page.readme(tasks, precision, [name for name in checkpoint if _is_hub_id(name)]),
    }
    files = with_manifest(files)
    write_folder(out, files)
    size = sum(map(len, files.values())) / 1e6
    Console().print(
        f"{out}: {len(files)} files, {size:.1f} MB, weights in {precision}. Similarities differ from the model's by at "
        f"most {difference:.4f} on the example images. Serve it with python -m http.server --directory {out}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def _towers(tasks: Any, precision: str) -> tuple[Any, float]:  # noqa: ANN401 (their modules are loaded late)
    """The exported towers, and the largest difference in similarity that they cause. Raises BackboneError."""
    import torch
    from PIL.Image import Resampling
    from torchvision.transforms.functional import pil_to_tensor

    from vip_core.data.images import read_image
    from vip_core.web.onnx_files import OnnxBackbone, check_towers, export_towers

    differences = [0.0]
    backbone = next(iter(tasks.values())).predictor.vip.backbone.to("cpu")
    towers = export_towers(backbone, precision)
    for task in tasks.values():
        vip, (height, width) = task.predictor.vip, backbone.image_size
        images = [read_image(path).resize((width, height), Resampling.BICUBIC) for path, _ in task.examples]
        pixels = [pil_to_tensor(image).float() for image in images] or [torch.rand(3, height, width) * 255]
        context = vip.context_prompt.vectors
        context = context if context.ndim == 2 else context[0]
        exported = OnnxBackbone(towers, backbone)
        differences.append(check_towers(exported, torch.stack(pixels), vip.symptoms.texts, context, LIMIT[precision]))
    return towers, max(differences)


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not Path(name).exists() and not name.startswith((".", "~", "/"))


main = command(export_web, "vip export-web")
