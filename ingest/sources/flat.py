"""Flat tables, CSV, TSV, XLSX or Parquet, with the columns of one raw table: recognised by their header."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest import clinical
from ingest.errors import SHOWN, InputError, Problem
from ingest.parse import parse
from ingest.privacy import outline
from ingest.sources.part import REJECTED, Part
from ingest.table import Table, open_table
from ingest.validate import describe, validate
from schemas import FLAT_TABLES, RawTable

if TYPE_CHECKING:
    from ingest.pipeline import Item

KIND = "flat table (CSV, TSV, XLSX, Parquet)"
NO_NAME = re.compile(r"^[\d.,+-]+$|\d[-./]\d+[-./]\d")  # a number or a date: no column is called so


def recognise(path: Path) -> bool:
    """Any file: what it is for is said by its header."""
    return not path.is_dir()


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """The rows of a flat file."""
    for option in ("units", "values", "only"):
        if getattr(item.spec, option):
            # passed over in silence, cm would count as mm
            raise InputError(Problem(item.file, "wrong_map", "is of use with a map only", f"[inputs.{option}]",
                                     fix="say in [inputs.map] which column is which, or remove it"))  # fmt: skip
    given = clinical.given(item)
    table, opened = open_flat(item.path, item.file, item.spec.table, item.spec.sheet, given)
    if opened.is_simulated and item.spec.origin != "simulated":
        raise InputError(Problem(item.file, "simulated", "says that it is simulated, and is named as if it were not",
                                 fix='use the hpd.toml beside it, or give origin = "simulated" in yours'))  # fmt: skip
    yield Part.of_notes(item.file, opened.notes)
    if table.dates:
        yield from clinical.with_reader(read_clinical(item, table, opened, given), item)
    else:
        yield from read_flat(table, opened)


def open_flat(
    path: Path, file: str, table_name: str | None, sheet: str | None, given: dict[str, str] | None = None
) -> tuple[RawTable, Table]:
    """Open a file and say which raw table it is for; `given`: columns that hpd.toml gives for all its rows.

    Raises:
        InputError: it cannot be read, or its header fits no raw table.
    """
    opened = open_table(path, file, sheet)
    table = FLAT_TABLES[table_name] if table_name else _recognise(opened)
    opened.header = _rename(opened, table, given or {})
    return table, opened


def _recognise(opened: Table) -> RawTable:
    """The table whose required columns the header names; failing that, the one it resembles most."""

    def score(table: RawTable) -> tuple[bool, int, int, float]:
        named = _named(opened.header, table)
        n_required = len(named & set(table.required)) / len(table.required)
        known = {*table.columns, *table.input_only}
        n_known, n_exact = len(named & known), len(set(opened.header) & known)
        return n_required == 1, n_known, n_exact, n_required

    best = max(FLAT_TABLES.values(), key=score)
    if score(best)[1] < 2:
        is_row = any(NO_NAME.search(c) for c in opened.header)  # of a patient, it may be: a file without a header
        found = pl.select(outline(pl.Series(opened.header))).to_series().to_list() if is_row else opened.header
        raise InputError(Problem(
            opened.file, "unknown_table", "the header fits no table" + (" and looks like a row" if is_row else ""),
            lines=_header_lines(opened), found=found, n_found=len(found), allowed=", ".join(FLAT_TABLES),
            fix=f"`hpd template {best.name}` prints a header to start from"))  # fmt: skip
    return best


def _named(header: list[str], table: RawTable) -> set[str]:
    """The columns of the table that a header speaks of; a date stands for its day."""
    named = {table.aliases().get(c, c) for c in header}
    return named | {day for date, day in table.dates.items() if date in named}


def _header_lines(opened: Table) -> list[int]:
    return [opened.header_line] if opened.header_line else []  # Parquet has none


def _rename(opened: Table, table: RawTable, given: dict[str, str]) -> list[str]:
    aliases = table.aliases()
    columns = [*table.columns, *table.input_only]
    header = [c if c in columns else aliases.get(c, c) for c in opened.header]
    twice = sorted({c for c in header if header.count(c) > 1})
    lines = _header_lines(opened)
    if twice:
        raise InputError(Problem(
            opened.file, "duplicate_column", f"two columns both mean {', '.join(twice)}",
            found=[c for c, new in zip(opened.header, header, strict=True) if new in twice], fix="keep one", lines=lines,
        ))  # fmt: skip
    unknown = [c for c in header if c not in columns]
    missing = [c for c in table.required if c not in _named(header, table) and not (table.dates and c in given)]
    if unknown:
        # the closest match among the columns that are still free
        free = [c for c in (*columns, *aliases) if aliases.get(c, c) not in header]
        close = {c: difflib.get_close_matches(c, free, 1, 0.75) for c in unknown}
        close |= {
            c: difflib.get_close_matches(c.lower().replace(" ", "_"), free, 1, 0.75) for c in unknown if not close[c]
        }
        hints = [f"'{m[0]}' may be meant" for m in close.values() if m][:3]
        if table.dates and not hints:
            # exports of patients have columns that are nobody's business
            opened.notes.append(Problem(
                opened.file, "columns_left_out", f"columns that the table {table.name} does not have", level="NOTE",
                found=unknown[:SHOWN], n_found=len(unknown), outcome="not read"))  # fmt: skip
            unknown = []
    if unknown:
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
    if table.name == "tumor_measurements" and not {*clinical.MEASURED} & {*header}:
        others = [c for c in opened.header if c not in columns]
        raise InputError(Problem(
            opened.file, "missing_column", "says of no scan what was measured", found=others[:SHOWN], n_found=len(others),
            allowed=f"one of {', '.join(clinical.MEASURED)}", lines=lines,
            fix="rename the column, or map it with its unit in hpd.toml"))  # fmt: skip
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
        part.problems, part.share = _sum_up(findings, table, opened.file), block.share
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


def read_clinical(item: Item, table: RawTable, opened: Table, given: dict[str, str]) -> Iterator[Part]:
    """Patients or scans, block by block, through their door.

    Raises:
        InputError: as `read_flat`; or the starts of treatment cannot be read.
    """
    starts = treatment_starts(item)
    n_rows = 0
    for block in opened.blocks:
        text = block.rows.rename(dict(zip(block.rows.columns[: len(opened.header)], opened.header, strict=True)))
        text = text.with_columns(pl.lit(v).alias(c) for c, v in given.items() if c not in text.columns)
        part = clinical.part_of(table, opened.file, with_starts(text, starts), item.spec.date_format, item.spec.reader)
        part.share = block.share
        yield part
        n_rows += part.rows_read
        if block.ragged.height:
            yield hidden_ragged(table, block.ragged, opened)
            n_rows += block.ragged.height
    if not n_rows:
        raise InputError(Problem(opened.file, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))


def hidden_ragged(table: RawTable, ragged: pl.DataFrame, opened: Table) -> Part:
    """Lines about patients with the wrong number of fields: what stands in them is not kept."""
    rows, problem = ragged_rows(ragged, opened)
    rows = rows.with_columns(row_json=pl.lit('{"line": "(hidden)"}'), message=pl.lit(problem.what))
    return Part(table, opened.file, ragged.height, clinical.empty(table), rows.select(*REJECTED), [problem])


def treatment_starts(item: Item) -> pl.DataFrame | None:
    """Patient and start of treatment, of the file that the option `treatment_starts` names; None: no such option.

    Raises:
        InputError: it cannot be read to its last line, lacks a column, or gives a patient two starts.
    """
    name = item.spec.treatment_starts
    if name is None:
        return None
    opened = open_table(item.spec.base / name, name)
    wanted = ("trial_id", "patient_id", clinical.START_DATE)
    aliases = {a: c for a, c in FLAT_TABLES["patients"].aliases().items() if c in wanted and c not in opened.header}
    header = [aliases.get(c, c) for c in opened.header]
    missing = [c for c in ("patient_id", clinical.START_DATE) if c not in header]
    if missing:
        raise InputError(Problem(name, "missing_column", "needs this column", ", ".join(missing), lines=_header_lines(opened),
                                 fix="add it"))  # fmt: skip
    key = [c for c in ("trial_id", "patient_id") if c in header]
    frames = []
    for block in opened.blocks:
        if block.ragged.height:
            raise InputError(replace(ragged_rows(block.ragged, opened)[1], outcome=""))
        frames.append(
            block.rows.rename(dict(zip(opened.header, header, strict=True))).select(*key, clinical.START_DATE, "_line")
        )
    if not frames:
        raise InputError(Problem(name, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))
    starts = pl.concat(frames).drop_nulls().unique([*key, clinical.START_DATE], maintain_order=True)
    twice = starts.filter(pl.struct(key).is_duplicated())
    if twice.height:
        raise InputError(Problem(name, "conflicting_values", "gives a patient several starts", clinical.START_DATE,
                                 twice["_line"].head(SHOWN).to_list(), twice.height, fix="keep one"))  # fmt: skip
    return starts.select(*key, clinical.START_DATE)


def with_starts(text: pl.DataFrame, starts: pl.DataFrame | None) -> pl.DataFrame:
    """The rows with the start of treatment of their patient, where they do not give it themselves."""
    if starts is None or not {"trial_id", "patient_id"} & set(text.columns):
        return text
    key = [c for c in ("trial_id", "patient_id") if c in starts.columns and c in text.columns]
    (start,) = set(starts.columns) - {"trial_id", "patient_id"}
    joined = text.join(starts.select(*key, found=start), on=key, how="left", maintain_order="left")
    given = pl.col(start) if start in text.columns else pl.lit(None, pl.String)
    return joined.with_columns(pl.coalesce(given, "found").alias(start)).drop("found")


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
