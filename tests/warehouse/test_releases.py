"""Going back to an earlier release, what changed between two, and the marts as files; on build databases made by hand."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.errors import PublishError, UsageError
from ingest.settings import Settings
from warehouse import export as exporting
from warehouse import releases
from warehouse.compare import compare
from warehouse.connection import connect, open_build
from warehouse.export import export
from warehouse.publish import mark_build, publish
from warehouse.releases import in_service, release_in_service, rollback, rolled_back, taken_out

COUNTS = "create or replace table hpd_incidence (cancer_type varchar primary key, n_hpd bigint, label varchar)"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "it's home"
    home.mkdir()
    settings = Settings(home)
    with open_build(settings) as build:
        build.execute("""
            create schema audit;
            create table audit.loads as select 1 as input_number, 'bundled' as input_name, 'a.csv' as source_file,
                'trials' as table_name, 'published' as data_origin, 'abc' as sha256, 9 as n_bytes, 3 as rows_read,
                2 as rows_loaded, 1 as rows_rejected;
            create table audit.rejected_rows as select 'n_hpd' as column_name;
            create table no_key as select 1 as x;
        """)
    return settings


def release(settings: Settings, number: int, rows: str, tables: tuple[str, ...] = ("hpd_incidence", "no_key")) -> str:
    """Publish a build whose incidence holds `rows`; each number is another build."""
    with open_build(settings) as build:
        build.execute(COUNTS)
        build.execute(f"insert into hpd_incidence values {rows}")
        mark_build(build, f"{number:016d}", {}, [f"main.{table}" for table in tables])
        return publish(build, settings)


@pytest.fixture
def two(settings: Settings) -> tuple[str, str]:
    return release(settings, 1, "('a', 1, 'x'), ('b', 2, 'y')"), release(settings, 2, "('b', 3, 'y'), ('c', 4, '=1+1')")


def n_hpd(settings: Settings) -> list:
    with duckdb.connect(str(settings.published_db), read_only=True) as db:
        return db.sql("select n_hpd from hpd_incidence order by 1").fetchall()


# --- rollback ---


def test_the_release_before_comes_back_and_the_newer_one_stays(settings: Settings, two: tuple[str, str]) -> None:
    older, newer = sorted(two)
    assert rollback(settings) == (newer, older)
    assert release_in_service(settings) == older
    assert sorted(releases.releases(settings)) == [older, newer]
    assert rollback(settings, newer) == (older, newer)
    assert in_service(settings)["release_id"] == newer


def test_what_is_in_service_is_known_to_a_process_that_is_reading_it(settings: Settings, two: tuple[str, str]) -> None:
    with connect(settings.published_db):
        assert in_service(settings)["release_id"] == two[1]


def test_what_was_taken_out_is_remembered_until_something_is_published(
    settings: Settings, two: tuple[str, str]
) -> None:
    rollback(settings)
    assert rolled_back(settings) == [{"release_id": max(two), "fingerprint": f"{2:016d}"}]
    release(settings, 3, "('d', 5, 'z')")
    assert rolled_back(settings) == []
    assert n_hpd(settings) == [(5,)]


def test_all_that_was_taken_out_is_remembered_but_what_is_back(settings: Settings, two: tuple[str, str]) -> None:
    third = release(settings, 3, "('d', 5, 'z')")
    rollback(settings)
    rollback(settings)
    assert [taken_out(settings, f"{number:016d}") for number in (1, 2, 3)] == [None, max(two), third]
    rollback(settings, third)
    assert [taken_out(settings, f"{number:016d}") for number in (2, 3)] == [max(two), None]


@pytest.mark.parametrize("damaged", ["", "[", "[]", "{}", "null", '[1, {"release_id": "x"}]', '"fingerprint"'])
def test_what_was_taken_out_is_forgotten_when_its_file_is_damaged(
    damaged: str, settings: Settings, two: tuple[str, str]
) -> None:
    settings.rolled_back.write_text(damaged)
    assert taken_out(settings, f"{2:016d}") is None
    rollback(settings)
    assert taken_out(settings, f"{2:016d}") == max(two)


def test_there_is_nothing_before_the_first_release(settings: Settings) -> None:
    first = release(settings, 1, "('a', 1, 'x')")
    with pytest.raises(UsageError, match=f"no release older than {first} is kept"):
        rollback(settings)
    assert release_in_service(settings) == first


def test_a_release_that_is_not_kept_is_named_with_those_that_are(settings: Settings, two: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=f"there is no release 'nonsense'; allowed: {max(two)}, {min(two)}"):
        rollback(settings, "nonsense")
    with pytest.raises(UsageError, match="there is no release"):
        rollback(settings, "../../etc")


def test_a_release_that_cannot_be_read_is_not_put_into_service(settings: Settings, two: tuple[str, str]) -> None:
    file = settings.releases / min(two) / "hpd.duckdb"
    file.chmod(0o600)
    file.write_bytes(b"not a database")
    with pytest.raises(PublishError, match="cannot be read; the release in service stays"):
        rollback(settings)
    assert release_in_service(settings) == max(two)


def test_the_release_in_service_is_never_pruned(settings: Settings, two: tuple[str, str]) -> None:
    oldest, newest = sorted(two)
    rollback(settings)
    for number in range(releases.KEPT):
        shutil.copytree(settings.releases / newest, settings.releases / f"9999010{number}T000000-1a2b3c4d")
    releases.prune(settings)
    assert len(releases.releases(settings)) == releases.KEPT + 1
    assert oldest in releases.releases(settings)
    assert n_hpd(settings) == [(1,), (2,)]


# --- diff ---


def test_a_diff_counts_added_removed_and_changed_keys(settings: Settings, two: tuple[str, str]) -> None:
    older, newer = (releases.file_of(settings, name) for name in sorted(two))
    found = {difference.table: difference for difference in compare(older, newer, n_rows=9)}
    counts = found["main.hpd_incidence"]
    assert (counts.n_old, counts.n_new, counts.n_added, counts.n_removed, counts.n_changed) == (2, 2, 1, 1, 1)
    assert counts.columns == {"n_hpd": 1}
    assert counts.rows == [
        {"what": "added", "cancer_type": "c"},
        {"what": "removed", "cancer_type": "a"},
        {"what": "changed", "cancer_type": "b", "column": "n_hpd", "old": 2, "new": 3},
    ]
    assert not found["main.no_key"].is_different


def test_a_release_does_not_differ_from_itself(settings: Settings, two: tuple[str, str]) -> None:
    file = releases.file_of(settings, two[0])
    found = compare(file, file)
    assert found
    assert not any(difference.is_different for difference in found)


def test_a_table_without_a_key_is_compared_row_by_row_and_a_lacking_table_is_told(settings: Settings) -> None:
    first = release(settings, 1, "('a', 1, 'x')")
    with open_build(settings) as build:
        build.execute("insert into no_key values (1), (2); create table another as select 7 as y")
    second = release(settings, 2, "('a', 1, 'x')", ("hpd_incidence", "no_key", "another"))
    old, new = (releases.file_of(settings, name) for name in (first, second))
    found = {d.table: d for d in compare(old, new)}
    assert (found["main.no_key"].n_added, found["main.no_key"].n_removed, found["main.no_key"].n_changed) == (
        2,
        0,
        None,
    )
    assert (found["main.another"].n_old, found["main.another"].n_new) == (None, 1)
    assert {d.table for d in compare(new, old) if d.is_different} == {"main.no_key", "main.another"}


def test_a_column_that_one_release_lacks_is_told(settings: Settings) -> None:
    first = release(settings, 1, "('a', 1, 'x')")
    with open_build(settings) as build:
        build.execute("create or replace table hpd_incidence (cancer_type varchar primary key, n_hpd bigint, n bigint)")
        build.execute("insert into hpd_incidence values ('a', 1, 9)")
        mark_build(build, "f" * 16, {}, ["main.hpd_incidence"])
        second = publish(build, settings)
    (counts,) = (
        d for d in compare(releases.file_of(settings, first), releases.file_of(settings, second)) if "hpd" in d.table
    )
    assert counts.columns == {"label": None, "n": None}
    assert counts.n_changed == 0


def test_a_column_that_has_another_type_is_compared_as_text(settings: Settings) -> None:
    first = release(settings, 1, "('1', 1, 'x'), ('2', 2, 'y')")
    with open_build(settings) as build:
        build.execute(
            "create or replace table hpd_incidence (cancer_type int primary key, n_hpd varchar, label varchar)"
        )
        build.execute("insert into hpd_incidence values (1, '1', 'x'), (2, 'two', 'y')")
        build.execute("create or replace table no_key as select 'one' as x")
        mark_build(build, "f" * 16, {}, ["main.hpd_incidence", "main.no_key"])
        second = publish(build, settings)
    found = compare(releases.file_of(settings, first), releases.file_of(settings, second), n_rows=9)
    told = {d.table: (d.n_added, d.n_removed, d.n_changed, d.rows) for d in found}
    changed = {"what": "changed", "cancer_type": "2", "column": "n_hpd", "old": 2, "new": "two"}
    assert told == {"main.hpd_incidence": (0, 0, 1, [changed]), "main.no_key": (1, 1, None, [])}


def test_less_than_no_rows_cannot_be_shown() -> None:
    done = CliRunner().invoke(main, ["diff", "--rows", "-1"])
    assert done.exit_code == 2
    assert "-1 is not in the range x>=0" in done.output


# --- export ---


def test_an_export_is_the_release_as_parquet_and_csv_with_checksums(
    settings: Settings, two: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    manifest = export(settings, folder)
    assert manifest == json.loads((folder / "manifest.json").read_text())
    assert manifest["release_id"] == max(two)
    frame = pl.read_parquet(folder / "hpd_incidence.parquet")
    assert sorted(frame.rows()) == [("b", 3, "y"), ("c", 4, "=1+1")]
    named = {file["file"] for file in manifest["files"]}
    assert named == {p.name for p in folder.iterdir()} - {"manifest.json"}
    for file in manifest["files"]:
        data = (folder / file["file"]).read_bytes()
        assert (file["sha256"], file["n_bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))


def test_formulas_are_disarmed_in_csv_and_kept_in_parquet(
    settings: Settings, two: tuple[str, str], tmp_path: Path
) -> None:
    manifest = export(settings, tmp_path / "out", ("csv",))
    with (tmp_path / "out" / "hpd_incidence.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"y", "'=1+1"}
    assert sum(file["n_escaped"] for file in manifest["files"]) == 1


def test_an_earlier_export_is_replaced_and_anything_else_is_left_alone(
    settings: Settings, two: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    export(settings, folder)
    rollback(settings)
    assert export(settings, folder, ("csv",))["release_id"] == min(two)
    assert not (folder / "hpd_incidence.parquet").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


OURS = '{"release_id": "1", "files": [{"file": "a.csv"}]}'


@pytest.mark.parametrize(
    ("files", "in_the_way"),
    [
        ({"thesis.txt": ""}, "thesis.txt"),
        ({"manifest.json": '{"metadata": {}, "nodes": {}}', "a.csv": ""}, "a.csv, manifest.json"),  # of dbt
        ({"manifest.json": '{"files": {"a.csv": {"rows": 1}}}', "a.csv": ""}, "a.csv, manifest.json"),
        ({"manifest.json": '{"release_id": "1", "files": ["a.csv"]}', "a.csv": ""}, "a.csv, manifest.json"),
        ({"manifest.json": "[]"}, "manifest.json"),
        ({"manifest.json": "\0"}, "manifest.json"),
        ({"manifest.json": OURS, "a.csv": "", "thesis.txt": ""}, "thesis.txt"),
        ({"manifest.json": OURS, "a.csv/thesis.txt": ""}, "a.csv"),
    ],
)
def test_what_is_no_export_is_left_alone_and_named(
    files: dict[str, str], in_the_way: str, settings: Settings, two: tuple[str, str], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    with pytest.raises(UsageError, match=rf"holds something that is no export of `hpd`: {in_the_way}; .*name another"):
        export(settings, tmp_path / "mine")
    assert {name: (tmp_path / "mine" / name).read_text() for name in files} == files


def test_a_link_stays_and_the_export_it_points_at_is_replaced(
    settings: Settings, two: tuple[str, str], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to("out")
    for forms in (("csv", "parquet"), ("csv",)):
        export(settings, link, forms)
        assert link.readlink() == Path("out")
    assert not (tmp_path / "out" / "hpd_incidence.parquet").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_folder_one_is_in_is_not_replaced(
    settings: Settings, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with pytest.raises(UsageError, match=r"ERROR \.: is the folder you are in.*name another"):
        export(settings, Path())


def test_a_folder_may_have_any_name(settings: Settings, two: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"m\xe4rts [1]*")  # ä in Latin-1
    assert export(settings, folder) == export(settings, folder)
    assert pl.read_csv((folder / "no_key.csv").read_bytes()).rows() == [(1,)]


def test_what_killed_exports_left_is_undone_by_the_next(
    settings: Settings, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by one that fails."""
    folder = tmp_path / "out"
    export(settings, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    folder.rename(tmp_path / ".out.hpd-export-old")
    for left in (".out.abcdefgh.hpd-export", ".out.old", ".out.2.abcdefgh.hpd-export"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "a.csv").write_text("")
    monkeypatch.setattr(exporting, "_write", lambda *_: {}["killed"])
    with pytest.raises(KeyError, match="killed"):
        export(settings, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    # only what an export of this folder makes
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == [
        ".out.2.abcdefgh.hpd-export",
        ".out.old",
    ]


def test_an_export_stopped_between_its_renames_leaves_the_earlier_one(
    settings: Settings, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    export(settings, folder)
    rename = Path.rename

    def stopped(path: Path, target: Path) -> None:
        if path.name.endswith(".hpd-export"):
            raise KeyboardInterrupt
        rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(settings, folder, ("csv",))
    assert (folder / "hpd_incidence.parquet").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_an_export_that_is_being_written_is_not_taken_for_a_leftover(
    settings: Settings, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = exporting._write

    def meanwhile(settings: Settings, work: Path, formats: tuple[str, ...]) -> dict:
        monkeypatch.setattr(exporting, "_write", write)
        export(settings, tmp_path / "out", ("csv",))
        return write(settings, work, formats)

    monkeypatch.setattr(exporting, "_write", meanwhile)
    export(settings, tmp_path / "out", ("parquet",))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "hpd_incidence.parquet", "manifest.json", "no_key.parquet", "release.parquet", "release_inputs.parquet",
    ]  # fmt: skip


def test_an_export_that_fails_leaves_the_earlier_one(
    settings: Settings, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    export(settings, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", no_space)
    with pytest.raises(PublishError, match="No space left on device.*what was there stays"):
        export(settings, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
