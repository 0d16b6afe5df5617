"""The documentation as one page: dbt's own, made offline, put in place by one rename."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ingest.errors import BuildError, UsageError, printable
from ingest.settings import PROJECT, Settings
from warehouse.whole_file import write_whole


def write_docs(settings: Settings, page: Path, lock: int) -> None:
    """Write models, columns, lineage and glossary to `page`, one HTML file that needs no network.

    It says how the numbers are made and holds none of them, so that anybody may read it.

    Args:
        settings: the warehouse; something must be loaded, as dbt looks the types of the columns up.
        page: the file; what was there is replaced.
        lock: the writer's lock, held by the caller; dbt's process inherits it.

    Raises:
        UsageError: `page` is a folder.
        BuildError: dbt could not make the page, or it cannot be written.
    """
    if page.is_dir():
        raise UsageError(
            f"ERROR {printable(page, 200)}: is a folder; name the file, e.g. {printable(page / 'docs.html', 200)}"
        )
    target = settings.dbt_work / "target"
    _generate(settings, target, lock)
    text = (target / "static_index.html").read_text("utf-8")
    # where this machine keeps its files is of no use to a reader, and not his business
    for folder, shown in ((target, "target"), (settings.dbt_project, "dbt_project")):
        text = text.replace(json.dumps(str(folder))[1:-1], shown)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_whole(page, text.encode())
    except OSError as error:
        raise BuildError(
            f"ERROR {printable(page, 200)}: cannot be written ({error.strerror}); what was there stays; name another file"
        ) from None


def _generate(settings: Settings, target: Path, lock: int) -> None:
    project, logs = str(settings.dbt_project), str(settings.dbt_work / "logs")
    done = subprocess.run(
        # -P: nothing of the folder one is in is imported
        [sys.executable, "-P", "-m", "dbt.cli.main", "--quiet", "--no-use-colors", "docs", "generate", "--static",
         "--project-dir", project, "--profiles-dir", project, "--target-path", str(target), "--log-path", logs],
        env={
            **os.environ, "HPD_HOME": str(settings.home), "PYTHONPATH": str(PROJECT), "HPD_DBT": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",  # the page would count its readers
        },
        capture_output=True, text=True, errors="replace", pass_fds=[lock], umask=0o077, check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        told = "".join(f"\n    {printable(line, 300)}" for line in said[-5:])
        raise BuildError(
            f"ERROR dbt could not make the documentation (exit status {done.returncode}); what was there stays; "
            f"its log is {printable(logs, 200)}/dbt.log{told}"
        )
