"""Warehouses to test on: one refreshed once per session, and copies of it to play with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from warehouse.connection import connect

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"

Hpd = Callable[..., subprocess.CompletedProcess]


def run_hpd(
    *args: object,
    home: Path,
    cwd: Path | None = None,
    status: int | None = 0,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess:
    """`hpd ARGS` as a user runs it, in a process of its own; `status` is the exit status it must have."""
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", *map(str, args)],
        env={**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT), **(env or {})},
        input=stdin,
        cwd=cwd or home.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    if status is not None:
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HPD_HOME of a warehouse holding the bundled evidence; not to be changed."""
    home = tmp_path_factory.mktemp("published") / "home"
    run_hpd("refresh", "bundled", home=home)
    return home


@pytest.fixture
def warehouse(published: Path, tmp_path: Path) -> Path:
    """A copy of that warehouse, to be changed at will."""
    return Path(shutil.copytree(published, tmp_path / "home", symlinks=True))


@pytest.fixture(scope="session")
def marts(published: Path):
    """A connection to the published marts."""
    with connect(published / "hpd.duckdb") as connection:
        yield connection


OWN_TRIAL = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n{id},{cancer},FERRARA_DTGR50,{n},{k}\n"


@pytest.fixture
def own_trial(tmp_path: Path) -> Callable[..., Path]:
    """Writes a one-row trials file."""

    def write(id: str = "OWN", cancer: str = "NSCLC", n: int = 100, k: int = 50, name: str = "own.csv") -> Path:
        path = tmp_path / name
        path.write_text(OWN_TRIAL.format(id=id, cancer=cancer, n=n, k=k))
        return path

    return write
