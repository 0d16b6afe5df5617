"""Rows about patients: dates become days since the first dose, words become statuses, and only then are they parsed.

Every source of patients and scans goes through `part_of`. A calendar date, a name or a record number ends here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import SHOWN, InputError, Problem
from ingest.parse import FINDINGS, parse
from ingest.privacy import hide, outline, shape
from ingest.sources.part import Part
from ingest.validate import describe, validate
from schemas import RawTable

if TYPE_CHECKING:
    from ingest.pipeline import Item

START_DATE, START_DAY = "treatment_start_date", "treatment_start_day"
FULL = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
# 2014, 2014-01, 2014-01-UN, 2014---15: what ISO 8601, CDISC and people write for a date that is not known in full
PARTIAL = r"(?i)^\d{4}(-(\d{2}|-|un|unk|xx|\?\?)?(-(\d{2}|-|un|unk|xx|\?\?)?)?)?$"
# of a scan, one of these must be told
MEASURED = ("sum_diameters_mm", "change_from_baseline_percent", "measurement_status", "response")
STATUS_WORDS = {
    "too small to measure": "too_small_to_measure",
    "too small": "too_small_to_measure",
    "tstm": "too_small_to_measure",
    "not evaluable": "not_evaluable",
    "unevaluable": "not_evaluable",
    "not assessed": "not_evaluable",
    "not measurable": "not_evaluable",
    "not done": "not_evaluable",
    "ne": "not_evaluable",
    "nd": "not_evaluable",
}
# what says where a rejected scan stood, and the columns that may be at fault for it
_PLACES = {"day": ("day", "scan_date", "treatment_start_date", "treatment_start_day"), "reader": ("reader",)}
# rule → (what is wrong, what is allowed, the way out)
DATE_RULES = {
    "not_a_date": (
        "is not a date",
        "YYYY-MM-DD, or only its year or month",
        "write it so, or give `date_format` in hpd.toml",
    ),
    "date_in_future": ("lies in the future", "", "correct it"),
    "end_before_start": ("is before the start of treatment", "", "correct one of the two dates"),
    "no_treatment_start": (
        "cannot be counted from the first dose",
        f"a {START_DATE} (of days on another clock: {START_DAY}) in the row, or of the patient",
        "give it, or give days since the first dose",
    ),
    "not_days": ("is not a number of days", "a number, or blank", "correct it, or leave it blank"),
}


def given(item: Item) -> dict[str, str]:
    """Columns of patients that hpd.toml gives for all rows of an input; a column of the file goes first."""
    spec = item.spec
    told = {"trial_id": spec.trial_id, "cancer_type_reported": spec.cancer_type, "ttf_event": spec.ttf_event}
    return {column: value for column, value in told.items() if value is not None}


def with_reader(parts: Iterable[Part], item: Item) -> Iterator[Part]:
    """The parts, as they are.

    Raises:
        InputError: the option `reader` names somebody who read no scan.
    """
    readers: set[str] = set()
    for part in parts:
        if part.table is not None and part.table.name == "tumor_measurements":
            readers.update(part.valid["reader"].unique())
        yield part
    if item.spec.reader is not None and readers and item.spec.reader not in readers:
        raise InputError(Problem(
            item.file, "unknown_reader", "the option `reader` names somebody who read no scan", found=[item.spec.reader],
            allowed=", ".join(sorted(readers)[:10]), fix="correct it in hpd.toml"))  # fmt: skip


def part_of(
    table: RawTable, file: str, text: pl.DataFrame, date_format: str | None = None, reader: str | None = None
) -> Part:
    """A stretch of patients or scans, on its way into `raw`.

    Args:
        table: `patients` or `tumor_measurements`.
        file: as shown.
        text: String columns named as in `table`, or as the date twin of a day (`table.dates`), with the start of the
            treatment beside them: `treatment_start_date`, or `treatment_start_day` where days are on another clock
            (diagnosis, say); null is not known. `_line` (Int64), each once. Other columns are left behind.
        date_format: how dates are written (strftime); default ISO 8601.
        reader: whose scans count, where several read them.

    Returns:
        The part. A date without its day gives no day and is named in `partial_dates` (`is_day_partial`). Findings show
        the shape of a cell, never a name, a date or an identifier.
    """
    known = [c for c in text.columns if c in table.columns or c in table.input_only]
    text = text.select(*known, "_line")
    ready, dated = _with_days(text, table, date_format)
    ready = _with_status(ready) if table.name == "tumor_measurements" else ready
    if reader is not None and table.name == "tumor_measurements":
        is_chosen = pl.col("reader") == reader if "reader" in ready.columns else pl.lit(False)
        ready = ready.with_columns(is_reader_chosen=is_chosen.fill_null(False).cast(pl.String))
    if table.name == "tumor_measurements":
        dated = pl.concat([dated, _without_day(ready, dated)])
    typed, parsed = parse(ready, table)
    valid, findings = validate(typed, ready, pl.concat([dated, parsed]), table)
    cell = pl.col("value")
    shown = pl.when(pl.col("column").str.ends_with("_date")).then(outline(cell)).otherwise(shape(cell))
    is_who = pl.col("column").is_in(list(table.identifiers)) & cell.is_not_null()
    findings = findings.with_columns(value=pl.when(is_who).then(pl.lit("(hidden)")).otherwise(shown))
    problems = []
    for (rule, column), group in findings.group_by("rule", "column", maintain_order=True):
        problem = _described(str(rule), str(column), table, file, date_format)
        values = group["value"].drop_nulls().unique(maintain_order=True)
        problem.lines, problem.n_lines = group["_line"].sort().head(SHOWN).to_list(), group.height
        problem.found, problem.n_found = values.head(SHOWN).to_list(), values.len()
        problems.append(problem)
    part = Part(table, file, text.height, valid, _rejected(findings, text, table, problems), problems)
    if table.name == "tumor_measurements" and findings.height:
        known = typed.join(findings, on="_line", how="semi").drop_nulls(["trial_id", "patient_id"])
        at_fault = {c: findings.filter(pl.col("column").is_in(who))["_line"] for c, who in _PLACES.items()}
        kept = [
            pl.when(~pl.col("_line").is_in(lines.implode())).then(pl.col(c)).alias(c) for c, lines in at_fault.items()
        ]
        part.unusable = known.select("trial_id", "patient_id", *kept)
    return part


def empty(table: RawTable) -> pl.DataFrame:
    """No rows of a table, typed, with `_line`."""
    return pl.DataFrame(schema={c: table.dtype(c) for c in table.columns} | {"_line": pl.Int64})


def _described(rule: str, column: str, table: RawTable, file: str, date_format: str | None) -> Problem:
    if rule not in DATE_RULES:
        return describe(rule, column, table, file)
    what, allowed, fix = DATE_RULES[rule]
    if rule == "not_a_date" and date_format:
        allowed, fix = date_format, "write it so, or correct `date_format` in hpd.toml"
    return Problem(file, rule, what, column, allowed=allowed, fix=fix, outcome="rows rejected")


def _rejected(findings: pl.DataFrame, text: pl.DataFrame, table: RawTable, problems: list[Problem]) -> pl.DataFrame:
    whole = hide(text.join(findings.select("_line").unique(), on="_line", how="semi"), table)
    whole = whole.select("_line", row_json=pl.struct(pl.exclude("_line")).struct.json_encode())
    said = pl.DataFrame(
        [(p.rule, p.column, p.what) for p in problems],
        {"rule": pl.String, "column": pl.String, "message": pl.String},
        orient="row",
    )
    return (
        findings.join(whole, on="_line", how="left", maintain_order="left")
        .join(said, on=["rule", "column"], how="left", maintain_order="left")
        .select("_line", "column", "value", "rule", "message", "row_json")
    )


def _with_days(text: pl.DataFrame, table: RawTable, date_format: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Days instead of dates, and what is wrong with the dates."""
    text, findings = _on_treatment_clock(text, table)
    dates = [c for c in (*table.dates, START_DATE) if c in text.columns]
    if not dates:
        return text, findings
    text = text.with_columns(_parsed(text, c, date_format).alias(f"{c} parsed") for c in dates)
    partial = {c: _is_partial(c, date_format) for c in dates}
    found = [findings]
    for column in dates:
        wrong = pl.col(column).is_not_null() & pl.col(f"{column} parsed").is_null() & ~partial[column]
        found.append(_finding(text, wrong, column, "not_a_date"))
        parsed = pl.col(f"{column} parsed")
        found.append(_finding(text, parsed > dt.date.today(), column, "date_in_future"))
        text = text.with_columns(pl.when(parsed <= dt.date.today()).then(parsed))  # one finding is enough
    has_start = START_DATE in dates
    start = pl.col(f"{START_DATE} parsed") if has_start else pl.lit(None, pl.Date)
    started = pl.col(START_DATE) if has_start else pl.lit(None, pl.String)
    for column in dates[: -1 if has_start else None]:
        day = table.dates[column]
        days = (pl.col(f"{column} parsed") - start).dt.total_days()
        given = pl.col(day) if day in text.columns else pl.lit(None, pl.String)
        needed = pl.col(column).is_not_null() & given.is_null()
        found.append(_finding(text, needed & started.is_null(), column, "no_treatment_start"))
        if table.name == "patients":
            found.append(_finding(text, needed & (days < 0), column, "end_before_start"))
            days = pl.when(days >= 0).then(days)
        text = text.with_columns(pl.coalesce(given, days.cast(pl.String)).alias(day))
    lost = [pl.when(partial[c]).then(pl.lit(c)) for c in dates]
    if table.name == "patients":
        names = pl.concat_str(lost, separator="|", ignore_nulls=True)
        text = text.with_columns(partial_dates=pl.when(names != "").then(names))
    else:
        is_partial = pl.any_horizontal(partial.values()) & pl.col("day").is_null()
        text = text.with_columns(is_day_partial=pl.when(is_partial).then(pl.lit("true")))
    return text.drop(*dates, *(f"{c} parsed" for c in dates)), pl.concat(found)


