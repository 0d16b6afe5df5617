"""Rows are split into valid ones and rejected ones, and every rejected one has a reason."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parse import CELL_RULES, parse
from ingest.validate import CHECK_RULES, describe, validate
from schemas import FLAT_TABLES, TABLES, RawTable

GOOD = {
    "trials": {
        "report_id": "A", "cancer_type_reported": "NSCLC", "hpd_definition": "X",
        "n_evaluable": "50", "n_hpd": "6",
    },
    "patients": {"trial_id": "A", "patient_id": "P1"},
    "tumor_measurements": {"trial_id": "A", "patient_id": "P1", "day": "-14", "reader": "SITE"},
    "amplification_counts": {
        "source": "OWN", "study_id": "S", "cancer_type_reported": "NSCLC", "genes": "MDM2", "n_assayed": "9",
        "n_amplified": "1", "unit": "sample",
    },
    "hpd_by_amplification": {
        "report_id": "A", "cancer_type_reported": "NSCLC", "genes": "MDM2", "alteration": "amplification",
        "outcome": "HPD",
    },
}  # fmt: skip


def split(table: RawTable, *rows: dict[str, str | None]) -> tuple[list[int], list[tuple]]:
    """Lines of the valid rows, and the findings as (line, column, value, rule)."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [row.get(name) for row in rows] for name in names}
    text = pl.DataFrame(cells, dict.fromkeys(names, pl.String)).with_columns(
        _line=pl.int_range(2, len(rows) + 2, dtype=pl.Int64)
    )
    typed, parsed = parse(text, table)
    valid, findings = validate(typed, text, parsed, table)
    return valid["_line"].to_list(), findings.rows()


def findings_of(name: str, **cells: str | None) -> list[tuple]:
    """What a good row with `cells` in it is found guilty of: (column, value, rule)."""
    valid, findings = split(TABLES[name], GOOD[name] | cells)
    assert valid == ([] if findings else [2])
    return [finding[1:] for finding in findings]


@pytest.mark.parametrize("name", FLAT_TABLES)
def test_a_good_row_is_valid(name: str) -> None:
    assert findings_of(name) == []


NEXT_YEAR, THIS_YEAR = str(date.today().year + 1), str(date.today().year)
FULL = {"in_pool": "false", "pool_exclusion_code": "overlap", "pool_exclusion_reason": "same patients"}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("trials", {"n_hpd": "50"}),
        ("trials", {"n_hpd": "0"}),
        ("trials", {"publication_year": THIS_YEAR}),
        ("trials", {"publication_year": "1990"}),
        ("trials", {"hpd_incidence_reported": "0"}),
        ("trials", {"hpd_incidence_reported": "1"}),
        ("trials", {"n_evaluable": None, "n_hpd": None, **FULL}),
        ("trials", {"n_hpd": None, **FULL}),
        ("trials", {"in_pool": "true"}),
        ("trials", {"doi": "10.1001/jamaoncol.2018.3676"}),
        ("trials", {"pmid": "28419181"}),
        ("patients", {"burden_change_low": "-1", "burden_change_high": "-1"}),
        ("patients", {"burden_change_low": "0.5"}),
        ("patients", {"genes": "MDM2|MDM4", "amplification_status": "not_amplified"}),
        ("patients", {"genes": "HLA-A"}),
        ("patients", {"ttf_days": "0", "death_day": "36525", "ttf_cut_days": "0.5", "ecog_worst_2_months": "5"}),
        ("patients", {"partial_dates": "treatment_start_date|death_date"}),
        ("tumor_measurements", {"day": None}),
        ("tumor_measurements", {"day": "-36525"}),
        ("tumor_measurements", {"day": "36525", "sum_diameters_mm": "0"}),
        ("tumor_measurements", {"sum_diameters_mm": "5000", "change_from_baseline_percent": "-100"}),
        *[
            ("tumor_measurements", {"reader": reader})
            for reader in (
                "INVESTIGATOR",
                "not stated",
                "Independent Assessor",
                "RADIOLOGIST 1",
                "reader_a",
                "BICR",
                "Site-Reader 12",
                "INDEPENDENT ASSESSOR RADIOLOGIST 2",
                "Reader1",
            )
        ],
        ("amplification_counts", {"n_amplified": "9", "n_samples_all": "9"}),
        ("amplification_counts", {"n_assayed": "0", "n_amplified": "0"}),
        ("hpd_by_amplification", {"n_altered_with_outcome": "0", "alteration": "any_alteration"}),
    ],
)
def test_the_edge_of_a_rule_is_inside(name: str, cells: dict[str, str | None]) -> None:
    assert findings_of(name, **cells) == []


