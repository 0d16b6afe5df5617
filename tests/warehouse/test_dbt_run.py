"""Plain `dbt run` and `dbt build`: they end in a release, or publish nothing and say why."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from conftest import OWN_TRIAL, PROJECT, run_hpd

from ingest.landing import Landing, take_audit
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.lock import writer_lock
from warehouse.releases import release_in_service, releases

NSCLC = "select n_hpd from hpd_incidence where cancer_type_code = 'NSCLC' and hpd_definition = 'ANY_PUBLISHED'"


def command(home: Path, *args: str, project: Path = PROJECT / "dbt_project") -> dict:
    """How a user runs dbt, but for what it leaves in the project folder."""
    work = str(home / "dbt")
    environment = {key: value for key, value in os.environ.items() if key != "HPD_DBT"}
    return {
        "args": [
            str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *args, "--project-dir", str(project),
            "--profiles-dir", str(project), "--target-path", f"{work}/target", "--log-path", f"{work}/logs",
        ],
        "env": {**environment, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)},
    }  # fmt: skip


def dbt(home: Path, *args: str, status: int = 0, project: Path = PROJECT / "dbt_project") -> str:
    """What dbt says, run in a process of its own."""
    done = subprocess.run(**command(home, *args, project=project), capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert done.returncode == status, f"exit {done.returncode}\n{said}"
    return said


@pytest.fixture(scope="module")
def loaded(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse into which a trial of our own was loaded since its release was made; not to be changed."""
    home = tmp_path_factory.mktemp("loaded") / "home"
    shutil.copytree(published, home, symlinks=True)
    own = home.parent / "own.csv"
    own.write_text(OWN_TRIAL.format(id="OWN", cancer="NSCLC", n=100, k=50))
    run_hpd("load", "bundled", own, home=home)
    return home


@pytest.fixture
def home(loaded: Path, tmp_path: Path) -> Path:
    """A copy of that warehouse, to be changed at will."""
    return Path(shutil.copytree(loaded, tmp_path / "home", symlinks=True))


