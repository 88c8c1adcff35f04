"""The work of `score --out`: from the command's arguments to the Parquet files of an archive."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vip_core.errors import UsageError
from vip_core.utils.console import console

if TYPE_CHECKING:
    from vip_core.models.vip import ViP
    from vip_core.symptoms import SymptomSet


def check_installed(engine: str, runtime: str = "torch") -> None:
    """Raises UsageError where a package of the extra [scale] or [openvino] is missing."""
    needed = {"pyarrow": "scale"}
    if engine == "ray":
        needed["ray"] = "scale"
    if runtime == "openvino":
        needed |= dict.fromkeys(("openvino", "onnx", "onnxscript"), "openvino")
    for package, extra in needed.items():
        if find_spec(package) is None:
            raise UsageError(f"This needs {package}, which is not installed; run pip install 'vip-core[{extra}]'.")


def encode_on(engine: str, address: str | None) -> None:
    """Have a command's features encoded by this process ("local") or on a Ray cluster ("ray"). Raises UsageError."""
    if engine == "local":
        if address is not None:
            raise UsageError("--address needs --engine ray.")
        return
    check_installed(engine)
    from vip_core.data.features import encode_with
    from vip_core.scale.ray_engine import RayEngine
    from vip_core.scale.ray_features import RayFeatures

    encode_with(RayFeatures(RayEngine(address)))


def score_to_parquet(
    sources: Sequence[str],
    out: Path,
    vip: "ViP",
    symptoms: "SymptomSet",
    shares: Mapping[str, float],
    engine: str,
    address: str | None,
    column: str | None,
    rows: int,
    runtime: str,
) -> int:
    """Score the images of sources into Parquet files in `out`. Returns the exit status. Raises ViPError.

    Args:
        sources: as `sources.list_images` takes them.
        out: the folder.
        vip: the model.
        symptoms: to score with.
        shares: of the classes, that probabilities are corrected for.
        engine: "local" or "ray".
        address: of a Ray cluster; None: one on this machine, which ends with the command.
        column: of the paths in a table.
        rows: per Parquet file.
        runtime: of the image tower, "torch" or "openvino".
    """
    from vip_core.scale.archive import BATCH_IMAGES, describe, local_engine, score_archive
    from vip_core.scale.sources import list_images
    from vip_core.scale.storage import Storage
    from vip_core.scale.worker import ScoringWorker

    storage = Storage()
    listing = list_images(sources, storage, column)
    worker = ScoringWorker(vip, symptoms, shares, storage, runtime)
    chosen = local_engine
    if engine == "ray":
        from vip_core.scale.ray_engine import RayEngine

        chosen = RayEngine(address).score
    summary = score_archive(listing, out, worker, chosen, shard_batches=max(1, rows // BATCH_IMAGES))
    console.print(describe(summary, out), markup=False, highlight=False, soft_wrap=True)
    console.print("Research use, not a medical device.")
    return int(summary.failed > 0)