@pytest.mark.parametrize(
    ("name", "cells", "column", "rule"),
    [
        ("trials", {"report_id": None}, "report_id", "missing_value"),
        ("trials", {"hpd_definition": None}, "hpd_definition", "missing_value"),
        ("trials", {"n_hpd": "51"}, "n_hpd", "n_hpd_above_n_evaluable"),
        ("trials", {"n_evaluable": None, **FULL}, "n_evaluable", "n_hpd_without_n_evaluable"),
        ("trials", {"n_evaluable": None, "n_hpd": None}, "in_pool", "in_pool_without_counts"),
        ("trials", {"n_evaluable": "0", "n_hpd": "0"}, "in_pool", "in_pool_without_counts"),
        ("trials", {**FULL, "pool_exclusion_reason": None}, "pool_exclusion_reason",
         "pool_exclusion_without_reason"),
        ("trials", {**FULL, "pool_exclusion_code": None}, "pool_exclusion_reason",
         "pool_exclusion_without_reason"),
        ("trials", {**FULL, "pool_exclusion_code": "x"}, "pool_exclusion_code", "not_allowed"),
        ("trials", {"publication_year": NEXT_YEAR}, "publication_year", "publication_year_in_future"),
        ("trials", {"publication_year": "1989"}, "publication_year", "below_minimum"),
        ("trials", {"hpd_incidence_reported": "1.01"}, "hpd_incidence_reported", "out_of_range"),
        ("trials", {"hpd_incidence_reported": "-0.01"}, "hpd_incidence_reported", "out_of_range"),
        ("trials", {"n_hpd": "-1"}, "n_hpd", "below_minimum"),
        ("trials", {"doi": "doi:10.1001/x"}, "doi", "wrong_form"),
        ("trials", {"pmid": "PMC5647162"}, "pmid", "wrong_form"),
        ("trials", {"source_kind": "Primary"}, "source_kind", "not_allowed"),
        ("patients", {"amplification_status": "amplified"}, "genes", "amplification_status_without_genes"),
        ("patients", {"amplification_status": "yes", "genes": "X"}, "amplification_status", "not_allowed"),
        ("patients", {"genes": "MDM2|"}, "genes", "wrong_form"),
        ("patients", {"genes": "MDM2/MDM4"}, "genes", "wrong_form"),
        ("patients", {"ttf_days": "-1"}, "ttf_days", "below_minimum"),
        ("patients", {"ttf_days": "36526"}, "ttf_days", "above_maximum"),
        ("patients", {"death_day": "45292"}, "death_day", "above_maximum"),
        ("patients", {"last_dose_day": "-0.5"}, "last_dose_day", "below_minimum"),
        ("patients", {"ttf_cut_days": "0"}, "ttf_cut_days", "not_above_minimum"),
        ("patients", {"ttf_event": "pfs"}, "ttf_event", "not_allowed"),
        ("patients", {"ecog_worst_2_months": "6"}, "ecog_worst_2_months", "out_of_range"),
        ("patients", {"partial_dates": "birth_date"}, "partial_dates", "wrong_form"),
        ("tumor_measurements", {"day": "45292"}, "day", "above_maximum"),
        ("tumor_measurements", {"sum_diameters_mm": "5000.1"}, "sum_diameters_mm", "out_of_range"),
        ("tumor_measurements", {"sum_diameters_mm": "-1"}, "sum_diameters_mm", "out_of_range"),
        ("tumor_measurements", {"change_from_baseline_percent": "-100.1"}, "change_from_baseline_percent", "below_minimum"),
        ("tumor_measurements", {"response": "progression"}, "response", "not_allowed"),
        ("tumor_measurements", {"measurement_status": "TSTM"}, "measurement_status", "not_allowed"),
        ("tumor_measurements", {"n_new_lesions": "-1"}, "n_new_lesions", "below_minimum"),
        *[("tumor_measurements", {"reader": reader}, "reader", "wrong_form") for reader in (
            "Jane Doe", "Dr Doe", "READER Jane Doe", "readerjanedoe", "reader j d", "SITE 12345", "reader 12 34 56",
        )],
        ("patients", {"burden_change_low": "-1.1"}, "burden_change_low", "below_minimum"),
        ("patients", {"burden_change_low": "2", "burden_change_high": "1"}, "burden_change_low",
         "burden_change_low_above_high"),
        ("amplification_counts", {"n_amplified": "10"}, "n_amplified", "n_amplified_above_n_assayed"),
        ("amplification_counts", {"n_samples_all": "8"}, "n_assayed", "n_assayed_above_n_samples_all"),
        ("amplification_counts", {"n_amplified": None}, "n_amplified", "missing_value"),
        ("amplification_counts", {"unit": "samples"}, "unit", "not_allowed"),
        ("amplification_counts", {"oncotree_code": "luad"}, "oncotree_code", "wrong_form"),
        ("hpd_by_amplification", {"alteration": "mutation"}, "alteration", "not_allowed"),
        ("hpd_by_amplification", {"n_altered_with_outcome": "-1"}, "n_altered_with_outcome", "below_minimum"),
    ],
)  # fmt: skip
def test_one_step_further_is_one_finding(name: str, cells: dict[str, str | None], column: str, rule: str) -> None:
    assert findings_of(name, **cells) == [(column, cells.get(column, GOOD[name].get(column)), rule)]


