"""Arrow's batches as bytes, and its functions on columns."""

import importlib
from typing import Any

import pyarrow as pa

# It makes its functions when it is imported, unseen by type checkers.
pc: Any = importlib.import_module("pyarrow.compute")


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """A batch in Arrow's stream format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_bytes(data: bytes) -> pa.RecordBatch:
    """The batch of `to_bytes`."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()
