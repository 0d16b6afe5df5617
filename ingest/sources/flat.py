"""Flat tables, CSV, TSV, XLSX or Parquet, with the columns of one raw table: recognised by their header."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import InputError, Problem
from ingest.parse import parse
from ingest.sources.part import Part
from ingest.table import Table, open_table
from ingest.validate import describe, validate
from schemas import FLAT_TABLES, RawTable

if TYPE_CHECKING:
    from ingest.pipeline import Item

KIND = "flat table (CSV, TSV, XLSX, Parquet)"


def recognise(path: Path) -> bool:
    """Any file: what it is for is said by its header."""
    return not path.is_dir()


def read(item: Item, say: Callable[[str], None]) -> Iterator[Part]:
    """The rows of a flat file."""
    table, opened = open_flat(item.path, item.file, item.spec.table, item.spec.sheet)
    yield Part.of_notes(item.file, opened.notes)
    yield from read_flat(table, opened)


def open_flat(path: Path, file: str, table_name: str | None, sheet: str | None) -> tuple[RawTable, Table]:
    """Open a file and say which raw table it is for.

    Raises:
        InputError: it cannot be read, or its header fits no raw table.
    """
    opened = open_table(path, file, sheet)
    table = FLAT_TABLES[table_name] if table_name else _recognise(opened)
    opened.header = _rename(opened, table)
    return table, opened


def _recognise(opened: Table) -> RawTable:
    """The table whose required columns the header names; failing that, the one it resembles most."""

    def score(table: RawTable) -> tuple[bool, int, int, float]:
        named = {table.aliases().get(c, c) for c in opened.header}
        n_required = len(named & set(table.required)) / len(table.required)
        n_known, n_exact = len(named & set(table.columns)), len(set(opened.header) & set(table.columns))
        return n_required == 1, n_known, n_exact, n_required

    best = max(FLAT_TABLES.values(), key=score)
    if score(best)[1] < 2:
        raise InputError(Problem(
            opened.file, "unknown_table", "the header fits no table", lines=_header_lines(opened), found=opened.header,
            n_found=len(opened.header), allowed=", ".join(FLAT_TABLES),
            fix=f"`hpd template {best.name}` prints a header to start from"))  # fmt: skip
    return best


def _header_lines(opened: Table) -> list[int]:
    return [opened.header_line] if opened.header_line else []  # Parquet has none


def _rename(opened: Table, table: RawTable) -> list[str]:
    aliases = table.aliases()
    header = [c if c in table.columns else aliases.get(c, c) for c in opened.header]
    twice = sorted({c for c in header if header.count(c) > 1})
    lines = _header_lines(opened)
    if twice:
        raise InputError(Problem(
            opened.file, "duplicate_column", f"two columns both mean {', '.join(twice)}",
            found=[c for c, new in zip(opened.header, header, strict=True) if new in twice], fix="keep one", lines=lines,
        ))  # fmt: skip
    unknown = [c for c in header if c not in table.columns]
    missing = [c for c in table.required if c not in header]
    if unknown:
        # the closest match among the columns that are still free
        free = [c for c in (*table.columns, *aliases) if aliases.get(c, c) not in header]
        close = {c: difflib.get_close_matches(c, free, 1, 0.75) for c in unknown}
        close |= {
            c: difflib.get_close_matches(c.lower().replace(" ", "_"), free, 1, 0.75) for c in unknown if not close[c]
        }
        hints = [f"'{m[0]}' may be meant" for m in close.values() if m][:3]
        raise InputError(Problem(
            opened.file, "unknown_column", f"the table {table.name} has no such column", found=unknown,
            n_found=len(unknown), fix="; ".join([*hints, f"rename or remove it (`hpd template {table.name}`)"]), lines=lines,
        ))  # fmt: skip
    if missing:
        raise InputError(Problem(
            opened.file, "missing_column",
            f"the table {table.name} needs {'this column' if len(missing) == 1 else 'these columns'}", ", ".join(missing),
            fix=f"add {'it' if len(missing) == 1 else 'them'} (`hpd template {table.name}` prints them all)", lines=lines,
        ))  # fmt: skip
    return header


def read_flat(table: RawTable, opened: Table) -> Iterator[Part]:
    """Parse and validate block by block.

    Raises:
        InputError: the file turns out unreadable further down, or holds no row.
    """
    n_rows = 0
    for block in opened.blocks:
        # the header may name columns by an alias
        text = block.rows.rename(dict(zip(block.rows.columns[: len(opened.header)], opened.header, strict=True)))
        typed, parsed = parse(text, table)
        valid, findings = validate(typed, text, parsed, table)
        part = Part(table, opened.file, text.height + block.ragged.height, valid, _with_rows(findings, text))
        part.problems = _sum_up(findings, table, opened.file)
        if block.ragged.height:
            rows, ragged = ragged_rows(block.ragged, opened)
            part.rejected = pl.concat([part.rejected, rows])
            part.problems.append(ragged)
        messages = {(p.rule, p.column): p.what for p in part.problems}
        part.rejected = part.rejected.with_columns(message=pl.Series([
            messages[key] for key in part.rejected.select("rule", "column").iter_rows()], dtype=pl.String))  # fmt: skip
        n_rows += part.rows_read
        yield part
    if not n_rows:
        raise InputError(Problem(opened.file, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))


_REJECTED = {"_line": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String, "row_json": pl.String}


def _with_rows(findings: pl.DataFrame, text: pl.DataFrame) -> pl.DataFrame:
    if findings.is_empty():
        return pl.DataFrame(schema=_REJECTED)
    whole = text.join(findings.select("_line").unique(), on="_line", how="semi")
    whole = whole.select("_line", row_json=pl.struct(pl.exclude("_line")).struct.json_encode())
    return findings.join(whole, on="_line", how="left", maintain_order="left").select(*_REJECTED)


def ragged_rows(ragged: pl.DataFrame, opened: Table) -> tuple[pl.DataFrame, Problem]:
    """Lines with the wrong number of fields as rejected rows, and as one problem."""
    rows = ragged.select(
        "_line", column=pl.lit(""), rule=pl.lit("ragged_line"),
        value=pl.format("{} field{}", "n_fields", pl.when(pl.col("n_fields") == 1).then(pl.lit("")).otherwise(pl.lit("s"))),
        row_json=pl.Series([json.dumps({"line": t}) for t in ragged["text"]], dtype=pl.String),
    )  # fmt: skip
    values = rows["value"].unique(maintain_order=True).to_list()
    problem = Problem(
        opened.file, "ragged_line", "the line has not as many fields as the header", lines=rows["_line"].head(3).to_list(),
        n_lines=rows.height, found=values[:3], n_found=len(values), allowed=f"{len(opened.header)} fields",
        outcome="rows rejected", fix="put cells that hold the separator in quotes",
    )  # fmt: skip
    return rows.select(*_REJECTED), problem


def _sum_up(findings: pl.DataFrame, table: RawTable, file: str) -> list[Problem]:
    problems = []
    for (rule, column), group in findings.group_by("rule", "column", maintain_order=True):
        problem = describe(str(rule), str(column), table, file)
        values = group["value"].drop_nulls().unique(maintain_order=True)
        problem.lines, problem.n_lines = group["_line"].sort().head(3).to_list(), group.height
        problem.found, problem.n_found = values.head(3).to_list(), values.len()
        problems.append(problem)
    return problems