def test_who_measured_is_not_stated_where_the_cell_is_blank() -> None:
    text = pl.DataFrame({"reader": ["SITE", None], "_line": [2, 3]})
    typed, findings = parse(text, TABLES["tumor_measurements"])
    assert typed["reader"].to_list() == ["SITE", "NOT STATED"]
    assert findings.is_empty()


@pytest.mark.parametrize(
    ("name", "column", "advice"),
    [
        ("tumor_measurements", "sum_diameters_mm", "allowed: a number, or blank; rows rejected; give it in mm"),
        ("tumor_measurements", "change_from_baseline_percent", "allowed: a number, or blank; rows rejected; leave the sign away"),
        ("trials", "hpd_incidence_reported", "allowed: a fraction; rows rejected; write 12 % as 0.12"),
        ("trials", "n_hpd", "allowed: a whole number; rows rejected; give the count"),
    ],
)  # fmt: skip
def test_the_way_out_of_a_percentage_fits_the_unit_of_the_column(name: str, column: str, advice: str) -> None:
    said = str(describe("percent_sign", column, TABLES[name], "f.csv"))
    assert said == f"ERROR f.csv: {column}: is written as a percentage; {advice}"


def test_a_cell_that_cannot_be_parsed_is_not_called_blank_as_well() -> None:
    assert findings_of("amplification_counts", n_assayed="nine") == [("n_assayed", "nine", "not_whole_number")]


def test_a_rule_over_several_cells_does_not_repeat_the_fault_of_one() -> None:
    assert findings_of("trials", n_hpd="six") == [("n_hpd", "six", "not_whole_number")]


def test_two_faults_of_one_row_are_two_findings() -> None:
    assert sorted(findings_of("trials", pmid="x", doi="y")) == [
        ("doi", "y", "wrong_form"),
        ("pmid", "x", "wrong_form"),
    ]


def test_a_fault_is_found_on_its_own_line() -> None:
    good = GOOD["trials"]
    valid, findings = split(TABLES["trials"], good, good | {"n_hpd": "51"}, good, good | {"doi": "x"})
    assert valid == [2, 4]
    assert sorted(line for line, *_ in findings) == [3, 5]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_rule_of_a_table_has_words(table: RawTable) -> None:
    named = {check.name: check.title for check in table.schema.checks}
    for column in table.columns:
        rules = ["missing_value"] if not table.schema.columns[column].nullable else []
        rules += [CHECK_RULES[check.name][0] for check in table.schema.columns[column].checks]
        rules += [] if table.dtype(column) == pl.String else list(CELL_RULES)
        rules += [name for name, title in named.items() if title == column]
        for rule in rules:
            said = str(describe(rule, column, table, "f.csv"))
            assert said.startswith(f"ERROR f.csv: {column}: ")
            assert "None" not in said
            assert "; rows rejected; " in said


CELLS = {
    "report_id": ["A", "B", None],
    "cancer_type_reported": ["NSCLC", None],
    "hpd_definition": ["X", "X", None],
    "n_evaluable": ["50", "5", "0", "-1", "nan", "fifty", None],
    "n_hpd": ["6", "50", "6.5", "1,000", "9" * 20, None],
    "hpd_incidence_reported": ["0.5", "12", "12 %", "1e999", None],
    "publication_year": ["2020", THIS_YEAR, NEXT_YEAR, "20", None],
    "in_pool": ["true", "no", "maybe", None],
    "pool_exclusion_code": ["overlap", "because", None],
    "pool_exclusion_reason": ["same patients", None],
    "doi": ["10.1000/x", "x", None],
}
ROWS = st.lists(st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), max_size=12)


@settings(max_examples=30, deadline=None)
@given(ROWS.filter(bool))
def test_valid_and_rejected_rows_are_all_rows_once_and_in_order(rows: list[dict[str, str | None]]) -> None:
    valid, findings = split(TABLES["trials"], *rows)
    rejected = {line for line, *_ in findings}
    assert rejected.isdisjoint(valid)
    assert sorted([*valid, *rejected]) == list(range(2, len(rows) + 2))
    assert valid == sorted(valid)


@settings(max_examples=30, deadline=None)
@given(ROWS.filter(bool))
def test_no_finding_is_told_twice_and_each_shows_its_cell(rows: list[dict[str, str | None]]) -> None:
    _, findings = split(TABLES["trials"], *rows)
    assert len({(line, column, rule) for line, column, _, rule in findings}) == len(findings)
    assert [value for *_, value, _ in findings] == [rows[line - 2][column] for line, column, *_ in findings]
