"""How fast is a wide copy-number matrix read? Ours against the obvious ways, on the same file in the same run.

    python tests/benchmarks/cna_matrix.py                  25,000 genes x 2,000 samples
    python tests/benchmarks/cna_matrix.py --samples 10000  the size of all of TCGA, about 550 MB
    python tests/benchmarks/cna_matrix.py --samples 10000 --whole-genome

Every way runs in a process of its own, which reads the calls of the default genes (13 names, 3 of them in the file)
and reports the seconds of the reading alone, without start-up and imports, and its peak memory. The median of the runs
is printed with its ratio to ours. The mix of values is that of TCGA: about 60 % 0, 36 % -1 or 1, 2 % 2.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

GENES = {100: "MDM2\t4193", 300: "EGFR\t1956", 20_000: "MDM4\t4194"}
VALUES, SHARES = ["-2", "-1", "0", "1", "2", "NA"], [0.01, 0.18, 0.60, 0.18, 0.02, 0.01]
WANTED = ["MDM2", "MDM4", "EGFR", "CCND1", "FGF3", "FGF4", "FGF19", "CDK4", "MYC", "ERBB2"]


def make(path: Path, n_genes: int, n_samples: int) -> None:
    """Write a matrix; rows repeat after 200 genes, which no reader can profit from."""
    rng = np.random.default_rng(1)
    values = np.array(VALUES, dtype=object)
    rows = ["\t".join(values[rng.choice(len(VALUES), n_samples, p=SHARES)]) for _ in range(200)]
    with path.open("w") as file:
        names = "\t".join(f"TCGA-AA-{i:04d}-01" for i in range(n_samples))
        file.write(f"Hugo_Symbol\tEntrez_Gene_Id\t{names}\n")
        for gene in range(n_genes):
            file.write(f"{GENES.get(gene, f'GENE{gene}{chr(9)}{100_000 + gene}')}\t{rows[gene % 200]}\n")


def ours(path: str) -> int:
    """The reader of `ingest.sources.cna_matrix`."""
    from ingest.sources.cna_matrix import good_columns, open_matrix, read_profiles
    from ingest.sources.genes import Wanted

    yield
    matrix = open_matrix(Path(path), path)
    columns, _ = good_columns(matrix)
    parts = read_profiles(matrix, columns, "study", Wanted(frozenset(WANTED)), lambda _: None)
    yield sum(len(calls) for part in parts if part.table for calls in part.valid["calls"])


def polars_scan(path: str) -> int:
    """Polars: scan_csv, filter, collect."""
    import polars as pl

    yield
    frame = pl.scan_csv(path, separator="\t", infer_schema=False).filter(pl.col("Hugo_Symbol").is_in(WANTED)).collect()
    yield frame.height * (frame.width - 2)


def duckdb_read(path: str) -> int:
    """DuckDB: read_csv with a filter."""
    import duckdb

    yield
    sql = "from read_csv(?, delim='\t', all_varchar=true, header=true, max_line_size=100000000) where Hugo_Symbol in ?"
    relation = duckdb.execute(sql, [path, WANTED])
    yield sum(len(row) - 2 for row in relation.fetchall())


def pandas_read(path: str) -> int:
    """pandas: read_csv, then filter."""
    import pandas as pd

    yield
    frame = pd.read_csv(path, sep="\t", dtype=str)
    frame = frame[frame["Hugo_Symbol"].isin(WANTED)]
    yield frame.shape[0] * (frame.shape[1] - 2)


def wc(path: str) -> int:
    """The floor: `wc -l` of the same file."""
    yield
    subprocess.run(["wc", "-l", path], check=True, stdout=subprocess.DEVNULL)
    yield -1


WAYS = [ours, wc, polars_scan, duckdb_read, pandas_read]


def run_one(way: str, path: str) -> None:
    """In a process of its own: seconds between the two yields, cells read, peak memory."""
    steps = globals()[way](path)
    next(steps)
    before = time.perf_counter()
    cells = next(steps)
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cells": cells, "peak_mb": peak}))


def whole_genome(path: Path, n_genes: int, n_samples: int) -> None:
    """Every gene, through `hpd load` into DuckDB, start-up and all."""
    study = path.parent / "study"
    study.mkdir()
    path.rename(study / "data_cna.txt")
    (study / "meta_study.txt").write_text(
        "type_of_cancer: luad\ncancer_study_identifier: benchmark\nname: Benchmark\ndescription: Generated\n"
    )
    (study / "meta_cna.txt").write_text(
        "cancer_study_identifier: benchmark\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: DISCRETE\n"
        "stable_id: gistic\nprofile_name: generated\ndata_filename: data_cna.txt\n"
    )
    environment = {**os.environ, "HPD_HOME": str(path.parent / "home")}
    before = time.perf_counter()
    command = [sys.executable, "-m", "ingest.cli", "load", "--genes", "all", str(study)]
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds, peak = time.perf_counter() - before, usage.ru_maxrss / 1024
    if status:
        sys.exit("hpd load failed")
    cells = n_genes * n_samples
    print(f"\nwhole genome, `hpd load --genes all` as a whole: {cells:,} cells in {seconds:.1f} s, "
          f"{cells / seconds / 1e6:.1f} million cells per second, peak {peak:,.0f} MB")  # fmt: skip


def main() -> None:
    """Generate, run every way, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=25_000)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--whole-genome", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(*given.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data_cna.txt"
        make(path, given.genes, given.samples)
        print(
            f"{given.genes:,} genes x {given.samples:,} samples, {path.stat().st_size / 1e6:,.0f} MB, median of {given.runs} runs\n"
        )
        print(f"{'way':14}{'seconds':>10}{'x ours':>9}{'peak MB':>10}{'cells':>10}")
        base, expected = None, None
        for way in WAYS:
            outcomes = []
            for _ in range(given.runs):
                command = [sys.executable, __file__, "--one", way.__name__, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    break
                outcomes.append(json.loads(done.stdout))
            if not outcomes or done.returncode:
                print(f"{way.__name__:14}  {done.stderr.strip().splitlines()[-1][:90] if done.stderr else 'failed'}")
                continue
            seconds = statistics.median(o["seconds"] for o in outcomes)
            base = base or seconds
            cells = outcomes[0]["cells"]
            expected = expected or cells
            if cells not in (expected, -1):
                sys.exit(f"{way.__name__} read {cells} cells, ours {expected}")
            peak = max(o["peak_mb"] for o in outcomes)
            print(
                f"{way.__name__:14}{seconds:>10.3f}{seconds / base:>9.1f}{peak:>10,.0f}{cells if cells >= 0 else '':>10}"
            )
        if given.whole_genome:
            whole_genome(path, given.genes, given.samples)


if __name__ == "__main__":
    main()
