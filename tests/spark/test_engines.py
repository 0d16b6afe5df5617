"""The same inputs on DuckDB and on Spark: every row of every mart is equal, twice in a row and with an executor killed.

Spark runs as `local-cluster[2,1,1024]`: a driver and two executors, each a Java machine of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from benchmarks.engines import differences
from conftest import PROJECT, SHARED

from ingest.errors import HpdError
from ingest.settings import Settings
from warehouse.releases import release_in_service
from warehouse.spark import check_installed

try:
    check_installed()
    MISSING = ""
except HpdError as error:
    MISSING = str(error)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

SPARK = """\
spark.ui.enabled false
spark.ui.showConsoleProgress false
spark.sql.shuffle.partitions 2
spark.default.parallelism 2
spark.sql.codegen.wholeStage false
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1
"""
# MDM4 of one tumour was not called, one sample is normal tissue
TCGA = {
    "meta_study.txt": "type_of_cancer: sarc\ncancer_study_identifier: sarc_tcga\nname: Sarcoma\ndescription: Invented\n",
    "meta_cna.txt": "cancer_study_identifier: sarc_tcga\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\n"
    "datatype: DISCRETE\nstable_id: gistic\nprofile_name: calls\ndata_filename: data_cna.txt\n",
    "data_cna.txt": "Hugo_Symbol\tEntrez_Gene_Id\tTCGA-AA-0001-01\tTCGA-AA-0002-01\tTCGA-AA-0003-06\tTCGA-AA-0003-11\n"
    "MDM2\t4193\t2\t-1.5\t1\t2\nMDM4\t4194\t0\t2\tNA\t0\nEGFR\t1956\t0\t0\t2\t0\nGENE9\t900000009\t2\t2\t2\t2\n",
    "data_clinical_sample.txt": "SAMPLE_ID\tPATIENT_ID\tONCOTREE_CODE\nTCGA-AA-0001-01\tTCGA-AA-0001\tSARC\n"
    "TCGA-AA-0002-01\tTCGA-AA-0002\tNO SUCH CODE\nTCGA-AA-0003-06\tTCGA-AA-0003\t\nTCGA-AA-0003-11\tTCGA-AA-0003\tSARC\n",
}  # fmt: skip
SDTM = {
    "dm.csv": "STUDYID,USUBJID,RFSTDTC,RFXSTDTC,ACTARM\nST1,S1,2024-03-10,2024-03-10,Nivolumab\n"
    "ST1,S2,2024-03-10,2024-03-10,Nivolumab\nST1,S3,2024-03-10,2024-03-10,Chemotherapy\n",
    "tr.csv": "STUDYID,USUBJID,TRTESTCD,TRGRPID,TRSTRESU,TREVAL,TRDTC,TRSTRESN,VISITNUM\n"
    + "".join(
        f"ST1,{who},SUMDIAM,TARGET,mm,{reader},{day},{mm},{visit}\n"
        for who, growth in (("S1", (40, 50, 76)), ("S2", (50, 50, 75)), ("S3", (30, 40, 41)))
        for reader in ("INVESTIGATOR", "INDEPENDENT ASSESSOR")
        for visit, (day, mm) in enumerate(zip(("2024-01-20", "2024-03-08", "2024-04-21"), growth, strict=True), 1)
    ),
    "ds.csv": "STUDYID,USUBJID,DSCAT,DSDECOD,DSSTDTC\nST1,S1,DISPOSITION EVENT,ADVERSE EVENT,2024-04-25\n"
    "ST1,S2,DISPOSITION EVENT,ADVERSE EVENT,2024-04\n",
    "rs.csv": "STUDYID,USUBJID,RSTESTCD,RSEVAL,RSDTC,RSSTRESC\nST1,S1,OVRLRESP,INVESTIGATOR,2024-04-21,PD\n",
}
# sums that the last of three decimals of a product decides, a percentage, two readers, a scan that is rejected, odd words:
# blanks that do not break, capitals that languages fold in ways of their own
PATIENTS = """\
trial_id,patient_id,cancer_type_reported,agents,off_treatment_day,death_day,genes,amplification_status
OWN,1,NSCLC,nivolumab,60.875,,MDM4|MDM2,amplified
OWN,2,"it's a ""rare"" one, Ärger\\",pembrolizumab and ipilimumab,44,,MDM2,not_amplified
OWN,3,,water,,50,,
OWN,3,NSCLC,nivolumab,10,,,
OWN,4,LUAD,nivolumab,,,,
OWN,5,NSCLC,nivolumab,44.5,40,,
OWN,6,\u00a0nsclc\u2003,Pembrolizumab\u00a0+\u202fCarboplatin,44.5005,,,
OWN,7,\u039a\u0391\u03a1\u039a\u0399\u039d\u039f\u03a3,nivolumab,44,,,
OWN,8,\u0130yi huylu Gef\u00e4\u00df\ufb01brom,nivolumab,44,,,
"""
# two words for one cancer type, with as many patients
TRIALS = """\
report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd
TIE,NSCLC,FERRARA_DTGR50,40,4
TIE,Non-small cell lung cancer,FERRARA_DTGR50,40,6
OTHER,\u03ba\u03b1\u03c1\u03ba\u03b9\u03bd\u03bf\u03c2,FERRARA_DTGR50,40,4
"""
SCANS = """\
trial_id,patient_id,day,reader,sum_diameters_mm,change_from_baseline_percent,measurement_status,response,n_new_lesions,has_new_organ
OWN,1,-42,INVESTIGATOR,20.00005,,,,,
OWN,1,0,INVESTIGATOR,30.00007,,,,,
OWN,1,42,INVESTIGATOR,45.00011,,,PD,2,true
OWN,1,0,CENTRAL,30,,,,,
OWN,1,42,CENTRAL,,33.333333,,,,
OWN,2,0,INVESTIGATOR,,,too_small_to_measure,,,
OWN,2,42,INVESTIGATOR,9,,,SD,0,
OWN,4,-10,INVESTIGATOR,many,,,,,
OWN,4,-30,INVESTIGATOR,10,,,,,
OWN,4,1,INVESTIGATOR,20,,,,,
OWN,4,40,INVESTIGATOR,30,,,iUPD,1,false
OWN,5,0,INVESTIGATOR,0,,,,,
OWN,5,41,INVESTIGATOR,5,,,NE,,
OWN,6,0,INVESTIGATOR,23.67218,,,,,
OWN,6,41.0005,INVESTIGATOR,35.508275,,,,,
OWN,7,0,INVESTIGATOR,23.67218,,,,,
OWN,7,41,INVESTIGATOR,70.399065,,,,,
OWN,9,0,INVESTIGATOR,50,,,,,
"""


def hpd(*args: object, home: Path, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "ingest.cli", *map(str, args)],
        env={**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT), **environment},
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def said_by(running: subprocess.Popen, *statuses: int) -> str:
    said, _ = running.communicate(timeout=1800)
    assert "Traceback" not in said, said
    assert running.returncode in statuses, f"exit {running.returncode}\n{said}"
    return said


def java_under(pid: int) -> dict[int, str]:
    """The Java machines that a process started → their command lines."""
    found, todo = {}, [pid]
    while todo:
        process = Path("/proc") / str(todo.pop())
        with suppress(OSError):  # it has just ended
            if "java" in (line := (process / "cmdline").read_text()):
                found[int(process.name)] = line
            for thread in list((process / "task").iterdir()):
                with suppress(OSError):  # threads of Java come and go
                    todo += map(int, (thread / "children").read_text().split())
    return found


def wait_for(running: subprocess.Popen, condition) -> None:
    deadline = time.monotonic() + 900
    while running.poll() is None and not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two executors of 1 GB, few partitions, and one key for the pseudonyms of both warehouses."""
    settings = tmp_path_factory.mktemp("spark")
    (settings / "spark-defaults.conf").write_text(SPARK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(settings))
        patch.setenv("HPD_SPARK_MASTER", "local-cluster[2,1,1024]")
        patch.setenv("HPD_PATIENT_KEY", "not a secret " * 4)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hpd.toml of published evidence, TCGA studies, an SDTM folder, own patients and simulated ones."""
    folder = tmp_path_factory.mktemp("inputs")
    for place, files in {
        "sarc_tcga": TCGA,
        "sdtm": SDTM,
        "own": {"patients.csv": PATIENTS, "scans.csv": SCANS, "trials.csv": TRIALS},
    }.items():
        (folder / place).mkdir()
        for name, text in files.items():
            (folder / place / name).write_text(text)
    said_by(hpd("simulate", "--patients", 60, "--out", folder / "sim", home=folder / "home"), 0)
    real = SHARED / "data" / "real" / "tcga" / "kirc_tcga"
    own = {"bundled": "", "sarc_tcga": "", "sdtm": 'trial_id = "ST1"\ncancer_type = "NSCLC"\n', "own": ""}
    if real.is_dir():
        own[str(real)] = ""
    tables = [f'[[inputs]]\npath = "{path}"\n{options}' for path, options in own.items()]
    simulated = (folder / "sim" / "hpd.toml").read_text().replace('path = "', 'path = "sim/')
    (folder / "hpd.toml").write_text("\n".join([*tables, simulated]))
    return folder / "hpd.toml"


def refresh_on_spark(inputs: Path, home: Path) -> subprocess.Popen:
    """Into a landing zone on a path that only looks like columns, and is no ASCII, by the locale of cron."""
    return hpd("refresh", "--engine", "spark", "--landing", landing_of(home), "--config", inputs, home=home, LC_ALL="C")


def landing_of(home: Path) -> Path:
    return home.parent / "source=hospital ä" / "landing"


@pytest.fixture(scope="module")
def homes(inputs: Path) -> tuple[Path, Path]:
    """The two warehouses, refreshed once."""
    duckdb_home, spark_home = inputs.parent / "duckdb", inputs.parent / "spark"
    said_by(hpd("refresh", "--config", inputs, home=duckdb_home), 3)
    said = said_by(refresh_on_spark(inputs, spark_home), 3)
    assert "counted on Spark" in said
    return duckdb_home, spark_home


def marts(home: Path) -> Path:
    return (home / "hpd.duckdb").resolve()


def test_every_row_of_every_mart_is_equal(homes: tuple[Path, Path]) -> None:
    assert differences(*map(marts, homes)) == []


def test_what_spark_counts_has_keys_and_comments_as_ever(homes: tuple[Path, Path]) -> None:
    described = []
    for home in homes:
        with duckdb.connect(str(marts(home)), read_only=True) as db:
            described.append(
                db.sql(
                    "select sql, comment from duckdb_tables() where table_name not like 'release%' order by all"
                ).fetchall()
            )
            described[-1] += db.sql(
                "select table_name, column_name, comment from duckdb_columns() order by all"
            ).fetchall()
    assert described[0] == described[1]


def test_nothing_changed_is_nothing_done(homes: tuple[Path, Path], inputs: Path) -> None:
    said = said_by(refresh_on_spark(inputs, homes[1]), 3)
    assert "nothing changed since release" in said


def test_a_master_that_is_none_is_told_with_the_words_of_spark(inputs: Path, tmp_path: Path) -> None:
    command = ("refresh", "--engine", "spark", inputs.parent / "own" / "trials.csv")
    said = said_by(hpd(*command, home=tmp_path / "home", HPD_SPARK_MASTER="nowhere"), 1)
    last = said.splitlines()[-1]
    assert "with the master nowhere: org.apache.spark.SparkException: Master must" in last
    assert "name one that answers in HPD_SPARK_MASTER; its log is" in last
    assert len(last) < 700


def test_a_master_that_does_not_answer_is_told_while_it_is_waited_for(inputs: Path, tmp_path: Path) -> None:
    command = ("refresh", "--engine", "spark", inputs.parent / "own" / "trials.csv")
    running = hpd(*command, home=tmp_path / "home", HPD_SPARK_MASTER="spark://127.0.0.1:1")
    told = next((line for line in running.stdout if "waits" in line), "")
    assert told == "Spark (spark://127.0.0.1:1) waits: Failed to connect to master 127.0.0.1:1\n"
    running.kill()
    running.communicate(timeout=60)


def test_a_killed_driver_leaves_the_release_in_service(homes: tuple[Path, Path], inputs: Path) -> None:
    before = release_in_service(Settings(homes[1]))
    (inputs.parent / "own" / "patients.csv").write_text(PATIENTS.replace("60.875", "60.874"))
    running = refresh_on_spark(inputs, homes[1])
    built = landing_of(homes[1]) / "built" / "cleaned_patients" / "_SUCCESS"
    started = time.time()
    wait_for(running, lambda: built.exists() and built.stat().st_mtime > started)
    driver = min(java_under(running.pid))
    os.kill(driver, signal.SIGKILL)
    said = said_by(running, 1)
    assert "nothing was published; the release in service stays" in said
    assert release_in_service(Settings(homes[1])) == before


def test_a_killed_executor_is_made_up_for_and_the_next_refresh_is_equal_again(
    homes: tuple[Path, Path], inputs: Path
) -> None:
    """The same input as before the driver was killed: landed already, and not yet counted."""
    before = release_in_service(Settings(homes[1]))
    running = refresh_on_spark(inputs, homes[1])
    built = landing_of(homes[1]) / "built" / "cleaned_patients" / "_SUCCESS"
    started = time.time()
    wait_for(running, lambda: built.exists() and built.stat().st_mtime > started)
    executors = [pid for pid, line in java_under(running.pid).items() if "CoarseGrainedExecutorBackend" in line]
    assert len(executors) == 2
    os.kill(executors[0], signal.SIGKILL)
    said = said_by(running, 3)
    assert "counted on Spark" in said
    assert release_in_service(Settings(homes[1])) != before
    said_by(hpd("refresh", "--config", inputs, home=homes[0]), 3)
    assert differences(*map(marts, homes)) == []
