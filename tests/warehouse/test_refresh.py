"""The whole way, as a user and a scheduler walk it: again, interrupted, two at once, with readers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from conftest import NSCLC, PROJECT, Grown, run_hpd

from ingest.cli import main
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.releases import in_service, rollback, switch


def ask(home: Path, sql: str = NSCLC) -> list[tuple]:
    with connect(home / "hpd.duckdb") as connection:
        return connection.sql(sql).fetchall()


def all_marts(home: Path) -> dict[str, list[tuple]]:
    with connect(home / "hpd.duckdb") as connection:
        names = connection.sql(
            "select table_name from duckdb_tables() where schema_name = 'main' and table_name not like 'release%'"
        ).fetchall()
        return {name: connection.sql(f"select * from {name} order by all").fetchall() for (name,) in names}


def test_a_refresh_prints_the_answer(warehouse: Path) -> None:
    done = run_hpd("refresh", "bundled", home=warehouse)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Non-small cell")]
    assert "209 / 1,302" in line
    assert "15.8%" in line


def test_a_refresh_with_nothing_changed_says_so_and_touches_nothing(warehouse: Path) -> None:
    def state() -> dict[Path, float]:
        return {
            path: path.lstat().st_mtime_ns for path in warehouse.rglob("*") if not {"dbt", "hpd.log"} & {*path.parts}
        }

    before = state()
    done = run_hpd("refresh", "bundled", home=warehouse)
    assert "nothing changed since release" in done.stderr
    assert state() == before


@pytest.mark.parametrize("meanwhile", ["another refresh made it", "it was taken out of service"])
def test_a_refresh_that_waited_looks_again_before_it_works(
    meanwhile: str, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(warehouse)
    release, made = settings.published_db.readlink(), in_service(settings)
    settings.published_db.unlink()

    @contextmanager
    def waited(*_: object) -> Iterator[int]:
        if meanwhile == "it was taken out of service":
            older = f"20000101T000000{release.parent.name[15:]}"
            shutil.copytree(settings.releases / release.parent.name, settings.releases / older)
            file = settings.releases / older / "hpd.duckdb"
            for path, mode in ((file.parent, 0o755), (file, 0o600)):
                path.chmod(mode)
            with duckdb.connect(str(file)) as connection:
                connection.execute("update release set fingerprint = 'of other inputs'")
            switch(settings, release.parent.name)
            rollback(settings)
        else:
            switch(settings, release.parent.name)
        yield 0

    monkeypatch.setattr("warehouse.lock.writer_lock", waited)
    monkeypatch.setattr("warehouse.build.DbtBuild", None)  # that would be work
    done = CliRunner(env={"HPD_HOME": str(warehouse)}).invoke(main, ["refresh", "bundled"])
    assert done.exit_code == 0, done.output
    assert f"nothing changed since release {made['release_id'] if made else ''}" in done.stderr
    assert ("which was taken out of service by hand" in done.stderr) == (meanwhile == "it was taken out of service")


@pytest.fixture(scope="module")
def shrunk(grown: Grown, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """The grown warehouse refreshed with the bundled evidence alone, after five attempts at it that were killed; and
    what the release in service answered after each of them."""
    home = Path(shutil.copytree(grown.home, tmp_path_factory.mktemp("shrunk") / "home", symlinks=True))
    answers = []
    for seconds in (0.3, 1.5, 3, 5, 7):
        child = subprocess.Popen(
            # a child of the one before may still be on its way out
            [sys.executable, "-m", "ingest.cli", "refresh", "--wait", "60", "bundled"],
            env={**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.wait()
        answers.append(ask(home))
    run_hpd("refresh", "--wait", "60", "bundled", home=home)
    return home, answers


def test_an_own_trial_joins_the_pool_and_leaves_it_when_it_is_no_longer_named(
    grown: Grown, shrunk: tuple[Path, list], published: Path, tmp_path: Path
) -> None:
    assert ask(grown.home) == [(209 + 50, 1302 + 100, 8)]
    assert all_marts(shrunk[0]) == all_marts(published)
    home = Path(shutil.copytree(grown.home, tmp_path / "home", symlinks=True))
    assert "removed own.csv" in run_hpd("load", "bundled", home=home).stderr


def test_killed_at_any_moment_the_last_release_answers_and_the_next_refresh_succeeds(shrunk: tuple[Path, list]) -> None:
    home, answers = shrunk
    assert len(answers) == 5
    assert all(answer in ([(259, 1402, 8)], [(209, 1302, 7)]) for answer in answers)
    assert ask(home) == [(209, 1302, 7)]
    assert not list((home / "releases").glob(".*"))


def test_rejected_rows_end_in_status_3_and_in_data_quality(grown: Grown) -> None:
    assert "ERROR own.csv: line 3: n_hpd: is larger than n_evaluable; found '11'; 1 row rejected" in grown.said
    assert ask(grown.home, "select rule, n_rows, first_line from data_quality where severity = 'rejected'") == [
        ("n_hpd_above_n_evaluable", 1, 3)
    ]
    assert "nothing changed" in run_hpd("refresh", home=grown.home, cwd=grown.folder, status=3).stderr


def test_a_file_that_cannot_be_read_fails_the_refresh_and_leaves_the_release(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    release = (warehouse / "hpd.duckdb").readlink()
    done = run_hpd("refresh", "bundled", tmp_path / "bad.csv", home=warehouse, status=1)
    assert "the header fits no table" in done.stderr
    assert "the release in service stays" in done.stderr
    assert (warehouse / "hpd.duckdb").readlink() == release


def test_a_failing_dbt_test_prints_its_rows_and_leaves_the_release(
    warehouse: Path, tmp_path: Path, own_trial: Callable[..., Path]
) -> None:
    project = Path(shutil.copytree(PROJECT / "dbt_project", tmp_path / "dbt_project"))
    for folder in ("models", "tests", "analyses"):  # what is built is not the point
        shutil.rmtree(project / folder)
    for kept in ("models/docs.md", "tests/generic/unique_key.sql"):  # what the vocabularies refer to
        (project / kept).parent.mkdir(parents=True)
        shutil.copy(PROJECT / "dbt_project" / kept, project / kept)
    (project / "tests" / "no_gene_set_is_called_mdm2.sql").write_text(
        "select gene_set, genes from {{ ref('gene_sets') }} where gene_set = 'MDM2'"
    )
    release = (warehouse / "hpd.duckdb").readlink()
    code = (
        "import sys, ingest.settings as s, pathlib; from dataclasses import replace; load = s.load_settings;"
        f"project = pathlib.Path({str(project)!r}); s.load_settings = lambda: replace(load(), dbt_project=project);"
        "import ingest.cli as cli; cli.load_settings = s.load_settings; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "refresh", "bundled", str(own_trial())],
        env={**os.environ, "HPD_HOME": str(warehouse), "PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "ERROR dbt test no_gene_set_is_called_mdm2: fail" in done.stderr
    assert "    gene_set=MDM2, genes=MDM2\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert (warehouse / "hpd.duckdb").readlink() == release
    assert ask(warehouse) == [(209, 1302, 7)]


def test_a_refresh_succeeds_while_another_process_holds_the_published_file_open(grown: Grown) -> None:
    assert ask(grown.home) == [(259, 1402, 8)]
    assert grown.read == ("[(209, 1302, 7)]", "[(209, 1302, 7)]")  # it keeps the release it opened


def test_of_two_refreshes_at_once_the_second_is_told_and_loses_nothing(grown: Grown) -> None:
    assert f"`hpd refresh` (process {grown.process}, since " in grown.told
    assert ask(grown.home) == [(259, 1402, 8)]


def test_the_three_steps_one_by_one_make_from_nothing_what_refreshes_made(grown: Grown, tmp_path: Path) -> None:
    home = tmp_path / "steps"
    run_hpd("load", home=home, cwd=grown.folder, status=3)
    assert "the last build did not finish" in run_hpd("publish", home=home, status=1).stderr
    run_hpd("build", home=home)
    run_hpd("publish", home=home)
    assert len(all_marts(home)) >= 8
    assert all_marts(home) == all_marts(grown.home)
    assert "nothing changed" in run_hpd("refresh", home=home, cwd=grown.folder, status=3).stderr
    # the release knows what it was made from, whatever is named now
    assert "a refresh would remove own.csv, " in run_hpd("status", "bundled", home=home).stdout


def test_an_unknown_label_is_pointed_out(grown: Grown) -> None:
    assert "NOTE own.csv: 1 row, the first on line 4: a cancer label that the vocabulary does not know" in grown.said


def test_everything_that_may_hold_patients_is_for_its_owner_alone(warehouse: Path) -> None:
    for path in (warehouse / "build.duckdb", *(warehouse / "dbt").rglob("*.log")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_plain_dbt_build_in_the_project_folder_needs_no_environment_and_knows_its_variables(
    warehouse: Path, published: Path, tmp_path: Path
) -> None:
    shutil.copytree(PROJECT / "dbt_project", tmp_path / "dbt_project")
    home = warehouse.rename(tmp_path / "warehouse")
    environment = {k: v for k, v in os.environ.items() if k != "HPD_HOME"}
    done = subprocess.run(
        # the value it has anyway: no number changes, and what is published is still another build
        [Path(sys.executable).with_name("dbt"), "build", "--quiet", "--vars", "{ttf_cut_days: 60.875}"],
        cwd=tmp_path / "dbt_project", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert all_marts(home) == all_marts(published)
    mark = "select fingerprint from release"
    assert ask(home, mark) != ask(published, mark)
    assert "build, test and publish the marts" in run_hpd("status", "bundled", home=home).stdout


def test_status_says_what_is_loaded_and_what_a_refresh_would_do(
    warehouse: Path, own_trial: Callable[..., Path]
) -> None:
    now = run_hpd("status", "bundled", home=warehouse).stdout
    assert "bundled/trials.csv: trials, published, 66 of 66 rows loaded, 0 rejected" in now
    assert "a refresh would do nothing" in now
    path = own_trial()
    later = run_hpd("status", path, home=warehouse).stdout
    assert f"a refresh would load {path}; remove bundled/amplification_counts.csv" in later
