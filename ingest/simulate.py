"""Patients who never were, with known truth: for demonstrations, tests and benchmarks.

Target lesions grow exponentially. After the first dose a tumour grows on, stands still, shrinks, or grows several times
faster than before (hyperprogression), the last more often where MDM2 or MDM4 is amplified. Every number here is invented;
rates are of the order of the published ones, so that the marts look as they would, and prove nothing about cancer.

The same options give the same bytes: PCG64, a stream of its own for every 50,000 patients, millimetres in whole tenths and
whole days, so that thresholds are judged on integers.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import polars as pl

from ingest.errors import HpdError, UsageError, printable
from ingest.sources.genes import vocabulary

if TYPE_CHECKING:
    from ingest.settings import Settings

CHUNK = 50_000  # patients made at a time: memory does not grow with their number
# cancer type: share of patients, risk of hyperprogression where neither MDM2 nor MDM4 is amplified, volume doubling time
# in days, share with MDM2 and with MDM4 amplified
CANCERS = {
    "NSCLC": (0.30, 0.13, 110, 0.04, 0.015),
    "MELANOMA": (0.12, 0.07, 90, 0.03, 0.03),
    "UROTHELIAL": (0.10, 0.12, 100, 0.06, 0.025),
    "HNSCC": (0.09, 0.16, 80, 0.025, 0.01),
    "GASTRIC": (0.08, 0.14, 90, 0.04, 0.02),
    "HCC": (0.07, 0.11, 100, 0.01, 0.01),
    "CCRCC": (0.07, 0.04, 200, 0.004, 0.004),
    "COLORECTAL": (0.05, 0.10, 120, 0.02, 0.01),
    "BREAST": (0.04, 0.08, 130, 0.04, 0.03),
    "SARCOMA": (0.03, 0.17, 90, 0.19, 0.03),
    "ESOPHAGEAL": (0.03, 0.11, 90, 0.04, 0.01),
    "OVARIAN": (0.02, 0.09, 120, 0.03, 0.02),
}
CLASSES = ["hyperprogression", "progression", "stable disease", "response"]
NOT_HYPER = [0.45, 0.33, 0.22]  # of those without hyperprogression: progression, stable disease, response
MEAN_SURVIVAL = np.array([120, 330, 650, 1300])  # days, by class
# trials take turns in these: agent, weeks between scans, days between doses
TRIALS = [("nivolumab", 6, 14), ("pembrolizumab", 9, 21), ("atezolizumab", 6, 21), ("durvalumab", 8, 28)]
CONTROL = "docetaxel"  # the other arm of every third trial
TOO_SMALL, TOO_SMALL_TENTHS, ABSENT = 1, 20, -1  # TOO SMALL TO MEASURE counts as 2 mm
STATUS = [None, "too_small_to_measure", "not_evaluable"]
RESPONSES = [None, "CR", "PR", "SD", "PD", "NE"]
EVENTS = ["last_dose_day", "off_treatment_day", "progression_day", "death_day", "last_known_day"]
OUTCOMES = ["not_evaluable", "not_hpd", "hpd"]
REPORTED_AS = {"ju_2019": "SEED_JU_2019", "saada_bouzid_2017": "SAADA_TGKR2"}
LAST_BASELINE_DAY, LAST_EVALUATION_DAY, TTF_CUT_DAYS = 1, 92, 60.875
GENE_SHARE, LINKED = 0.03, {"CDK4": "MDM2", "FGF3": "CCND1", "FGF4": "CCND1", "FGF19": "CCND1"}
OTHER_CALLS = [(-2, 0.01), (-1, 0.19), (0, 0.61), (1, 0.19)]
MARK = "# simulated by `hpd simulate`: no line of this file is about a real patient\n"


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes:
        scans: scans per patient, on average: one before the baseline, the baseline, and the others after it.
        samples: patients with a sample in the genomic studies, the first ones.
        odds_ratio: of hyperprogression, MDM2 or MDM4 amplified against not; 1: unrelated.
    """

    patients: int
    seed: int
    scans: int = 6
    trials: int = 5
    samples: int = 20_000
    odds_ratio: float = 3.0


