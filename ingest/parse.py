"""Text → typed columns. A cell that cannot be parsed becomes null and a recorded finding, never a guess."""

from __future__ import annotations

import polars as pl

from schemas import RawTable

WHOLE = r"^[+-]?\d{1,18}(\.0+)?$"  # a spreadsheet writes 406 as 406.0
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
# what looks like a number and is none in its type
TOO_LARGE = {pl.Int64: r"^[+-]?\d{19,}(\.0+)?$", pl.Float64: r"^[+-]?(\d+\.?\d*|\.\d+)(e\+?\d+)?$"}
SPREADSHEET_ERROR = r"^#(DIV/0!|N/A|NAME\?|NULL!|NUM!|REF!|VALUE!)$"
TRUE, FALSE = ["true", "yes", "1"], ["false", "no", "0"]

# rule → (what is wrong, what is allowed, the way out)
CELL_RULES = {
    "comma_in_number": (
        "has a comma in a number",
        "digits and a decimal point",
        "write 13,8 as 13.8 and 1,318 as 1318",
    ),
    "spreadsheet_error": ("is a spreadsheet's error", "", "mend the formula, or leave the cell blank"),
    "percent_sign": ("is written as a percentage", "a fraction", "write 12 % as 0.12"),
    "not_finite": ("is not a finite number", "a finite number, or blank", "leave an unknown value blank"),
    "number_too_large": ("is too large to be stored as a number", "", "correct it, or leave it blank"),
    "unit_in_cell": ("carries a unit", "the bare number", "move the unit out of the cell"),
    "not_whole_number": ("is not a whole number", "a whole number, or blank", "correct it, or leave it blank"),
    "not_number": ("is not a number", "a number, or blank", "correct it, or leave it blank"),
    "not_true_or_false": ("is neither true nor false", "true, false, yes, no, 1, 0, or blank", "write one of these"),
}

FINDINGS = {"_line": pl.Int64, "column": pl.String, "value": pl.String, "rule": pl.String}


def parse(text: pl.DataFrame, table: RawTable) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Type the columns of a block.

    Args:
        text: String columns named as in `table` (any subset) and `_line`.
        table: the raw table they belong to.

    Returns:
        The block with every column of `table` typed (absent ones null, or their default) and `_line`, row for row; and the
        findings: `_line`, `column`, `value`, `rule`, one row per cell that could not be parsed.
    """
    columns, findings = [], []
    for name in table.columns:
        dtype, default = table.dtype(name), table.metadata(name).get("default")
        if name not in text.columns:
            columns.append(pl.lit(default, dtype).alias(name))
            continue
        columns.append(_typed(pl.col(name), dtype).fill_null(pl.lit(default, dtype)).alias(name))
        bad = text.filter(pl.col(name).str.contains(SPREADSHEET_ERROR)) if dtype == pl.String else None
        if bad is not None and bad.height:
            findings.append(bad.select("_line", column=pl.lit(name), value=name, rule=pl.lit("spreadsheet_error")))
        if dtype != pl.String:
            bad = text.select("_line", column=pl.lit(name), value=name, rule=_rule(pl.col(name), dtype))
            findings.append(bad.filter(pl.col("rule").is_not_null()))
    typed = text.select(*columns, "_line")
    return typed, pl.concat([pl.DataFrame(schema=FINDINGS), *findings])


def _typed(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return cell
    if dtype == pl.Boolean:
        folded = cell.str.to_lowercase()
        return pl.when(folded.is_in(TRUE)).then(True).when(folded.is_in(FALSE)).then(False)
    if dtype == pl.Int64:
        whole = cell.str.strip_chars_start("+").str.replace(r"\.0+$", "")
        return pl.when(cell.str.contains(WHOLE)).then(whole).cast(pl.Int64, strict=False)
    number = pl.when(cell.str.contains(NUMBER)).then(cell).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _rule(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The rule a cell breaks; null when it parses or is blank."""
    general = {pl.Boolean: "not_true_or_false", pl.Int64: "not_whole_number"}.get(dtype, "not_number")
    rule = pl.lit(general)
    if dtype != pl.Boolean:
        folded = cell.str.to_lowercase()
        rule = (
            pl.when(cell.str.contains(SPREADSHEET_ERROR))
            .then(pl.lit("spreadsheet_error"))
            .when(folded.str.contains(TOO_LARGE[dtype]))
            .then(pl.lit("number_too_large"))
            .when(folded.str.contains(r"^[+-]?(nan|inf|infinity)$"))
            .then(pl.lit("not_finite"))
            .when(cell.str.contains(r"%$"))
            .then(pl.lit("percent_sign"))
            .when(cell.str.contains(r"^[+-]?[\d.]*,[\d,.]+$"))
            .then(pl.lit("comma_in_number"))
            .when(cell.str.contains(r"^[+-]?[\d.]+\s*[A-Za-zµ]+$"))
            .then(pl.lit("unit_in_cell"))
            .otherwise(rule)
        )
    return pl.when(cell.is_not_null() & _typed(cell, dtype).is_null()).then(rule)
