"""`hpd`: arguments in, printed report out. Progress and findings go to stderr, results to stdout."""

from __future__ import annotations

import csv
import json
import sys
import textwrap
import time
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest.errors import BuildError, HpdError, printable
from ingest.settings import Settings, hpd_version, load_settings

if TYPE_CHECKING:
    from ingest.landing import Landing

CLEAN, FAILED, USAGE, WITH_REJECTS = 0, 1, 2, 3
EVERY_SECONDS = 10  # between two lines of progress in a log

ANSWER = """
select cancer_type, n_reports_pooled, n_hpd, n_evaluable, pooled_incidence, pooled_ci_low, pooled_ci_high,
    tcga_n_amplified, tcga_n_assayed, tcga_amplified_fraction, tcga_amplified_ci_low, tcga_amplified_ci_high
from hpd_amplification_by_cancer
where hpd_definition = 'ANY_PUBLISHED' and basis = 'reported' and gene_set = 'MDM2|MDM4'
    and not is_simulated and n_reports_pooled > 0
order by pooled_incidence desc, cancer_type
"""


FINDING = """
select finding from hpd_amplification_association
where hpd_definition = 'ANY_PUBLISHED' and basis = 'reported' and gene_set = 'MDM2|MDM4' and source_class = 'tcga'
    and left_out_cancer_type_code = 'NONE' and not is_simulated
"""


class _Commands(click.Group):
    """Turns what can go wrong into one message and an exit status, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HpdError as error:
            click.echo(str(error), err=True)
            ctx.exit(error.exit_status)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe has seen enough
            ctx.exit(CLEAN)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from warehouse.connection import disk_trouble

            if not (trouble := disk_trouble(error, load_settings())):
                raise
            click.echo(trouble, err=True)
            ctx.exit(FAILED)


class _Writing(click.Command):
    """A command that writes: how it ended, and what is in service then, is the last line of its log."""

    def invoke(self, ctx: click.Context) -> object:
        from warehouse.releases import release_in_service

        settings = load_settings()
        with _step(settings, "end") as facts:
            try:
                return super().invoke(ctx)
            finally:
                facts["release"] = release_in_service(settings)


def _step(settings: Settings, name: str) -> AbstractContextManager[dict]:
    from warehouse.log import step

    return step(settings, click.get_current_context().info_name or "", name)


class Progress:
    """What is going on, on stderr: a bar on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(self) -> None:
        """Nothing is shown until the first step."""
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bar, self._task, self._last = None, None, time.monotonic()
        self._since, self._done, self._total = (0.0, 0.0), 0.0, 0.0  # when the work at hand began, with how much done

    def step(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """A passing state: `done` of `total` steps, where that is known; of 1: the share that is done."""
        left = "" if done is None or total is None else self._left(done, total)
        if self._console.is_terminal:
            if self._bar is None:
                from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

                columns = (BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
                self._bar = Progress(*columns, console=self._console, transient=True)
                self._task = self._bar.add_task("", total=None)
                self._bar.start()
            self._bar.update(
                self._task, description=printable(text, 100 - len(left)) + left, completed=done, total=total
            )
        elif time.monotonic() - self._last > EVERY_SECONDS:
            self._last = time.monotonic()
            self.done(printable(text, 200) + left)

    def _left(self, done: float, total: float) -> str:
        """The share that is done, where nothing else says it, and the time left at the pace so far."""
        now = time.monotonic()
        if self._total != total or done < self._done or self._done == total:  # other work: the next file, or dbt
            self._since = (now, done)
        self._done, self._total = done, total
        begun, done_then = self._since
        share = f", {done:.0%}" if total == 1 else ""
        if now - begun < 1 or done in (done_then, total):
            return share
        return f"{share}, {_duration((total - done) * (now - begun) / (done - done_then))} left"

    def done(self, text: str) -> None:
        """A line that stays."""
        self.close()
        self._console.print(text)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


inputs_argument = click.argument("inputs", nargs=-1, metavar="[INPUT]...")
config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read the inputs from FILE instead of hpd.toml."
)
genes_option = click.option(
    "--genes",
    type=click.Choice(["default", "all"]),
    default="default",
    help="Genes to load from genomic inputs named here: those of the gene sets, or all. In hpd.toml: per input.",
)
wait_option = click.option(
    "--wait", default=0.0, metavar="SECONDS", help="Wait this long for another command that is writing."
)


landing_option = click.option(
    "--landing",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the raw tables there, as Parquet for Spark.",
)


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(cls=_Commands, invoke_without_command=True, subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]}, epilog=_examples(
    "hpd refresh                        the published evidence → marts → answer",
    "hpd refresh bundled my/trials.csv  your own trials beside it",
    "hpd validate my/trials.csv         check a file, write nothing",
    'hpd query "from hpd_incidence"     ask the published marts',
))  # fmt: skip
@click.version_option(hpd_version(), prog_name="hpd-warehouse")
@click.pass_context
def main(ctx: click.Context) -> None:
    """How often is immunotherapy followed by hyperprogression, and how often are MDM2/MDM4 amplified, per cancer?

    An INPUT is a CSV, TSV, XLSX or Parquet file, a folder of them, a cBioPortal study folder, a GISTIC2 or
    FoundationOne file, or `bundled`, the published evidence. Without one, the inputs listed in hpd.toml are used, and without that, `bundled`.

    HPD_HOME is the folder of the databases. Exit status: 0 clean, 3 finished with rejected rows, 1 failed, 2 usage.
    """
    if ctx.invoked_subcommand is None:
        from warehouse.standing import standing

        click.echo(standing(load_settings()))