@dataclass
class Cohort:
    """A chunk of patients, an array entry each; scans are patients x places, in order of days.

    Attributes:
        first: number of the first patient.
        day: days from the first dose; `tenths`: written sum in 0.1 mm, ABSENT without one; `status`: of STATUS.
        is_there: whether the scan was made at all.
        events: column of `EVENTS` → day, ABSENT where blank.
        outcomes: definition → place in OUTCOMES.
    """

    first: int
    trial: np.ndarray
    cancer: np.ndarray
    is_control: np.ndarray
    is_mdm2: np.ndarray
    is_mdm4: np.ndarray
    growth: np.ndarray
    day: np.ndarray
    tenths: np.ndarray
    status: np.ndarray
    is_there: np.ndarray
    response: np.ndarray
    new_lesions: np.ndarray
    new_involved: np.ndarray
    is_new_recorded: np.ndarray
    ecog: np.ndarray
    events: dict[str, np.ndarray]
    outcomes: dict[str, np.ndarray]


def simulate(plan: Plan, out: Path, settings: Settings, say: Callable[[str, int, int], None]) -> dict[str, int]:
    """Write the folder `out`: tables, genomic studies, truth, and the hpd.toml that names them.

    Returns:
        Table → rows written.

    Raises:
        HpdError: `out` holds something already, or cannot be written.
    """
    shown = printable(out, 200)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"ERROR {shown}: is not empty; nothing was written; name a new folder")
        return _write(plan, out, settings, say)
    except OSError as error:
        raise HpdError(f"ERROR {shown}: cannot be written ({error.strerror}); name another folder") from None


def _write(plan: Plan, out: Path, settings: Settings, say: Callable[[str, int, int], None]) -> dict[str, int]:
    names, genes = _cancer_names(settings), _genes(settings)
    n_sampled = min(plan.samples, plan.patients)
    counts = np.zeros((len(REPORTED_AS), plan.trials, len(CANCERS), len(OUTCOMES)), dtype=np.int64)
    n_scans, sampled = 0, []
    (out / "truth").mkdir()
    with (
        (out / "patients.csv").open("wb") as patients,
        (out / "tumor_measurements.csv").open("wb") as measurements,
        (out / "truth" / "truth.csv").open("wb") as truth,
    ):
        for cohort in cohorts(plan):
            who = _who(cohort, plan)
            scans = _scan_rows(cohort, who)
            _append(patients, _patient_rows(cohort, who, names))
            _append(measurements, scans)
            _append(truth, _truth_rows(cohort, who))
            n_scans += scans.height
            counts += _outcome_counts(cohort, plan)
            if cohort.first <= n_sampled:
                sampled.append(_calls(cohort, who, genes, plan).head(n_sampled - cohort.first + 1))
            done = cohort.first - 1 + who.height
            say(f"simulated {done:,} of {plan.patients:,} patients", done, plan.patients)
    reports = _reports(counts, names)
    with (out / "trials.csv").open("wb") as file:
        _append(file, reports)
    studies = _write_studies(out, pl.concat(sampled), genes, names) if sampled else []
    # last, so that a simulation that was cut short cannot be loaded
    _write_config(out, studies)
    return {"trials": reports.height, "patients": plan.patients, "tumor_measurements": n_scans, "samples": n_sampled}


def cohorts(plan: Plan) -> Iterator[Cohort]:
    """The patients, a chunk at a time; each chunk has a random stream of its own."""
    for number, start in enumerate(range(0, plan.patients, CHUNK)):
        rng = np.random.Generator(np.random.PCG64([plan.seed, number]))
        yield _cohort(rng, start + 1, min(CHUNK, plan.patients - start), plan)


# --- the model ----------------------------------------------------------------------------------------


