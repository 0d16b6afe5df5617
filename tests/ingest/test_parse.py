"""Text becomes typed values; what cannot is null, and a finding says so."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import parse
from schemas import TABLES

TRIALS = TABLES["trials"]
COUNT, FRACTION, FLAG, TEXT = "n_hpd", "hpd_incidence_reported", "in_pool", "report_id"


def parsed(column: str, *cells: str | None) -> tuple[list, list[tuple]]:
    """The typed values of a column, and the findings as (line, column, value, rule)."""
    text = pl.DataFrame({column: cells, "_line": range(2, len(cells) + 2)}, {column: pl.String, "_line": pl.Int64})
    typed, findings = parse(text, TRIALS)
    return typed[column].to_list(), findings.rows()


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (COUNT, "6", 6),
        (COUNT, "006", 6),
        (COUNT, "+6", 6),
        (COUNT, "-6", -6),
        (COUNT, "406.0", 406),
        (COUNT, "406.00", 406),
        (COUNT, "999999999999999999", 999999999999999999),
        (COUNT, None, None),
        (FRACTION, "0.138", 0.138),
        (FRACTION, ".5", 0.5),
        (FRACTION, "5.", 5.0),
        (FRACTION, "+0.5", 0.5),
        (FRACTION, "-0.5", -0.5),
        (FRACTION, "1e-3", 0.001),
        (FRACTION, "1E3", 1000.0),
        (FRACTION, "1e-400", 0.0),
        (FRACTION, None, None),
        (FLAG, "true", True),
        (FLAG, "Yes", True),
        (FLAG, "1", True),
        (FLAG, "FALSE", False),
        (FLAG, "no", False),
        (FLAG, "0", False),
        (FLAG, None, None),
        (TEXT, "001", "001"),
        (TEXT, "1e5", "1e5"),
        (TEXT, "=1+1", "=1+1"),
        (TEXT, "NaN", "NaN"),
    ],
)
def test_a_cell_becomes_its_value_and_no_finding(column: str, cell: str | None, value: object) -> None:
    assert parsed(column, cell) == ([value], [])


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        (COUNT, "six", "not_whole_number"),
        (COUNT, "6.5", "not_whole_number"),
        (COUNT, "1e3", "not_whole_number"),
        (COUNT, "1 318", "not_whole_number"),
        (COUNT, "1_318", "not_whole_number"),
        (COUNT, "0x10", "not_whole_number"),
        (COUNT, "٥", "not_whole_number"),
        (COUNT, "~6", "not_whole_number"),
        (COUNT, "6/50", "not_whole_number"),
        (COUNT, "--6", "not_whole_number"),
        (COUNT, "1,318", "comma_in_number"),
        (COUNT, "1,318,000", "comma_in_number"),
        (COUNT, "12%", "percent_sign"),
        (COUNT, "50 pts", "unit_in_cell"),
        (COUNT, "NaN", "not_finite"),
        (COUNT, "-Infinity", "not_finite"),
        (COUNT, "1000000000000000000", "number_too_large"),
        (COUNT, "99999999999999999999.0", "number_too_large"),
        (FRACTION, "one half", "not_number"),
        (FRACTION, "0.1.2", "not_number"),
        (FRACTION, "1.2.3e5", "not_number"),
        (FRACTION, "<0.05", "not_number"),
        (FRACTION, "0.1-0.2", "not_number"),
        (FRACTION, "0,138", "comma_in_number"),
        (FRACTION, "1.318,5", "comma_in_number"),
        (FRACTION, "13.8 %", "percent_sign"),
        (FRACTION, "12mm", "unit_in_cell"),
        (FRACTION, "1.2 cm", "unit_in_cell"),
        (FRACTION, "7 µm", "unit_in_cell"),
        (FRACTION, "nan", "not_finite"),
        (FRACTION, "+inf", "not_finite"),
        (FRACTION, "1e999", "number_too_large"),
        (FRACTION, "-1e9999", "number_too_large"),
        (FRACTION, "9" * 400, "number_too_large"),
        (FLAG, "maybe", "not_true_or_false"),
        (FLAG, "2", "not_true_or_false"),
        (FLAG, "y", "not_true_or_false"),
    ],
)
def test_a_cell_that_cannot_be_parsed_is_null_and_one_finding(column: str, cell: str, rule: str) -> None:
    assert parsed(column, cell) == ([None], [(2, column, cell, rule)])


def test_a_finding_names_its_line() -> None:
    assert parsed(COUNT, "1", "x", "3", "y")[1] == [
        (3, COUNT, "x", "not_whole_number"),
        (5, COUNT, "y", "not_whole_number"),
    ]


def test_columns_that_the_file_has_not_are_null_and_typed() -> None:
    typed, _ = parse(pl.DataFrame({TEXT: ["A"], "_line": [2]}), TRIALS)
    assert typed.drop("_line").schema == {name: TRIALS.dtype(name) for name in TRIALS.columns}
    assert typed.select(pl.exclude(TEXT, "_line")).row(0) == (None,) * (len(TRIALS.columns) - 1)


def test_columns_come_out_in_the_order_of_the_table() -> None:
    typed, _ = parse(pl.DataFrame({COUNT: ["6"], TEXT: ["A"], "_line": [2]}), TRIALS)
    assert typed.columns == [*TRIALS.columns, "_line"]


@given(st.lists(st.none() | st.text("0123456789.,%+-eE naif\u0665", max_size=8), min_size=1, max_size=20))
def test_every_cell_is_blank_or_a_value_or_a_finding(cells: list[str | None]) -> None:
    for column in (COUNT, FRACTION, FLAG):
        values, findings = parsed(column, *cells)
        at_fault = {line for line, *_ in findings}
        for line, (cell, value) in enumerate(zip(cells, values, strict=True), 2):
            assert (cell is None) + (value is not None) + (line in at_fault) == 1
