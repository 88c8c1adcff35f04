"""A row per image: what `score --json` prints, with the file's size, time and digest; and how Arrow types it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from vip_core.scale.sources import LISTING


def row_schema(classes: Sequence[str], prevalence: bool = False) -> pa.Schema:
    """The columns of an archive. An image that cannot be read has its sentence in `error`, and null in the rest.

    Args:
        classes: C names, the fields of the structs.
        prevalence: whether the probabilities are corrected for one.
    """
    per_class = pa.struct([(name, pa.float64()) for name in classes])
    symptom = [("class", pa.string()), ("symptom", pa.string())]
    symptom += [(name, pa.float64()) for name in ("similarity", "percentile", "contribution", "attention")]
    check = [
        ("in_domain", pa.bool_()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("near_miss", pa.string()),
    ]
    fields = [
        *LISTING,
        pa.field("digest", pa.string()),  # SHA-256 of the file
        pa.field("error", pa.string()),
        pa.field("prediction", pa.string()),
        pa.field("probabilities", per_class),
        pa.field("logits", per_class),
        pa.field("class_terms", per_class),
        pa.field("symptoms", pa.list_(pa.struct(symptom))),
        pa.field("domain", pa.struct(check)),
        pa.field("calibrated", pa.bool_()),
    ]
    return pa.schema([*fields, pa.field("prevalence", per_class)] if prevalence else fields)


def to_rows(
    files: pa.RecordBatch, digests: Sequence[str | None], results: Sequence[Mapping[str, Any]], schema: pa.Schema
) -> pa.RecordBatch:
    """Rows of `row_schema`: files of LISTING, their digests, and per file a diagnosis or {"error": sentence}."""
    scored = [name for name in schema.names if name not in (*LISTING.names, "digest")]
    columns = [*files.select(LISTING.names).columns, pa.array(digests, pa.string())]
    columns += [pa.array([result.get(name) for result in results], schema.field(name).type) for name in scored]
    return pa.record_batch(columns, schema=schema)
