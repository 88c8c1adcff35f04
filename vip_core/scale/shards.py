"""The folder of a scored archive: Parquet files that are complete or absent, and archive.json with the model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vip_core.errors import CheckpointError, StorageError
from vip_core.scale.arrow import pc
from vip_core.scale.sources import LISTING
from vip_core.utils.files import atomic, write_json

SETTINGS = "archive.json"
KNOWN = ("path", "size", "modified", "digest")  # these decide whether an image has already been scored


class Shards:
    """The Parquet files of an archive.

    Args:
        folder: made when the first file is written.
        schema: of the rows.
    """

    def __init__(self, folder: Path, schema: pa.Schema):
        self.folder = folder
        self.schema = schema
        numbers = [int(path.stem.removeprefix("part-")) for path in self.paths()]
        self._next = max(numbers, default=-1) + 1

    def paths(self) -> list[Path]:
        """The files, in the order in which they were written."""
        return sorted(path for path in self.folder.glob("part-*.parquet") if path.stem[5:].isdecimal())

    def check_settings(self, settings: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Write what scores the archive, or compare it with what scored the rows that are there.

        Args:
            settings: must be the same for all rows.
            about: may change from run to run, such as versions; that of the first run is kept.

        Raises:
            CheckpointError: they differ, or the file is damaged.
            StorageError: it cannot be written.
        """
        path = self.folder / SETTINGS
        if not path.is_file():
            write_json(path, {**settings, **about})
            return
        try:
            before = {"runtime": "torch", **json.loads(path.read_text(encoding="utf-8"))}  # once the only one
            changed = [name for name, value in settings.items() if before.get(name) != value]
        except (ValueError, OSError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged; choose another --out.") from error
        if changed:
            raise CheckpointError(
                f"{self.folder} contains scores with another {' and another '.join(changed)}; use the same, or choose "
                "another --out."
            )

    def known(self) -> pa.Table:
        """Columns KNOWN of all rows, and `part`, the number of the row's file. Raises StorageError."""
        schema = pa.schema([*LISTING, ("digest", pa.string()), ("part", pa.int32())])
        tables = []
        for number, path in enumerate(self.paths()):
            table = self._read(path, list(KNOWN))
            tables.append(table.append_column("part", pa.array([number] * len(table), pa.int32())))
        return pa.concat_tables([schema.empty_table(), *tables])

    def count_errors(self) -> int:
        """Images that cannot be read, among all rows."""
        return sum(len(table) - table.column(0).null_count for table in self._columns("error"))

    def count(self) -> int:
        """All rows."""
        return sum(pq.read_metadata(path).num_rows for path in self.paths())

    def write(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Write rows as a new file, atomically. Raises StorageError."""
        self._write(self.folder / f"part-{self._next:06d}.parquet", pa.Table.from_batches(batches, self.schema))
        self._next += 1

    def remove(self, paths: pa.Array) -> None:
        """Remove the rows of paths, file by file, each atomically. Raises StorageError."""
        for path in self.paths():
            table = self._read(path)
            kept = table.filter(pc.invert(pc.is_in(table.column("path"), paths)))
            if not len(kept):
                path.unlink()
            elif len(kept) < len(table):
                self._write(path, kept)

    def _columns(self, name: str) -> list[pa.Table]:
        return [self._read(path, [name]) for path in self.paths()]

    def _read(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        try:
            return pq.ParquetFile(path).read(columns)
        except (pa.ArrowException, OSError) as error:
            raise StorageError(f"{path} is damaged; delete it to score its images again.") from error

    @staticmethod
    def _write(path: Path, table: pa.Table) -> None:
        with atomic(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
