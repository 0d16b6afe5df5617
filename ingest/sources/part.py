"""What every kind of input hands over: a stretch of rows, and what was found wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from ingest.errors import Problem
from schemas import RawTable

# a finding on its way to audit.rejected_rows
REJECTED = {
    "_line": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String, "message": pl.String,
    "row_json": pl.String,
}  # fmt: skip


@dataclass
class Part:
    """A stretch of rows on their way into a raw table.

    Attributes:
        table: the raw table; None where there are only notes.
        file: as shown; the line numbers are its.
        valid: every column of the raw table, typed, and `_line`.
        rejected: findings (`_line`, `column`, `value`, `rule`) with `message` and `row_json`.
        problems: the findings summed up, one per rule and column.
        unusable: of tumor_measurements, the rejected scans whose patient is known: `trial_id`, `patient_id`, `day`, `reader`
            (null where at fault); another scan must not step into their place.
        places: columns that are named after a sample → the same in words that name none.
        share: how much of the file is read with it, 0 to 1; None: not known.
    """

    table: RawTable | None
    file: str
    rows_read: int
    valid: pl.DataFrame
    rejected: pl.DataFrame
    problems: list[Problem] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    unusable: pl.DataFrame | None = None
    share: float | None = None

    @classmethod
    def of_notes(cls, file: str, notes: list[Problem]) -> Part:
        """No rows, only something to say."""
        return cls(None, file, 0, pl.DataFrame(), pl.DataFrame(), notes)
