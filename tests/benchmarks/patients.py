"""From simulated patients to hyperprogression: how long does a refresh take, how much memory, and what would pandas take?

    python tests/benchmarks/patients.py                            10,000 and 100,000 patients, about 6 scans each
    python tests/benchmarks/patients.py --patients 10000 100000 1000000

Two tables. The first: `hpd simulate` and `hpd refresh` as a user runs them, start-up and all; memory is the highest
sum over the processes of the command, shared pages counted once (Linux; elsewhere the largest single process).

The second: classification alone, every patient under the 8 definitions, each way in a process of its own, on the same
rows, and with the same counts of hpd, not_hpd and not_evaluable or the benchmark stops.
  ours            the compiled SQL of our dbt models from the raw tables to cleaned_patient_hpd, run again on the database
                  of that refresh (and rolled back). Beside the outcomes it writes every cleaned scan and patient with its
                  flags, and a row per patient and definition with the reason and the numbers behind it, on disk
  per patient     pandas, groupby and a function per patient, as an analyst would write it at first; millimetres as whole
                  tenths, so that thresholds are exact. Above --per-patient-limit it is left out: its time grows in
                  proportion to the patients
  vectorised      pandas, the same without a function per patient, as somebody would write it who knows pandas well. It
                  makes a column of outcomes per definition and nothing else, in memory: compare with care
pandas finds the two tables in memory already: reading and parsing them is not in its time. Imports are in nobody's.
On a busy machine compare the CPU seconds, those of all threads together.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PROJECT = Path(__file__).resolve().parents[2]
DEFINITIONS = ["JU_2019", "KATO_2017", "CHAMPIAT_2017", "SAADA_BOUZID_2017", "FERRARA_2018", "KAS_2020", "MATOS_2020", "LO_RUSSO_2019"]  # fmt: skip
MONTH, CUT, LAST_EVALUATION_DAY = 30.4375, 60.875, 92


# --- ours ---------------------------------------------------------------------------------------------


def ours(home: Path) -> Iterator[dict | None]:
    """The models that `cleaned_patient_hpd` is made of, in their order."""
    import duckdb

    compiled = {p.stem: p.read_text() for p in (home / "dbt" / "target" / "compiled").rglob("models/cleaned/**/*.sql")}
    views = {p.stem for p in (PROJECT / "dbt_project" / "models" / "cleaned" / "definitions").glob("*.sql")}
    order: list[str] = []

    def visit(model: str) -> None:
        for parent in re.findall(r'"cleaned"\."(\w+)"', compiled[model]):
            if parent not in order:
                visit(parent)
        if model not in order:
            order.append(model)

    visit("cleaned_patient_hpd")
    with duckdb.connect(str(home / "build.duckdb")) as connection:
        # as dbt's profile has it
        connection.execute(
            "set memory_limit = '2GB'; set preserve_insertion_order = false; set enable_progress_bar = false"
        )
        yield None
        connection.begin()
        for model in order:
            if model not in views:
                connection.execute(f"create or replace table cleaned.{model} as {compiled[model]}")
        counts = connection.execute(
            "select hpd_definition, outcome, count(*) from cleaned.cleaned_patient_hpd where is_simulated group by all"
        ).fetchall()
        yield {f"{definition} {outcome}": n for definition, outcome, n in counts}
        connection.rollback()


# --- pandas -------------------------------------------------------------------------------------------


def _tables(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scans and patients, about as read_csv gives them: numbers are floats, with NaN where they are blank."""
    import duckdb

    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as connection:
        scans = connection.execute(
            "select trial_id, patient_id, day, sum_diameters_mm, measurement_status, response, n_new_lesions::double as n_new_lesions,"
            " n_new_lesions_involved_organ::double as n_new_lesions_involved_organ, has_new_organ::int::double as has_new_organ"
            " from raw.tumor_measurements where data_origin = 'simulated'"
        ).df()
        patients = connection.execute(
            "select trial_id, patient_id, off_treatment_day, death_day, last_known_day,"
            " ecog_worst_2_months::double as ecog_worst_2_months"
            " from raw.patients where data_origin = 'simulated'"
        ).df()
    return scans, patients


