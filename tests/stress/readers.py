"""Readers under refreshes: `python tests/stress/readers.py --readers 10 --refreshes 50`.

Readers of every kind that is installed open the published database again and again, and ask it, one statement after
the other, which release it is and for the same number in three marts, while refreshes change that number. Each read
must be of one release, the newest there was when it connected, and the marts must agree with each other and with what
was loaded.

Kinds: `python` and `held` (one connection for the whole run) with the duckdb of `--python`; `sqlalchemy` if that Python
has duckdb-engine; `node` if `--node FOLDER` has node_modules/@duckdb/node-api; `cli` if `--cli duckdb` is there.
A refresh takes about 20 s. Exit status 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
TRIAL = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\nOWN,NSCLC,FERRARA_DTGR50,{n},{k}\n"
POOL = "cancer_type_code = 'NSCLC' and not is_simulated"
STATEMENTS = [
    "select release_id from release",
    f"select sum(n_evaluable)::varchar from hpd_reports where {POOL} and in_any_pool",
    f"select n_evaluable::varchar from hpd_incidence where {POOL} and hpd_definition = 'ANY_PUBLISHED'",
    f"select distinct n_evaluable::varchar from hpd_amplification_by_cancer where {POOL}"
    " and hpd_definition = 'ANY_PUBLISHED' and basis = 'reported'",
    "select release_id from release",
]
BUNDLED = 1302  # what the published evidence counts there
OPTIONS = {"enable_external_access": "false", "lock_configuration": "true"}


class Read(NamedTuple):
    """One read: when it connected, and what it was told."""

    started: float
    release: str
    reports: str
    incidence: str
    amplification: str
    release_after: str


# --- the reader's side, a process of its own ---


def tell(started: float, answers: list[str]) -> None:
    print(json.dumps([started, *answers]), flush=True)
    time.sleep(float(os.environ["PAUSE"]))


def read_with_python(database: str, held: bool) -> None:
    import duckdb

    connection = None
    while True:
        started = time.time()
        if connection is None or not held:
            connection = duckdb.connect(database, read_only=True, config=OPTIONS)
        tell(started, [connection.execute(sql).fetchall()[0][0] for sql in STATEMENTS])
        if not held:
            connection.close()


def read_with_sqlalchemy(database: str) -> None:
    from sqlalchemy import create_engine, pool, text

    told = "&".join(f"{key}={value}" for key, value in {"access_mode": "read_only", **OPTIONS}.items())
    engine = create_engine(f"duckdb:///{database}?{told}", poolclass=pool.NullPool)
    while True:
        started = time.time()
        with engine.connect() as connection:
            tell(started, [connection.execute(text(sql)).scalar_one() for sql in STATEMENTS])


NODE = """
const { DuckDBInstance } = require('@duckdb/node-api');
const [database, statements, options] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
(async () => {
  for (;;) {
    const started = Date.now() / 1000;
    const instance = await DuckDBInstance.create(database, { access_mode: 'READ_ONLY' });
    const connection = await instance.connect();
    // DuckDB 1.5 cannot open a link with external access off from the start: it looks for a log beside the file behind
    for (const [name, value] of Object.entries(options)) await connection.run(`set ${name} = ${value}`);
    const answers = [];
    for (const sql of statements) answers.push((await connection.runAndReadAll(sql)).getRows()[0][0]);
    connection.closeSync();
    instance.closeSync();
    console.log(JSON.stringify([started, ...answers]));
    await new Promise(resolve => setTimeout(resolve, 1000 * process.env.PAUSE));
  }
})().catch(error => { console.error(String(error)); process.exit(1); });
"""


def read_with_cli(database: str, program: str) -> None:
    script = "; ".join(STATEMENTS) + ";"
    while True:
        started = time.time()
        done = subprocess.run(
            [program, "-readonly", "-noheader", "-list", database, script], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"exit {done.returncode}: {done.stderr}")
        tell(started, done.stdout.split())


# --- the other side ---


class Reader:
    """A reader's process, and what it said."""

    def __init__(self, kind: str, command: list[str], environment: dict[str, str]) -> None:
        self.kind, self.reads, self.stopped = kind, [], False
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.said, text=True, env=environment)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.reads.append(Read(*json.loads(line)))

    def stop(self) -> str:
        """End it; returns what went wrong before."""
        died = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.said.seek(0)
        return "" if died is None else f"{self.kind}: exit {died}: {self.said.read().strip()[-300:]}"


