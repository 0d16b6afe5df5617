"""Plain `dbt run` and `dbt build` as a refresh: they hold the warehouse for writing, and publish at their end.

dbt-duckdb loads this plugin (profiles.yml). At the end of a run in which nothing failed and nothing was left out, the
macro publish_release calls the function `hpd_publish` inside dbt's own connection, as nobody else can open the database.
Under `hpd refresh` (HPD_DBT is set) the plugin stands back: the command locks, checks and publishes itself.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags

from ingest.errors import BuildError, HpdError, PublishError
from ingest.load import LANDED_ELSEWHERE, landed_elsewhere
from ingest.settings import Settings
from warehouse.lock import DBT, writer_lock
from warehouse.log import step
from warehouse.publish import fingerprint, loaded_inputs, mark_build, publish, unmark_build

UNDER_HPD = "HPD_DBT"
READS_ONLY = {"compile", "debug", "freshness", "generate", "list", "parse", "serve", "show", "test"}
# what the vocabularies were made from (macro remember_seed)
SEEDS = "create schema if not exists audit; create table if not exists audit.seeds (seed varchar, checksum varchar)"


class Plugin(BasePlugin):
    """Locks before the database is opened; publishes from inside."""

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Take the lock that every writer takes; the kernel frees it when this process ends."""
        home = Path(creds.path).absolute().parent
        self.settings = Settings(home, Path(get_flags().PROJECT_DIR).absolute())  # of this project, maybe a copy
        if not os.environ.get(UNDER_HPD) and not hasattr(self, "_lock"):
            os.umask(0o077)  # what is written holds patients
            self._lock = writer_lock(self.settings, DBT)
            self._lock.__enter__()

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Give the connection the function `hpd_publish`.

        Raises:
            BuildError: the raw tables are empty, because Spark has counted what they would hold.
        """
        if self.settings.build_db.exists():
            self.settings.build_db.chmod(0o600)
        if getattr(get_flags(), "WHICH", None) not in READS_ONLY and not hasattr(self, "_has_begun"):
            self._has_begun = True
            with suppress(duckdb.CatalogException), conn.cursor() as cursor:  # nothing was ever loaded
                if not os.environ.get(UNDER_HPD) and landed_elsewhere(cursor):
                    raise BuildError(LANDED_ELSEWHERE)
                cursor.execute(SEEDS)
                unmark_build(cursor)

        def hpd_publish(told: str) -> str:
            # a connection of its own: the one that calls is busy with this call
            try:
                with conn.cursor() as cursor, step(self.settings, DBT, "publish") as facts:
                    from warehouse.report.page import write_report  # a dbt that only looks needs no pages

                    facts["release"] = _publish(cursor, self.settings, json.loads(told))
                    write_report(self.settings)
                    return f"published: release {facts['release']}, with {self.settings.report}"
            except HpdError as error:
                return str(error)  # raised here, it would come with the traceback of a function in SQL

        conn.create_function("hpd_publish", hpd_publish, ["VARCHAR"], "VARCHAR", side_effects=True)


def _publish(connection: duckdb.DuckDBPyConnection, settings: Settings, told: dict) -> str:
    """Mark the build as finished and put it into service.

    `told`: counts of nodes, tables, checksums of the seeds as they are in the project, and vars of the invocation.

    Raises:
        PublishError: the marts were built on other vocabularies, or it cannot be published.
    """
    mark = fingerprint(loaded_inputs(connection), settings, told["vars"])
    loaded = dict(connection.sql("select seed, checksum from audit.seeds").fetchall())
    changed = [seed for seed, checksum in told["seeds"].items() if loaded.get(seed) != checksum]
    if changed:
        raise PublishError(
            f"ERROR vocabularies changed ({', '.join(changed)}), and the marts were built on what they were before; "
            "nothing was published; run `dbt build`, or `dbt seed` first"
        )
    mark_build(connection, mark, told["counts"], told["tables"])
    return publish(connection, settings)
