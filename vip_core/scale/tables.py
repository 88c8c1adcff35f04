"""CSV and Parquet files that list the images of an archive."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from vip_core.errors import DataError
from vip_core.scale.storage import Storage

COLUMNS = ("path", "image")


def is_table(source: str) -> bool:
    """Whether a source is a table of paths, by its ending."""
    return source.split("?", 1)[0].lower().endswith((".csv", ".parquet"))


def paths_of_table(source: str, storage: Storage, column: str | None = None) -> Iterator[str]:
    """The paths in a table, as they are written there, read piece by piece.

    Args:
        source: a path or an address of a CSV or Parquet file.
        storage: opens it.
        column: of the paths; None: "path" or "image".

    Raises DataError.
    """
    try:
        with storage.open(source) as file:
            names, batches = _open(file, source)
            wanted = [column] if column else [name for name in COLUMNS if name in names]
            if len(wanted) != 1 or wanted[0] not in names:
                raise DataError(
                    f"{source} has the columns {names}; one of them must be called path or image, or be named by "
                    "--image-column."
                )
            for batch in batches:
                yield from filter(None, batch.column(wanted[0]).cast(pa.string()).to_pylist())
    except (OSError, pa.ArrowException) as error:
        reason = str(error).strip().splitlines()[0][:200].rstrip(".")
        raise DataError(f"{source} cannot be read ({reason}); give a CSV in UTF-8 or a Parquet file.") from error


def _open(file: Any, source: str) -> tuple[list[str], Any]:  # noqa: ANN401
    if source.split("?", 1)[0].lower().endswith(".parquet"):
        import pyarrow.parquet as pq

        table = pq.ParquetFile(file)
        return table.schema_arrow.names, table.iter_batches()
    from pyarrow import csv

    reader = csv.open_csv(file)
    return reader.schema.names, reader
