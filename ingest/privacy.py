"""Patients at the door: identifiers become keyed pseudonyms, and what a rejected row shows of a cell is its shape.

A pseudonym is HMAC-SHA256 (RFC 2104, doi 10.17487/RFC2104) of trial and identifier, cut to 80 bits: the same patient of
the same trial has the same one in every input, and nobody without the key can find it by trying identifiers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import HpdError, Problem, printable
from schemas import RawTable

if TYPE_CHECKING:
    from ingest.sources.part import Part

KEY_VARIABLE = "HPD_PATIENT_KEY"
KEY_FILE = "patient.key"
MIN_KEY = 16  # characters; shorter ones can be guessed
# a number as a measurement or a day is written, no longer than one (a spreadsheet counts dates with five digits), and
# what a spreadsheet writes for an error: they identify nobody
HARMLESS = (
    r"^([<>=~+-]{0,2}\s?\d{0,4}([.,]\d{1,6})?\s?(%|mm|cm|m|d|days?|weeks?|months?)?|[+-]?(nan|inf|infinity)"
    r"|#(DIV/0!|N/A|NAME\?|NULL!|NUM!|REF!|VALUE!))$"
)
SHAPE = 40  # characters of a cell whose shape is shown


class Pseudonyms:
    """The pseudonyms of one warehouse; its key is read, or made, when the first patient needs it."""

    def __init__(self, home: Path | None) -> None:
        """`home` is the folder of the key; None: pseudonyms of this process only, as `hpd validate` needs them."""
        self._home, self._key = home, b""

    @property
    def key(self) -> bytes:
        """The key: of the environment, else of the key file, which is created once with mode 0600.

        Raises:
            HpdError: it is too short, or others may read its file.
        """
        if not self._key:
            self._key = secrets.token_bytes(32) if self._home is None else _key_of(self._home)
        return self._key

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling the key: pseudonyms of two keys never match."""
        return hashlib.sha256(b"key id\0" + self.key).hexdigest()[:16]

    def replace(self, rows: pl.DataFrame, table: RawTable) -> pl.DataFrame:
        """The rows with every identifying column (`table.identifiers`) replaced; null stays null."""
        for column, kind in table.identifiers.items():
            # of a sample: the trial its patients are of, where one is named, else its study
            scope = [c for c in ("trial_id", "study_id") if c in rows.columns]
            ids = rows.select(scope=pl.coalesce(scope), id=column).unique().drop_nulls("id")
            hashed = [self._hash(kind, scope_, id_) for scope_, id_ in ids.iter_rows()]
            named = ids.with_columns(pseudonym=pl.Series(hashed, dtype=pl.String))
            rows = (
                rows.with_columns(scope=pl.coalesce(scope))
                .join(named, left_on=["scope", column], right_on=["scope", "id"], how="left", maintain_order="left")
                .with_columns(pl.col("pseudonym").alias(column))
                .drop("scope", "pseudonym")
            )
        return rows

    def _hash(self, kind: str, scope: str, identifier: str) -> str:
        told = f"{kind}\0{scope}\0{identifier}".encode()
        return kind[0].upper() + hmac.digest(self.key, told, "sha256")[:10].hex()


def _key_of(home: Path) -> bytes:
    if given := os.environ.get(KEY_VARIABLE):
        if len(given) < MIN_KEY:
            raise HpdError(f"ERROR {KEY_VARIABLE}: is shorter than {MIN_KEY} characters; take a long random text")
        return given.encode()
    path = home / KEY_FILE
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise HpdError(f"ERROR {printable(path, 200)}: others may read the key of the pseudonyms; "
                       f"allowed: mode 0600; run `chmod 600 {printable(path, 200)}`")  # fmt: skip
    key = path.read_bytes().strip()
    if len(key) < MIN_KEY:
        raise HpdError(f"ERROR {printable(path, 200)}: holds no key of the pseudonyms; put back the copy you keep, or "
                       "delete it: a new one is made, and every input with patients is loaded again")  # fmt: skip
    return key


def _create(path: Path) -> None:
    """Make a key; whoever comes at the same time finds it whole, or makes it first."""
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def shape(cell: pl.Expr) -> pl.Expr:
    """A cell of a patient as a message or a rejected row may show it: a short number as it is, else its shape
    (letters as x, digits as 9), so that `Jane Doe` is `xxxx xxx` and 03/04/2024 is 99/99/9999."""
    return pl.when(cell.str.contains(rf"(?i){HARMLESS}")).then(cell).otherwise(outline(cell))


def outline(cell: pl.Expr) -> pl.Expr:
    """The shape of any cell, short numbers too: of a date even the year is hidden."""
    return cell.str.slice(0, SHAPE).str.replace_all(r"\d", "9").str.replace_all(r"\p{L}", "x")


# what a message of these rules shows is a gene, a column, a panel, a profile or a count
OF_NOBODY = (
    "ambiguous_gene", "gene_again", "gene_not_in_file", "panel_unknown", "no_panel_column", "columns_left_out", "unknown_column",
    "duplicate_column", "missing_column", "late_gene_column", "other_profiles", "ragged_line",
)  # fmt: skip


def without_samples(problem: Problem) -> Problem:
    """What is said about a genomic file, without the names of its samples: by shape and place."""
    column, found = problem.place or problem.column, problem.found
    if problem.rule not in OF_NOBODY:
        found = pl.select(shape(pl.Series(found, dtype=pl.String)).unique(maintain_order=True)).to_series().to_list()
    return replace(problem, column=column, found=found)


def hide_samples(part: Part) -> None:
    """Take the names of samples and patients out of what is wrong with a genomic file."""
    part.problems = [without_samples(problem) for problem in part.problems]
    if part.rejected.is_empty():
        return
    from ingest.sources.genes import vocabulary

    rows, genes = [json.loads(row) for row in part.rejected["row_json"]], vocabulary()[0]
    shown = [{k: v if str(v) in genes else "(hidden)" for k, v in row.items() if v is not None} for row in rows]
    cell = pl.col("value")
    part.rejected = part.rejected.with_columns(
        column=pl.col("column").replace(part.places),
        value=pl.when(pl.col("rule").is_in(OF_NOBODY)).then(cell).otherwise(shape(cell)),
        row_json=pl.Series([json.dumps(row) for row in shown], dtype=pl.String),
    )


def hide(text: pl.DataFrame, table: RawTable) -> pl.DataFrame:
    """Rows of text of a table about patients, fit to be kept: identifiers gone, every other cell by its `shape`."""
    cells = [
        pl.when(pl.col(c).is_not_null()).then(pl.lit(f"({table.identifiers[c]})")).alias(c)
        if c in table.identifiers
        else (outline if c.endswith("_date") else shape)(pl.col(c)).alias(c)
        for c in text.columns
        if c != "_line"
    ]
    return text.with_columns(cells)