def per_patient(home: Path) -> Iterator[dict | None]:
    """groupby, and a function per patient."""
    import pandas as pd

    scans, patients = _tables(home)
    yield None
    tenths = (scans["sum_diameters_mm"] * 10).round()
    scans["tenths"] = tenths.mask(scans["measurement_status"] == "too_small_to_measure", 20)
    scans = scans[scans["tenths"].notna()].sort_values("day")
    patients = patients.set_index(["trial_id", "patient_id"])
    treatment = patients.to_dict("index")
    outcomes = {
        key: judge(group, treatment[key])
        for key, group in scans.groupby(["trial_id", "patient_id"])
        if key in treatment
    }
    frame = pd.DataFrame.from_dict(outcomes, orient="index", columns=DEFINITIONS)
    missing = len(patients) - len(frame)
    counts = _counts(frame)
    yield {**counts, **{f"{d} not_evaluable": counts.get(f"{d} not_evaluable", 0) + missing for d in DEFINITIONS}}


def _counts(outcomes: pd.DataFrame) -> dict[str, int]:
    return {f"{d} {outcome}": int(n) for d in DEFINITIONS for outcome, n in outcomes[d].value_counts().items()}


def judge(scans: pd.DataFrame, patient: dict) -> list[str]:
    """The outcome of one patient under each definition; `scans` are the measurable ones, in order of days."""
    before, after = scans[scans["day"] <= 1], scans[scans["day"] > 1]
    if before.empty or after.empty or before["tenths"].iloc[-1] == 0 or after["day"].iloc[0] > LAST_EVALUATION_DAY:
        return ["not_evaluable"] * len(DEFINITIONS)
    base, evaluation = before.iloc[-1], after.iloc[0]
    change, days = evaluation["tenths"] - base["tenths"], evaluation["day"] - base["day"]
    new, involved, organ = evaluation[["n_new_lesions", "n_new_lesions_involved_organ", "has_new_organ"]]
    has_new, has_involved, has_organ = (not math.isnan(x) for x in (new, involved, organ))
    if has_new and new == 0:
        has_involved, has_organ = True, True
    response = evaluation["response"]
    if isinstance(response, str) and response != "NE":
        progression = response in ("PD", "iUPD", "iCPD")
    else:
        progression = (evaluation["tenths"] * 100 >= base["tenths"] * 120 and change >= 50) or (has_new and new > 0)

    failures = [d for d in (patient["off_treatment_day"], patient["death_day"]) if not math.isnan(d)]
    early = late = None
    if failures:
        early, late = min(failures) < CUT, min(failures) <= CUT
    elif patient["last_known_day"] >= CUT:
        early, late = False, False

    has_pre = len(before) > 1 and before["tenths"].iloc[-2] > 0
    tgr_change = tgr_ratio = tgk = pace = None
    if has_pre:
        pre = before.iloc[-2]
        growth, pre_days = base["tenths"] - pre["tenths"], base["day"] - pre["day"]
        reference = 100 * (math.exp(3 * math.log(base["tenths"] / pre["tenths"]) / (pre_days / MONTH)) - 1)
        after_rate = -100.0
        if evaluation["tenths"] > 0:
            after_rate = 100 * (math.exp(3 * math.log(evaluation["tenths"] / base["tenths"]) / (days / MONTH)) - 1)
        tgr_change = after_rate - reference
        if growth > 0:
            tgr_ratio = after_rate / reference
            tgk = change * pre_days >= 2 * growth * days
            pace = change * pre["tenths"] * pre_days > 2 * growth * base["tenths"] * days

    above_50 = evaluation["tenths"] * 100 > base["tenths"] * 150
    burden = (evaluation["tenths"] * 100 > base["tenths"] * 140 and change >= 100) or (
        evaluation["tenths"] * 100 > base["tenths"] * 120 and new >= 2
    )
    met = [
        early, evaluation["tenths"] * 100 >= base["tenths"] * 150, has_involved and involved >= 2,
        organ == 1, patient["ecog_worst_2_months"] >= 2,
    ]  # fmt: skip
    can_lo_russo = early is not None and has_involved and has_organ and not math.isnan(patient["ecog_worst_2_months"])
    found = [
        early and above_50 if early is not None else None,
        early and above_50 and pace if early is not None and pace is not None else None,
        progression and tgr_ratio >= 2 if tgr_ratio is not None else None,
        tgk,
        progression and tgr_change > 50 if tgr_change is not None else None,
        tgr_change > 100 if tgr_change is not None else None,
        late and burden if early is not None and has_new else None,
        progression and sum(met) >= 3 if can_lo_russo else None,
    ]
    return ["not_evaluable" if f is None else "hpd" if f else "not_hpd" for f in found]