@main.command(cls=_Writing, epilog=_examples(
    "hpd refresh", "hpd refresh bundled my/trials.csv my/amplification.xlsx", "hpd refresh --config lung.toml",
))  # fmt: skip
@inputs_argument
@config_option
@genes_option
@wait_option
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True,
              help="What counts patients, samples and calls; the marts are the same.")  # fmt: skip
@landing_option
def refresh(
    inputs: tuple[str, ...], config: Path | None, genes: str, wait: float, engine: str, landing: Path | None
) -> None:
    """Load what changed, build and test the marts, publish them, print the answer.

    The warehouse then holds exactly these inputs; one that is no longer named is removed. Nothing changed: nothing
    is done. Whatever fails, the release in service stays in service.
    """
    settings, progress, started = load_settings(), Progress(), time.monotonic()
    if engine == "spark":
        from warehouse.spark import check_installed

        check_installed()
    elif landing:
        raise click.UsageError("--landing is for --engine spark, and for hpd load")
    run = _Run(inputs, config, settings, progress, genes)
    from warehouse.lock import writer_lock

    status = run.nothing_to_do()
    if status is None:
        from warehouse.build import DbtBuild  # imports stay behind the check above: it is a second's work

        with writer_lock(settings, "refresh", wait) as lock:
            status = run.nothing_to_do()  # another may have made it, or taken it out of service, while this one waited
            if status is None:
                if engine == "spark":
                    n_rejected = run.count_on_spark(lock, landing or settings.landing, wait)
                else:
                    dbt = DbtBuild(settings, lock)
                    try:
                        n_rejected = run.load()
                        _build(dbt, settings, progress, run.inputs)
                    finally:
                        dbt.cancel()
                        progress.close()
                _publish(settings, progress)
                _print_flags(settings, progress)
                progress.done(f"done in {time.monotonic() - started:.1f} s")
                status = WITH_REJECTS if n_rejected else CLEAN
    if not settings.report.exists() and run.published():  # what made the release was killed before its last step
        with writer_lock(settings, "refresh", wait):
            _write_report(settings, progress)
    _print_answer(settings)
    sys.exit(status)