def _cohort(rng: np.random.Generator, first: int, n: int, plan: Plan) -> Cohort:
    share, p_hyper, doubling, p_mdm2, p_mdm4 = np.array(list(CANCERS.values())).T
    trial = rng.integers(plan.trials, size=n)
    cancer = np.searchsorted(np.cumsum(share), rng.random(n), side="right").clip(max=len(CANCERS) - 1)
    is_control = (trial % 3 == 2) & (rng.random(n) < 0.5)
    is_mdm2, is_mdm4 = rng.random(n) < p_mdm2[cancer], rng.random(n) < p_mdm4[cancer]
    odds = p_hyper[cancer] / (1 - p_hyper[cancer]) * np.where(is_mdm2 | is_mdm4, plan.odds_ratio, 1.0)
    is_hyper = (rng.random(n) < odds / (1 + odds)) & ~is_control
    growth = np.where(is_hyper, 0, 1 + np.searchsorted(np.cumsum(NOT_HYPER)[:2], rng.random(n), side="right"))

    # rates of the sum of diameters, per day: a third of that of the volume
    rate = np.log(2) / 3 / (doubling[cancer] * np.exp(0.4 * rng.standard_normal(n)))
    before = rate * np.where(rng.random(n) < 0.12, -0.5, 1.0)  # an earlier treatment still worked
    after = np.choose(growth, [
        rate * rng.uniform(3, 7, n), rate * rng.uniform(0.6, 1.5, n), rate * rng.uniform(-0.2, 0.4, n), -rng.uniform(0.003, 0.02, n),
    ])  # fmt: skip

    day, is_there = _schedule(rng, trial, growth, plan)
    cycle = np.array([cycle for _, _, cycle in TRIALS])[trial % len(TRIALS)]
    begin = np.exp(np.log(70) + 0.6 * rng.standard_normal(n)).clip(10, 300)[:, None]  # mm at the baseline
    since = day - day[:, 1:2]
    at_start = begin * np.exp(before[:, None] * -day[:, 1:2])
    size = np.where(day <= 0, begin * np.exp(before[:, None] * since), at_start * np.exp(after[:, None] * day.clip(0)))
    size = size.clip(0, 600) * np.exp(0.03 * rng.standard_normal(day.shape))
    tenths = np.rint(size * 10).astype(np.int64)
    tenths[tenths < 3] = 0
    status = np.where((tenths > 0) & (tenths < TOO_SMALL_TENTHS), TOO_SMALL, 0)
    status[rng.random(day.shape) < 0.03] = 2
    tenths[status > 0] = ABSENT

    death = np.ceil(10 - MEAN_SURVIVAL[growth] * np.log1p(-rng.random(n))).astype(np.int64)
    until = np.maximum(day.max(1), 1) + rng.integers(7, 200, n)  # the data are cut
    is_early_cut = rng.random(n) < 0.02
    until[is_early_cut] = rng.integers(14, 80, is_early_cut.sum())
    is_dead = death <= until
    known = np.where(is_dead, death, until)
    is_there &= day < known[:, None]

    chance = np.array([0.5, 0.25, 0.03, 0.01])[growth][:, None]
    new_lesions = np.floor(np.log1p(-rng.random(day.shape)) / np.log(chance)).clip(0, 4).astype(np.int64)
    new_lesions[day <= LAST_BASELINE_DAY] = 0
    new_involved = np.floor(rng.random(day.shape) * (new_lesions + 1)).astype(np.int64)
    response = _responses(day, tenths, status, is_there, new_lesions)
    events = _events(rng, growth, cycle, day, response, is_there, np.where(is_dead, death, ABSENT), known)
    ecog = np.minimum(np.floor(rng.random(n) * np.array([4.5, 3, 2.2, 2])[growth]), 4).astype(np.int64)
    ecog[rng.random(n) < 0.05] = ABSENT
    outcomes = _outcomes(day, np.where(status == TOO_SMALL, TOO_SMALL_TENTHS, tenths), is_there, events)
    response[rng.random(day.shape) < 0.1] = 0  # not every assessment is written down
    return Cohort(first, trial, cancer, is_control, is_mdm2, is_mdm4, growth, day, tenths, status, is_there, response,
                  new_lesions, new_involved, rng.random(n) >= 0.05, ecog, events, outcomes)  # fmt: skip