def vectorised(home: Path) -> Iterator[dict | None]:
    """Whole columns: the scans picked as first and last of their patient, everything else arithmetic of columns."""
    import numpy as np

    scans, patients = _tables(home)
    yield None
    keys = ["trial_id", "patient_id"]
    scans["tenths"] = (
        (scans["sum_diameters_mm"] * 10).round().mask(scans["measurement_status"] == "too_small_to_measure", 20)
    )
    scans = scans[scans["tenths"].notna()].sort_values([*keys, "day"])
    before, after = scans[scans["day"] <= 1], scans[scans["day"] > 1]
    base = before.drop_duplicates(keys, keep="last")
    earlier = before[before.duplicated(keys, keep="last")].drop_duplicates(keys, keep="last")
    first = after.drop_duplicates(keys, keep="first")
    t = patients.merge(base[[*keys, "day", "tenths"]], on=keys, how="left")
    t = t.merge(earlier[[*keys, "day", "tenths"]], on=keys, how="left", suffixes=("", "_pre"))
    t = t.merge(
        first.drop(columns=["sum_diameters_mm", "measurement_status"]), on=keys, how="left", suffixes=("", "_eval")
    )

    change, days = t["tenths_eval"] - t["tenths"], t["day_eval"] - t["day"]
    growth, pre_days = t["tenths"] - t["tenths_pre"], t["day"] - t["day_pre"]
    has_change = (t["tenths"] > 0) & (t["day_eval"] <= LAST_EVALUATION_DAY)
    has_growth = has_change & (t["tenths_pre"] > 0)
    has_ratio = has_growth & (growth > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        reference = 100 * (np.exp(3 * np.log(t["tenths"] / t["tenths_pre"]) / (pre_days / MONTH)) - 1)
        rate = 100 * (np.exp(3 * np.log(t["tenths_eval"] / t["tenths"]) / (days / MONTH)) - 1)
    new, involved = t["n_new_lesions"], t["n_new_lesions_involved_organ"].mask(t["n_new_lesions"] == 0, 0)
    organ = t["has_new_organ"].mask(new == 0, 0)
    is_assessed = t["response"].notna() & (t["response"] != "NE")
    measured = (t["tenths_eval"] * 100 >= t["tenths"] * 120) & (change >= 50) | (new > 0)
    progression = t["response"].isin(["PD", "iUPD", "iCPD"]).where(is_assessed, measured)
    failure = t[["off_treatment_day", "death_day"]].min(axis=1)
    has_ttf = failure.notna() | (t["last_known_day"] >= CUT)
    early, late = failure < CUT, failure <= CUT
    above_50 = t["tenths_eval"] * 100 > t["tenths"] * 150
    pace = change * t["tenths_pre"] * pre_days > 2 * growth * t["tenths"] * days
    burden = (t["tenths_eval"] * 100 > t["tenths"] * 140) & (change >= 100) | (
        t["tenths_eval"] * 100 > t["tenths"] * 120
    ) & (new >= 2)
    met = early.astype(int) + (t["tenths_eval"] * 100 >= t["tenths"] * 150) + (involved >= 2) + (organ == 1)
    met = met + (t["ecog_worst_2_months"] >= 2)
    delta = rate - reference
    found = {
        "JU_2019": (has_change & has_ttf, early & above_50),
        "KATO_2017": (has_ratio & has_ttf, early & above_50 & pace),
        "CHAMPIAT_2017": (has_ratio, progression & (rate / reference >= 2)),
        "SAADA_BOUZID_2017": (has_ratio, change * pre_days >= 2 * growth * days),
        "FERRARA_2018": (has_growth, progression & (delta > 50)),
        "KAS_2020": (has_growth, delta > 100),
        "MATOS_2020": (has_change & has_ttf & new.notna(), late & burden),
        "LO_RUSSO_2019": (
            has_change & has_ttf & involved.notna() & organ.notna() & t["ecog_worst_2_months"].notna(), progression & (met >= 3),
        ),
    }  # fmt: skip
    outcomes = t[keys].assign(**{
        name: np.select([~is_evaluable, is_hpd], ["not_evaluable", "hpd"], "not_hpd") for name, (is_evaluable, is_hpd) in found.items()
    })  # fmt: skip
    yield _counts(outcomes)


WAYS = {"ours": ours, "per patient": per_patient, "vectorised": vectorised}


def run_one(way: str, home: Path) -> None:
    """In a process of its own: seconds between the two yields, counts, peak memory."""
    steps = WAYS[way](home)
    next(steps)
    before, cpu_before = time.perf_counter(), time.process_time()
    counts = next(steps)
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu_before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    next(steps, None)
    print(
        json.dumps({"seconds": seconds, "cpu": cpu, "counts": {k: n for k, n in counts.items() if n}, "peak_mb": peak})
    )


# --- the whole command --------------------------------------------------------------------------------


def _tree_mb(pid: int) -> float:
    """Memory of a process and its descendants, pages that several share counted once (PSS)."""
    kilobytes, todo = 0, [pid]
    while todo:
        process = Path("/proc") / str(todo.pop())
        try:
            rollup = (process / "smaps_rollup").read_text()
            kilobytes += int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1])
            for thread in (process / "task").iterdir():
                with suppress(OSError):  # threads come and go
                    todo += map(int, (thread / "children").read_text().split())
        except (OSError, TypeError):
            continue  # it has just ended
    return kilobytes / 1024


