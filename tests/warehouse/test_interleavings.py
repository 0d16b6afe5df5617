"""Inputs that change, loads, refreshes, roll-backs and kills in any order: nothing is lost, nothing doubled, and what is
published is what was loaded. Loading and publishing are the real ones; the mart is a sum, as dbt would take minutes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest import pipeline
from ingest.errors import UsageError
from ingest.load import ensure_tables
from ingest.settings import Settings
from warehouse import publish, releases
from warehouse.connection import connect, open_build
from warehouse.publish import loaded_inputs, mark_build
from warehouse.releases import release_in_service, rollback

HEADER = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n"
MART = "create or replace table hpd_incidence as select coalesce(sum(n_evaluable), 0)::bigint as n, count(*) as rows from raw.trials"


class Killed(BaseException):
    """The process ends here."""


class Warehouse(RuleBasedStateMachine):
    """`inputs`: what the files say, good rows and bad; `held`: what the build database holds, by file."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hpd-"))
        self.settings = Settings(self.folder / "home")
        self.settings.home.mkdir()
        self.inputs: dict[str, tuple[tuple[int, ...], int]] = {}
        self.held: dict[str, tuple[tuple[int, ...], int]] = {}
        self.said: dict[str, tuple[int, int]] = {}  # release → sum and rows of its mart
        self.patch = pytest.MonkeyPatch()
        self.write("a.csv", [10, 20], 0)

    @rule(
        name=st.sampled_from(["a.csv", "b.csv", "c.csv"]),
        good=st.lists(st.integers(1, 999), max_size=4),
        bad=st.integers(0, 2),
    )
    def write(self, name: str, good: list[int], bad: int) -> None:
        if not good and not bad:
            bad = 1  # a file without rows is refused, which is another test
        rows = [f"{name}-{i},NSCLC,FERRARA_DTGR50,{n},0\n" for i, n in enumerate(good)]
        rows += [f"{name}-bad-{i},NSCLC,FERRARA_DTGR50,many,0\n" for i in range(bad)]
        (self.folder / name).write_text(HEADER + "".join(rows))
        self.inputs[name] = (tuple(good), bad)

    @precondition(lambda self: len(self.inputs) > 1)
    @rule()
    def take_away(self) -> None:
        name = min(self.inputs)
        (self.folder / name).unlink()
        del self.inputs[name]

    def load(self, killed_in: int | None = None) -> None:
        """What `hpd load` does; the process ends while it loads its `killed_in`th file."""
        paths = tuple(str(self.folder / name) for name in sorted(self.inputs))
        items, failed, _ = pipeline.discover(pipeline.specs_from(paths, None), self.settings)
        assert failed == []
        loading = iter(range(len(items)))
        load_item = pipeline.load_item

        def load_or_die(*args: object) -> None:
            load_item(*args)  # its rows are written, and not yet committed
            if next(loading) == killed_in:
                raise Killed

        self.patch.setattr(pipeline, "load_item", load_or_die)
        try:
            with open_build(self.settings) as build:
                ensure_tables(build)
                mark_build(build, None, is_loaded=False)
                report = pipeline.run(items, build, home=self.settings.home)
                mark_build(build, None)
                assert report.failed == []
        finally:
            self.patch.setattr(pipeline, "load_item", load_item)

    @rule()
    def loads(self) -> None:
        self.load()
        self.held = dict(self.inputs)

    @rule(killed_in=st.integers(0, 2))
    def is_killed_while_it_loads(self, killed_in: int) -> None:
        try:
            self.load(killed_in)
        except Killed:
            # every file is there as it was or as it is, and those that are no longer named are still there
            found = self.found()
            for name in self.held.keys() | self.inputs.keys():
                assert found.get(name) in {self.held.get(name), self.inputs.get(name)}, name
            self.held = found
        else:
            self.held = dict(self.inputs)

    def found(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """What the build database holds, read out of it; every row that was read is loaded or rejected."""
        with open_build(self.settings, read_only=True) as build:
            loads = build.sql(
                "select source_file, load_id, rows_read, rows_loaded, rows_rejected from audit.loads"
            ).fetchall()
            found = {}
            for file, load_id, n_read, n_loaded, n_rejected in loads:
                good = build.execute(
                    "select n_evaluable from raw.trials where _load_id = ? order by _source_line", [load_id]
                )
                values = tuple(n for (n,) in good.fetchall())
                bad = build.execute(
                    "select count(distinct source_line) from audit.rejected_rows where load_id = ?", [load_id]
                )
                assert n_read == n_loaded + n_rejected
                assert (len(values), bad.fetchall()) == (n_loaded, [(n_rejected,)])
                assert Path(file).name not in found
                found[Path(file).name] = (values, n_rejected)
            ((n_rows,),) = build.sql("select count(*) from raw.trials").fetchall()
            assert n_rows == sum(len(good) for good, _ in found.values())
            return found

    @rule(killed_before=st.sampled_from([None, "the mart", "the mark", "the link"]))
    def refreshes(self, killed_before: str | None) -> None:
        self.load()
        self.held = dict(self.inputs)
        before = release_in_service(self.settings)
        try:
            with open_build(self.settings) as build:
                if killed_before == "the mart":
                    raise Killed
                build.execute(MART)
                if killed_before == "the mark":
                    raise Killed
                mark = publish.fingerprint(loaded_inputs(build), self.settings)
                mark_build(build, mark, {}, ["main.hpd_incidence"])
                if killed_before == "the link":
                    self.patch.setattr(publish, "switch", die)
                name = publish.publish(build, self.settings)
        except Killed:
            assert release_in_service(self.settings) == before
            for ready in set(releases.releases(self.settings)) - self.said.keys():
                self.said[ready] = self.expected()
            return
        finally:
            self.patch.setattr(publish, "switch", releases.switch)
        self.said[name] = self.expected()
        assert release_in_service(self.settings) == name

    def expected(self) -> tuple[int, int]:
        values = [n for good, _ in self.held.values() for n in good]
        return sum(values), len(values)

    @precondition(lambda self: self.said)
    @rule()
    def goes_back(self) -> None:
        try:
            before, now = rollback(self.settings)
        except UsageError:
            return  # there is none before
        assert before is None or now < before  # a release that was ready is put into service too

    @invariant()
    def what_is_held_is_what_was_loaded(self) -> None:
        if getattr(self, "held", None):
            assert self.found() == self.held

    @invariant()
    def what_is_published_is_what_its_release_was_made_of(self) -> None:
        if not hasattr(self, "said") or release_in_service(self.settings) is None:
            return
        with connect(self.settings.published_db) as connection:
            ((release_id,),) = connection.sql("select release_id from release").fetchall()
            assert release_id == release_in_service(self.settings)
            assert connection.sql("from hpd_incidence").fetchall() == [self.said[release_id]]
            n_loaded, n_rows = connection.sql(
                "select (select rows_loaded from release), sum(rows_loaded)::bigint from release_inputs"
            ).fetchall()[0]
            assert n_loaded == n_rows == self.said[release_id][1]

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            for name in releases.releases(self.settings):
                releases.remove(self.settings.releases / name)
            shutil.rmtree(self.folder)


def die(*_: object) -> None:
    raise Killed


TestWarehouse = Warehouse.TestCase
TestWarehouse.settings = hypothesis_settings(max_examples=4, stateful_step_count=10, deadline=None, derandomize=True)
