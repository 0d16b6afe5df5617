"""Disks, clocks, permissions and files that fail: each has a message and a way out, and the last release answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, run_hpd
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.errors import HpdError, PublishError, UsageError
from ingest.settings import Settings
from warehouse import log, publish, releases
from warehouse.compare import compare
from warehouse.connection import connect, disk_trouble, open_build
from warehouse.publish import loaded_inputs, mark_build
from warehouse.releases import KEPT, file_of, in_service, release_in_service, rollback
from warehouse.status import describe, status_of

HAND_MADE = """
create schema audit;
create table audit.loads as select 1 as input_number, 'bundled' as input_name, 'a.csv' as source_file,
    'trials' as table_name, 'published' as data_origin, 'abc' as sha256, 9 as n_bytes, 3 as rows_read,
    2 as rows_loaded, 1 as rows_rejected, 'a.csv' as item_file, 'id' as item_id;
create table audit.rejected_rows as select 'n_hpd' as column_name;
create table hpd_incidence (n_hpd bigint primary key);
"""


def make(home: Path) -> Settings:
    """A warehouse with a build database made by hand."""
    home.mkdir(exist_ok=True)
    settings = Settings(home)
    with open_build(settings) as build:
        build.execute(HAND_MADE)
    return settings


def release(settings: Settings, number: int, rows: int = 1) -> str:
    """Publish a build that says `number`, in so many rows."""
    with open_build(settings) as build:
        build.execute("delete from hpd_incidence")
        build.execute(f"insert into hpd_incidence select {number} + 1000 * hash(i) % 10000000000 from range({rows}) as t(i)" if rows > 1 else f"insert into hpd_incidence values ({number})")  # fmt: skip
        mark_build(build, f"{number:016d}", {}, ["main.hpd_incidence"])
        return publish.publish(build, settings)


def answers(settings: Settings) -> list:
    with connect(settings.published_db) as connection:
        return connection.sql("from hpd_incidence").fetchall()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make(tmp_path / "home")


def mount(*args: str) -> None:
    done = subprocess.run(["mount", *args], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Gives a disk of a size in kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def of(kilobytes: int) -> Path:
        nonlocal mounted
        mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
        mounted = True
        return folder

    yield of
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 1024)
        except OSError:
            return path


# --- a full disk ---


def test_a_release_that_does_not_fit_leaves_the_last_one(disk: Callable[[int], Path]) -> None:
    settings = make(disk(20_000) / "home")
    release(settings, 1)
    with open_build(settings) as build:
        build.execute("insert into hpd_incidence select 7 + hash(i) % 1000000000000 from range(100000) as t(i)")
        mark_build(build, "2" * 16, {}, ["main.hpd_incidence"])
    filling = fill(settings.home.parent)
    with open_build(settings) as build, pytest.raises(PublishError, match="could not be written.*release in service stays"):  # fmt: skip
        publish.publish(build, settings)
    assert answers(settings) == [(1,)]
    assert list(settings.releases.glob(".*")) == []
    filling.unlink()
    release(settings, 3)
    assert answers(settings) == [(3,)]
    assert list(settings.releases.glob(".*")) == []


def test_a_load_on_a_full_disk_says_so_and_loads_when_there_is_room(
    published: Path, disk: Callable[[int], Path], own_trial: Callable[..., Path]
) -> None:
    n_bytes = sum(path.stat().st_size for path in published.rglob("*") if path.is_file() and "dbt" not in path.parts)
    folder = disk(n_bytes // 1024 + 20_000)
    home = folder / "home"
    shutil.copytree(published, home, symlinks=True, ignore=shutil.ignore_patterns("dbt"))
    filling = fill(folder)
    before = (home / "hpd.duckdb").readlink()
    done = run_hpd("load", "bundled", own_trial(), home=home, status=1)
    assert f"ERROR {home}: cannot be written or read (" in done.stderr
    assert "No space left on device); make room" in done.stderr
    assert (home / "hpd.duckdb").readlink() == before
    with connect(home / "hpd.duckdb") as connection:
        assert connection.sql("select count(*) > 0 from hpd_incidence").fetchall() == [(True,)]
    filling.unlink()
    run_hpd("load", "bundled", own_trial(), home=home)
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as build:
        assert build.sql("select count(*), count(distinct report_id) from raw.trials where report_id = 'OWN'").fetchall() == [(1, 1)]  # fmt: skip


def test_a_rollback_on_a_full_disk_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    release(settings, 1)
    release(settings, 2)

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", no_space)
    with pytest.raises(PublishError, match="No space left on device.*the release in service stays"):
        rollback(settings)
    assert answers(settings) == [(2,)]


def test_what_is_no_trouble_of_the_disk_is_not_taken_for_one(settings: Settings) -> None:
    assert disk_trouble(duckdb.BinderException("no such column"), settings) is None
    assert disk_trouble(ValueError("Permission denied"), settings) is None
    assert disk_trouble(BrokenPipeError(32, "Broken pipe"), settings) is None


# --- folders that cannot be written ---


def test_a_read_only_home_is_told_and_still_answers(
    published: Path, disk: Callable[[int], Path], own_trial: Callable[..., Path]
) -> None:
    folder = disk(200_000)
    shutil.copytree(published, folder / "home", symlinks=True)
    mount("-o", "remount,ro", str(folder))
    home = folder / "home"
    for command in (("refresh", "bundled", own_trial()), ("publish",), ("rollback",)):
        done = run_hpd(*command, home=home, status=1)
        assert f"ERROR {home}: cannot be written (Read-only file system); name a folder of your own, in HPD_HOME" in done.stderr  # fmt: skip
    assert "nothing changed" in run_hpd("refresh", "bundled", home=home).stderr
    assert "(1 row)" in run_hpd("query", "select release_id from release", home=home).stderr
    assert "a refresh would do nothing" in run_hpd("status", "bundled", home=home).stdout


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def test_another_user_reads_what_is_published_and_nothing_else(published: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be another user, with setpriv")
    # the folders of pytest are its owner's alone
    with tempfile.TemporaryDirectory(prefix="hpd-") as folder:
        Path(folder).chmod(0o755)
        home = Path(shutil.copytree(published, Path(folder) / "home", symlinks=True))
        home.chmod(0o755)

        def as_nobody(*args: str) -> subprocess.CompletedProcess:
            environment = {**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT), "HOME": folder}
            command = [*NOBODY, sys.executable, "-B", "-m", "ingest.cli", *args]
            return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)

        if "No module" in (tried := as_nobody("--version")).stderr or tried.returncode:
            pytest.skip(f"another user cannot run this Python: {tried.stderr.strip()[-200:]}")
        assert as_nobody("query", "select 1 + 1 from release").returncode == 0
        refused = as_nobody("load", "bundled")
        assert refused.returncode == 1
        assert f"ERROR {home}: cannot be written (Permission denied); name a folder of your own" in refused.stderr
        told = as_nobody("status", "bundled")
        assert f"ERROR {home}/build.duckdb: is its owner's alone, as it may hold patients" in told.stdout
        assert "delete" not in told.stdout  # which would be bad advice
        for private in ("build.duckdb", "hpd.log", "patient.key"):
            if (home / private).exists():
                assert subprocess.run([*NOBODY, "cat", str(home / private)], capture_output=True).returncode == 1


def test_the_write_ahead_log_is_private_too(settings: Settings) -> None:
    with open_build(settings) as build:
        build.execute("create table raw_patients as select 'secret' as patient_id")
        (wal,) = settings.home.glob("build.duckdb.wal")
        assert stat.S_IMODE(wal.stat().st_mode) == 0o600


# --- the clock ---


class Clock(datetime):
    """Says what it is told to."""

    told = datetime.now(UTC)

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return cls.told


def test_a_clock_that_goes_back_leaves_the_names_in_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "datetime", Clock)
    names = []
    for number, days in enumerate([0, -1, -400, 1, 0]):
        monkeypatch.setattr(Clock, "told", datetime(2026, 11, 22, tzinfo=UTC) + timedelta(days=days))
        names.append(release(settings, number))
    assert names == sorted(names)
    assert release_in_service(settings) == names[-1]
    assert rollback(settings) == (names[-1], names[-2])


# --- files that are left, damaged or gone ---


def test_what_a_stranger_put_among_the_releases_is_left_alone(settings: Settings) -> None:
    settings.releases.mkdir()
    strangers = [
        "notes.txt",
        "zz-backup",
        "20269999T999999",
        "20269999T999999-1a2b3c4d",
        "99990101T000000-1a2b3c4d_old",
    ]
    for name in strangers:
        (settings.releases / name).mkdir()
    for number in range(KEPT + 2):
        last = release(settings, number)
    assert release_in_service(settings) == last
    assert {path.name for path in settings.releases.iterdir()} == {*strangers, *releases.releases(settings)}
    assert len(releases.releases(settings)) == KEPT


@pytest.mark.parametrize("is_there", [True, False], ids=["beside the database", "without a database"])
def test_a_write_ahead_log_that_is_no_longer_ours_does_no_harm(is_there: bool, settings: Settings) -> None:
    release(settings, 1)
    if not is_there:
        settings.build_db.unlink()
    settings.home.joinpath("build.duckdb.wal").write_bytes(b"what another program left" * 100)
    with open_build(settings) as build:
        build.execute("create or replace table t as select 1 as x")
    with open_build(settings, read_only=True) as build:
        assert build.sql("from t").fetchall() == [(1,)]
    assert answers(settings) == [(1,)]


def test_a_write_ahead_log_beside_the_link_changes_no_answer(settings: Settings, tmp_path: Path) -> None:
    release(settings, 1)
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("set wal_autocheckpoint = '1TB'; create table intruder as select 1 as x")
        shutil.copy(tmp_path / "other.duckdb.wal", settings.home / "hpd.duckdb.wal")
    assert answers(settings) == [(1,)]
    release(settings, 2)
    with connect(settings.published_db) as connection:
        names = {name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()}
    assert names == {"hpd_incidence", "release", "release_inputs"}
    assert answers(settings) == [(2,)]


def test_a_damaged_build_database_is_told_and_the_way_out_works(published: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(published, tmp_path / "home", symlinks=True))
    with (home / "build.duckdb").open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(3_000_000))
    for command in (("load", "bundled"), ("publish",), ("build",)):
        said = run_hpd(*command, home=home, status=1).stderr
        assert "delete it and its .wal and run `hpd refresh`" in said
        assert "the published release stays" in said
    with connect(home / "hpd.duckdb") as connection:
        assert connection.sql("select count(*) from release").fetchall() == [(1,)]
    for path in home.glob("build.duckdb*"):
        path.unlink()
    run_hpd("load", "bundled", home=home)


def test_damage_that_shows_late_is_told_too(settings: Settings) -> None:
    told = disk_trouble(duckdb.IOException("Corrupt database file: computed checksum 1 does not match"), settings)
    assert told is not None
    assert "delete it and its .wal and run `hpd refresh`" in told


def test_a_damaged_release_is_told_apart_from_a_damaged_build_and_the_way_out_works(settings: Settings) -> None:
    first = release(settings, 1)
    with open_build(settings) as build:
        build.execute("insert into hpd_incidence select hash(i) % 1000000000 * 1000000 + i from range(200000) as t(i)")
        mark_build(build, f"{2:016d}", {}, ["main.hpd_incidence"])
        file = settings.releases / publish.publish(build, settings) / "hpd.duckdb"
    file.chmod(0o600)
    with file.open("r+b") as damaged:
        damaged.seek(600_000)
        damaged.write(os.urandom(100_000))
    told = (
        f"ERROR {file}: is damaged .*`hpd rollback` puts a release before it into service, `hpd publish` makes it again"
    )
    with pytest.raises(duckdb.Error) as error:
        answers(settings)
    assert re.match(told, disk_trouble(error.value, settings) or "")
    with pytest.raises(PublishError, match=told):
        compare(settings.releases / first / "hpd.duckdb", file)
    rollback(settings)
    assert answers(settings) == [(1,)]


@pytest.mark.parametrize("what", ["the link", "its release"])
def test_a_link_or_release_that_is_gone_is_told_and_both_ways_out_work(what: str, settings: Settings) -> None:
    first, second = release(settings, 1), release(settings, 2)
    if what == "the link":
        settings.published_db.unlink()
    else:
        releases.remove(settings.releases / second)
    with pytest.raises(HpdError, match="is gone, or points at a release that is; .*`hpd rollback RELEASE`"):
        connect(settings.published_db)
    told = describe(status_of([], settings))
    assert "published: nothing that can be read; `hpd rollback RELEASE` puts one into service" in told
    assert f"kept: {'' if what == 'its release' else second + ', '}{first}" in told
    rollback(settings, first)
    assert answers(settings) == [(1,)]
    settings.published_db.unlink()
    release(settings, 3)
    assert answers(settings) == [(3,)]


def test_a_load_that_did_not_finish_is_neither_built_nor_published(settings: Settings) -> None:
    with open_build(settings) as build:
        mark_build(build, None, is_loaded=False)
        with pytest.raises(PublishError, match="the last load did not finish.*run `hpd load` or `hpd refresh` again"):
            loaded_inputs(build)
        mark_build(build, None)
        assert loaded_inputs(build) == [(1, "id")]


def test_a_build_database_of_before_loads_were_marked_is_taken_as_it_is(settings: Settings) -> None:
    with open_build(settings) as build:
        assert loaded_inputs(build) == [(1, "id")]
        build.execute("create table audit.build as select '1' as fingerprint, '{}' as dbt_nodes, ['main.hpd_incidence'] as tables")  # fmt: skip
        assert loaded_inputs(build) == [(1, "id")]
        publish.publish(build, settings)
    assert answers(settings) == []


def test_status_says_that_what_was_taken_out_of_service_stays_out(settings: Settings) -> None:
    release(settings, 1)
    with open_build(settings) as build:
        mark_build(build, publish.fingerprint([], settings), {}, ["main.hpd_incidence"])
        second = publish.publish(build, settings)
    rollback(settings)
    found = status_of([], settings)
    assert found["refresh_would"]["do_nothing"]
    assert f"a refresh would do nothing: what it would make is release {second}, which was taken out" in describe(found)


# --- the log ---


def test_every_step_is_a_line_of_the_log_and_says_no_cell(published: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(published, tmp_path / "home", symlinks=True))
    own = tmp_path / "own.csv"
    own.write_text(
        "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\nOWN,NSCLC,FERRARA_DTGR50,10,secret\n"
    )
    path = home / "hpd.log"
    refresh, *later = path.read_text().splitlines(keepends=True)
    # of the refresh alone: others may have found nothing to do since
    path.write_text(refresh + "".join(x for x in later if json.loads(x)["process"] == json.loads(refresh)["process"]))
    run_hpd("load", "bundled", own, home=home, status=3)
    run_hpd("load", "nonsense", home=home, status=1)
    run_hpd("rollback", home=home, status=2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = [(x["command"], x["step"], x["status"], x.get("exit")) for x in lines]
    assert told == [
        ("refresh", "load", "ok", None),
        ("refresh", "build", "ok", None),
        ("refresh", "publish", "ok", None),
        ("refresh", "report", "ok", None),
        ("refresh", "end", "ok", 0),
        ("load", "load", "ok", None),
        ("load", "end", "ok", 3),
        ("load", "end", "failed", 1),
        ("rollback", "rollback", "failed", 2),
        ("rollback", "end", "failed", 2),
    ]
    (name,) = releases.releases(Settings(home))
    assert {line["release"] for line in lines if "release" in line} == {name}
    assert (lines[5]["rejected"], lines[5]["failed"]) == (1, 0)
    assert all(line["seconds"] >= 0 and line["time"] > "2026" for line in lines)
    assert "secret" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_spoils_no_other(settings: Settings) -> None:
    log.log_file(settings).write_text('{"time": "20')
    log.write(settings, command="load", step="load")
    assert json.loads(log.log_file(settings).read_text().splitlines()[1])["command"] == "load"


def test_a_log_that_has_grown_is_put_aside(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEEP_BYTES", 500)
    for number in range(20):
        log.write(settings, number=number)
    kept = [path for path in settings.home.glob("hpd.log*") if path.stat().st_size <= 700]
    assert sorted(path.name for path in kept) == ["hpd.log", "hpd.log.1"]
    assert json.loads(log.log_file(settings).read_text().splitlines()[-1])["number"] == 19


def test_a_log_that_cannot_be_written_stops_nothing(settings: Settings) -> None:
    log.log_file(settings).mkdir()
    with log.step(settings, "load", "load"):
        pass


# --- whatever happens, in whatever order ---


class Killed(BaseException):
    """The process ends here."""


class Releases(RuleBasedStateMachine):
    """Publications, roll-backs and kills in any order, under a clock that goes as it likes."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="hpd-")
        self.settings = make(Path(self.folder) / "home")
        self.made: dict[str, int] = {}  # release → what it says
        self.number = 0
        self.fuse = -1
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(publish, "datetime", Clock)
        for module in (publish, releases):
            self.patch.setattr(module, "fsync", self.maybe(releases.fsync))
        for name in ("rename", "replace", "symlink_to", "chmod", "unlink"):
            self.patch.setattr(Path, name, self.maybe(getattr(Path, name)))
        self.patch.setattr(releases.shutil, "rmtree", self.maybe(shutil.rmtree))

    def maybe(self, function: Callable) -> Callable:
        """The function; or the end, before it or half-way through, when the fuse has burnt down."""

        def touched(*args: object, **kwargs: object) -> object:
            self.fuse -= 1
            if self.fuse == 0:
                if function.__name__ == "rmtree":
                    Path.joinpath(args[0], "hpd.duckdb").unlink(missing_ok=True)
                raise Killed
            return function(*args, **kwargs)

        return touched

    @rule(hours=st.integers(-30, 30))
    def the_clock_moves(self, hours: int) -> None:
        self.patch.setattr(Clock, "told", Clock.told + timedelta(hours=hours))

    @rule()
    def publish(self) -> None:
        self.number += 1
        newest = max(self.made, default="")
        name = release(self.settings, self.number)
        self.made[name] = self.number
        assert name > newest
        assert release_in_service(self.settings) == name
        assert list(self.settings.releases.glob(".*")) == []
        assert len(releases.releases(self.settings)) <= KEPT + 1

    @rule(touches=st.integers(1, 14))
    def killed_while_publishing(self, touches: int) -> None:
        self.number += 1
        before, self.fuse = release_in_service(self.settings), touches
        try:
            name = release(self.settings, self.number)
            self.made[name] = self.number
        except Killed:
            for name in set(releases.releases(self.settings)) - self.made.keys():
                self.made[name] = self.number  # it was ready
            assert release_in_service(self.settings) in {before, max(self.made, default=None)}
        finally:
            self.fuse = -1
        assert len(list(self.settings.releases.glob(".*"))) <= 1

    @precondition(lambda self: self.made)
    @rule(data=st.data(), touches=st.integers(0, 5))
    def roll_back(self, data: st.DataObject, touches: int) -> None:
        kept = [name for name in releases.releases(self.settings) if file_of(self.settings, name).exists()]
        wanted = data.draw(st.sampled_from([None, *kept]))
        before, self.fuse = release_in_service(self.settings), touches
        try:
            assert rollback(self.settings, wanted)[1] == release_in_service(self.settings)
        except (Killed, UsageError, PublishError):
            assert release_in_service(self.settings) in {before, wanted, *kept}
        finally:
            self.fuse = -1

    @invariant()
    def what_is_in_service_can_be_read_and_is_what_was_made(self) -> None:
        if not hasattr(self, "made") or not self.settings.published_db.is_symlink():
            return
        name = release_in_service(self.settings)
        assert name in releases.releases(self.settings)
        assert answers(self.settings) == [(self.made[name],)]
        assert in_service(self.settings)["release_id"] == name

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            for name in releases.releases(self.settings):
                releases.remove(self.settings.releases / name)
            shutil.rmtree(self.folder)


TestReleases = Releases.TestCase
TestReleases.settings = hypothesis_settings(max_examples=10, stateful_step_count=12, deadline=None, derandomize=True)