class _Run:
    """The steps that refresh, load, build and publish share."""

    def __init__(
        self,
        inputs: tuple[str, ...],
        config: Path | None,
        settings: Settings,
        progress: Progress,
        genes: str = "default",
    ) -> None:
        """Find the inputs, or say which cannot be found."""
        from ingest import pipeline

        self.settings, self.progress = settings, progress
        specs = pipeline.specs_from(inputs, config, genes)
        self.items, failed, notes = pipeline.discover(specs, settings, progress.step)
        progress.close()
        for note in notes:
            progress.done(str(note))
        if failed:
            raise HpdError("\n".join(map(str, failed)))

    def published(self) -> dict | None:
        """The release in service, if these inputs are what it was made from."""
        from warehouse.publish import fingerprint
        from warehouse.releases import in_service

        release, mark = in_service(self.settings), fingerprint(self.inputs, self.settings)
        return release if release and release["fingerprint"] == mark else None

    def nothing_to_do(self) -> int | None:
        """Say so where what these inputs make is in service, or was taken out of it by hand; the exit status then."""
        from warehouse.publish import fingerprint
        from warehouse.releases import taken_out

        if published := self.published():
            self.progress.done(
                f"nothing changed since release {published['release_id']} ({_n(len(self.items), 'file')}); nothing done"
            )
            return WITH_REJECTS if published["n_findings"] else CLEAN
        if release := taken_out(self.settings, fingerprint(self.inputs, self.settings)):
            self.progress.done(
                f"nothing changed since release {release}, which was taken out of service by hand; nothing done; "
                f"`hpd rollback {release}` brings it back"
            )
            return CLEAN
        return None

    @property
    def inputs(self) -> list[tuple[int, str]]:
        """(input_number, item_id) of the inputs as they are now."""
        return [(item.number, item.item_id) for item in self.items]

    def load(self) -> int:
        """Load what changed; returns how many rows and cells of the warehouse's inputs are rejected.

        Raises:
            HpdError: an input cannot be read, or simulated data are on their way into the default warehouse.
        """
        self._keep_simulated_apart()
        from ingest import load, pipeline
        from warehouse.connection import open_build
        from warehouse.publish import mark_build

        with _step(self.settings, "load") as facts, open_build(self.settings) as connection:
            mark_build(connection, None, is_loaded=False)  # first: it may empty tables
            load.ensure_tables(connection)
            report = pipeline.run(self.items, connection, self.progress.step, self.settings.home)
            ((n_findings,),) = connection.execute("select count(*) from audit.rejected_rows").fetchall()
            if not report.failed:
                mark_build(connection, None)
            facts.update(rows=report.rows_loaded, rejected=report.rows_rejected, failed=len(report.failed))
        _print_report(report, self.progress)
        if report.failed:
            raise HpdError("\n".join([*map(str, report.failed), "nothing was built; the release in service stays"]))
        # a sample column that stands twice is told, and is no row
        return n_findings or sum(problem.level == "ERROR" for problem in report.problems)

    def _keep_simulated_apart(self) -> None:
        simulated = [item.file for item in self.items if item.spec.origin == "simulated"]
        if simulated and self.settings.is_default:
            raise HpdError(
                f"ERROR {printable(simulated[0], 200)}: simulated data do not go into the default warehouse; give them "
                "one of their own, e.g. HPD_HOME=simulated/home hpd refresh --config simulated/hpd.toml"
            )

    def land(self, folder: Path) -> tuple[Landing, int]:
        """`load`, into a landing zone instead of the build database; returns it, and the same count."""
        self._keep_simulated_apart()
        from ingest.landing import Landing, land

        landing = Landing(folder)
        self.settings.home.mkdir(parents=True, exist_ok=True)  # of the log and of the key of the pseudonyms
        with _step(self.settings, "load") as facts:
            report = land(self.items, landing, self.progress.step, self.settings.home)
            facts.update(rows=report.rows_loaded, rejected=report.rows_rejected, failed=len(report.failed))
        _print_report(report, self.progress, "landed")
        if report.failed:
            raise HpdError("\n".join([*map(str, report.failed), "nothing was built; the release in service stays"]))
        return landing, landing.n_findings or sum(problem.level == "ERROR" for problem in report.problems)

    def count_on_spark(self, lock: int, folder: Path, wait: float) -> int:
        """Land, count on Spark, and build the marts from the counts; returns what `load` does."""
        from ingest.landing import take_audit
        from ingest.load import ensure_tables
        from warehouse.build import explain
        from warehouse.connection import open_build
        from warehouse.publish import mark_build
        from warehouse.spark import heavy_build, landing_lock, light_build

        with landing_lock(folder, self.settings, wait), closing(self.progress):
            landing, n_rejected = self.land(folder)
            self.progress.step("checksums of what landed")
            landing.check()
            heavy = heavy_build(self.settings, lock, landing.folder)
            try:
                with _step(self.settings, "spark") as facts:
                    counted = heavy.run(self.progress.step)
                    facts.update(counted.counts)
                    if not counted.success:
                        said = explain(counted, self.settings)
                        raise BuildError(said + "\nnothing was published; the release in service stays")
            finally:
                heavy.cancel()
            n_models, n_tests = counted.counts.get("model", 0), counted.counts.get("test", 0)
            self.progress.done(f"counted on Spark: {n_models} models, {n_tests} data tests, all passed")
            light = light_build(self.settings, lock, landing.folder)
            try:
                with open_build(self.settings) as connection:
                    mark_build(connection, None, is_loaded=False)
                    ensure_tables(connection)
                    take_audit(connection, landing)
                    mark_build(connection, None)
                _build(light, self.settings, self.progress, self.inputs, tuple(counted.nodes))
            finally:
                light.cancel()
        return n_rejected


