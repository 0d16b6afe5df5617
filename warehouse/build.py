"""`dbt build`, in a process of its own: it imports dbt and parses the project while the inputs are still being
loaded, waits for the word, builds, and takes its memory and its file lock with it.

The two sides talk in lines of JSON; the child dies with its parent (its standard input closes).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import BuildError, printable
from ingest.settings import PROJECT, Settings

DUCKDB = "build"  # the target of profiles.yml that everybody uses


@dataclass
class BuildResult:
    """What dbt did."""

    success: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    failed: list[dict] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)  # schema.name of every seed and model
    nodes: list[str] = field(default_factory=list)  # dbt's names of all that was built and tested


class DbtBuild:
    """A dbt build that is warmed up by `__init__` and started by `run`."""

    def __init__(
        self,
        settings: Settings,
        lock: int,
        target: str = DUCKDB,
        part: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start the child; it inherits `lock`, so that nobody writes while it still does.

        The `target` of profiles.yml, the `part` of the nodes to build (all, unless it is named) and what else profile
        and macros are told by the `environment` are those of `hpd refresh --engine spark`.
        """
        self._settings = settings
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  what dbt says aside is shown only if it dies
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-P",  # nothing of the folder one is in, be it called csv.py or warehouse, is imported
                "-m",
                "warehouse.build",
                str(settings.dbt_project),
                str(settings.dbt_work),
                target,
                part,
            ],
            env={
                **os.environ,
                "HPD_HOME": str(settings.home),
                "PYTHONPATH": str(PROJECT),
                "HPD_DBT": "1",
                "HPD_COUNTS": "",  # what Spark counted is asked for by name, never by a shell that still has it
                **(environment or {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            pass_fds=[lock],
            umask=0o077,  # what it writes holds patients
        )

    def cancel(self) -> None:
        """Stop, built or not."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._said):
            stream.close()

    @property
    def log(self) -> Path:
        """dbt's own log."""
        return self._settings.dbt_work / "logs" / "dbt.log"

    def said(self) -> str:
        """What dbt, and the Java machine of Spark, have said aside so far."""
        descriptor = self._said.fileno()  # whose position is also the child's
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def run(self, say: Callable[[str, int, int], None]) -> BuildResult:
        """Build and test everything; call it with no connection to the build database open.

        Raises:
            BuildError: dbt could not start or parse the project.
        """
        child, result, trouble = self._child, None, ""
        try:
            child.stdin.write("go\n")
            child.stdin.flush()
        except BrokenPipeError:
            pass  # it says why on its way out
        for line in child.stdout:
            message = json.loads(line)
            if "done" in message:
                say(
                    f"dbt {message['done']} of {message['total']}: {message['node']}", message["done"], message["total"]
                )
            elif "result" in message:
                result = BuildResult(**message["result"])
            else:
                trouble = message["trouble"]
        child.wait()
        if result is None:
            last = self.said().strip().rpartition("\n")[2]
            # by hand, or for its memory; what it said last is no reason then
            killed = f"killed by signal {-child.returncode}" if child.returncode < 0 else ""
            trouble = trouble or killed or printable(last, 300) or f"exit status {child.returncode}"
            raise BuildError(f"ERROR dbt could not build the project: {trouble}; "
                             f"its log is {self.log}")  # fmt: skip
        return result


def explain(result: BuildResult, settings: Settings, limit: int = 5) -> str:
    """Every failure of a build in words, the failing rows of a data test among them."""
    from warehouse.connection import open_build  # the child must not import duckdb twice

    texts = []
    for node in result.failed:
        said = "\n".join(f"    {printable(line, 300)}" for line in (node["message"] or "").splitlines() if line.strip())
        texts.append(f"ERROR dbt {node['resource_type']} {node['name']}: {node['status']} ({node['path']})\n{said}")
        if "Out of Memory Error" in said:
            texts.append("    give dbt more memory, and run the command again: HPD_MEMORY_LIMIT=8GB")
        if node["resource_type"] == "test" and node["sql"]:  # not of Spark, which has its own tables
            with open_build(settings, read_only=True) as connection:
                rows = connection.sql(f"select * from ({node['sql']}\n) limit {limit}")
                texts.append("\n".join(
                    "    " + ", ".join(f"{c}={printable(v)}" for c, v in zip(rows.columns, row, strict=True))
                    for row in rows.fetchall()))  # fmt: skip
    return "\n".join(texts)


def _child(project: str, work: str, target: str, part: str) -> None:
    """The child's side: folder of the dbt project, folder for its targets and logs, target, and part to build."""
    # whatever dbt prints, and the Java machine that Spark starts, must not mix with the messages
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    one_at_a_time = threading.Lock()  # dbt reports from several threads

    def tell(**message) -> None:
        with one_at_a_time:
            print(json.dumps(message), file=out, flush=True)

    def die_with_the_parent() -> None:
        while os.read(0, 1):  # not sys.stdin, whose lock would hang the exit
            started.set()
        os._exit(1)

    started = threading.Event()
    threading.Thread(target=die_with_the_parent, daemon=True).start()

    from dbt.cli.main import dbtRunner  # 1.6 s, the reason for this process

    # a folder per target, or dbt parses the project anew whenever they take turns
    folder = f"{work}/target" if target == DUCKDB else f"{work}/{target}"
    common = [
        "--quiet", "--project-dir", project, "--profiles-dir", project,
        "--target-path", folder, "--log-path", f"{work}/logs", "--target", target,
    ]  # fmt: skip
    parsed = dbtRunner().invoke(["parse", *common])
    if target == DUCKDB:
        import dbt_project.hpd_statistics  # noqa: F401  another second, while the inputs are being loaded

    if not parsed.success:
        tell(trouble=printable(parsed.exception, 2000))
        os._exit(1)
    select = []
    if part:
        from warehouse.spark import nodes_of

        select = ["--select", *nodes_of(part, parsed.result), "--indirect-selection", "empty"]
    started.wait()

    done, total = 0, 0

    def on_event(event) -> None:  # dbt's own message type
        nonlocal done, total
        if event.info.name == "LogStartLine":
            total = event.data.total
        elif event.info.name == "NodeFinished":
            done += 1
            tell(done=done, total=total, node=event.data.node_info.node_name)

    built = dbtRunner(manifest=parsed.result, callbacks=[on_event]).invoke(
        # unit tests examine the models, not the data: they are for those who change models
        ["build", "--exclude-resource-type", "unit_test", *select, *common]
    )
    if built.result is None:
        tell(trouble=printable(built.exception, 2000))
        os._exit(1)
    counts: dict[str, int] = {}
    failed, tables, nodes = [], [], []
    for result in built.result.results:
        node, status = result.node, str(result.status)
        counts[node.resource_type.value] = counts.get(node.resource_type.value, 0) + 1
        nodes.append(node.unique_id)
        if node.resource_type.value in ("seed", "model"):
            tables.append(f"{node.schema}.{node.alias}")
        if status in ("error", "fail", "runtime error"):
            failed.append({
                "name": node.name, "resource_type": node.resource_type.value, "status": status,
                # without the stack of a Java machine
                "message": (result.message or "").partition("\n\tat ")[0], "path": node.original_file_path,
                "sql": getattr(node, "compiled_code", None) if target == DUCKDB else None,
            })  # fmt: skip
    told = {"success": built.success, "counts": counts, "failed": failed, "tables": sorted(tables), "nodes": nodes}
    tell(result=told)


if __name__ == "__main__":
    _child(*sys.argv[1:])
