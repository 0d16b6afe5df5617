"""The README is for a stranger: every command in it runs, and what it shows is what it prints.

`HPD_README=write pytest tests/test_readme.py` puts the present output into the README.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, run_hpd

README = PROJECT / "README.md"
SHELL = re.findall(r"^```sh\n(.*?)\n```$", README.read_text("utf-8"), re.S | re.M)
PYTHON = re.findall(r"^```python\n(.*?)\n```$", README.read_text("utf-8"), re.S | re.M)
# these two are what the continuous integration runs, and running them here would never end
START, TEST = re.findall(r"<!-- run: (?:start|test) -->\n```sh\n(.*?)\n```", README.read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def stranger(published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A folder in which `.venv/bin/hpd` is this installation, and a warehouse of its own."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copytree(published, folder / "home", symlinks=True)
    hpd = folder / ".venv" / "bin" / "hpd"
    hpd.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ingest.cli "$@"\n')
    hpd.chmod(0o755)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / "tests").symlink_to(PROJECT / "tests")
    environment = {**os.environ, "HPD_HOME": str(folder / "home"), "PYTHONPATH": str(PROJECT)}
    return {"cwd": folder, "env": environment, "capture_output": True, "text": True, "check": False}


def test_the_first_commands_are_the_one_that_answers_and_the_one_that_tests() -> None:
    assert SHELL[:2] == [START, TEST]
    assert START.endswith("/hpd refresh")
    assert TEST.endswith("/pytest")


def test_the_commands_run_in_order(stranger: dict) -> None:
    assert len(SHELL) >= 6
    for command in SHELL[2:]:
        if "benchmarks" in command:  # minutes, as written: a small one shows that it runs
            command += " --genes 301 --samples 20 --runs 1"  # noqa: PLW2901
        done = subprocess.run(["bash", "-c", command], **stranger)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_python_runs(stranger: dict) -> None:
    assert PYTHON
    for code in PYTHON:
        done = subprocess.run([sys.executable, "-c", code], **stranger)
        assert done.returncode == 0, done.stderr
        assert "SARCOMA" in done.stdout


def test_the_configuration_is_read(stranger: dict, tmp_path: Path) -> None:
    block = re.findall(r"^```toml\n(.*?)\n```$", README.read_text("utf-8"), re.S | re.M)[
        0
    ]  # the map has a test of its own
    folder: Path = stranger["cwd"]
    (folder / "trials.csv").write_text(
        "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\nA,NSCLC,KAS_DTGR100,9,1\n"
    )
    (folder / "hpd.toml").write_text(block)
    done = subprocess.run([".venv/bin/hpd", "validate"], **stranger)
    assert done.returncode == 0, done.stderr
    assert "5 files" in done.stdout
    assert "0 bad" in done.stdout


def test_the_picture_shown_is_the_one_drawn(published: Path, tmp_path: Path) -> None:
    run_hpd("report", "--figures", "picture", home=published, cwd=tmp_path)
    drawn = (tmp_path / "picture" / "bubble.svg").read_text("utf-8")
    (name,) = re.findall(r"^!\[[^]]+\]\((.+)\)$", README.read_text("utf-8"), re.M)
    picture = PROJECT / name
    if os.environ.get("HPD_README") == "write":
        picture.write_text(drawn, "utf-8")
    # what is written in it and where the symbols stand, to a pixel: fonts may differ by less
    assert _marks(picture.read_text("utf-8")) == _marks(drawn)


def _marks(svg: str) -> list[str]:
    marks = re.findall(r'aria-label="[^"]+"|<text[^>]*>[^<]+', re.sub(r"\.\d+", "", svg))
    assert marks
    return marks


def test_the_answer_shown_is_the_answer_printed(warehouse: Path) -> None:
    done = run_hpd("refresh", "bundled", home=warehouse)  # changes nothing, and prints the answer
    check_shown("start", done.stdout)


def test_the_cookbook_shown_is_the_cookbook_printed(stranger: dict) -> None:
    (command,) = re.findall(r"<!-- run: cookbook -->\n```sh\n(.*?)\n```", README.read_text("utf-8"), re.S)
    done = subprocess.run(["bash", "-c", command], **stranger)
    assert done.returncode == 0, done.stderr
    check_shown("cookbook", done.stdout)


def check_shown(name: str, output: str) -> None:
    """What the README shows under `<!-- output: NAME -->` is the output; HPD_README=write makes it so."""
    printed = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    text = README.read_text("utf-8")
    shown = re.search(rf"(?<=<!-- output: {name} -->\n```\n)(.*?)(?=```)", text, re.S)
    assert shown is not None
    if os.environ.get("HPD_README") == "write":
        README.write_text(text[: shown.start()] + printed + "\n" + text[shown.end() :], "utf-8")
    else:
        assert shown.group().strip("\n") == printed