@pytest.fixture(scope="module")
def run(loaded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A warehouse after plain `dbt run`, and what it said; not to be changed."""
    home = Path(shutil.copytree(loaded, tmp_path_factory.mktemp("run") / "home", symlinks=True))
    return home, dbt(home, "run")


def n_hpd(home: Path) -> int:
    with connect(home / "hpd.duckdb") as connection:
        return connection.sql(NSCLC).fetchall()[0][0]


# --- a whole run ---


def test_a_run_after_a_load_is_published(run: tuple[Path, str]) -> None:
    home, said = run
    assert f"published: release {release_in_service(Settings(home))}" in said
    assert n_hpd(home) == 209 + 50


def test_it_is_the_release_that_a_refresh_would_make(run: tuple[Path, str], loaded: Path) -> None:
    home, _ = run
    assert "nothing changed" in run_hpd("refresh", "bundled", loaded.parent / "own.csv", home=home).stderr


def test_whoever_can_read_other_releases_can_read_this_one(run: tuple[Path, str]) -> None:
    file = (run[0] / "hpd.duckdb").resolve()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o444, 0o555]


def test_the_private_database_stays_private(run: tuple[Path, str]) -> None:
    for path in run[0].glob("build.duckdb*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_publication_is_logged(run: tuple[Path, str]) -> None:
    home, _ = run
    lines = [json.loads(line) for line in (home / "hpd.log").read_text().splitlines()]
    told = [(line["step"], line["status"], line["release"]) for line in lines if line["command"] == "dbt"]
    assert told == [("publish", "ok", release_in_service(Settings(home)))]


# --- what is not published ---


def test_what_spark_counted_is_not_built_over(home: Path) -> None:
    """Its rows are in a landing zone, and every mart that dbt made of the raw tables here would be empty."""
    run_hpd("load", "--landing", home.parent / "landing", "bundled", home=home)
    with duckdb.connect(str(home / "build.duckdb")) as db:
        take_audit(db, Landing(home.parent / "landing"))
    before = release_in_service(Settings(home))
    assert "build.duckdb has only what Spark counted; run `hpd refresh --engine spark`" in dbt(home, "run", status=2)
    assert release_in_service(Settings(home)) == before


def test_a_failing_model_publishes_nothing_and_is_named(home: Path) -> None:
    before = (home / "hpd.duckdb").readlink()
    model = "cleaned_tumor_measurements"
    said = dbt(home, "run", "--select", model, "--vars", "{too_small_to_measure_mm: no_such_column}", status=1)
    assert f"nothing was published: 1 failed or skipped, {model} among them" in said
    assert (home / "hpd.duckdb").readlink() == before
    assert n_hpd(home) == 209


def test_one_model_alone_publishes_nothing_and_leaves_nothing_to_publish(published: Path, tmp_path: Path) -> None:
    """The private database then holds one mart of another making than the others."""
    home = Path(shutil.copytree(published, tmp_path / "home", symlinks=True))
    before = (home / "hpd.duckdb").readlink()
    said = dbt(home, "run", "--select", "hpd_incidence", "--vars", "{min_cell: 5}")
    assert "nothing was published: only some models were built, " in said
    assert "the last build did not finish; run `hpd build`" in run_hpd("publish", home=home, status=1).stderr
    assert (home / "hpd.duckdb").readlink() == before


def test_models_without_their_rows_are_not_published(home: Path) -> None:
    before = (home / "hpd.duckdb").readlink()
    assert "nothing was published: the models were built from a part of their rows" in dbt(home, "run", "--empty", "--select", "hpd_reports")  # fmt: skip
    assert (home / "hpd.duckdb").readlink() == before


def test_marts_of_an_earlier_vocabulary_are_not_published(home: Path) -> None:
    """`dbt run` builds no vocabularies; after `dbt seed` it publishes, and where none has changed."""
    project = Path(shutil.copytree(PROJECT / "dbt_project", home.parent / "dbt_project"))
    seed = project / "seeds" / "gene_sets.csv"
    before = (home / "hpd.duckdb").readlink()
    seed.write_bytes(seed.read_bytes().replace(b"MDM2 alone", b"MDM2 by itself"))
    said = dbt(home, "run", project=project, status=2)
    assert "vocabularies changed (gene_sets), and the marts were built on what they were before" in said
    assert "nothing was published; run `dbt build`, or `dbt seed` first" in said
    assert (home / "hpd.duckdb").readlink() == before
    dbt(home, "seed", "--select", "gene_sets", project=project)
    assert "published: release " in dbt(home, "run", project=project)


def test_what_a_killed_load_left_is_not_published(home: Path) -> None:
    with duckdb.connect(str(home / "build.duckdb")) as build:
        build.execute("update audit.build set is_loaded = false")
    before = (home / "hpd.duckdb").readlink()
    told = json.dumps({"counts": {}, "tables": [], "vars": {}})
    ask = f"import duckdb, json; from pathlib import Path; from ingest.settings import Settings; from warehouse import dbt_plugin\nwith duckdb.connect({str(home / 'build.duckdb')!r}) as c: dbt_plugin._publish(c, Settings(Path({str(home)!r})), json.loads({told!r}))"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ask], env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True
    )
    assert "PublishError: ERROR the last load did not finish" in done.stderr
    assert (home / "hpd.duckdb").readlink() == before


def test_what_only_reads_publishes_nothing_and_changes_no_mark(run: tuple[Path, str]) -> None:
    home, _ = run
    before = releases(Settings(home)), (home / "hpd.duckdb").readlink()
    assert "published" not in dbt(home, "docs", "generate", "--select", "hpd_incidence")
    assert (releases(Settings(home)), (home / "hpd.duckdb").readlink()) == before
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as build:
        assert build.sql("select fingerprint is not null from audit.build").fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("which", "is_kept"),
    [(name, True) for name in ("compile", "debug", "generate", "list", "parse", "show", "test")]
    + [(name, False) for name in ("build", "run", "seed", "snapshot", "run-operation", "clone")],
)
def test_whatever_may_write_takes_the_mark_of_a_finished_build_away(
    which: str, is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse import dbt_plugin  # imports dbt

    monkeypatch.setattr(dbt_plugin, "get_flags", lambda: SimpleNamespace(WHICH=which))
    plugin = dbt_plugin.Plugin.__new__(dbt_plugin.Plugin)
    plugin.settings = Settings(tmp_path)
    with duckdb.connect() as build:
        build.execute("create schema audit; create table audit.build as select 'of this build' as fingerprint")
        plugin.configure_connection(build)
        assert build.sql("select fingerprint is not null from audit.build").fetchall() == [(is_kept,)]


# --- two at once ---


def test_dbt_is_told_who_holds_the_warehouse(home: Path) -> None:
    with writer_lock(Settings(home), "refresh"):
        said = dbt(home, "run", "--select", "hpd_incidence", status=2)
    assert f"`hpd refresh` (process {os.getpid()}, since " in said
    assert "is writing to this warehouse; try again when it is done" in said
    assert "--wait" not in said  # which dbt does not know


def test_a_command_is_told_that_dbt_holds_the_warehouse(home: Path, own_trial: Callable[..., Path]) -> None:
    running = subprocess.Popen(**command(home, "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (home / ".lock").read_text().startswith(f"`dbt` (process {running.pid}"):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = run_hpd("refresh", "bundled", own_trial(n=7, k=1), home=home, status=1)
        assert f"`dbt` (process {running.pid}, since " in second.stderr
        assert "or wait for it with --wait SECONDS" in second.stderr
    finally:
        running.kill()
        running.wait()
    assert n_hpd(home) == 209


# --- the first command of all ---


def test_a_database_that_dbt_makes_is_private_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    dbt(home, "run", "--select", "stg_trials", status=1)  # nothing is loaded
    assert stat.S_IMODE((home / "build.duckdb").stat().st_mode) == 0o600
    assert not (home / "hpd.duckdb").exists()
