"""Refreshes killed at random moments: `python tests/stress/kills.py --kills 200`.

Each refresh has changed data to load and is killed (SIGKILL) while it starts and loads, while dbt builds, or while it
publishes; in turn with all its processes, or alone, so that dbt has to notice. After each: the published database
answers and agrees with itself, build.duckdb opens and holds every input whole or not at all, and at most one leftover
lies about. Every few kills, and at the end, a refresh must succeed and hold exactly what was loaded; the last one is
compared, mart by mart, with a warehouse that was never killed.

A kill takes about 15 s. Exit status 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import duckdb

from ingest.settings import Settings
from warehouse.connection import connect, open_build
from warehouse.lock import writer_lock
from warehouse.log import log_file
from warehouse.releases import KEPT, file_of, release_in_service, releases

PROJECT = Path(__file__).resolve().parents[2]
TRIAL = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\nOWN,NSCLC,FERRARA_DTGR50,{n},20\n"
POOL = "cancer_type_code = 'NSCLC' and not is_simulated"
AGREES = f"""
select
    (select sum(n_evaluable) from hpd_reports where {POOL} and in_any_pool),
    (select n_evaluable from hpd_incidence where {POOL} and hpd_definition = 'ANY_PUBLISHED'),
    (select max(n_evaluable) from hpd_amplification_by_cancer
        where {POOL} and hpd_definition = 'ANY_PUBLISHED' and basis = 'reported'),
    (select release_id from release)
