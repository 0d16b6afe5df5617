"""DuckDB or Spark: are the marts the same, and how do time and memory of a refresh grow?

    python tests/benchmarks/engines.py --check --patients 100000    every row of every mart, or exit status 1
    python tests/benchmarks/engines.py --patients 100000 1000000    growth in patients, about 6 scans each
    python tests/benchmarks/engines.py --calls 100000 1000000       growth in calls: 1,000 genes, all of them loaded

Every refresh is the command as a user runs it, from files to release, into a warehouse of its own. Seconds are those of
its steps in hpd.log: load (parsing, checks, storing: the same code for both engines, and one process), count (Spark, or
dbt on DuckDB with the marts) and marts (of Spark's counts, in DuckDB). Memory is the highest sum over all processes of
the command. Spark takes its master from HPD_SPARK_MASTER and its settings from SPARK_CONF_DIR: 2 cores and few shuffle
partitions, here, are the least it can be given, not what it is for. `--engines duckdb` leaves Spark out.
On a busy machine compare the CPU seconds (all processes of the command together).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
N_GENES = 1000
# the genes of the gene sets, by their Entrez ids: what is unrolled and counted
COUNTED = {"MDM2": 4193, "MDM4": 4194, "EGFR": 1956, "CCND1": 595, "FGF3": 2248, "FGF4": 2249, "FGF19": 9965, "CDK4": 1019,
           "MYC": 4609, "ERBB2": 2064}  # fmt: skip
# they tell one release from another
OF_THE_RELEASE = ("release", "release_inputs")


def differences(one: Path, other: Path, tolerance: float = 1e-12) -> list[str]:
    """How two published databases differ, mart by mart: integers and text exactly, doubles within `tolerance`.

    A database in which no mart has rows differs as well: two empty answers are no agreement.
    """
    found, n_rows = [], 0
    tables = [_tables(path) for path in (one, other)]
    if tables[0] != tables[1]:
        return [f"other tables: {sorted(map(str, tables[0].items() ^ tables[1].items()))}"]
    for table, columns in tables[0].items():
        rows, others = (_rows(path, table, columns) for path in (one, other))
        n_rows += len(rows)
        if len(rows) != len(others):
            found.append(f"{table}: {len(rows)} and {len(others)} rows")
            continue
        different = [pair for pair in zip(rows, others, strict=True) if not _is_same(*pair, tolerance)]
        if different:
            found.append(f"{table}: {len(different)} of {len(rows)} rows, the first {different[0]}")
    return found if n_rows else ["no mart has rows"]


def _tables(path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.sql(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " where database_name = current_database() and not internal order by all"
        ).fetchall()
    tables: dict[str, tuple[tuple[str, str], ...]] = {}
    for table, column, kind in rows:
        if table.removeprefix("main.") not in OF_THE_RELEASE:
            tables[table] = (*tables.get(table, ()), (column, kind))
    return tables


def _rows(path: Path, table: str, columns: tuple[tuple[str, str], ...]) -> list[tuple]:
    """Sorted by everything but the doubles, whose last digits must not decide who is compared with whom."""
    names = sorted((kind == "DOUBLE", name) for name, kind in columns)
    order = ", ".join(f'round("{name}", 6)' if is_double else f'"{name}"' for is_double, name in names)
    with duckdb.connect(str(path), read_only=True) as connection:
        selected = ", ".join(f'"{name}"' for _, name in names)
        return connection.sql(f"select {selected} from {table} order by {order}").fetchall()


def _is_same(row: tuple, other: tuple, tolerance: float) -> bool:
    return all(
        a == b or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) or (math.isnan(a) and math.isnan(b))
        if isinstance(a, float) and isinstance(b, float)
        else a == b
        for a, b in zip(row, other, strict=True)
    )


def make_calls(folder: Path, n_calls: int) -> Path:
    """A cBioPortal study of 1,000 genes, among them those of the gene sets; returns the hpd.toml that names it."""
    n_samples, study = n_calls // N_GENES, folder / "study"
    study.mkdir(parents=True)
    samples = [f"S{i:07d}" for i in range(n_samples)]
    (study / "meta_study.txt").write_text(
        "type_of_cancer: nsclc\ncancer_study_identifier: big\nname: Big\ndescription: Invented\n"
    )
    (study / "meta_cna.txt").write_text(
        "cancer_study_identifier: big\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: DISCRETE\n"
        "stable_id: cna\nprofile_name: calls\ndata_filename: calls.txt\n"
    )
    clinical = [f"{s}\tP{s}\t{'LUAD' if i % 3 else 'LUSC'}\tPrimary\n" for i, s in enumerate(samples)]
    (study / "data_clinical_sample.txt").write_text(
        "SAMPLE_ID\tPATIENT_ID\tONCOTREE_CODE\tSAMPLE_TYPE\n" + "".join(clinical)
    )
    rng = np.random.default_rng(1)
    values = np.array(["-2", "-1", "0", "1", "2", "NA"], dtype=object)
    with (study / "calls.txt").open("w") as file:
        file.write("\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *samples]) + "\n")
        others = {f"GENE{i}": 900_000_000 + i for i in range(N_GENES - len(COUNTED))}
        for gene, entrez_id in (COUNTED | others).items():
            calls = values[rng.choice(6, n_samples, p=[0.01, 0.18, 0.60, 0.18, 0.02, 0.01])]
            file.write(f"{gene}\t{entrez_id}\t" + "\t".join(calls) + "\n")
    (folder / "hpd.toml").write_text('[[inputs]]\npath = "study"\norigin = "simulated"\ngenes = "all"\n')
    return folder / "hpd.toml"


def make_patients(folder: Path, n_patients: int) -> Path:
    """Patients of `hpd simulate`; returns the hpd.toml that names them."""
    *_, status = hpd("simulate", "--patients", n_patients, "--out", folder, home=folder.with_name("nothing"))
    assert status == 0
    return folder / "hpd.toml"


def hpd(*args: object, home: Path) -> tuple[float, float, float, int]:
    """Seconds, CPU seconds, peak memory in MB and exit status of `hpd ARGS`."""
    # the same pseudonyms in both warehouses
    environment = {**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT), "HPD_PATIENT_KEY": "benchmark" * 8}
    before, used, peak = time.perf_counter(), {}, 0.0
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "ingest.cli", *map(str, args)]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        while child.poll() is None:
            memory, cpu = _tree(child.pid)
            peak, used = max(peak, memory), used | cpu
            time.sleep(0.2)
        if child.returncode not in (0, 3):
            said.seek(0)
            print(said.read()[-3000:], file=sys.stderr)
    return time.perf_counter() - before, sum(used.values()), peak, child.returncode


def _tree(pid: int) -> tuple[float, dict[int, float]]:
    """Of a process and its descendants: memory in MB, pages that several share counted once (PSS), and CPU seconds."""
    kilobytes, cpu, todo = 0, {}, [pid]
    while todo:
        process = Path("/proc") / str(todo.pop())
        try:
            rollup = (process / "smaps_rollup").read_text()
            kilobytes += int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1])
            # user and system time, behind the name, which may hold anything
            user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
            cpu[int(process.name)] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
            for thread in (process / "task").iterdir():
                with suppress(OSError):  # threads come and go
                    todo += map(int, (thread / "children").read_text().split())
        except (OSError, TypeError):
            continue  # it has just ended
    return kilobytes / 1024, cpu


def steps(home: Path) -> dict[str, float]:
    """Seconds of the steps of the last refresh, by its log."""
    lines = [json.loads(line) for line in (home / "hpd.log").read_text().splitlines()]
    return {line["step"]: line["seconds"] for line in lines if line["command"] == "refresh"}


def main() -> None:
    """Make the inputs of every size, refresh with each engine, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[])
    parser.add_argument("--calls", type=int, nargs="+", default=[])
    parser.add_argument("--engines", nargs="+", choices=["duckdb", "spark"], default=["duckdb", "spark"])
    parser.add_argument("--check", action="store_true", help="compare every row of every mart")
    parser.add_argument("--folder", type=Path, help="keep everything there instead of throwing it away")
    given = parser.parse_args()
    is_different = False
    print(
        f"{'':>22} {'engine':8}{'load s':>8}{'count s':>9}{'marts s':>9}{'all s':>8}{'CPU s':>8}{'peak MB':>9}{'stored MB':>11}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        root = given.folder or Path(temporary)
        sizes = [("patients", make_patients, n) for n in given.patients] + [
            ("calls", make_calls, n) for n in given.calls
        ]
        for what, make, n in sizes:
            folder = root / f"{what}{n}"
            config = folder / "in" / "hpd.toml"
            if not config.exists():
                make(folder / "in", n)
            for engine in given.engines:
                home = folder / engine
                home.mkdir(exist_ok=True)
                seconds, cpu, peak, status = hpd("refresh", "--engine", engine, "--config", config, home=home)
                if status not in (0, 3):
                    sys.exit(f"hpd refresh --engine {engine} failed at {n:,} {what}")
                took = steps(home)
                stored = sum(p.stat().st_size for p in (home / "landing" / "raw").rglob("*.parquet")) if engine == "spark" else (home / "build.duckdb").stat().st_size  # fmt: skip
                count, marts = (took["spark"], took["build"]) if engine == "spark" else (took["build"], 0)
                print(f"{n:>13,} {what:8} {engine:8}{took['load']:>8.1f}{count:>9.1f}{marts:>9.1f}{seconds:>8.1f}{cpu:>8.1f}{peak:>9,.0f}{stored / 1e6:>11,.1f}", flush=True)  # fmt: skip
            if given.check and len(given.engines) == 2:
                found = differences(folder / "duckdb" / "hpd.duckdb", folder / "spark" / "hpd.duckdb")
                is_different |= bool(found)
                print("\n".join(found) if found else f"{'':>22} every row of every mart is equal", flush=True)
    sys.exit(is_different)


if __name__ == "__main__":
    main()