def _publish(settings: Settings, progress: Progress) -> None:
    """Put the marts of the finished build into service, and write the page on them; call it with the lock held."""
    from warehouse.connection import open_build
    from warehouse.publish import publish

    with _step(settings, "publish") as facts, open_build(settings) as connection:
        facts["release"] = release = publish(connection, settings)
    progress.done(f"published: release {release}")
    _write_report(settings, progress)


def _write_report(settings: Settings, progress: Progress) -> None:
    """The page on the release in service; without it the release would be in service all the same."""
    from warehouse.report.page import write_report

    with _step(settings, "report"):
        write_report(settings)
    progress.done(f"report: {printable(settings.report, 300)}")


def _build(
    dbt, settings: Settings, progress: Progress, inputs: list[tuple[int, str]] | None = None, also: tuple[str, ...] = ()
) -> None:
    """Build and test the marts from what is loaded (`inputs`, where they are known), and mark them as finished.

    `also`: dbt's names of what was built and tested before, elsewhere.
    """
    from warehouse.build import explain
    from warehouse.connection import open_build
    from warehouse.publish import fingerprint, loaded_inputs, mark_build

    with _step(settings, "build") as facts:
        progress.step("dbt starts")
        result = dbt.run(progress.step)
        facts.update(result.counts)
        if not result.success:
            raise BuildError(explain(result, settings) + "\nnothing was published; the release in service stays")
    with open_build(settings) as connection:
        loaded = loaded_inputs(connection)
        if inputs is not None and loaded != inputs:
            raise BuildError("ERROR other inputs were loaded meanwhile; nothing was published; run `hpd refresh` again")
        built = Counter(name.partition(".")[0] for name in {*result.nodes, *also})
        mark_build(connection, fingerprint(loaded, settings), built, result.tables)
    names = {"seed": "vocabularies", "model": "models", "test": "data tests"}
    counts = ", ".join(f"{result.counts.get(kind, 0)} {name}" for kind, name in names.items())
    progress.done(f"built: {counts}, all passed")


def _print_report(report, progress: Progress, verb: str = "loaded") -> None:  # pipeline.Report
    for problem in report.problems:
        progress.done(str(problem))
    for line in report.loaded:
        progress.done(f"{verb} {printable(line, 400)}")
    for file in report.removed:
        progress.done(f"removed {printable(file, 200)}: no longer named")
    if report.unchanged:
        progress.done(f"unchanged: {_n(len(report.unchanged), 'file')}")


FLAGS = {
    "cancer_type_unmapped": "a cancer label that the vocabulary does not know; kept and counted under its own name",
    "definition_unknown": "an HPD definition that the vocabulary does not know; kept and counted under its own name",
    "agents_unknown": "drugs that the vocabulary does not know: these patients are in no incidence; recode them with "
    "[inputs.values], or write the class, e.g. anti-PD-1",
    "gene_set_unknown": "genes that are no configured gene set; kept and counted as they are",
}


def _print_flags(settings: Settings, progress: Progress) -> None:
    """What a user would want to know of own data: labels that stand apart because nobody knows them."""
    from warehouse.connection import connect

    with connect(settings.published_db) as connection:
        rows = connection.execute(
            "select source_file, rule, n_rows, first_line from data_quality where severity = 'flagged' and rule in ?"
            " order by all",
            [list(FLAGS)],
        ).fetchall()
    for file, rule, n_rows, line in rows:
        progress.done(f"NOTE {printable(file, 200)}: {_n(n_rows, 'row')}, the first on line {line}: {FLAGS[rule]}")


