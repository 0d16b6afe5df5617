"""A run loads what changed, removes what is no longer named, and leaves everything else alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter
from click.testing import CliRunner

from ingest import pipeline, table
from ingest.cli import main
from ingest.errors import UsageError
from ingest.load import Loader
from ingest.pipeline import BUNDLED, Item, Report, Spec, discover, run, specs_from
from ingest.settings import Settings
from schemas import FLAT_TABLES, TABLES

HEADER = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n"
A, B, BAD = "A,NSCLC,X,50,6\n", "B,NSCLC,X,50,6\n", "C,NSCLC,X,50,60\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test, and a warehouse of its own in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPD_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.fixture
def load(db: duckdb.DuckDBPyConnection) -> Callable[..., Report]:
    """Loads the named inputs into the database of the test."""
    return lambda *named, config=None: run(items_of(*named, config=config), db, home=Path.cwd())


def items_of(*named: str, config: Path | None = None) -> list[Item]:
    items, failed, _ = discover(specs_from(named, config), Settings(home=Path("home")))
    assert failed == []
    return items


def refused(*named: str, config: Path | None = None) -> list[str]:
    """The messages of inputs that are not found or not allowed."""
    return [str(e) for e in discover(specs_from(named, config), Settings(home=Path("home")))[1]]


def rows(db: duckdb.DuckDBPyConnection, what: str = "report_id") -> list:
    found = db.sql(f"select {what} from raw.trials order by all").fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def toml(text: str) -> Path:
    Path("hpd.toml").write_text(text)
    return Path("hpd.toml")


# --- which inputs --------------------------------------------------------------------------------------


def test_without_inputs_and_without_hpd_toml_the_bundled_evidence_is_meant() -> None:
    assert [(spec.name, spec.origin) for spec in specs_from([], None)] == [(BUNDLED, "published")]


def test_named_inputs_are_institutional_unless_bundled() -> None:
    specs = specs_from(["bundled", "own.csv"], None)
    assert [(spec.name, spec.origin) for spec in specs] == [
        (BUNDLED, "published"),
        ("own.csv", "institutional"),
    ]


def test_an_input_named_twice_is_one_input() -> None:
    assert [spec.name for spec in specs_from(["b.csv", "a.csv", "b.csv"], None)] == ["b.csv", "a.csv"]


def test_hpd_toml_of_the_working_folder_is_read() -> None:
    toml('[[inputs]]\npath = "bundled"\n[[inputs]]\npath = "own.csv"\nname = "own"\norigin = "simulated"\n')
    assert [(spec.path, spec.name, spec.origin) for spec in specs_from([], None)] == [
        ("bundled", "bundled", "published"),
        ("own.csv", "own", "simulated"),
    ]


def test_named_inputs_go_before_hpd_toml() -> None:
    toml('[[inputs]]\npath = "other.csv"\n')
    assert [spec.path for spec in specs_from(["own.csv"], None)] == ["own.csv"]


def test_paths_in_a_configuration_are_relative_to_it(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "own.csv").write_text(HEADER + A)
    (folder / "sub" / "lung.toml").write_text('[[inputs]]\npath = "own.csv"\n')
    (item,) = items_of(config=Path("sub/lung.toml"))
    assert (item.path, item.file) == (Path("sub/own.csv"), "own.csv")


KEYS = (
    "path, name, origin, table, sheet, genes, study_id, study_group, source, cancer_type, samples, trial_id, reader, "
    "ttf_event, date_format, treatment_starts, repeats, map, units, values, only"
)
NO_INPUTS = f"holds no [[inputs]] (or something beside them); allowed: [[inputs]] tables with {KEYS}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_INPUTS),
        ("inputs = []", NO_INPUTS),
        ('inputs = ["a"]', NO_INPUTS),
        ('a = 1\n[[inputs]]\npath = "a"', NO_INPUTS),
        ('[[inputs]]\nname = "a"', f"an [[inputs]] table has no path; allowed: {KEYS}"),
        ('[[inputs]]\npath = "a"\nx = "b"', f"an [[inputs]] table has the unknown key 'x'; allowed: {KEYS}"),
        ('[[inputs]]\npath = 7', "path = 7; allowed: text in quotes"),
        ('[[inputs]]\npath = "a"\nsheet = 2', "sheet = 2; allowed: text in quotes"),
        ('[[inputs]]\npath = "a"\norigin = "mine"',
         "origin = 'mine'; allowed: published, institutional, simulated"),
        ('[[inputs]]\npath = "a"\ntable = "trial"',
         "table = 'trial'; allowed: trials, patients, tumor_measurements, amplification_counts, hpd_by_amplification"),
        ('[[inputs]]\npath = "a"\nrepeats = "last"', "repeats = 'last'; allowed: agree, first"),
        ('[[inputs]]\npath = "a"\nttf_event = "pfs"',
         "ttf_event = 'pfs'; allowed: last_dose, off_treatment, progression, death"),
        ('[[inputs]]\npath = "a"\ndate_format = 1', "date_format = 1; allowed: text in quotes"),
        ('[[inputs]]\npath = "a"\nreader = ["a"]', "reader = ['a']; allowed: text in quotes"),
        *[(f'[[inputs]]\npath = "a"\n{key} = "b"', f"{key} = 'b'; allowed: a table, [inputs.{key}]")
          for key in ("map", "units", "values", "only")],
    ],
)  # fmt: skip
def test_a_configuration_that_says_something_unknown_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        specs_from([], toml(text))
    assert str(caught.value) == f"ERROR hpd.toml: {message}"


def test_a_configuration_that_is_no_toml_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^ERROR hpd.toml: cannot be read: .*line 1"):
        specs_from([], toml("inputs: own.csv"))


def test_a_configuration_that_is_not_there_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["validate", "--config", "lung.toml"])
    assert (result.exit_code, result.stderr) == (2, "ERROR lung.toml: not found\n")


def test_every_missing_input_is_named_at_once() -> None:
    assert [message.partition(":")[0] for message in refused("a.csv", "b.csv")] == [
        "ERROR a.csv",
        "ERROR b.csv",
    ]


def test_a_name_no_file_can_have_is_refused_like_any_other() -> None:
    (message,) = refused("x" * 300)
    assert message.endswith("…: cannot be opened (File name too long); nothing of it was loaded; "
                            "check the path and its permissions")  # fmt: skip


def test_the_tables_of_a_folder_are_read_in_the_order_of_their_names(folder: Path) -> None:
    for name in ("b.csv", "a.tsv", "C.CSV"):
        (folder / name).write_text(HEADER + A)
    (folder / "d").mkdir()
    (folder / ".hidden.csv").write_text("")
    assert [item.file for item in items_of(f"{folder}")] == [f"{folder}/{n}" for n in ("C.CSV", "a.tsv", "b.csv")]


def test_files_of_a_folder_that_are_no_tables_are_spoken_of(folder: Path) -> None:
    (folder / "own.csv").write_text(HEADER + A)
    (folder / "notes.docx").write_text("x")
    *_, notes = discover(specs_from(["."], None), Settings(home=folder))
    assert [str(note) for note in notes] == ["NOTE .: files that are no tables were passed over; found 'notes.docx'"]


def test_a_link_inside_the_folder_is_followed_once(folder: Path) -> None:
    (folder / "own.csv").write_text(HEADER + A)
    (folder / "link.csv").symlink_to("own.csv")
    assert [item.file for item in items_of(".")] == ["./link.csv"]


def test_a_file_named_by_two_paths_loads_once(folder: Path) -> None:
    (folder / "own.csv").write_text(HEADER + A)
    assert [item.file for item in items_of("own.csv", "./own.csv", ".")] == ["own.csv"]


def test_two_sheets_of_one_workbook_are_two_inputs(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    with xlsxwriter.Workbook("own.xlsx") as book:
        for name, line in (("lung", A), ("skin", B)):
            sheet = book.add_worksheet(name)
            sheet.write_row("A1", HEADER.strip().split(","))
            sheet.write_row("A2", line.strip().split(","))
    toml("".join(f'[[inputs]]\npath = "own.xlsx"\nsheet = "{name}"\n' for name in ("lung", "skin")))
    load()
    assert rows(db, "report_id, _source_file") == [("A", "own.xlsx[lung]"), ("B", "own.xlsx[skin]")]


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    assert refused("pipe.csv", "/dev/zero") == [
        f"ERROR {name}: is not a file that can be read again; nothing of it was loaded; name a file"
        for name in ("pipe.csv", "/dev/zero")
    ]


def test_links_in_a_circle_are_refused(folder: Path) -> None:
    (folder / "a.csv").symlink_to("b.csv")
    (folder / "b.csv").symlink_to("a.csv")
    (message,) = refused("a.csv")
    assert message.startswith("ERROR a.csv: cannot be opened (")


@pytest.mark.parametrize("name", ["~nobody-of-this-name/own.csv", "own\0.csv"])
def test_a_path_that_cannot_be_resolved_is_refused(name: str) -> None:
    (message,) = refused(name)
    assert "cannot be opened (" in message
    assert "\0" not in message


def test_two_inputs_of_one_shown_name_are_refused(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "own.csv").write_text(HEADER + A)
    specs = [Spec("own.csv", "own", base=folder / name) for name in ("a", "b")]
    items, failed, _ = discover(specs, Settings(home=folder))
    assert [item.path for item in items] == [folder / "a" / "own.csv"]
    assert list(map(str, failed)) == [
        "ERROR own.csv: two inputs have this name; nothing of it was loaded; name the folder ./own.csv"
    ]


# --- loading -------------------------------------------------------------------------------------------


def test_the_bundled_evidence_loads_whole(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    report = load(BUNDLED)
    assert (report.rows_loaded, report.rows_rejected, report.problems) == (66 + 21 + 354 + 6, 0, [])


def everything(db: duckdb.DuckDBPyConnection) -> list[list[tuple]]:
    """Every row of raw and audit, times of loading included."""
    names = [*(f"raw.{name}" for name in TABLES), "audit.loads", "audit.rejected_rows"]
    return [db.sql(f"from {name} order by all").fetchall() for name in names]


def test_the_same_bytes_twice_change_nothing(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("own.csv").write_text(HEADER + A + BAD)
    load("own.csv")
    before = everything(db)
    report = load("own.csv")
    assert (report.unchanged, report.loaded, report.removed) == (["own.csv"], [], [])
    assert everything(db) == before


def test_the_same_bytes_give_the_same_item_id() -> None:
    Path("own.csv").write_text(HEADER + A)
    first = items_of("own.csv")
    Path("own.csv").write_text(HEADER + A)
    assert items_of("own.csv") == first


@pytest.mark.parametrize(
    "option",
    [
        'origin = "simulated"',
        'name = "ours"',
        'table = "trials"',
        'genes = "all"',
        'cancer_type = "SARC"',
        'trial_id = "A"',
        'reader = "SITE"',
        'ttf_event = "death"',
        'date_format = "%Y"',
        'repeats = "first"',
        'map.patients.patient_id = "a"',
        'units.a = "cm"',
        'values.a.b = "c"',
        'only.a = "b"',
    ],
)
def test_another_option_gives_another_item_id(option: str) -> None:
    Path("own.csv").write_text(HEADER + A)
    (plain,) = items_of("own.csv")
    (other,) = items_of(config=toml(f'[[inputs]]\npath = "own.csv"\n{option}\n'))
    assert plain.item_id != other.item_id


def test_another_file_of_treatment_starts_gives_another_item_id() -> None:
    Path("own.csv").write_text(HEADER + A)
    config = toml('[[inputs]]\npath = "own.csv"\ntreatment_starts = "starts.csv"\n')
    Path("starts.csv").write_text("patient_id,treatment_start_date\nP1,2024-01-01\n")
    (before,) = items_of(config=config)
    Path("starts.csv").write_text("patient_id,treatment_start_date\nP1,2024-01-02\n")
    assert items_of(config=config)[0].item_id != before.item_id


def test_changed_rules_give_another_item_id(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own.csv").write_text(HEADER + A)
    (before,) = items_of("own.csv")
    monkeypatch.setattr(pipeline, "rules_version", lambda: "another")
    assert items_of("own.csv")[0].item_id != before.item_id


def test_a_changed_file_replaces_its_own_rows_only(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("a.csv").write_text(HEADER + A)
    Path("b.csv").write_text(HEADER + B + BAD)
    load("a.csv", "b.csv")
    Path("b.csv").write_text(HEADER + "D,NSCLC,X,50,6\n")
    report = load("a.csv", "b.csv")
    assert rows(db) == ["A", "D"]
    assert (report.unchanged, report.loaded) == (["a.csv"], ["b.csv: trials, 1 of 1 rows"])
    assert db.sql("from audit.rejected_rows").fetchall() == []


def test_a_file_that_is_no_longer_named_is_removed_and_said_so(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report]
) -> None:
    Path("a.csv").write_text(HEADER + A)
    Path("b.csv").write_text(HEADER + B + BAD)
    load("a.csv", "b.csv")
    assert load("a.csv").removed == ["b.csv"]
    assert rows(db) == ["A"]
    assert db.sql("select source_file from audit.loads").fetchall() == [("a.csv",)]
    assert db.sql("from audit.rejected_rows").fetchall() == []


def test_the_order_of_inputs_is_recorded_and_follows_a_new_order(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report]
) -> None:
    Path("a.csv").write_text(HEADER + A)
    Path("b.csv").write_text(HEADER + B)
    order = "select source_file from audit.loads order by input_number"
    load("b.csv", "a.csv")
    assert db.sql(order).fetchall() == [("b.csv",), ("a.csv",)]
    load("a.csv", "b.csv")
    assert db.sql(order).fetchall() == [("a.csv",), ("b.csv",)]


def test_a_failure_in_the_middle_of_a_file_rolls_it_back(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own.csv").write_text(HEADER + A)
    load("own.csv")
    before = everything(db)
    monkeypatch.setattr(table, "BLOCK_BYTES", 16)
    added, add = [], Loader.add

    def fail_at_the_second(self: Loader, *args: object) -> None:
        added.append(args)
        if len(added) == 2:
            raise MemoryError
        add(self, *args)

    monkeypatch.setattr(Loader, "add", fail_at_the_second)
    Path("own.csv").write_text(HEADER + B + BAD)
    with pytest.raises(MemoryError):
        load("own.csv")
    assert everything(db) == before


def test_a_file_that_breaks_further_down_leaves_its_earlier_rows(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own.csv").write_text(HEADER + A)
    load("own.csv")
    monkeypatch.setattr(table, "BLOCK_BYTES", 16)
    Path("own.csv").write_bytes((HEADER + B + BAD).encode() + b"D,M\xe9lanome,X,50,6\n")
    report = load("own.csv")
    assert rows(db) == ["A"]
    assert [str(e.problem.what) for e in report.failed] == ["is not valid UTF-8"]
    assert (report.rows_read, report.problems) == (0, [])


def test_a_bad_file_does_not_stop_a_good_one(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("bad.csv").write_text(HEADER)
    Path("good.csv").write_text(HEADER + A)
    report = load("bad.csv", "good.csv")
    assert rows(db) == ["A"]
    assert [(e.problem.file, e.problem.rule) for e in report.failed] == [("bad.csv", "no_rows")]


def test_a_file_that_was_bad_loads_once_it_is_good(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("own.csv").write_text(HEADER)
    load("own.csv")
    Path("own.csv").write_text(HEADER + A)
    assert load("own.csv").loaded == ["own.csv: trials, 1 of 1 rows"]


def test_raw_rows_tell_the_line_their_values_stand_on(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BLOCK_BYTES", 50)
    lines = [f"R{i},NSCLC,X,{100 + i},6\n" + "\n" * (i % 3) for i in range(50)]
    Path("own.csv").write_text("# own\n" + HEADER + "".join(lines))
    load("own.csv")
    file = Path("own.csv").read_text().splitlines()
    told = rows(db, "report_id, n_evaluable, _source_file, _source_line")
    assert len(told) == 50
    for report_id, n_evaluable, source, line in told:
        assert source == "own.csv"
        assert file[line - 1] == f"{report_id},NSCLC,X,{n_evaluable},6"


def test_the_same_finding_in_several_blocks_is_one_message_with_exact_counts(
    load: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BLOCK_BYTES", 40)
    Path("own.csv").write_text(HEADER + "".join(f"R{i},NSCLC,X,50,x{i % 5}\n" for i in range(40)))
    assert [str(problem) for problem in load("own.csv").problems] == [
        "ERROR own.csv: lines 2, 3, 4 (37 more): n_hpd: is not a whole number; found 'x0', 'x1', 'x2' "
        "(2 more); allowed: a whole number, or blank; 40 rows rejected; correct it, or leave it blank"
    ]


def test_the_load_is_recorded_with_its_checksum_size_and_versions(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report]
) -> None:
    Path("own.csv").write_text(HEADER + A)
    (item,) = items_of("own.csv")
    load("own.csv")
    ((sha256, n_bytes, versions),) = db.sql("select sha256, n_bytes, versions from audit.loads").fetchall()
    assert item.files == (("", sha256, n_bytes),)
    assert n_bytes == len(HEADER + A)
    assert versions.startswith("hpd-warehouse ")
    assert f"duckdb {duckdb.__version__}, polars {pl.__version__}, pandera " in versions


@pytest.mark.parametrize("origin", pipeline.ORIGINS)
def test_the_origin_travels_with_every_row(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report], origin: str
) -> None:
    Path("own.csv").write_text(HEADER + A)
    load(config=toml(f'[[inputs]]\npath = "own.csv"\norigin = "{origin}"\n'))
    assert rows(db, "data_origin") == [origin]
    assert db.sql("select data_origin from audit.loads").fetchall() == [(origin,)]


def test_a_configured_table_is_read_where_the_header_would_say_another(
    db: duckdb.DuckDBPyConnection, load: Callable[..., Report]
) -> None:
    Path("own.csv").write_text("trial_id,patient_id,cancer_type\nA,1,NSCLC\n")
    load(config=toml('[[inputs]]\npath = "own.csv"\ntable = "patients"\norigin = "published"\n'))
    assert db.sql("select trial_id, patient_id from raw.patients").fetchall() == [("A", "1")]


def test_other_names_of_columns_are_understood(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("own.csv").write_text("report_id,cancer_type,hpd_definition,n_evaluable,n_hpd,year\nA,NSCLC,X,50,6,2020\n")
    load("own.csv")
    assert rows(db, "cancer_type_reported, publication_year") == [("NSCLC", 2020)]


def test_a_run_without_files_removes_everything(db: duckdb.DuckDBPyConnection, load: Callable[..., Report]) -> None:
    Path("own.csv").write_text(HEADER + A)
    load("own.csv")
    assert run([], db).removed == ["own.csv"]
    assert rows(db) == []


# --- templates -----------------------------------------------------------------------------------------


def template(name: str) -> str:
    return CliRunner().invoke(main, ["template", name]).stdout


@pytest.mark.parametrize("name", FLAT_TABLES)
def test_a_template_alone_holds_no_row_so_that_its_example_is_never_loaded(name: str) -> None:
    Path("own.csv").write_text(template(name))
    result = CliRunner().invoke(main, ["validate", "own.csv"])
    assert (result.stdout, result.exit_code) == ("", 1)
    assert "has a header and no rows" in result.stderr


@pytest.mark.parametrize("name", FLAT_TABLES)
def test_a_template_and_a_row_such_as_its_example_are_a_valid_file(name: str) -> None:
    text = template(name)
    (example,) = re.findall(r"^\"?# example: (.*)$", text, re.MULTILINE)
    Path("own.csv").write_text(f"{text}{example}\n")
    result = CliRunner().invoke(main, ["validate", "own.csv"])
    assert result.stdout == "1 file, 1 row read, 1 good, 0 bad\n"
    assert f"own.csv: {name}, 1 of 1 rows" in result.stderr
    assert result.exit_code == 0


def test_a_spec_names_a_file_relative_to_its_base(folder: Path) -> None:
    (folder / "own.csv").write_text(HEADER + A)
    (item,), *_ = discover([Spec("own.csv", "own", base=folder)], Settings(home=folder))
    assert (item.path, item.file, item.number) == (folder / "own.csv", "own.csv", 1)
