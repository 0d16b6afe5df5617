"""Every column is documented where it is checked, and the bundled evidence keeps the rules."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl
import pytest

from ingest.settings import PROJECT
from ingest.sources.flat import open_flat, read_flat
from schemas import FLAT_TABLES, TABLES, RawTable

BUNDLED = PROJECT / "ingest" / "bundled"
COLUMNS = [(table, column) for table in TABLES.values() for column in table.columns]
NAMES = [f"{table.name}.{column}" for table, column in COLUMNS]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=NAMES)
def test_a_column_is_described_in_a_sentence(table: RawTable, column: str) -> None:
    description = table.schema.columns[column].description or ""
    assert re.fullmatch(r"\S.{8,}\.", description)


def columns_where(condition: Callable[[RawTable, str], bool]) -> pytest.MarkDecorator:
    """Runs a test for every column that meets the condition."""
    chosen = [(table, column) for table, column in COLUMNS if condition(table, column)]
    ids = [f"{table.name}.{column}" for table, column in chosen]
    return pytest.mark.parametrize(("table", "column"), chosen, ids=ids)


@columns_where(lambda table, column: table.is_flat and table.metadata(column).get("required", False))
def test_a_required_column_of_a_template_has_an_example(table: RawTable, column: str) -> None:
    assert table.metadata(column).get("example")


# an identifier and a place in a list are counted in nothing
@columns_where(
    lambda table, column: table.dtype(column) in (pl.Int64, pl.Float64) and not column.endswith(("_id", "_number"))
)
def test_a_number_has_a_unit(table: RawTable, column: str) -> None:
    assert table.metadata(column).get("unit")


@columns_where(lambda table, column: not table.schema.columns[column].nullable)
def test_a_column_that_may_not_be_blank_is_required_or_has_a_default(table: RawTable, column: str) -> None:
    assert bool(table.metadata(column).get("required")) != bool(table.metadata(column).get("default"))


@columns_where(lambda table, column: any(c.name == "str_matches" for c in table.schema.columns[column].checks))
def test_a_pattern_is_also_said_in_words(table: RawTable, column: str) -> None:
    assert table.metadata(column).get("allowed")


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=NAMES)
def test_the_facts_of_a_column_are_known_ones(table: RawTable, column: str) -> None:
    known = {"required", "unit", "allowed", "aliases", "example", "default", "date", "identifies", "published_only"}
    assert table.metadata(column).keys() <= known


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_key_is_never_blank(table: RawTable) -> None:
    days = table.dates.values()  # a partial date has no day
    assert [column for column in table.key if table.schema.columns[column].nullable and column not in days] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_who_a_row_is_about_is_never_stored_as_it_is_given(table: RawTable) -> None:
    ids = {column for column in table.columns if column in ("patient_id", "sample_id")}
    assert set(table.identifiers) == ids
    assert set(table.identifiers.values()) <= {"patient", "sample"}


@columns_where(lambda table, column: bool(table.dates) and table.dtype(column) == pl.String)
def test_free_text_about_a_patient_is_documented_as_kept_or_not(table: RawTable, column: str) -> None:
    """What own patients' cells are kept as they are: names of trials, drugs, cancers, genes, definitions; or a fixed list."""
    checks = {check.name for check in table.schema.columns[column].checks}
    vocabulary = {"trial_id", "cancer_type_reported", "agents", "hpd_definition"}
    is_bound = bool(checks & {"isin", "str_matches"})
    is_hidden = column in table.identifiers or column in table.free_text
    assert is_bound + is_hidden + (column in vocabulary) == 1


@columns_where(lambda table, column: bool(table.dates) and column.endswith("_day"))
def test_a_day_may_be_given_as_a_date_that_is_not_stored(table: RawTable, column: str) -> None:
    date = table.metadata(column)["date"]
    assert date.endswith("_date")
    assert date not in table.columns
    assert date in table.input_only
    assert date in table.metadata(column)["allowed"]