def _schedule(
    rng: np.random.Generator, trial: np.ndarray, growth: np.ndarray, plan: Plan
) -> tuple[np.ndarray, np.ndarray]:
    """Days of the scans (patients x places: pre-baseline, baseline, after) and which of them were made."""
    n = trial.size
    after_baseline = round(1.5 * (plan.scans - 2))  # a third is never made: patients die
    places = 2 + after_baseline + 2
    baseline = -rng.integers(0, 22, n)
    pre = baseline - rng.integers(28, 92, n)
    weeks = np.array([weeks for _, weeks, _ in TRIALS])[trial % len(TRIALS)]
    after = 7 * weeks[:, None] * np.arange(1, places - 1) + rng.integers(-5, 6, (n, places - 2))
    is_unscheduled = (growth == 0) & (rng.random(n) < 0.4)  # the patient got worse
    after[:, 0] = np.where(is_unscheduled, rng.integers(21, 36, n), after[:, 0])
    n_after = after_baseline + rng.integers(-1, 3, n)
    is_there = rng.random((n, places)) >= np.array([0.12, 0.01] + [0.04] * (places - 2))
    is_there[:, 2:] &= np.arange(places - 2) < n_after[:, None]
    return np.column_stack([pre, baseline, after]), is_there


def _responses(
    day: np.ndarray, tenths: np.ndarray, status: np.ndarray, is_there: np.ndarray, new: np.ndarray
) -> np.ndarray:
    """Place in RESPONSES, of the written numbers (RECIST 1.1, doi 10.1016/j.ejca.2008.10.026)."""
    value = np.where(status == TOO_SMALL, TOO_SMALL_TENTHS, tenths)
    is_known = is_there & (value != ABSENT)
    far = np.iinfo(np.int64).max // 1000
    nadir = np.minimum.accumulate(np.where(is_known, value, far), axis=1)
    nadir = np.column_stack([np.full(len(day), far), nadir[:, :-1]])  # of the scans before
    base = np.where(is_known[:, 1], value[:, 1], np.where(is_known[:, 0], value[:, 0], ABSENT))[:, None]
    is_worse = (value * 100 >= nadir * 120) & (value - nadir >= 50)
    found = np.select([value == 0, value * 100 <= base * 70, is_worse], [1, 2, 4], 3)
    found = np.where(is_worse & is_known, 4, found)
    found = np.where(is_known & (base != ABSENT), found, 5)
    found = np.where(new > 0, 4, found)
    return np.where(is_there & (day > LAST_BASELINE_DAY), found, 0)


