"""`hpd refresh --engine spark`: the models of rows are built on Spark, from the landing zone, by the dbt project as it is;
what they count is loaded into build.duckdb, where statistics, marts and publication go on as always.

Nothing else imports pyspark or dbt-spark, and here only dbt does, in the process that builds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from ingest.errors import BuildError, HpdError, printable
from ingest.settings import Settings
from warehouse.build import DUCKDB, BuildResult, DbtBuild
from warehouse.lock import writer_lock

JAVA = 17
HEAVY, LIGHT = "heavy", "light"
LOOK_SECONDS = 5
# lines of Spark's own log
WAIT = re.compile(r" WARN \S+: ((?:Initial job has not accepted any resources|Failed to connect to master).*)")
CAUSE = re.compile(
    r"^(?:Exception in thread \S+ |Caused by: |Error: |(?=Invalid )|\S+ \S+ ERROR \S+: )(.+)", re.MULTILINE
)


def nodes_of(part: str, manifest) -> list[str]:  # dbt's own manifest
    """Names of the models, seeds and tests that an engine builds.

    Spark (`HEAVY`) has the models tagged `counts` in dbt_project.yml and all that they are made of; DuckDB (`LIGHT`)
    everything else, those counts once more, as they are loaded into it, and views of audit tables, which it has. A
    test belongs to every engine that has all it looks at; one that looks at patients and at pooled marts has none.
    """
    nodes = manifest.nodes
    counts = {name for name, node in nodes.items() if node.resource_type == "model" and "counts" in node.tags}
    heavy, unseen = set(), list(counts)
    while unseen:
        if (name := unseen.pop()) in nodes and name not in heavy:
            heavy.add(name)
            unseen += nodes[name].depends_on_nodes
    audit = {name for name, source in manifest.sources.items() if source.source_name == "audit"}
    of_audit = {
        name for name in heavy if nodes[name].depends_on_nodes and audit.issuperset(nodes[name].depends_on_nodes)
    }
    everything = {name for name, node in nodes.items() if node.resource_type in ("model", "seed")}
    if part == HEAVY:
        built, readable = heavy, heavy | manifest.sources.keys()
    else:
        built = everything - heavy | counts | of_audit | {name for name in heavy if nodes[name].resource_type == "seed"}
        readable = built | audit
    tests = {name for name, n in nodes.items() if n.resource_type == "test" and readable.issuperset(n.depends_on_nodes)}
    return sorted(nodes[name].name for name in built | tests)


def check_installed() -> None:
    """Raise an HpdError that says what is missing, before an hour of loading."""
    for module, package in (("pyspark", "pyspark"), ("dbt.adapters.spark", "dbt-spark")):
        if find_spec(module) is None:
            raise HpdError(f"ERROR the engine spark needs {package}, which is not installed; run "
                           "`pip install -e '.[spark]'` in the folder of hpd-warehouse")  # fmt: skip
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    said = ""
    if java:
        try:
            said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
        except OSError as error:
            said = str(error)
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        found = f"Java {version[1]} ({java})" if version else f"no Java{f' in {home}' if home else ''}"
        raise HpdError(f"ERROR the engine spark needs Java {JAVA} or newer, and there is {printable(found, 200)}; install "
                       "it, or name its folder in JAVA_HOME")  # fmt: skip


def landing_lock(folder: Path, settings: Settings, wait: float) -> AbstractContextManager[int]:
    """Hold a landing zone for writing: warehouses may share one.

    Raises:
        HpdError: it cannot be one.
    """
    from ingest.landing import Landing  # not for the process that builds

    folder = Landing(folder).folder
    if folder == settings.home.absolute():
        raise HpdError(f"ERROR {printable(folder, 200)}: is the folder of the databases, and readable by others; name a "
                       "folder of its own for what lands, e.g. one in it")  # fmt: skip
    return writer_lock(replace(settings, home=folder), "load --landing", wait)


class SparkBuild(DbtBuild):
    """`dbt build` on Spark, which tells what Spark waits for, and why it did not start."""

    def run(self, say: Callable[..., None]) -> BuildResult:
        """Build and test, as `DbtBuild.run`.

        Raises:
            BuildError: Spark could not start, or dbt could not.
        """
        one_at_a_time, started, ended = threading.Lock(), threading.Event(), threading.Event()

        def tell(*state: object) -> None:
            with one_at_a_time:
                say(*state)

        def tell_of_nodes(*state: object) -> None:
            started.set()
            tell(*state)

        def tell_of_waits() -> None:
            n_told = 0
            while not ended.wait(LOOK_SECONDS):
                waits = WAIT.findall(self.said())
                if len(waits) > n_told:  # Spark says it again for as long as it lasts
                    n_told = len(waits)
                    tell(f"Spark ({_master()}) waits: {waits[-1]}")

        watch = threading.Thread(target=tell_of_waits)
        watch.start()
        try:
            return super().run(tell_of_nodes)
        except BuildError:
            causes = list(dict.fromkeys(CAUSE.findall(self.said())))
            if started.is_set() or not causes:  # what Spark has got over by then is no cause
                raise
            raise BuildError(f"ERROR Spark did not start with the master {_master()}: {printable('; '.join(causes[-3:]), 600)}; "
                             "see to spark-defaults.conf in SPARK_CONF_DIR, or name one that answers in HPD_SPARK_MASTER; "
                             f"its log is {self.log}") from None  # fmt: skip
        finally:
            ended.set()
            watch.join()


def _master() -> str:
    return printable(os.environ.get("HPD_SPARK_MASTER", "local[*]"), 200)


def heavy_build(settings: Settings, lock: int, landing: Path) -> SparkBuild:
    """The part that Spark does: from the landing zone to the counts, as Parquet in its folder `built`."""
    # Java reads the names of folders by the locale, and knows no ä in that of a bare cron
    return SparkBuild(settings, lock, "spark", HEAVY, {"HPD_LANDING": str(landing), "LC_ALL": "C.UTF-8"})


def light_build(settings: Settings, lock: int, landing: Path) -> DbtBuild:
    """The part that DuckDB does: the counts are loaded instead of being built; all the rest as in any refresh."""
    return DbtBuild(settings, lock, DUCKDB, LIGHT, {"HPD_COUNTS": str(landing / "built")})
