"""Writing the static page's folder: all files or none, and a manifest with their digests."""

import hashlib
import json
import secrets
import shutil
from pathlib import Path

from vip_core.errors import StorageError, UsageError
from vip_core.utils.files import atomic_together, json_bytes

MANIFEST = "files.json"
SERVICE_WORKER = "service-worker.js"
VERSION_MARK = "@VERSION@"  # in the service worker: a new export replaces the old one in browsers that have it


def with_manifest(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, with a manifest of their sizes and digests, and its digest as the version of the service worker."""
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
        if name != SERVICE_WORKER
    }
    version = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
    worker = files[SERVICE_WORKER].replace(VERSION_MARK.encode(), version.encode())
    manifest = {"version": version, "files": listed}
    return {**files, SERVICE_WORKER: worker, MANIFEST: json_bytes(manifest)}


def check_target(out: Path) -> None:
    """Raise UsageError for a folder that holds anything but a former export: it would be replaced as a whole."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give --out a folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise UsageError(f"{out} contains other files than an exported page; give --out a new or empty folder.")


def write_folder(out: Path, files: dict[str, bytes]) -> None:
    """Write the files to a new folder and put it in the place of `out`. Raises StorageError or UsageError."""
    check_target(out)
    out = out.resolve()
    fresh = out.parent / f".{out.name}-{secrets.token_hex(4)}"
    old = out.parent / f"{fresh.name}-old"
    try:
        atomic_together(fresh, files)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    except OSError as error:
        raise StorageError(f"{out} could not be written ({error.strerror}); choose another folder.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