def kinds(options: argparse.Namespace, home: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Kind of reader → command and environment, of those that are installed."""
    database, me = str(home / "hpd.duckdb"), str(Path(__file__).resolve())
    found = {kind: ([options.python, me, "--as", kind, database], {}) for kind in ("python", "held")}
    check = subprocess.run([options.python, "-c", "import duckdb_engine"], capture_output=True)
    if check.returncode == 0:
        found["sqlalchemy"] = ([options.python, me, "--as", "sqlalchemy", database], {})
    modules = options.node and options.node / "node_modules"
    if modules and (modules / "@duckdb" / "node-api").exists() and shutil.which("node"):
        script = home.parent / "reader.js"
        script.write_text(NODE)
        command = ["node", str(script), database, json.dumps(STATEMENTS), json.dumps(OPTIONS)]
        found["node"] = (command, {"NODE_PATH": str(modules)})
    if program := shutil.which(options.cli):
        found["cli"] = ([options.python, me, "--as", "cli", database, program], {})
    return found


def refresh(home: Path, number: int) -> tuple[str, float, int]:
    """Change the number and refresh; returns the release, when it came into service, and the number."""
    n = 100 + number
    own = home.parent / "own.csv"
    own.write_text(TRIAL.format(n=n, k=20))
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "refresh", "bundled", str(own)], capture_output=True, text=True,
        env={**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"the refresh failed, exit {done.returncode}\n{done.stderr}")
    link = home / "hpd.duckdb"
    # the rename that puts it into service sets ctime
    return link.readlink().parent.name, link.lstat().st_ctime, BUNDLED + n


def faults(read: Read, expected: dict[str, int], switched: dict[str, float], is_held: bool, first: str) -> list[str]:
    """What is wrong with a read. `expected`: release → number; `switched`: release → when it came into service."""
    found = []
    if read.release != read.release_after:
        found.append("two releases in one read")
    if len({read.reports, read.incidence, read.amplification}) > 1:
        found.append("marts that do not agree")
    if read.incidence != str(expected.get(read.release)):
        found.append("a number that was not loaded into this release")
    # 20 ms: clocks that tick, and those of Node and the kernel
    newest = max((release for release, at in switched.items() if at + 0.02 < read.started), default="")
    if is_held and read.release != first:
        found.append("a held connection that changed its release")
    if not is_held and read.release < newest:
        found.append("a new connection to an old release")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--refreshes", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two reads of a reader")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop refreshing after this long")
    parser.add_argument(
        "--python", default=sys.executable, help="with duckdb, and duckdb-engine 0.17 if it is to be tried"
    )
    parser.add_argument("--node", type=Path, help="a folder in which npm installed @duckdb/node-api")
    parser.add_argument("--cli", default="duckdb", help="the DuckDB command line program")
    parser.add_argument("--as", dest="kind", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        if options.kind == "sqlalchemy":
            read_with_sqlalchemy(*options.rest)
        elif options.kind == "cli":
            read_with_cli(*options.rest)
        else:
            read_with_python(*options.rest, held=options.kind == "held")
    with tempfile.TemporaryDirectory(prefix="hpd-readers-") as folder:
        sys.exit(run(options, Path(folder) / "home"))


def run(options: argparse.Namespace, home: Path) -> int:
    home.mkdir()
    started = time.monotonic()
    release, at, n = refresh(home, 0)
    expected, switched = {release: n}, {release: at}
    found = kinds(options, home)
    print(f"readers: {', '.join(found)}", flush=True)
    readers = []
    for number in range(options.readers):
        kind = list(found)[number % len(found)]
        command, more = found[kind]
        readers.append(Reader(kind, command, {**os.environ, "PAUSE": str(options.pause), **more}))
    while not all(reader.reads or reader.process.poll() is not None for reader in readers):
        time.sleep(0.1)
    n_refreshes = 0
    while n_refreshes < options.refreshes and time.monotonic() - started < options.minutes * 60:
        n_refreshes += 1
        release, at, n = refresh(home, n_refreshes)
        expected[release], switched[release] = n, at
        print(f"refresh {n_refreshes}: {release}, {sum(len(r.reads) for r in readers):,} reads so far", flush=True)
    time.sleep(2)
    errors = [said for reader in readers if (said := reader.stop())]
    lines, wrong = [], Counter()
    for kind in found:
        reads = [(r, read) for r in readers if r.kind == kind for read in r.reads]
        bad = Counter(
            fault
            for reader, read in reads
            for fault in faults(read, expected, switched, kind == "held", reader.reads[0].release)
        )
        wrong += bad
        seen = len({read.release for _, read in reads})
        n_readers = sum(reader.kind == kind for reader in readers)
        lines.append(f"{kind:<12}{n_readers:>8}{len(reads):>10,}{seen:>10}{sum(bad.values()):>8}")
    print(f"\n{'kind':<12}{'readers':>8}{'reads':>10}{'releases':>10}{'faults':>8}", *lines, sep="\n")
    minutes = (time.monotonic() - started) / 60
    print(f"{n_refreshes} refreshes in {minutes:.1f} min, {len(errors)} readers died")
    for said in [*errors, *(f"{n:,} x {fault}" for fault, n in wrong.items())]:
        print(f"WRONG {said}")
    return 1 if errors or wrong else 0


if __name__ == "__main__":
    main()
