"""What long work says of itself: a bar on a terminal, plain lines in a log; rows, rate, share and time left."""

from __future__ import annotations

import gzip
import hashlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from conftest import PROJECT

from ingest import cli, pipeline, table
from ingest.cli import Progress
from ingest.settings import load_settings

HEADER = "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\n"


def trials(n: int) -> str:
    return HEADER + "".join(f"R{i},NSCLC,FERRARA_DTGR50,50,6\n" for i in range(n))


def said(path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int = 20_000) -> list[tuple]:
    """What reading a file says, block by block."""
    monkeypatch.setattr(table, "BLOCK_BYTES", block_bytes)
    told: list[tuple] = []
    items, failed, _ = pipeline.discover(pipeline.specs_from([str(path)], None), load_settings())
    assert not failed
    with duckdb.connect() as connection:
        pipeline.run(items, connection, lambda *words: told.append(words))
    return told


def shares(told: list[tuple]) -> list[float]:
    return [words[1] for words in told if words[1] is not None]


def test_loading_says_rows_rate_and_how_much_of_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.csv"
    path.write_text(trials(5000))
    told = said(path, monkeypatch)
    assert told[0] == (str(path), 0.0, 1.0)
    assert re.fullmatch(rf"{re.escape(str(path))}: 5,000 rows, [\d,]+/s", told[-1][0])
    assert shares(told) == sorted(shares(told))
    assert len(set(shares(told))) > 5
    assert shares(told)[-1] == 1.0


def test_the_checksum_of_a_large_file_is_told_on_the_way_and_that_of_a_small_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.csv").write_text(trials(1000))
    (tmp_path / "small.csv").write_text(trials(1).replace("R0", "SMALL"))
    monkeypatch.setattr(pipeline, "HASH_BLOCK_BYTES", 10_000)
    told: list[tuple] = []
    specs = pipeline.specs_from([str(tmp_path / name) for name in ("big.csv", "small.csv")], None)
    items, _, _ = pipeline.discover(specs, load_settings(), lambda *words: told.append(words))
    assert {words[0] for words in told} == {f"{tmp_path / 'big.csv'}: checksum"}
    assert len(told) > 2
    assert shares(told) == sorted(shares(told))
    assert shares(told)[-1] == 1.0
    assert [item.files[0][1] for item in items] == [
        hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("big.csv", "small.csv")
    ]


def test_the_share_of_a_packed_file_is_of_its_packed_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.csv.gz"
    path.write_bytes(gzip.compress(trials(150_000).encode(), 1))
    told = shares(said(path, monkeypatch, 1 << 20))
    assert told == sorted(told)
    assert 0 < told[2] < 1
    assert told[-1] == 1.0


def test_the_share_of_a_parquet_file_is_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.parquet"
    pl.read_csv(trials(250_000).encode()).write_parquet(path)
    told = [share for share in shares(said(path, monkeypatch)) if share]
    assert told == [0.8, 1.0]


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(cli.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_log_has_a_plain_line_every_ten_seconds(clock: Clock, capfd: pytest.CaptureFixture) -> None:
    progress = Progress()
    for second in range(41):
        clock.now = 1000.0 + second
        progress.step(f"big.csv: {second * 1000:,} rows, 1,000/s", second / 100, 1.0)
    assert capfd.readouterr().err.splitlines() == [
        "big.csv: 11,000 rows, 1,000/s, 11%, 89 s left",
        "big.csv: 22,000 rows, 1,000/s, 22%, 78 s left",
        "big.csv: 33,000 rows, 1,000/s, 33%, 67 s left",
    ]


def test_the_time_left_is_of_the_work_at_hand(
    clock: Clock, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "EVERY_SECONDS", -1)
    progress = Progress()
    for second, text, done, total in (
        (0, "one.csv", 0.0, 1.0), (100, "one.csv", 1.0, 1.0),
        (100, "two.csv", 0.0, 1.0), (110, "two.csv", 0.1, 1.0), (7300, "two.csv", 0.2, 1.0),
        (7300, "dbt 1 of 152", 1, 152), (7310, "dbt 11 of 152", 11, 152), (7320, "dbt starts", None, None),
    ):  # fmt: skip
        clock.now = 1000.0 + second
        progress.step(text, done, total)
    assert capfd.readouterr().err.splitlines() == [
        "one.csv, 0%", "one.csv, 100%",
        "two.csv, 0%", "two.csv, 10%, 2 min left", "two.csv, 20%, 8 h left",
        "dbt 1 of 152", "dbt 11 of 152, 2 min left", "dbt starts",
    ]  # fmt: skip


def test_a_long_name_does_not_push_the_time_left_away(
    clock: Clock, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "EVERY_SECONDS", -1)
    progress = Progress()
    progress.step("x" * 500, 0.0, 1.0)
    clock.now += 30
    progress.step("x" * 500, 0.5, 1.0)
    assert capfd.readouterr().err.splitlines()[1].endswith("x…, 50%, 30 s left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5300, "88 min"), (7200, "2 h"), (400_000, "5 days")],
)
def test_a_duration_is_as_exact_as_a_guess_can_be(seconds: float, words: str) -> None:
    assert cli._duration(seconds) == words


def test_a_terminal_has_a_bar_that_goes_away(tmp_path: Path) -> None:
    work = (
        "import time; from ingest.cli import Progress; p = Progress()\n"
        "for i in range(12): p.step(f'big.csv: {i} rows, 9/s', i / 24, 1.0); time.sleep(0.15)\n"
        "p.done('loaded big.csv')"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen([sys.executable, "-c", work], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while block := os.read(ours, 65536):
                written += block
        except OSError:  # Linux says so when the other end has closed
            pass
    os.close(ours)
    assert process.returncode == 0, written
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode())
    assert re.search(r"━+ *big\.csv: \d+ rows, 9/s, \d+%, \d s left 0:00:0\d", text)
    assert text.rstrip().endswith("loaded big.csv")
    last_drawn = written.decode().rindex("rows, 9/s")
    assert "\x1b[2K" in written.decode()[last_drawn:]  # the line is erased


def test_a_pipe_has_no_bar_and_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_text(trials(3000))
    code = (
        "import ingest.cli as cli, ingest.table as table; cli.EVERY_SECONDS, table.BLOCK_BYTES = -1, 20_000; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", "big.csv"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "HPD_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    assert re.search(r"^big\.csv: [\d,]+ rows, [\d,]+/s, \d\d%(, \d+ s left)?$", done.stderr, re.M)
    assert "3,000 rows, " in done.stderr
