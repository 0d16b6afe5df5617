"""Simulated patients: the same seed the same bytes, every row loads, and the warehouse finds what was put in."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from conftest import run_hpd

from ingest import simulate
from ingest.settings import load_settings
from ingest.simulate import ABSENT, CLASSES, Plan, cohorts
from warehouse.connection import connect

N = 200


def simulated(folder: Path, seed: int = 1, *more: object) -> Path:
    run_hpd("simulate", "--patients", N, "--seed", seed, "--out", folder, *more, home=folder.parent / "home")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / name, comment_prefix="#", infer_schema_length=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("simulated") / "sim")


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HPD_HOME of a warehouse that holds the published evidence and the simulated patients."""
    both = Path(shutil.copytree(folder, tmp_path_factory.mktemp("loaded") / "sim"))
    config = both / "hpd.toml"
    config.write_text('[[inputs]]\npath = "bundled"\n' + config.read_text())
    run_hpd("refresh", "--config", config, home=both.parent / "home")
    return both.parent / "home"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    first, again, other = (contents(f) for f in (folder, simulated(tmp_path / "a"), simulated(tmp_path / "b", 2)))
    assert first == again
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert all(name == "hpd.toml" or "/meta_" in name for name in same), same


def test_every_row_of_every_file_is_good(folder):
    done = run_hpd("validate", "--config", folder / "hpd.toml", home=folder.parent / "home")
    assert done.stdout.endswith(" 0 bad\n"), done.stdout
    assert "ERROR" not in done.stderr and "WARNING" not in done.stderr, done.stderr


def test_every_input_is_named_as_simulated(folder):
    config = (folder / "hpd.toml").read_text()
    assert config.count('origin = "simulated"') == config.count("[[inputs]]") == 8
    assert "truth" not in config


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = run_hpd("simulate", "--out", tmp_path, home=tmp_path / "home", status=2)
    assert f"ERROR {tmp_path}: is not empty; nothing was written; name a new folder" in done.stderr
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    done = run_hpd("simulate", "--out", tmp_path / "file" / "sim", home=tmp_path / "home", status=1)
    assert "cannot be written" in done.stderr


def test_the_last_line_says_how_to_load_it(tmp_path):
    done = run_hpd("simulate", "--patients", 10, "--out", tmp_path / "a b", home=tmp_path / "home")
    assert done.stderr.splitlines()[-1].endswith(f"hpd refresh --config '{tmp_path}/a b/hpd.toml'")


def test_ids_are_unique_across_chunks_and_as_many_as_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(simulate, "CHUNK", 64)
    rows = simulate.simulate(Plan(N, 1, samples=70), tmp_path / "sim", load_settings(), lambda *_: None)
    patients = table(tmp_path / "sim", "patients.csv")
    assert patients["patient_id"].to_list() == [f"SIM-{i:06d}" for i in range(1, N + 1)]
    texts = [path.read_text() for path in (tmp_path / "sim").glob("*/data_clinical_patient.txt")]
    assert sum(text.count("\nSIM-") for text in texts) == 70 == rows["samples"]


def test_dates_are_in_an_order_that_can_be():
    for cohort in cohorts(Plan(20_000, 3)):
        last_dose, off, progression, death, known = cohort.events.values()
        is_off, is_dead, is_known = off != ABSENT, death != ABSENT, known != ABSENT
        assert (last_dose >= 0).all() and (last_dose[is_off] <= off[is_off]).all()
        assert (off < death)[is_off & is_dead].all() and (off < known)[is_off].all()
        assert (death == known)[is_dead].all()
        assert (progression <= known)[is_known].all()
        scans_end = np.where(cohort.is_there, cohort.day, -1000).max(1)
        assert (scans_end < known)[is_known].all()
        is_scan = cohort.is_there
        assert (np.diff(cohort.day, axis=1) > 0)[is_scan[:, 1:] & is_scan[:, :-1]].all()