def _without_day(text: pl.DataFrame, dated: pl.DataFrame) -> pl.DataFrame:
    """Scans of which neither a day nor a partial date is given."""
    is_partial = pl.col("is_day_partial").is_not_null() if "is_day_partial" in text.columns else pl.lit(False)
    blank = text.filter(pl.col("day").is_null() & ~is_partial) if "day" in text.columns else text.clear()
    blank = blank.join(dated, on="_line", how="anti")
    return blank.select("_line", column=pl.lit("day"), value=pl.lit(None, pl.String), rule=pl.lit("missing_value"))


def _on_treatment_clock(text: pl.DataFrame, table: RawTable) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Days on another clock are counted from the first dose."""
    if START_DAY not in text.columns:
        return text, pl.DataFrame(schema=FINDINGS)
    start = pl.col(START_DAY).cast(pl.Float64, strict=False)
    found = [_finding(text, pl.col(START_DAY).is_not_null() & start.is_null(), START_DAY, "not_days")]
    for day in (c for c in table.dates.values() if c in text.columns):
        value = pl.col(day).cast(pl.Float64, strict=False)
        found.append(_finding(text, pl.col(day).is_not_null() & value.is_null(), day, "not_days"))
        found.append(_finding(text, value.is_not_null() & pl.col(START_DAY).is_null(), day, "no_treatment_start"))
        counted = (value - start).round(6)
        if table.name == "patients":
            found.append(_finding(text, counted < 0, day, "end_before_start"))
            counted = pl.when(counted >= 0).then(counted)
        text = text.with_columns(counted.cast(pl.String).alias(day))
    return text.drop(START_DAY), pl.concat([pl.DataFrame(schema=FINDINGS), *found])


def _finding(text: pl.DataFrame, where: pl.Expr, column: str, rule: str) -> pl.DataFrame:
    return text.filter(where).select("_line", column=pl.lit(column), value=column, rule=pl.lit(rule))


def _parsed(text: pl.DataFrame, column: str, date_format: str | None) -> pl.Expr:
    cell = pl.col(column)
    if date_format:
        return cell.str.to_date(date_format, strict=False)
    whole = pl.when(cell.str.contains(FULL)).then(cell.str.slice(0, 10))
    return whole.str.to_date("%Y-%m-%d", strict=False)


def _is_partial(column: str, date_format: str | None) -> pl.Expr:
    """Written as a date whose day (or month) is not known: nothing is guessed."""
    cell = pl.col(column)
    return cell.str.contains(PARTIAL).fill_null(False) & ~cell.str.contains(FULL).fill_null(False)


def _with_status(text: pl.DataFrame) -> pl.DataFrame:
    """TOO SMALL TO MEASURE and the like stand where a number should: they are a status."""
    if "sum_diameters_mm" not in text.columns:
        return text
    word = pl.col("sum_diameters_mm").str.to_lowercase().str.replace_all(r"[\s_]+", " ")
    status = word.replace_strict(STATUS_WORDS, default=None, return_dtype=pl.String)
    given = pl.col("measurement_status") if "measurement_status" in text.columns else pl.lit(None, pl.String)
    return text.with_columns(
        measurement_status=pl.coalesce(given, status),
        sum_diameters_mm=pl.when(status.is_null()).then(pl.col("sum_diameters_mm")),
    )