def measured(*args: object, home: Path) -> tuple[float, float, str]:
    """Seconds and peak memory in MB of `hpd ARGS`, and what it said."""
    command = [sys.executable, "-m", "ingest.cli", *map(str, args)]
    environment = {**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    peak, before = 0.0, time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        while child.poll() is None:
            peak = max(peak, _tree_mb(child.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - before
        said.seek(0)
        text = said.read()
    if child.returncode:
        sys.exit(f"hpd {args[0]} failed\n{text}")
    return seconds, peak or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, text


def slowest(home: Path, n: int = 8) -> str:
    """Where the time of dbt went: models and data tests, by dbt's own record."""
    results = json.loads((home / "dbt" / "target" / "run_results.json").read_text())["results"]
    results.sort(key=lambda r: -r["execution_time"])
    return ", ".join(f"{r['unique_id'].split('.')[2]} {r['execution_time']:.1f}" for r in results[:n])


def classify(home: Path, n_patients: int, runs: int, limit: int) -> None:
    """Run every way and print its row; stop where their counts differ."""
    base, expected = None, None
    for way in WAYS:
        if way == "per patient" and n_patients > limit:
            print(f"{n_patients:>10,}  {way:14}  left out (--per-patient-limit)")
            continue
        outcomes = []
        for _ in range(1 if way == "per patient" else runs):
            command = [sys.executable, __file__, "--one", way, str(home)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{way} failed\n{done.stderr}")
            outcomes.append(json.loads(done.stdout))
        seconds = statistics.median(o["seconds"] for o in outcomes)
        base, expected = base or seconds, expected or outcomes[0]["counts"]
        if outcomes[0]["counts"] != expected:
            theirs = outcomes[0]["counts"]
            different = {
                k: (expected.get(k), theirs.get(k)) for k in expected | theirs if expected.get(k) != theirs.get(k)
            }
            sys.exit(f"{way} counts otherwise (ours, {way}): {different}")
        print(f"{n_patients:>10,}  {way:14}{seconds:>10.2f}{seconds / base:>9.1f}{statistics.median(o['cpu'] for o in outcomes):>10.2f}{max(o['peak_mb'] for o in outcomes):>10,.0f}", flush=True)  # fmt: skip
    hpd = ", ".join(f"{d} {expected.get(f'{d} hpd', 0):,}" for d in DEFINITIONS)
    print(f"{'':12}the same counts every way; hpd: {hpd}")


def main() -> None:
    """Simulate, refresh, classify, for every number of patients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--per-patient-limit", type=int, default=100_000)
    parser.add_argument("--slowest", action="store_true", help="also print what took dbt longest")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "HOME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(given.one[0], Path(given.one[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        homes = {}
        print(
            f"{'patients':>10}{'scans':>12}  {'simulate s':>11}{'MB':>7}  {'refresh s':>10}{'MB':>7}{'build.duckdb MB':>17}"
        )
        for n in given.patients:
            homes[n], simulated = Path(folder) / f"home{n}", Path(folder) / f"sim{n}"
            seconds, peak, text = measured("simulate", "--patients", n, "--out", simulated, home=homes[n])
            n_scans = re.search(r"([\d,]+) tumor_measurements", text)[1]
            print(f"{n:>10,}{n_scans:>12}  {seconds:>11.1f}{peak:>7,.0f}", end="", flush=True)
            seconds, peak, _ = measured("refresh", "--config", simulated / "hpd.toml", home=homes[n])
            size = (homes[n] / "build.duckdb").stat().st_size / 1e6
            print(f"  {seconds:>10.1f}{peak:>7,.0f}{size:>17,.0f}", flush=True)
            if given.slowest:
                print(f"{'':12}dbt, seconds: {slowest(homes[n])}")
        print(
            f"\n{'patients':>10}  {'classification':14}{'seconds':>10}{'x ours':>9}{'CPU s':>10}{'peak MB':>10}   median of {given.runs} (per patient: 1)"
        )
        for n in given.patients:
            classify(homes[n], n, given.runs, given.per_patient_limit)


if __name__ == "__main__":
    main()