def test_dates_that_may_be_partial_are_those_a_row_may_give() -> None:
    told = TABLES["patients"].schema.columns["partial_dates"].checks[0].statistics["pattern"]
    assert set(re.findall(r"\w+_date", str(getattr(told, "pattern", told)))) == {
        date for date in TABLES["patients"].input_only if date.endswith("_date")
    }


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_another_name_means_one_column_and_is_no_column_itself(table: RawTable) -> None:
    named = [alias for column in table.columns for alias in table.metadata(column).get("aliases", [])]
    assert len(named) == len(set(named))
    assert set(named).isdisjoint(table.columns)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_rule_over_several_cells_names_its_column_its_fault_and_the_way_out(table: RawTable) -> None:
    for check in table.schema.checks:
        assert check.title in table.columns
        assert re.fullmatch(r"[^;]+; [^;]+", check.description)


def test_rules_over_several_cells_have_names_of_their_own() -> None:
    names = [check.name for table in TABLES.values() for check in table.schema.checks]
    assert len(names) == len(set(names)) == 9


# what no paper prints of a single patient, and what is filled in at the door
OF_OWN_PATIENTS = {
    "patients": {
        "is_ttf_censored", "ttf_event", "ttf_cut_days", "last_dose_day", "off_treatment_day", "progression_day", "death_day",
        "last_known_day", "ecog_worst_2_months", "partial_dates",
    },
}  # fmt: skip
EVIDENCE = [name for name in FLAT_TABLES if name != "tumor_measurements"]  # no publication prints every scan


@pytest.mark.parametrize(
    ("name", "n_rows"),
    [("trials", 66), ("patients", 21), ("amplification_counts", 354), ("hpd_by_amplification", 6)],
)
def test_the_bundled_evidence_is_valid(name: str, n_rows: int) -> None:
    table, opened = open_flat(BUNDLED / f"{name}.csv", f"{name}.csv", None, None)
    parts = list(read_flat(table, opened))
    assert table.name == name
    assert sum(part.valid.height for part in parts) == sum(part.rows_read for part in parts) == n_rows


@pytest.mark.parametrize("name", EVIDENCE)
def test_the_bundled_evidence_names_every_column_in_the_order_of_the_table(name: str) -> None:
    _, opened = open_flat(BUNDLED / f"{name}.csv", f"{name}.csv", None, None)
    assert opened.header == [c for c in TABLES[name].columns if c not in OF_OWN_PATIENTS.get(name, ())]


def test_the_bundled_evidence_is_a_file_per_table() -> None:
    assert {path.stem for path in BUNDLED.glob("*.csv")} == set(EVIDENCE)


def evidence(name: str) -> pl.DataFrame:
    return pl.read_csv(BUNDLED / f"{name}.csv", infer_schema=False)


SOURCES = (BUNDLED / "SOURCES.md").read_text("utf-8")


@pytest.mark.parametrize("source", sorted(evidence("amplification_counts")["source"].unique()))
def test_sources_md_names_the_source_of_every_amplification_count(source: str) -> None:
    table = SOURCES.partition("## Amplification")[2].partition("###")[0]
    assert source in table


def test_sources_md_states_the_number_of_rows_of_every_file() -> None:
    stated = dict(re.findall(r"^\| `(\w+)\.csv` \| (\d+) \|", SOURCES, re.MULTILINE))
    assert stated == {name: str(evidence(name).height) for name in EVIDENCE}


@pytest.mark.parametrize("name", [name for name in EVIDENCE if "source_url" in TABLES[name].columns])
def test_every_row_of_the_evidence_says_where_it_was_read(name: str) -> None:
    cited = pl.any_horizontal(pl.col("^(source_url|doi|pmid)$").is_not_null())
    assert evidence(name).filter(~cited).height == 0


def test_every_amplification_count_says_where_it_comes_from() -> None:
    assert evidence("amplification_counts")["source_reference"].null_count() == 0
