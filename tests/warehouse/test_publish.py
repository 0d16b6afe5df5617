"""Publication without dbt: a build database made by hand becomes a release."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest

from ingest.errors import PublishError
from ingest.settings import Settings
from warehouse import publish as publishing
from warehouse.connection import open_build
from warehouse.publish import mark_build, publish
from warehouse.releases import in_service, release_in_service, releases, rollback


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "it's home"
    home.mkdir()
    settings = Settings(home)
    with open_build(settings) as build:
        build.execute("""
            create schema raw; create schema audit; create schema vocabulary; create schema cleaned;
            create table raw.patients as select 'secret' as patient_id;
            create table cleaned.patients as select 'secret' as patient_id;
            create table audit.loads as select 1 as input_number, 'bundled' as input_name, 'a.csv' as source_file,
                'trials' as table_name, 'published' as data_origin, 'abc' as sha256, 9 as n_bytes, 3 as rows_read,
                2 as rows_loaded, 1 as rows_rejected;
            create table audit.rejected_rows as select 'n_hpd' as column_name;
            create table hpd_incidence (cancer_type varchar primary key, n_hpd bigint not null, n_evaluable bigint,
                check (n_hpd <= n_evaluable));
            insert into hpd_incidence values ('b', 1, 2), ('a', 0, 5);
            comment on table hpd_incidence is 'Grain: cancer''s type.';
            comment on column hpd_incidence.n_hpd is 'Patients with HPD';
            create table vocabulary.gene_sets as select 'MDM2|MDM4' as gene_set;
            create table left_behind as select 1 as x;
        """)
    return settings


def publish_again(settings: Settings, mark: str = "0123456789abcdef") -> str:
    with open_build(settings) as build:
        mark_build(build, mark, {"model": 1}, ["main.hpd_incidence", "vocabulary.gene_sets", "cleaned.patients"])
        return publish(build, settings)


def test_a_release_holds_marts_and_vocabularies_and_nothing_else(settings: Settings) -> None:
    publish_again(settings)
    with duckdb.connect(str(settings.published_db), read_only=True) as db:
        tables = db.sql("select schema_name, table_name from duckdb_tables() order by all").fetchall()
        assert tables == [
            ("main", "hpd_incidence"),
            ("main", "release"),
            ("main", "release_inputs"),
            ("vocabulary", "gene_sets"),
        ]
        assert db.sql("select * from hpd_incidence order by 1").fetchall() == [("a", 0, 5), ("b", 1, 2)]
    assert b"secret" not in settings.published_db.read_bytes()


def test_keys_checks_and_comments_come_along(settings: Settings) -> None:
    publish_again(settings)
    with duckdb.connect(str(settings.published_db), read_only=True) as db:
        kinds = db.sql(
            "select constraint_type from duckdb_constraints() where table_name = 'hpd_incidence' order by 1"
        ).fetchall()
        assert {"PRIMARY KEY", "CHECK", "NOT NULL"} <= {kind for (kind,) in kinds}
        (comment,) = db.sql("select comment from duckdb_tables() where table_name = 'hpd_incidence'").fetchall()
        assert comment == ("Grain: cancer's type.",)


def test_a_release_is_read_only_and_in_the_storage_version_that_older_readers_know(settings: Settings) -> None:
    publish_again(settings)
    file = settings.published_db.resolve()
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert [path.name for path in file.parent.iterdir()] == ["hpd.duckdb"]
    with duckdb.connect(str(settings.published_db), read_only=True) as db:
        (tags,) = db.sql(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'hpd'"
        ).fetchall()
        assert tags[0].startswith("v1.0.0")


def test_the_release_says_what_it_was_made_from(settings: Settings) -> None:
    release_id = publish_again(settings)
    release = in_service(settings)
    assert release is not None
    assert release["release_id"] == release_id == release_in_service(settings)
    assert (release["rows_loaded"], release["rows_rejected"], release["n_findings"]) == (2, 1, 1)
    assert release["fingerprint"] == "0123456789abcdef"


def test_the_last_five_releases_are_kept_and_the_one_in_service_always(settings: Settings) -> None:
    names = [publish_again(settings, f"{i}" * 16) for i in range(1, 8)]
    assert len(releases(settings)) == 5
    assert release_in_service(settings) == names[-1]
    assert names[-1] in releases(settings)


def test_a_build_that_did_not_finish_is_not_published(settings: Settings) -> None:
    with open_build(settings) as build:
        mark_build(build, None)
        with pytest.raises(PublishError, match="the last build did not finish"):
            publish(build, settings)
    assert not settings.published_db.exists()


def test_a_publication_that_fails_half_way_leaves_the_release_in_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_again(settings)

    def no_space(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "fsync", no_space)
    with pytest.raises(PublishError, match="No space left on device.*the release in service stays"):
        publish_again(settings, "f" * 16)
    assert release_in_service(settings) == first
    assert [p.name for p in settings.releases.iterdir()] == [first]  # on a full disk half a copy would fill it
    monkeypatch.undo()
    second = publish_again(settings, "e" * 16)
    assert release_in_service(settings) == second
    assert not [p for p in settings.releases.iterdir() if p.name.startswith(".")]


def test_a_folder_where_the_report_belongs_stops_neither_the_release_nor_what_comes_after(settings: Settings) -> None:
    names = [publish_again(settings, f"{i}" * 16) for i in range(1, 6)]
    settings.report.mkdir()
    settings.rolled_back.write_text("{}")
    names.append(publish_again(settings, "6" * 16))
    assert release_in_service(settings) == names[-1]
    assert releases(settings) == names[:0:-1]
    assert not settings.rolled_back.exists()
    with pytest.raises(PublishError, match=rf"report.html: cannot be replaced .*release {names[1]} is in service all"):
        rollback(settings, names[1])
    assert release_in_service(settings) == names[1]


def test_a_reader_keeps_its_release_while_the_next_is_published(settings: Settings) -> None:
    publish_again(settings)
    with duckdb.connect(str(settings.published_db.resolve()), read_only=True) as reader:
        with open_build(settings) as build:
            build.execute("insert into hpd_incidence values ('c', 1, 1)")
        publish_again(settings, "c" * 16)
        assert reader.sql("select count(*) from hpd_incidence").fetchall() == [(2,)]
    with duckdb.connect(str(settings.published_db), read_only=True) as fresh:
        assert fresh.sql("select count(*) from hpd_incidence").fetchall() == [(3,)]


def test_the_build_database_is_for_its_owner_alone(settings: Settings) -> None:
    assert stat.S_IMODE(settings.build_db.stat().st_mode) == 0o600
