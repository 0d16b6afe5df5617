"""SAS transport files (XPORT, .xpt), the form in which CDISC data are handed in, as tables of text.

Format: https://support.sas.com/content/dam/SAS/support/en/technical-papers/record-layout-of-a-sas-version-5-or-6-data-set-in-sas-transport-xport-format.pdf
Read by pyreadstat (ReadStat). What it reads in silence and wrongly, a file cut short and a library of several data
sets, is refused here.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ingest.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from ingest.table import Block, Table

MAGIC = b"HEADER RECORD*******LIB"
MEMBER = re.compile(rb"HEADER RECORD\*{7}MEM(BER|BV8)  HEADER RECORD!{7}")
RECORD = 80  # bytes; a transport file is made of whole ones
EPOCH = "1960-01-01"  # day 0 of a date in SAS


def is_xport(path: Path) -> bool:
    """Whether a file begins as a transport file does."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def columns_of(path: Path) -> list[str]:
    """Column names; empty when it cannot be read."""
    import pyreadstat

    try:
        return list(pyreadstat.read_xport(path, metadataonly=True, output_format="polars")[1].column_names)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError):
        return []


def open_xport(path: Path, file: str, wanted: list[str], dates: tuple[str, ...] = ()) -> Table:
    """Open a transport file; only its columns in `wanted` are read, those of `dates` as ISO 8601 where they are numbers.

    Raises:
        InputError: it is damaged, or holds several data sets.
    """
    from ingest.table import Table

    header = columns_of(path)
    with path.open("rb") as stream:
        size = path.stat().st_size
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            members = [found.start() for found in MEMBER.finditer(content) if found.start() % RECORD == 0]
    if not header or not members or size % RECORD:
        raise InputError(Problem(file, "damaged", "is not a readable SAS transport file, or is cut short",
                                 fix="copy or export it again"))  # fmt: skip
    if len(members) > 1:
        raise InputError(Problem(file, "several_data_sets", f"holds {len(members)} data sets", allowed="one data set per file",
                                 fix="export each to a file of its own"))  # fmt: skip
    return Table(file, header, 0, _blocks(path, file, [c for c in header if c.upper() in wanted], dates))


def _blocks(path: Path, file: str, columns: list[str], dates: tuple[str, ...]) -> Iterator[Block]:
    import polars as pl
    import pyreadstat

    from ingest.table import BLANKS, Block

    try:
        rows, _ = pyreadstat.read_xport(path, usecols=columns, output_format="polars", disable_datetime_conversion=True)
    except UnicodeDecodeError:
        raise InputError(
            Problem(file, "not_utf8", "holds text that is not valid UTF-8", fix="save it as UTF-8")
        ) from None
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError):
        raise InputError(Problem(file, "damaged", "is not a readable SAS transport file",
                                 fix="copy or export it again")) from None  # fmt: skip
    rows = cast("pl.DataFrame", rows)
    text = rows.select(_text(rows, name, is_date=name.upper() in dates) for name in columns)
    cells = pl.all().str.strip_chars()
    text = text.select(pl.when(~cells.str.to_lowercase().is_in(BLANKS)).then(cells).name.keep())
    ragged = pl.DataFrame(schema={"_line": pl.Int64, "text": pl.String, "n_fields": pl.Int64})
    # rows, not lines
    yield Block(text.with_columns(_line=pl.int_range(1, text.height + 1, dtype=pl.Int64)), ragged)


def _text(rows: pl.DataFrame, name: str, *, is_date: bool) -> pl.Expr:
    """A column as text; 3.0 is written 3."""
    import polars as pl

    cell = pl.col(name)
    if not rows.schema[name].is_numeric():
        return cell.cast(pl.String)
    if is_date:
        return (pl.lit(EPOCH).str.to_date() + pl.duration(days=cell.floor())).cast(pl.String).alias(name)
    return cell.cast(pl.String).str.strip_suffix(".0")