def test_scans_per_patient_are_about_as_asked_for():
    n_scans = sum(cohort.is_there.sum() for cohort in cohorts(Plan(20_000, 1)))
    assert 5.8 < n_scans / 20_000 < 6.2


@pytest.mark.parametrize("odds_ratio", [1, 3, 9])
def test_hyperprogression_follows_amplification_as_asked_for(odds_ratio):
    (cohort,) = cohorts(Plan(50_000, 5, odds_ratio=odds_ratio))
    treated = ~cohort.is_control & (cohort.cancer == 0)  # one cancer type: between types the risk differs
    is_hyper, is_amplified = (
        cohort.growth[treated] == CLASSES.index("hyperprogression"),
        (cohort.is_mdm2 | cohort.is_mdm4)[treated],
    )
    a, b = (is_hyper & is_amplified).sum(), (~is_hyper & is_amplified).sum()
    c, d = (is_hyper & ~is_amplified).sum(), (~is_hyper & ~is_amplified).sum()
    se = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert abs(np.log(a * d / (b * c)) - np.log(odds_ratio)) < 3 * se


def test_nobody_on_chemotherapy_hyperprogresses():
    (cohort,) = cohorts(Plan(20_000, 1))
    assert cohort.is_control.any()
    assert (cohort.growth[cohort.is_control] != CLASSES.index("hyperprogression")).all()


def test_the_reports_are_counted_from_the_truth(folder):
    patients, truth = table(folder, "patients.csv"), table(folder, "truth/truth.csv")
    treated = truth.join(patients, on=["trial_id", "patient_id"]).filter(pl.col("agents") != "docetaxel")
    reports = table(folder, "trials.csv")
    for code, column in (("SEED_JU_2019", "outcome_ju_2019"), ("SAADA_TGKR2", "outcome_saada_bouzid_2017")):
        counted = reports.filter(pl.col("hpd_definition") == code)
        assert counted["n_hpd"].sum() == (treated[column] == "hpd").sum()
        assert counted["n_evaluable"].sum() == (treated[column] != "not_evaluable").sum()
    assert reports.filter("in_pool")["hpd_definition"].unique().to_list() == ["SEED_JU_2019"]


def test_the_warehouse_finds_the_truth_patient_by_patient(home, folder):
    truth = table(folder, "truth/truth.csv").with_row_index("source_line", 3)  # below the mark and the header
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as build:
        for name in ("ju_2019", "saada_bouzid_2017"):
            found = build.execute(
                "select patients._source_line as source_line, hpd.outcome from cleaned.cleaned_patient_hpd as hpd"
                " join raw.patients as patients using (trial_id, patient_id)"
                " where hpd.is_simulated and hpd.hpd_definition = ? order by 1", [name.upper()],
            ).fetchall()  # fmt: skip
            assert found == list(truth.select("source_line", f"outcome_{name}").iter_rows())


def test_simulated_patients_have_their_amplification_status(home):
    with connect(home / "hpd.duckdb") as marts:
        ((n,),) = marts.execute(
            "select sum(n_altered_with_outcome + n_altered_without_outcome + n_unaltered_with_outcome"
            " + n_unaltered_without_outcome) from hpd_by_amplification_status"
            " where basis = 'computed' and is_simulated and hpd_definition = 'JU_2019' and gene_set = 'MDM2|MDM4'"
        ).fetchall()
    assert n > N / 2


def test_simulated_rows_stay_out_of_every_row_that_is_not(home, published):
    with connect(home / "hpd.duckdb") as both, connect(published / "hpd.duckdb") as alone:
        for mart in (
            "hpd_incidence",
            "hpd_reports",
            "amplification_by_cancer",
            "hpd_amplification_by_cancer",
            "hpd_by_amplification_status",
        ):
            real = f"from {mart} where not is_simulated order by all"
            assert both.sql(real).fetchall() == alone.sql(real).fetchall(), mart
        ((n,),) = both.sql("select count(*) from hpd_incidence where is_simulated").fetchall()
        assert n
