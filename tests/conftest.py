"""Warehouses to test on, each made once for all processes that test (pytest-xdist), and copies of them to play with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

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


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> tuple[Path, object]:
    """A folder of the whole run, and what `make` told of it: the first process that asks makes it, the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    told = folder.with_suffix(".json")
    with FileLock(folder.with_suffix(".lock")):
        if not told.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            told.write_text(json.dumps(make(folder)))
    return folder, json.loads(told.read_text())


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HPD_HOME of a warehouse holding the bundled evidence; read by several processes, so not to be changed."""
    folder, _ = made_once(
        tmp_path_factory, "published", lambda folder: run_hpd("refresh", "bundled", home=folder / "home").stdout
    )
    return folder / "home"


@pytest.fixture
def warehouse(published: Path, tmp_path: Path) -> Path:
    """A copy of that warehouse, to be changed at will."""
    return Path(shutil.copytree(published, tmp_path / "home", symlinks=True))


@pytest.fixture(scope="session")
def marts(published: Path):
    """A connection to the published marts."""
    with connect(published / "hpd.duckdb") as connection:
        yield connection


class Grown(NamedTuple):
    """A warehouse into which more was taken after its first release.

    Attributes:
        home: its HPD_HOME; not to be changed.
        folder: its inputs; hpd.toml names them.
        said: what the refresh that took them in said on stderr.
        process: its number.
        told: what a second command, which wanted to write meanwhile, was told.
        read: what a process that read the first release all along saw before that refresh, and after it.
    """

    home: Path
    folder: Path
    said: str
    process: int
    told: str
    read: tuple[str, str]


NSCLC = (
    "select n_hpd, n_evaluable, n_reports_pooled from hpd_incidence"
    " where cancer_type_code = 'NSCLC' and hpd_definition = 'ANY_PUBLISHED' and not is_simulated"
)


@pytest.fixture(scope="session")
def grown(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """The bundled evidence, refreshed with the inputs of tests/data/grown while somebody reads, and another would write."""
    folder, told = made_once(tmp_path_factory, "grown", lambda folder: grow(folder, published))
    return Grown(folder / "home", folder, *told[:-1], tuple(told[-1]))


def grow(folder: Path, published: Path) -> tuple[str, int, str, tuple[str, str]]:
    """Everything of `Grown` that is not its place."""
    shutil.copytree(PROJECT / "tests" / "data" / "grown", folder, dirs_exist_ok=True)
    home = Path(shutil.copytree(published, folder / "home", symlinks=True))
    reader = subprocess.Popen(
        [sys.executable, "-c",
         "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True)\n"
         "for _ in sys.stdin: print(c.sql(sys.argv[2]).fetchall(), flush=True)",
         str(home / "hpd.duckdb"), NSCLC],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def read() -> str:
        reader.stdin.write("\n")
        reader.stdin.flush()
        return reader.stdout.readline().strip()

    try:
        before = read()
        with (folder / "said").open("w+") as said:
            refresh = subprocess.Popen(
                [sys.executable, "-m", "ingest.cli", "refresh"], cwd=folder, stdout=subprocess.DEVNULL, stderr=said,
                env={**os.environ, "HPD_HOME": str(home), "PYTHONPATH": str(PROJECT)},
            )  # fmt: skip
            while not (home / ".lock").read_text().startswith(f"`hpd refresh` (process {refresh.pid}"):
                assert refresh.poll() is None
                time.sleep(0.05)
            second = run_hpd("load", "bundled", home=home, status=1)
            assert refresh.wait(300) == 3, (folder / "said").read_text()  # one of the rows is rejected
        return (folder / "said").read_text(), refresh.pid, second.stderr, (before, read())
    finally:
        reader.communicate(timeout=10)


OWN_TRIAL = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n{id},{cancer},FERRARA_DTGR50,{n},{k}\n"


@pytest.fixture
def own_trial(tmp_path: Path) -> Callable[..., Path]:
    """Writes a one-row trials file."""

    def write(id: str = "OWN", cancer: str = "NSCLC", n: int = 100, k: int = 50, name: str = "own.csv") -> Path:
        path = tmp_path / name
        path.write_text(OWN_TRIAL.format(id=id, cancer=cancer, n=n, k=k))
        return path

    return write