"""
BEFORE = {"load": None, "build": "load", "publish": "build"}  # phase → the step whose end in the log starts it


def command(home: Path, own: Path) -> tuple[list[str], dict[str, str]]:
    return (
        [sys.executable, "-m", "ingest.cli", "refresh", "--wait", "60", "bundled", str(own)],
        {**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)},
    )


def refresh(home: Path, own: Path) -> None:
    arguments, environment = command(home, own)
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"the next refresh failed, exit {done.returncode}: {done.stderr[-1000:]}"


def steps(settings: Settings) -> list[dict]:
    path = log_file(settings)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kill_one(settings: Settings, own: Path, phase: str, seconds: float, whole_group: bool) -> str:
    """Start a refresh and kill it `seconds` into a phase; returns where it was."""
    before = len(steps(settings))
    arguments, environment = command(settings.home, own)
    child = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while child.poll() is None:
        if BEFORE[phase] is None or any(line["step"] == BEFORE[phase] for line in steps(settings)[before:]):
            break
        time.sleep(0.01)
    time.sleep(seconds)
    was = child.poll()
    if whole_group:
        os.killpg(child.pid, signal.SIGKILL) if was is None else None
    else:
        child.kill()
    child.wait()
    done = [line["step"] for line in steps(settings)[before:]]
    return "after the end" if was is not None else f"after {done[-1]}" if done else "before load was done"


def loaded(connection: duckdb.DuckDBPyConnection) -> dict[str, list]:
    """What the build database holds, and whether it is whole."""
    tables = connection.sql("select table_name from duckdb_tables() where schema_name = 'raw' order by all").fetchall()
    n_rows = {t: connection.sql(f"select count(*) from raw.{t}").fetchall()[0][0] for (t,) in tables}
    torn = []
    for (table,) in tables:
        torn += connection.execute(
            f"select l.source_file, l.rows_loaded, count(r._load_id) from audit.loads as l left join raw.{table} as r"
            " on r._load_id = l.load_id where l.table_name = ? group by all having l.rows_loaded <> count(r._load_id)",
            [table],
        ).fetchall()
        torn += connection.sql(
            f"select '{table} without a load', count(*), 0 from raw.{table}"
            " where _load_id not in (select load_id from audit.loads) having count(*) > 0"
        ).fetchall()
    return {"rows": n_rows, "torn": torn}


def check(settings: Settings, numbers: set[int]) -> list[str]:
    """What is wrong after a kill; `numbers`: what the marts may say."""
    wrong = []
    with connect(settings.published_db) as published:
        ((*said, release),) = published.sql(AGREES).fetchall()
        if len(set(said)) > 1 or said[0] not in numbers or release != release_in_service(settings):
            wrong.append(f"the published database says {said} of {release}; expected one of {sorted(numbers)}")
    with writer_lock(settings, "check", 60):  # a dbt that lost its parent is gone within that
        with open_build(settings) as build:
            if torn := loaded(build)["torn"]:
                wrong.append(f"build.duckdb holds part of an input: {torn}")
        left = [*settings.releases.glob(".*"), *settings.home.glob(".hpd.duckdb.next")]
        if len(left) > 1:
            wrong.append(f"{len(left)} leftovers: {[path.name for path in left]}")
        # one that was ready and not yet in service, and one that was in service while others were made
        if len(releases(settings)) > KEPT + 2:
            wrong.append(f"{len(releases(settings))} releases")
    return wrong


def marts(path: Path) -> dict[str, list]:
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.sql(
            "select schema_name || '.' || table_name from duckdb_tables() where table_name <> 'release'"
        ).fetchall()
        return {name: connection.sql(f"select * from {name} order by all").fetchall() for (name,) in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--every", type=int, default=10, help="let a refresh come through after this many kills")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop killing after this long")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    options.seed = options.seed if options.seed is not None else random.randrange(10**6)
    with tempfile.TemporaryDirectory(prefix="hpd-kills-") as folder:
        sys.exit(run(options, Path(folder)))


def run(options: argparse.Namespace, folder: Path) -> int:
    print(f"seed {options.seed}", flush=True)
    dice, began = random.Random(options.seed), time.monotonic()
    settings, own = Settings(folder / "home"), folder / "own.csv"
    settings.home.mkdir()

    def write(n: int) -> int:
        own.write_text(TRIAL.format(n=n))
        return 1302 + n

    now = write(100)
    refresh(settings.home, own)
    took = {line["step"]: line["seconds"] for line in steps(settings)}
    took["load"] = took["end"] - took["build"] - took["publish"]  # its start-up is part of it
    done = len(steps(settings))
    with open_build(settings, read_only=True) as build:
        clean = loaded(build)
    may_be, wrong, where, n_refreshed = {now}, [], Counter(), 0

    def come_through() -> None:
        refresh(settings.home, own)
        with connect(settings.published_db) as published:
            ((*said, _),) = published.sql(AGREES).fetchall()
        with open_build(settings, read_only=True) as build:
            found = loaded(build)
        left = list(settings.releases.glob(".*"))
        if set(said) != {now} or found != clean or left:
            wrong.append(f"after a refresh: {said}, expected {now}; {found}, expected {clean}; {left}")

    for number in range(1, options.kills + 1):
        if time.monotonic() - began > options.minutes * 60:
            break
        now = write(100 + number)
        may_be.add(now)
        phase, whole_group = dice.choice(list(BEFORE)), dice.random() < 0.5
        seconds = dice.uniform(0, took[phase])
        at = kill_one(settings, own, phase, seconds, whole_group)
        which = "all" if whole_group else "parent"
        where[at, which] += 1
        for line in steps(settings)[done:]:  # other programs may have slowed the first one down
            if line["step"] in ("build", "publish") and line["status"] == "ok":
                took[line["step"]] = min(took[line["step"]], line["seconds"])
        said = check(settings, may_be)
        print(f"kill {number}: {which}, {seconds:.2f} s into {phase}: {at}; {'; '.join(said) or 'well'}", flush=True)
        wrong += said
        if number % options.every == 0:
            come_through()
            may_be, n_refreshed = {now}, n_refreshed + 1
    come_through()
    refresh(folder / "clean", own)
    killed, never_killed = (marts(settings.published_db), marts(folder / "clean" / "hpd.duckdb"))
    different = [name for name in killed.keys() | never_killed.keys() if killed.get(name) != never_killed.get(name)]
    if different:
        wrong.append(f"marts that differ from those of a warehouse that was never killed: {different}")
    for name in releases(settings):
        if not file_of(settings, name).exists():
            wrong.append(f"release {name} has no file")
    print(f"\n{'killed':<24}{'all':>6}{'parent':>8}")
    for at in sorted({at for at, _ in where}):
        print(f"{at:<24}{where[at, 'all']:>6}{where[at, 'parent']:>8}")
    minutes = (time.monotonic() - began) / 60
    print(f"{sum(where.values())} kills, {n_refreshed + 1} refreshes that came through, {len(killed)} marts compared, "
          f"{minutes:.1f} min, {len(wrong)} faults")  # fmt: skip
    for said in wrong:
        print(f"WRONG {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    main()