def _events(
    rng: np.random.Generator, growth: np.ndarray, cycle: np.ndarray, day: np.ndarray, response: np.ndarray,
    is_there: np.ndarray, death: np.ndarray, known: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Days of the events of treatment, in an order that can be: last dose, off treatment, death, last known."""
    n, never = growth.size, 10**6
    seen = np.where(response == 4, day, never).min(1)
    clinical = np.where((growth == 0) & (rng.random(n) < 0.4), rng.integers(20, 50, n), never)
    progression = np.minimum(seen, clinical)
    delay = np.where(rng.random(n) < 0.85, rng.integers(0, 15, n), rng.integers(30, 91, n))  # some treat beyond it
    toxicity = np.ceil(-1500 * np.log1p(-rng.random(n))).astype(np.int64)
    off = np.minimum(np.minimum(progression + delay, toxicity), 730)
    is_off = off < known  # otherwise still on treatment when the patient died, or the data end
    end = np.where(is_off, off, known)
    events = {
        "last_dose_day": (np.maximum(end - 1, 0) // cycle) * cycle,
        "off_treatment_day": np.where(is_off, off, ABSENT),
        "progression_day": np.where(progression <= known, progression, ABSENT),
        "death_day": death,
        "last_known_day": known,
    }
    is_lost = rng.random(n) < 0.02
    for name in ("off_treatment_day", "death_day", "last_known_day"):
        events[name] = np.where(is_lost, ABSENT, events[name])
    return events


def _outcomes(
    day: np.ndarray, value: np.ndarray, is_there: np.ndarray, events: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Place in OUTCOMES by definition, from the written numbers: what a correct computation finds."""
    is_known = is_there & (value != ABSENT)
    row = np.arange(len(day))
    is_before = is_known & (day <= LAST_BASELINE_DAY)
    is_after = is_known & (day > LAST_BASELINE_DAY)
    base = np.where(is_before[:, 1], 1, 0)  # without a baseline scan the one before it is the baseline
    first = is_after.argmax(1)
    d0, d1, d2 = day[:, 0], day[row, base], day[row, first]
    v0, v1, v2 = value[:, 0], value[row, base], value[row, first]
    has_both = is_before.any(1) & is_after.any(1) & (v1 > 0) & (d2 <= LAST_EVALUATION_DAY)

    off, death, known = (events[name] for name in ("off_treatment_day", "death_day", "last_known_day"))
    ended = np.minimum(np.where(off == ABSENT, 10**6, off), np.where(death == ABSENT, 10**6, death))
    is_early = ended < TTF_CUT_DAYS
    has_ttf = (ended < 10**6) | (known >= TTF_CUT_DAYS)
    ju = np.where(has_both & has_ttf, np.where(is_early & (v2 * 100 > v1 * 150), 2, 1), 0)

    # TGK ratio >= 2, multiplied out
    has_ratio = has_both & is_before[:, 0] & is_before[:, 1] & (v1 > v0)
    is_double = (v2 - v1) * (d1 - d0) >= 2 * (v1 - v0) * (d2 - d1)
    return {"ju_2019": ju, "saada_bouzid_2017": np.where(has_ratio, np.where(is_double, 2, 1), 0)}


# --- tables -------------------------------------------------------------------------------------------


def _append(file: BinaryIO, frame: pl.DataFrame) -> None:
    if not file.tell():
        file.write(MARK.encode())
        file.write((",".join(frame.columns) + "\n").encode())
    frame.write_csv(file, include_header=False, float_precision=1)


def _text(names: Sequence[str | None], places: np.ndarray) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(places)


def _whole(values: np.ndarray) -> pl.Series:
    return pl.Series(values).replace(ABSENT, None)


def _trial_ids(n: int) -> list[str]:
    return [f"SIM_TRIAL_{i + 1}" for i in range(n)]


def _who(cohort: Cohort, plan: Plan) -> pl.DataFrame:
    """trial_id, patient_id."""
    width = max(6, len(str(plan.patients)))
    numbers = pl.Series(np.arange(cohort.first, cohort.first + cohort.trial.size)).cast(pl.String).str.zfill(width)
    return pl.DataFrame({"trial_id": _text(_trial_ids(plan.trials), cohort.trial), "patient_id": "SIM-" + numbers})


def _patient_rows(cohort: Cohort, who: pl.DataFrame, names: list[dict]) -> pl.DataFrame:
    agents = [agent for agent, _, _ in TRIALS]
    return who.with_columns(
        cancer_type_reported=_text([name["cancer_type"] for name in names], cohort.cancer),
        agents=_text([*agents, CONTROL], np.where(cohort.is_control, len(agents), cohort.trial % len(agents))),
        **{name: _whole(cohort.events[name]) for name in EVENTS},
        ecog_worst_2_months=_whole(cohort.ecog),
    )


def _scan_rows(cohort: Cohort, who: pl.DataFrame) -> pl.DataFrame:
    """A row per scan that was made."""
    patient, place = np.nonzero(cohort.is_there)
    day, tenths, status = cohort.day[patient, place], cohort.tenths[patient, place], cohort.status[patient, place]
    new, involved = cohort.new_lesions[patient, place], cohort.new_involved[patient, place]
    is_recorded = pl.Series(cohort.is_new_recorded[patient] & (day > LAST_BASELINE_DAY))
    scans = who[patient].with_columns(
        day=pl.Series(day),
        reader=pl.lit("INVESTIGATOR"),
        sum_diameters_mm=_whole(tenths) / 10,
        measurement_status=_text(STATUS, status),
        response=_text(RESPONSES, cohort.response[patient, place]),
        n_new_lesions=pl.Series(new),
        n_new_lesions_involved_organ=pl.Series(involved),
        has_new_organ=pl.Series(new > involved),
    )
    recorded = ("n_new_lesions", "n_new_lesions_involved_organ", "has_new_organ")
    return scans.with_columns(pl.when(is_recorded).then(pl.col(recorded)).name.keep())


def _truth_rows(cohort: Cohort, who: pl.DataFrame) -> pl.DataFrame:
    return who.with_columns(
        growth_class=_text(CLASSES, cohort.growth),
        is_mdm2_amplified=pl.Series(cohort.is_mdm2),
        is_mdm4_amplified=pl.Series(cohort.is_mdm4),
        **{f"outcome_{name}": _text(OUTCOMES, places) for name, places in cohort.outcomes.items()},
    )


def _outcome_counts(cohort: Cohort, plan: Plan) -> np.ndarray:
    """Definition x trial x cancer type x outcome: patients, without those of a control arm."""
    shape = (len(REPORTED_AS), plan.trials, len(CANCERS), len(OUTCOMES))
    counts = np.zeros(shape, dtype=np.int64)
    treated = ~cohort.is_control
    for k, name in enumerate(REPORTED_AS):
        places = (
            np.full(treated.sum(), k),
            cohort.trial[treated],
            cohort.cancer[treated],
            cohort.outcomes[name][treated],
        )
        np.add.at(counts, places, 1)
    return counts


def _reports(counts: np.ndarray, names: list[dict]) -> pl.DataFrame:
    """What the trials would publish: a row per definition, trial and cancer type with an evaluable patient."""
    rows = []
    trial_ids = _trial_ids(counts.shape[1])
    for k, code in enumerate(REPORTED_AS.values()):
        for trial, trial_id in enumerate(trial_ids):
            for cancer, (_, n_not, n_hpd) in enumerate(counts[k, trial].tolist()):
                if n_not + n_hpd == 0:
                    continue
                counted = {} if k == 0 else {
                    "pool_exclusion_code": "other_definition", "pool_exclusion_reason": "the same patients under another definition",
                }  # fmt: skip
                rows.append({
                    "report_id": f"{trial_id}:{code}", "cohort_id": trial_id, "cancer_type_reported": names[cancer]["cancer_type"],
                    "agents": TRIALS[trial % len(TRIALS)][0], "hpd_definition": code, "n_evaluable": n_not + n_hpd, "n_hpd": n_hpd,
                    "study_design": "simulated", "in_pool": k == 0, "pool_exclusion_code": None, "pool_exclusion_reason": None,
                } | counted)  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


# --- genomic studies ----------------------------------------------------------------------------------


def _calls(cohort: Cohort, who: pl.DataFrame, genes: list[str], plan: Plan) -> pl.DataFrame:
    """Discrete calls as text, a column per gene, beside who has them; `is_profiled` false: no copy-number data."""
    n = who.height
    rng = np.random.Generator(np.random.PCG64([plan.seed, cohort.first, 1]))
    amplified = {gene: rng.random(n) < GENE_SHARE for gene in genes}
    amplified |= {"MDM2": cohort.is_mdm2, "MDM4": cohort.is_mdm4}
    for gene, partner in LINKED.items():
        if gene in genes and partner in amplified:
            amplified[gene] = np.where(rng.random(n) < 0.8, amplified[partner], amplified[gene])
    calls = [str(call) for call, _ in OTHER_CALLS]
    shares = np.cumsum([share for _, share in OTHER_CALLS])[:-1]
    columns = {}
    for gene in genes:
        place = np.searchsorted(shares, rng.random(n), side="right")
        place[amplified[gene]] = len(calls)
        place[rng.random(n) < 0.01] = len(calls) + 1
        columns[gene] = _text([*calls, "2", "NA"], place)
    cancer, is_profiled = pl.Series(cohort.cancer), pl.Series(rng.random(n) >= 0.02)
    return who.with_columns(cancer=cancer, is_profiled=is_profiled, **columns)


def _write_studies(out: Path, sampled: pl.DataFrame, genes: list[str], names: list[dict]) -> list[tuple[str, str]]:
    """A cBioPortal study per trial (https://docs.cbioportal.org/file-formats/); returns (folder, trial_id)."""
    sampled = sampled.with_columns(sample_id=pl.col("patient_id") + "-T")
    written = []
    for (trial_id,), rows in sorted(
        sampled.group_by("trial_id", maintain_order=True), key=lambda g: (len(g[0][0]), g[0])
    ):
        study = str(trial_id).lower()
        folder = out / study
        (folder / "case_lists").mkdir(parents=True)
        of_study = f"cancer_study_identifier: {study}\n"
        meta = {
            "meta_study": "type_of_cancer: mixed\n" + of_study + f"name: {trial_id}, simulated\n"
            "description: Simulated by hpd simulate; no real patient\n",
            "meta_cna": of_study + "genetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: DISCRETE\nstable_id: cna\n"
            "profile_name: simulated calls\nprofile_description: Simulated\nshow_profile_in_analysis_tab: true\ndata_filename: data_cna.txt\n",
            "meta_clinical_sample": of_study + "genetic_alteration_type: CLINICAL\ndatatype: SAMPLE_ATTRIBUTES\n"
            "data_filename: data_clinical_sample.txt\n",
            "meta_clinical_patient": of_study + "genetic_alteration_type: CLINICAL\ndatatype: PATIENT_ATTRIBUTES\n"
            "data_filename: data_clinical_patient.txt\n",
        }  # fmt: skip
        for name, text in meta.items():
            (folder / f"{name}.txt").write_text(text, newline="\n")
        # at least one, so that the study can be read
        profiled = rows.filter(pl.col("is_profiled") | (pl.int_range(pl.len()) == 0))
        for kind, title, ids in (("all", "All samples", rows), ("cna", "Samples with copy-number data", profiled)):
            category = {"all": "all_cases_in_study", "cna": "all_cases_with_cna_data"}[kind]
            (folder / "case_lists" / f"cases_{kind}.txt").write_text(
                of_study + f"stable_id: {study}_{kind}\ncase_list_name: {title}\ncase_list_description: {title}\n"
                f"case_list_category: {category}\ncase_list_ids: {chr(9).join(ids['sample_id'])}\n", newline="\n")  # fmt: skip
        with (folder / "data_cna.txt").open("w", newline="\n") as file:
            print("Hugo_Symbol", "Entrez_Gene_Id", *profiled["sample_id"], sep="\t", file=file)
            for gene in genes:
                print(gene, vocabulary()[0].get(gene, ""), *profiled[gene], sep="\t", file=file)
        samples = rows.select(
            PATIENT_ID="patient_id",
            SAMPLE_ID="sample_id",
            CANCER_TYPE=_text([name["cancer_type"] for name in names], rows["cancer"].to_numpy()),
            ONCOTREE_CODE=_text([name["oncotree_code"] for name in names], rows["cancer"].to_numpy()),
            SAMPLE_TYPE=pl.lit("Primary"),
        )
        _write_clinical(folder / "data_clinical_sample.txt", samples)
        _write_clinical(folder / "data_clinical_patient.txt", rows.select(PATIENT_ID="patient_id", TRIAL="trial_id"))
        written.append((study, str(trial_id)))
    return written


def _write_clinical(path: Path, rows: pl.DataFrame) -> None:
    """Four # lines, then the attributes in capitals."""
    titles = [name.replace("_", " ").capitalize() for name in rows.columns]
    with path.open("wb") as file:
        for line in (titles, titles, ["STRING"] * len(titles), ["1"] * len(titles)):
            file.write(("#" + "\t".join(line) + "\n").encode())
        rows.write_csv(file, separator="\t")


def _write_config(out: Path, studies: list[tuple[str, str]]) -> None:
    text = MARK.replace("this file is", "these inputs is")
    for table in ("trials", "patients", "tumor_measurements"):
        text += f'\n[[inputs]]\npath = "{table}.csv"\norigin = "simulated"\ntable = "{table}"\n'
    for folder, trial_id in studies:
        text += f'\n[[inputs]]\npath = "{folder}"\norigin = "simulated"\ntrial_id = "{trial_id}"\n'
    (out / "hpd.toml").write_text(text, encoding="utf-8", newline="\n")


# --- vocabularies -------------------------------------------------------------------------------------


def _cancer_names(settings: Settings) -> list[dict]:
    """The rows of the vocabulary cancer_types, in the order of CANCERS."""
    with (settings.dbt_project / "seeds" / "cancer_types.csv").open(encoding="utf-8") as file:
        rows = {row["cancer_type_code"]: row for row in csv.DictReader(file)}
    return [rows[code] for code in CANCERS]


def _genes(settings: Settings) -> list[str]:
    """Every gene of the configured gene sets."""
    with (settings.dbt_project / "seeds" / "gene_sets.csv").open(encoding="utf-8") as file:
        return sorted({gene for row in csv.DictReader(file) for gene in row["genes"].split("|")})
