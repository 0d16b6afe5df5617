"""`hpd` alone says where one stands and what comes next; every command shows how it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PROJECT, run_hpd

from ingest.cli import main
from ingest.settings import Settings
from warehouse.releases import in_service, release_in_service
from warehouse.standing import standing


def commands_in(text: str) -> list[str]:
    """The commands that it tells one to run."""
    return re.findall(r"^  (hpd .+?)  ", text, re.M)


def test_where_nothing_is_the_first_command_is_the_one_that_answers_and_nothing_is_made(tmp_path: Path) -> None:
    said = run_hpd(home=tmp_path / "home").stdout
    assert f"in {tmp_path}/home\nnothing is here yet\n" in said
    assert commands_in(said)[0] == "hpd refresh"
    assert not (tmp_path / "home").exists()


def test_a_release_is_told_with_its_age_inputs_rows_and_files(warehouse: Path) -> None:
    (warehouse / "report.html").touch()
    release = in_service(Settings(warehouse))
    text = standing(Settings(warehouse), release["built_at"] + timedelta(hours=3, minutes=59))
    assert f"in service: release {release_in_service(Settings(warehouse))}, made 3 hours ago\n" in text
    assert "from 4 files: 447 rows loaded, 0 rejected, 0 findings in all\n" in text
    assert f"  database       {warehouse}/hpd.duckdb\n" in text
    assert f"  report         {warehouse}/report.html\n" in text
    assert "documentation" not in text
    assert run_hpd(home=warehouse).stdout.partition("made")[0] == text.partition("made")[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (86_399, "23 hours ago"),
        (86_400 * 400, "400 days ago"),
    ],
)
def test_the_age_is_in_the_largest_unit(seconds: int, words: str, published: Path) -> None:
    built = in_service(Settings(published))["built_at"]
    assert f", made {words}\n" in standing(Settings(published), built + timedelta(seconds=seconds))


def test_a_load_without_a_release_and_a_release_that_cannot_be_read_say_what_to_do(
    warehouse: Path, tmp_path: Path
) -> None:
    (tmp_path / "loaded").mkdir()
    (tmp_path / "loaded" / "build.duckdb").touch()
    assert "something was loaded; nothing is published yet" in standing(Settings(tmp_path / "loaded"))
    file = (warehouse / "hpd.duckdb").resolve()
    file.chmod(0o644)
    file.write_bytes(b"not a database")
    said = run_hpd(home=warehouse).stdout
    assert "the release in service cannot be read" in said
    assert commands_in(said)[0] == "hpd rollback"


def test_it_needs_nothing_that_takes_long_to_import(published: Path) -> None:
    code = (
        "import sys; from ingest.cli import main; main(standalone_mode=False);"
        "print(sorted({'polars', 'pandera', 'dbt', 'scipy', 'pyarrow', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"HPD_HOME": str(published), "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_it_tells_one_to_run_exists(published: Path, tmp_path: Path) -> None:
    said = standing(Settings(published)) + standing(Settings(tmp_path))
    assert len(commands_in(said)) > 5
    for command in commands_in(said):
        assert command.split()[1] in {*main.commands, "--help"}


@pytest.mark.parametrize("name", [None, *main.commands])
def test_every_command_shows_examples_of_itself(name: str | None) -> None:
    done = CliRunner().invoke(main, [*([name] if name else []), "--help"], prog_name="hpd")
    assert done.exit_code == 0
    assert done.output.startswith("Usage: hpd " + (f"{name} " if name else "[OPTIONS] COMMAND [ARGS]..."))
    examples = done.output.partition("Examples:\n")[2]
    shown = re.findall(r"^ +(?:HPD_HOME=\S+ )?hpd (\S+)", examples, re.M)
    assert len(shown) == len(examples.splitlines())
    assert set(shown) <= main.commands.keys()
    assert name is None or name in shown
