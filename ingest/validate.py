"""Typed rows → valid rows and findings. pandera judges; here its verdict is split row by row, so that
every rejected row is kept with the reason (pandera's own `drop_invalid_rows` leaves no record)."""

from __future__ import annotations

import pandera.errors
import polars as pl

from ingest.errors import Problem
from ingest.parse import CELL_RULES, FINDINGS
from schemas import RawTable

# pandera's check → our rule and what it means
CHECK_RULES = {
    "not_nullable": ("missing_value", "is blank"),
    "isin": ("not_allowed", "is not an allowed value"),
    "greater_than_or_equal_to": ("below_minimum", "is below the minimum"),
    "greater_than": ("not_above_minimum", "is not above the minimum"),
    "less_than_or_equal_to": ("above_maximum", "is above the maximum"),
    "in_range": ("out_of_range", "is out of range"),
    "str_matches": ("wrong_form", "has the wrong form"),
}
FRACTION = "write a fraction: 12 % is 0.12"


def validate(
    typed: pl.DataFrame, text: pl.DataFrame, parsed: pl.DataFrame, table: RawTable
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a block into valid rows and findings.

    Args:
        typed: every column of `table`, and `_line`; as `parse` returns it.
        text: the same rows as text, for the values shown.
        parsed: the findings of `parse`.
        table: the raw table.

    Returns:
        The rows without any finding; and all findings (`_line`, `column`, `value`, `rule`), those of
        `parse` included, one row per row of the file and rule.
    """
    is_frame = pl.col("rule").is_in([check.name for check in table.schema.checks])
    try:
        # eager and lazy=True: a LazyFrame would be checked for names and types only
        table.schema.validate(typed.drop("_line"), lazy=True)
        checked = pl.DataFrame(schema=FINDINGS)
    except pandera.errors.SchemaErrors as errors:
        checked = _findings(errors.failure_cases, text, table)
    # a cell that could not be parsed is null by now: do not call it blank as well; and a frame check over
    # a cell that is at fault itself would only repeat it
    cells = pl.concat([parsed, checked.filter(~is_frame).join(parsed, on=["_line", "column"], how="anti")])
    frames = checked.filter(is_frame).join(cells, on="_line", how="anti")
    findings = pl.concat([cells, frames])
    return typed.join(findings, on="_line", how="anti", maintain_order="left"), findings


def _findings(cases: pl.DataFrame, text: pl.DataFrame, table: RawTable) -> pl.DataFrame:
    if cases["index"].null_count():
        raise RuntimeError(f"schema of {table.name} and its parser disagree: {cases.row(0, named=True)}")
    title = {check.name: check.title for check in table.schema.checks}
    check = pl.col("check").str.extract(r"^([a-z_]+)")
    is_frame = pl.col("schema_context") == "DataFrameSchema"
    named = cases.select(
        pl.col("index").cast(pl.UInt32),
        column=pl.when(is_frame).then(pl.col("check").replace(title)).otherwise(pl.col("column")),
        rule=pl.when(is_frame)
        .then(pl.col("check"))
        .otherwise(check.replace({name: rule for name, (rule, _) in CHECK_RULES.items()})),
    ).unique(maintain_order=True)
    shown = [c for c in named["column"].unique(maintain_order=True) if c in text.columns]
    numbered = text.with_row_index("index").join(named.select("index").unique(), on="index", how="semi")
    lines = named.join(numbered.select("index", "_line"), on="index", maintain_order="left")
    cells = numbered.select("index", *shown)
    values = cells.unpivot(shown, index="index", variable_name="column", value_name="value")
    found = lines.join(values, on=["index", "column"], how="left", maintain_order="left")
    return found.select(*FINDINGS)


def describe(rule: str, column: str, table: RawTable, file: str) -> Problem:
    """The problem a finding is an instance of, without its lines and values."""
    outcome, known = "rows rejected", table.columns
    if rule in CELL_RULES:
        what, allowed, fix = CELL_RULES[rule]
        unit = table.metadata(column).get("unit")
        if rule == "percent_sign" and table.dtype(column) == pl.Int64:
            allowed, fix = "a whole number", "give the count"
        elif rule == "percent_sign" and unit and "fraction" not in unit:
            allowed, fix = "a number, or blank", "leave the sign away" if unit == "%" else f"give it in {unit}"
        if rule == "comma_in_number" and table.dtype(column) == pl.Int64:
            allowed, fix = "digits", "write 1,318 as 1318"
        if rule == "unit_in_cell" and unit and table.dtype(column) == pl.Float64:
            fix = FRACTION if "fraction" in unit else f"give it in {unit}, and the number alone"
        return Problem(file, rule, what, column, allowed=allowed, fix=fix, outcome=outcome)
    for check in table.schema.checks:
        if check.name == rule:
            what, _, fix = str(check.description).partition("; ")
            return Problem(file, rule, what, column, fix=fix, outcome=outcome)
    if column in known:
        field = table.schema.columns[column]
        statistics = field.checks[0].statistics if field.checks else {}
        allowed = table.metadata(column).get("allowed") or _allowed(statistics)
        fix = "correct the cell" + (", or leave it blank" if field.nullable else "")
        if rule == "missing_value":
            allowed, fix = "", "fill it in"
        if rule == "out_of_range" and "fraction" in table.metadata(column).get("unit", ""):
            fix = FRACTION
        what = dict(CHECK_RULES.values())[rule]
        return Problem(file, rule, what, column, allowed=allowed, fix=fix, outcome=outcome)
    raise RuntimeError(f"no text for rule {rule}")


def _allowed(statistics: dict) -> str:
    if "allowed_values" in statistics:
        return ", ".join(map(str, statistics["allowed_values"]))
    low, high = statistics.get("min_value"), statistics.get("max_value")
    if high is None:
        return f"{low} or more"
    return f"{low} to {high}"
