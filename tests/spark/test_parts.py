"""Who builds what, and what is said where Spark is missing; nothing here needs Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

from ingest.errors import BuildError, HpdError
from ingest.settings import Settings
from warehouse import spark

PARSE = """
import json, sys
from dbt.cli.main import dbtRunner
from warehouse.spark import HEAVY, LIGHT, nodes_of
folder = ["--project-dir", "dbt_project", "--profiles-dir", "dbt_project", "--target-path", sys.argv[1], "--log-path", sys.argv[1]]
manifest = dbtRunner().invoke(["--quiet", "parse", *folder]).result
nodes = {n.name: n.resource_type.value for n in manifest.nodes.values()}
counts = [n.name for n in manifest.nodes.values() if "counts" in n.tags and n.resource_type == "model"]
of_patients = [n.name for n in manifest.nodes.values() if n.schema in ("staging", "cleaned") and n.resource_type == "model"]
print(json.dumps({HEAVY: nodes_of(HEAVY, manifest), LIGHT: nodes_of(LIGHT, manifest), "nodes": nodes, "counts": counts,
                  "rows": of_patients}))
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What dbt's manifest makes of the two parts."""
    folder = tmp_path_factory.mktemp("parse")
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(folder)],
        env={**os.environ, "HPD_HOME": str(folder), "PYTHONPATH": str(PROJECT), "HPD_DBT": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_model_is_built_and_only_counts_are_handed_over(parts: dict) -> None:
    heavy, light = set(parts["heavy"]), set(parts["light"])
    models = {name for name, kind in parts["nodes"].items() if kind == "model"}
    assert models <= heavy | light
    views_of_audit = {"stg_loads", "stg_rejected_rows", "stg_rejected_scans"}
    assert models & heavy & light == set(parts["counts"]) | views_of_audit


def test_no_row_of_a_patient_leaves_spark(parts: dict) -> None:
    known = {"stg_loads", "stg_rejected_rows", "stg_rejected_scans", *parts["counts"]}
    assert set(parts["rows"]) & set(parts["light"]) <= known
    assert not {name for name in parts["counts"] if name.startswith(("stg_", "hpd_ju"))}


def test_every_data_test_is_run_but_those_that_look_at_both(parts: dict) -> None:
    tests = {name for name, kind in parts["nodes"].items() if kind == "test"}
    assert tests - set(parts["heavy"]) - set(parts["light"]) == {
        "computed_incidence_is_that_of_the_patients",
        "every_report_is_shown_or_counted_as_repeated",
    }


def test_a_missing_package_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(HpdError, match=r"needs pyspark, which is not installed; run `pip install -e '.\[spark\]'`"):
        spark.check_installed()


@pytest.mark.parametrize(
    ("says", "found"),
    [('openjdk version "11.0.2" 2019-01-15', "Java 11"), ("command not found", "no Java in"), ("", "no Java in")],
)
def test_an_old_or_missing_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, found: str) -> None:
    monkeypatch.setattr(spark, "find_spec", lambda name: name)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    if says:
        java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(HpdError, match=f"needs Java 17 or newer, and there is {found}"):
        spark.check_installed()


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ("", "ERROR Spark did not start with the master local[*]: java.io.IOException: Invented; see to"),
        ('{"done": 1, "total": 2, "node": "a"}', "ERROR dbt could not build the project: killed by signal 9; its log"),
    ],
)
def test_what_spark_said_is_a_cause_until_something_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, node: str, told: str
) -> None:
    says = f"echo '{node}'" if node else ""
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\nread go\necho 'Caused by: java.io.IOException: Invented' >&2\n{says}\nkill -9 $$\n")  # fmt: skip
    stand_in.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stand_in))
    monkeypatch.delenv("HPD_SPARK_MASTER", raising=False)
    with (tmp_path / "lock").open("w") as lock:
        build = spark.heavy_build(Settings(tmp_path), lock.fileno(), tmp_path)
        try:
            with pytest.raises(BuildError) as error:
                build.run(lambda *state: None)
        finally:
            build.cancel()
    assert str(error.value).startswith(told)