def _print_answer(settings: Settings) -> None:
    from warehouse.connection import connect

    with connect(settings.published_db) as connection:
        rows = connection.sql(ANSWER).fetchall()
        findings = connection.sql(FINDING).fetchall()
    header = (
        "cancer",
        "reports",
        "HPD / evaluable",
        "incidence (95 % CI)",
        "amplified / assayed",
        "fraction (95 % CI)",
    )
    body = [
        (printable(cancer), f"{n_reports}", f"{n_hpd:,} / {n_evaluable:,}", _percent(*incidence), _of(amplified, assayed), _percent(*fraction))
        for cancer, n_reports, n_hpd, n_evaluable, *incidence, amplified, assayed, f0, f1, f2 in rows
        for fraction in [(f0, f1, f2)]
    ]  # fmt: skip
    if not rows:
        click.echo("no real report of HPD is loaded to print; what there is: hpd report")
        return
    click.echo("Hyperprogression, any published definition, pooled; MDM2 or MDM4 amplification in TCGA:")
    _print_table(header, body)
    for (finding,) in findings:
        click.echo(f"\n{textwrap.fill(finding, 110)}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    return "–" if value is None else f"{value:.1%} ({low:.1%}–{high:.1%})"


def _of(part: int | None, whole: int | None) -> str:
    return "–" if whole is None else f"{part:,} / {whole:,}"


def _print_table(header: tuple[str, ...], body: list[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in body:
        table.add_row(*map(Text, row))
    # a pipe has no width to fit
    Console(width=None if sys.stdout.isatty() else 1000, highlight=False).print(table)


@main.command(epilog=_examples("hpd validate my/trials.csv", "hpd validate my/data/"))
@inputs_argument
@config_option
@genes_option
def validate(inputs: tuple[str, ...], config: Path | None, genes: str) -> None:
    """Read and check inputs; write nothing."""
    import duckdb

    from ingest import pipeline

    progress = Progress()
    run = _Run(inputs, config, load_settings(), progress, genes)
    with duckdb.connect(":memory:") as connection:
        report = pipeline.run(run.items, connection, progress.step)
    for file, kind in report.kinds.items():
        progress.done(f"recognised {printable(file, 200)}: {kind}")
    _print_report(report, progress, "checked")
    if report.failed:
        raise HpdError("\n".join(map(str, report.failed)))
    click.echo(
        f"{_n(report.n_files, 'file')}, {_n(report.rows_read, 'row')} read, {report.rows_loaded:,} good, "
        f"{report.rows_rejected:,} bad"
    )
    is_clean = all(problem.level != "ERROR" for problem in report.problems)
    sys.exit(CLEAN if is_clean else WITH_REJECTS)


@main.command(cls=_Writing, epilog=_examples("hpd load bundled my/trials.csv", "hpd load --landing /data/landing"))
@inputs_argument
@config_option
@genes_option
@wait_option
@landing_option
def load(inputs: tuple[str, ...], config: Path | None, genes: str, wait: float, landing: Path | None) -> None:
    """The first step of refresh alone: load what changed into the build database, or into a landing zone."""
    from warehouse.lock import writer_lock

    settings = load_settings()
    run = _Run(inputs, config, settings, Progress(), genes)
    if landing:
        from warehouse.spark import landing_lock

        with landing_lock(landing, settings, wait):
            _, n_rejected = run.land(landing)
    else:
        with writer_lock(settings, "load", wait):
            n_rejected = run.load()
    sys.exit(WITH_REJECTS if n_rejected else CLEAN)


@main.command(cls=_Writing, epilog=_examples("hpd build"))
@wait_option
def build(wait: float) -> None:
    """The second step alone: build and test the marts from what is loaded."""
    from ingest.load import LANDED_ELSEWHERE, landed_elsewhere
    from warehouse.build import DbtBuild
    from warehouse.connection import open_build
    from warehouse.lock import writer_lock

    settings, progress = load_settings(), Progress()
    with open_build(settings, read_only=True) as connection:
        if landed_elsewhere(connection):
            raise BuildError(LANDED_ELSEWHERE)
    with writer_lock(settings, "build", wait) as lock:
        dbt = DbtBuild(settings, lock)
        try:
            _build(dbt, settings, progress)
        finally:
            dbt.cancel()
            progress.close()


@main.command(cls=_Writing, epilog=_examples("hpd publish"))
@wait_option
def publish(wait: float) -> None:
    """The third step alone: put the marts of the last finished build into service."""
    from warehouse.connection import open_build
    from warehouse.lock import writer_lock

    settings = load_settings()
    with writer_lock(settings, "publish", wait):
        open_build(settings, read_only=True).close()
        _publish(settings, Progress())


@main.command(cls=_Writing, epilog=_examples("hpd rollback", "hpd rollback 20261122T101500-1a2b3c4d"))
@click.argument("release", required=False)
@wait_option
def rollback(release: str | None, wait: float) -> None:
    """Put the previous release, or the one named, back into service.

    A refresh of the same inputs leaves it there; changed inputs, or `hpd publish`, bring the next release.
    """
    from warehouse import releases
    from warehouse.lock import writer_lock

    settings = load_settings()
    with writer_lock(settings, "rollback", wait), _step(settings, "rollback") as facts:
        before, now = releases.rollback(settings, release)
        facts["release"] = now
    click.echo(f"in service: release {now}" + (f" (before: {before})" if before != now else " (as before)"))


@main.command(epilog=_examples("hpd diff", "hpd diff --rows 20 20261121T101500-5e6f7a8b 20261122T101500-1a2b3c4d"))
@click.argument("older", required=False)
@click.argument("newer", required=False)
@click.option(
    "--rows",
    default=5,
    type=click.IntRange(0),
    show_default=True,
    metavar="N",
    help="Show this many differing rows of each table.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def diff(older: str | None, newer: str | None, rows: int, as_json: bool) -> None:
    """What changed between two releases: by default the one in service and the one before it."""
    from dataclasses import asdict

    from warehouse import releases
    from warehouse.compare import compare

    settings = load_settings()
    newer = newer or releases.release_in_service(settings)
    before = [name for name in releases.releases(settings) if newer and name < newer]
    older = older or (before[0] if before else None)
    if newer is None or older is None:
        raise HpdError("ERROR there are not two releases to compare yet; `hpd status` lists them")
    found = compare(releases.file_of(settings, older), releases.file_of(settings, newer), rows)
    different = [difference for difference in found if difference.is_different]
    if as_json:
        told = {"older": older, "newer": newer, "tables": [asdict(difference) for difference in different]}
        click.echo(json.dumps(told, default=str, indent=2))
        return
    click.echo(f"{older} → {newer}: {_n(len(different), 'table')} of {len(found)} differ")
    for difference in different:
        click.echo(_difference(difference))
        for row in difference.rows:
            key = ", ".join(printable(v, 60) for k, v in row.items() if k not in ("what", "column", "old", "new"))
            change = (
                f": {row['column']} {printable(row['old'], 60)} → {printable(row['new'], 60)}"
                if "column" in row
                else ""
            )
            click.echo(f"    {row['what']} {key}{change}")


def _difference(difference) -> str:  # warehouse.compare.Difference
    if difference.n_old is None or difference.n_new is None:
        which = "newer" if difference.n_old is None else "older"
        return f"  {difference.table}: only in the {which} release"
    changed = "" if difference.n_changed is None else f", {difference.n_changed:,} changed"
    columns = ", ".join(name if n is None else f"{name} ({n:,})" for name, n in difference.columns.items())
    return (
        f"  {difference.table}: {difference.n_old:,} → {difference.n_new:,} rows; {difference.n_added:,} added, "
        f"{difference.n_removed:,} removed{changed}" + (f"; columns: {columns}" if columns else "")
    )


@main.command(epilog=_examples("hpd export marts/", "hpd export --format csv marts/"))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["both", "parquet", "csv"]), default="both", show_default=True)
def export(folder: Path, form: str) -> None:
    """Write every published table to FOLDER as Parquet and CSV, with a manifest of checksums."""
    from warehouse.export import export as write

    manifest = write(load_settings(), folder, ("parquet", "csv") if form == "both" else (form,))
    n_escaped = sum(file["n_escaped"] for file in manifest["files"])
    click.echo(
        f"wrote {printable(folder, 200)}: {_n(len(manifest['files']), 'file')} of release {manifest['release_id']}"
    )
    if n_escaped:
        click.echo(f"NOTE {_n(n_escaped, 'cell')}: {manifest['note']}", err=True)


@main.command(cls=_Writing, epilog=_examples("hpd docs", "hpd docs documentation.html"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@wait_option
def docs(file: Path | None, wait: float) -> None:
    """Write the documentation to FILE, one HTML page: every table and column, how they are made, a glossary.

    Without FILE: docs.html in HPD_HOME. It opens from disk, without a network, and holds no data.
    """
    from warehouse.connection import open_build
    from warehouse.docs import write_docs
    from warehouse.lock import writer_lock

    settings = load_settings()
    page = file or settings.home / "docs.html"
    open_build(settings, read_only=True).close()
    with writer_lock(settings, "docs", wait) as lock, _step(settings, "docs"):
        write_docs(settings, page, lock)
    click.echo(f"wrote {printable(page, 200)}")


@main.command(epilog=_examples(
    "hpd report                         hpd-report.html, to open or to send",
    "hpd report lung.html --figures figures/ --cancer NSCLC --definition CHAMPIAT_TGR2",
))  # fmt: skip
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the figures as SVG and PNG instead.",
)
@click.option("--gene-set", metavar="GENES", help="Of the figures: a gene set of the marts, e.g. MDM2.")
@click.option("--definition", metavar="CODE", help="Of the figures: an HPD definition, e.g. CHAMPIAT_TGR2.")
@click.option(
    "--basis",
    type=click.Choice(["reported", "computed"]),
    help="Of the figures: incidence as reported, or of patients here.",
)
@click.option(
    "--source", type=click.Choice(["tcga", "institutional"]), help="Of the figures: where amplification is from."
)
@click.option("--cancer", metavar="CODE", help="Of the figures: a cancer type, e.g. NSCLC.")
@click.option("--simulated", is_flag=True, help="Of the figures: simulated data, where there are real ones too.")
def report(
    file: Path | None,
    figures: Path | None,
    gene_set: str | None,
    definition: str | None,
    basis: str | None,
    source: str | None,
    cancer: str | None,
    simulated: bool,
) -> None:
    """Write the report on the published marts to FILE: one page with everything in it, for any browser.

    A refresh writes the same page beside the release; report.html in HPD_HOME is a link to it. With --figures the
    figures are written for a paper, and the page only if FILE is named.
    """
    from ingest.errors import UsageError
    from warehouse.report.page import write_page

    settings = load_settings()
    choices = {
        "gene_set": gene_set,
        "hpd_definition": definition,
        "basis": basis,
        "source_class": source,
        "cancer_type_code": cancer,
    }
    if figures is None and (simulated or any(choices.values())):
        raise UsageError("ERROR the page holds every choice; --gene-set and the like are for --figures DIR")
    if file or figures is None:
        file = file or Path("hpd-report.html")
        write_page(settings.published_db, file)
        click.echo(f"wrote {printable(file, 200)}")
    if figures is not None:
        from warehouse.connection import connect
        from warehouse.report.datasets import read
        from warehouse.report.draw import chosen, write_figures

        with connect(settings.published_db) as connection:
            frames = read(connection)
        n_rows = write_figures(frames, figures, chosen(frames, simulated, **choices))
        for name, n in n_rows.items():
            click.echo(
                f"wrote {printable(figures / name, 200)}.svg and .png: {_n(n, 'row')}"
                if n
                else f"{name}: nothing to show, not written"
            )


@main.command(epilog=_examples("hpd status", "hpd status --json"))
@inputs_argument
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def status(inputs: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """What is loaded, rejected and published, and what a refresh would do."""
    from warehouse.status import describe, status_of

    settings = load_settings()
    found = status_of(_Run(inputs, config, settings, Progress()).items, settings)
    click.echo(json.dumps(found, default=str, indent=2) if as_json else describe(found))


@main.command(epilog=_examples(
    'hpd query "select cancer_type, n_hpd, n_evaluable from hpd_incidence order by 1"',
    'hpd query --format csv "from amplification_by_cancer" > amplification.csv',
    "hpd query - < my_question.sql",
))  # fmt: skip
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def query(sql: str, form: str) -> None:
    """Ask the published database, read-only: no query can change it, or read another file. `-`: SQL from stdin."""
    _ask(sys.stdin.buffer.read().decode(errors="replace") if sql == "-" else sql, form)


@main.command(epilog=_examples(
    "hpd cookbook", "hpd cookbook next_report", "hpd cookbook --format sql next_report > my_question.sql",
))  # fmt: skip
@click.argument("name", required=False)
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json", "sql"]), default="table", show_default=True
)
def cookbook(name: str | None, form: str) -> None:
    """Questions with their SQL, ready to ask: without NAME their list, with one its answer and how to read it.

    `--format sql` prints the query, to start your own from.
    """
    from warehouse.cookbook import comment, recipe, recipes

    settings = load_settings()
    if name is None:
        found = recipes(settings)
        width = max(map(len, found), default=0)
        for known, sql in found.items():
            click.echo(f"{known:<{width}}  {comment(sql)[0]}")
        return
    sql = recipe(settings, name)
    if form == "sql":
        click.echo(sql.rstrip())
        return
    if form == "table":
        click.echo("\n".join(comment(sql)) + "\n")
    _ask(sql, form)


def _ask(sql: str, form: str) -> None:
    """Print what the published database answers."""
    import duckdb

    from warehouse.connection import connect

    with connect(load_settings().published_db) as connection:
        try:
            relation = connection.sql(sql)
            names, rows = (relation.columns, relation.fetchall()) if relation else ([], [])
        except duckdb.Error as error:
            said = "\n".join(printable(line, 300) for line in str(error).splitlines())
            raise HpdError(f"ERROR query: {said}") from None
    if form == "json":
        records = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
        click.echo(json.dumps(records, default=str, indent=2))
    elif form == "csv":
        if sys.stdout.isatty():  # a file keeps every character, a terminal would obey some
            names = [printable(name, 2000) for name in names]
            rows = [tuple(v if v is None else printable(v, 2000) for v in row) for row in rows]
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([names, *rows])
    elif names:
        shown = [tuple("" if v is None else printable(v, 2000) for v in row) for row in rows]
        _print_table(tuple(printable(name, 200) for name in names), shown)
        click.echo(f"({_n(len(rows), 'row')})", err=True)


def _plain(value: object) -> object:
    """Maps with keys that JSON does not know become text."""
    return str(value) if isinstance(value, dict) else value


@main.command(epilog=_examples(
    "hpd simulate --patients 1000 --seed 1 --out sim", "HPD_HOME=sim/home hpd refresh --config sim/hpd.toml",
))  # fmt: skip
@click.option("--patients", default=1000, type=click.IntRange(10, 50_000_000), show_default=True)
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="The same seed, the same bytes.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder.")
@click.option("--scans", default=6, type=click.IntRange(2, 100), show_default=True, help="Scans per patient, about.")
@click.option("--trials", default=5, type=click.IntRange(1, 1000), show_default=True)
@click.option(
    "--samples", default=20_000, type=click.IntRange(0), show_default=True, help="Patients with genomic data, at most."
)
@click.option(
    "--odds-ratio", default=3.0, type=click.FloatRange(0, 1000, min_open=True), show_default=True,
    help="Of hyperprogression, MDM2 or MDM4 amplified against not; 1: unrelated.",
)  # fmt: skip
def simulate(patients: int, seed: int, out: Path, scans: int, trials: int, samples: int, odds_ratio: float) -> None:
    """Write invented patients with known truth: tables, genomic studies, and an hpd.toml that names them.

    DIR/truth says what each patient is and what a correct computation finds. Everything is marked as simulated and
    never mixes with real data; load it into a home of its own.
    """
    import shlex

    from ingest.simulate import Plan, simulate

    settings, progress = load_settings(), Progress()
    plan = Plan(patients, seed, scans, trials, samples, odds_ratio)
    try:
        rows = simulate(plan, out, settings, progress.step)
    finally:
        progress.close()
    progress.done(f"wrote {printable(out, 200)}: " + ", ".join(f"{n:,} {table}" for table, n in rows.items()))
    home, config = shlex.quote(str(out / "home")), shlex.quote(str(out / "hpd.toml"))
    progress.done(f"to load it: HPD_HOME={home} hpd refresh --config {config}")


@main.command(epilog=_examples("hpd template trials > trials.csv"))
@click.argument("table")
def template(table: str) -> None:
    """Print a commented CSV header for TABLE: trials, patients, tumor_measurements, amplification_counts or
    hpd_by_amplification."""
    from ingest.errors import UsageError
    from schemas import FLAT_TABLES

    if table not in FLAT_TABLES:
        raise UsageError(f"ERROR there is no table '{printable(table)}'; allowed: {', '.join(FLAT_TABLES)}")
    raw = FLAT_TABLES[table]
    click.echo(f"# {table}: {raw.grain}. Lines that start with # are ignored; blank and NA mean not known.")
    for name in raw.columns:
        facts, column = raw.metadata(name), raw.schema.columns[name]
        kind = {"String": "text", "Int64": "whole number", "Float64": "number", "Boolean": "true/false"}[
            str(column.dtype)
        ]
        need = (
            "required"
            if not column.nullable
            else "column required, may be blank"
            if facts.get("required")
            else "optional"
        )
        unit = f", {facts['unit']}" if "unit" in facts else ""
        click.echo(f"# {name} ({kind}{unit}; {need}): {column.description}")
    for date, day in raw.dates.items():
        click.echo(f"# {date} (YYYY-MM-DD; instead of {day}): counted from treatment_start_date and not stored")
    if raw.identifiers:
        click.echo(f"# {', '.join(raw.identifiers)}: stored as a pseudonym, by a key that stays with you")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    examples = [raw.metadata(name).get("example", "") for name in raw.columns]
    # above the header and as a comment: an example must never be loaded
    writer.writerow([f"# example: {examples[0]}", *examples[1:]])
    writer.writerow(raw.columns)


if __name__ == "__main__":
    main()
