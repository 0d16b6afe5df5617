"""Any flat file → blocks of all-text rows with their line numbers. Nothing is inferred and nothing is lost.

Text is cut into records here, with numpy, because no reader tells on which line a row stood, and most fill
up short lines in silence. What a field *is* (quotes, escapes) is left to Polars.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from ingest.errors import InputError, Problem, printable

if TYPE_CHECKING:
    import fastexcel

HEAD_BYTES, BLOCK_BYTES = 64 << 10, 16 << 20
MAX_RECORD_BYTES = 64 << 20  # a longer record is an unclosed quote, not a row
BLANKS = ("", "na", "n/a", "null")
BOMB_BYTES, BOMB_RATIO = 256 << 20, 200  # real tables pack 5- to 50-fold
WORKBOOK_ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!"}
NEWLINE, QUOTE, RETURN = 10, 34, 13
SIMULATED = b"# simulated"  # the first words of what `hpd simulate` writes


@dataclass
class Block:
    """A stretch of rows.

    Attributes:
        rows: one String column per header column, blank cells null, plus `_line` (Int64, 1-based).
        ragged: lines whose number of fields is not the header's: `_line`, `text`, `n_fields`.
        share: how much of the file is read with it, 0 to 1.
    """

    rows: pl.DataFrame
    ragged: pl.DataFrame
    share: float = 1.0


@dataclass
class Table:
    """A flat file, opened: its header is read, its rows are not yet."""

    file: str
    header: list[str]
    header_line: int
    blocks: Iterator[Block]
    notes: list[Problem] = field(default_factory=list)
    is_simulated: bool = False  # a comment above the header says so


def open_table(path: Path, file: str, sheet: str | None = None, blanks: tuple[str, ...] = BLANKS) -> Table:
    """Open a CSV, TSV, XLSX or Parquet file (text may be gzipped), known by its content, not its name.

    Args:
        path: the file.
        file: its name in messages and in `_source_file`.
        sheet: name of the sheet of a workbook; default the first.
        blanks: what a text file writes for "not known", in lower case; such cells are null.

    Raises:
        InputError: it is missing, empty, unreadable, not a table, or its header is unusable.
    """
    try:
        if path.is_dir():
            _refuse(file, "is_a_folder", "is a folder, not a file", fix="name a file in it")
        with path.open("rb") as stream:
            magic = stream.read(8)
    except FileNotFoundError:
        _refuse(file, "not_found", "not found", fix="check the path, or the name in hpd.toml")
    except OSError as error:
        _refuse(file, "unreadable", f"cannot be opened ({error.strerror})", fix="check its permissions")
    if not magic:
        _refuse(file, "empty_file", "is empty", fix="export it again")
    if magic.startswith(b"PK\x03\x04"):
        return _open_workbook(path, file, sheet)
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        _refuse(file, "old_workbook", "is an old (.xls) or password-protected workbook",
                fix="save it as .xlsx without a password, or as CSV UTF-8")  # fmt: skip
    if magic.startswith(b"PAR1"):
        return _open_parquet(path, file)
    return _open_text(path, file, magic.startswith(b"\x1f\x8b"), blanks)


def _refuse(file: str, rule: str, what: str, **more) -> None:
    raise InputError(Problem(file=file, rule=rule, what=what, **more))


def _check_header(header: list[str], file: str, line: int) -> list[str]:
    header, lines = [name.strip() for name in header], [line] if line else []
    unnamed = [str(i + 1) for i, name in enumerate(header) if not name]
    if unnamed:
        _refuse(file, "unnamed_column", f"column {', '.join(unnamed[:5])} of the header has no name", lines=lines,
                fix="name it, or remove the empty column")  # fmt: skip
    folded = [name.lower() for name in header]
    twice = sorted({name for name in header if folded.count(name.lower()) > 1})
    if twice:
        _refuse(file, "duplicate_column", "the header names a column twice", lines=lines, found=twice,
                fix="keep one of them")  # fmt: skip
    return header


def _blank_to_null(rows: pl.DataFrame, blanks: tuple[str, ...] = BLANKS) -> pl.DataFrame:
    """Trim every cell; `blanks` mean null; rows with nothing in them are dropped."""
    cells = pl.col(pl.String).exclude("_line")
    trimmed = rows.with_columns(cells.str.strip_chars())
    blank = cells.str.to_lowercase().is_in(blanks)
    nulled = trimmed.with_columns(pl.when(blank).then(None).otherwise(cells).name.keep())
    return nulled.filter(~pl.all_horizontal(pl.exclude("_line").is_null()))


_NO_RAGGED = pl.DataFrame(schema={"_line": pl.Int64, "text": pl.String, "n_fields": pl.Int64})


# --- text ---------------------------------------------------------------------------------------------


def _open_text(path: Path, file: str, is_gzip: bool, blanks: tuple[str, ...]) -> Table:
    with _unpacked(path, file, is_gzip) as stream:
        head = _read(stream, file, HEAD_BYTES)
        n_read = len(head)
        for bom in (b"\xff\xfe", b"\xfe\xff"):
            if head.startswith(bom):
                _refuse(file, "not_utf8", "is UTF-16 text, not UTF-8", fix="save it as 'CSV UTF-8'")
        head, line = head.removeprefix(b"\xef\xbb\xbf"), 1
        is_simulated = head.startswith(SIMULATED)
        while True:
            while b"\n" not in head and len(head) < MAX_RECORD_BYTES and (more := _read(stream, file, 1 << 20)):
                head += more
                n_read += len(more)
            if b"\x00" in head:
                _refuse(file, "not_text", "is not text (it holds NUL bytes)",
                        fix="give a CSV, TSV, XLSX or Parquet file")  # fmt: skip
            first, newline, rest = head.partition(b"\n")
            if not newline and b"\r" in first.rstrip(b"\r"):
                _refuse(file, "cr_line_ends", "ends its lines with CR alone (old Mac)", fix="save it with LF or CRLF")
            # comments above the header are what `hpd template` writes
            if not (first.startswith((b"#", b'"#')) or not first.strip()):
                break
            if not newline:
                _refuse(file, "empty_file", "holds no header", fix="start from `hpd template`")
            head, line = rest, line + 1
    text = _decode(first, file, line).rstrip("\r")
    if text.count('"') % 2:
        _refuse(file, "unclosed_quote", "the header opens a quote that is never closed", lines=[line],
                fix="close it, or double a quote that belongs to the text")  # fmt: skip
    delimiter = "\t" if "\t" in text else ","
    if delimiter not in text and ";" in text:
        _refuse(file, "not_delimited", "is separated by semicolons", lines=[line],
                fix="save it as CSV with commas, or tab-separated, with decimal points")  # fmt: skip
    try:
        names = next(csv.reader([text], delimiter=delimiter))
    except csv.Error as error:
        _refuse(file, "bad_header", f"has a header that cannot be read ({error})", lines=[line],
                fix="start from `hpd template`")  # fmt: skip
    header = _check_header(names, file, line)

    def blocks() -> Iterator[Block]:
        # opened again, so that a table whose header is refused leaves no file open
        with _unpacked(path, file, is_gzip) as stream:
            _read(stream, file, n_read - len(rest))
            for block in _text_blocks(stream, file, header, delimiter, line + 1, blanks):
                block.share = share_read(stream, path)
                yield block

    return Table(file, header, line, blocks(), is_simulated=is_simulated)


def _unpacked(path: Path, file: str, is_gzip: bool) -> BinaryIO | _Guarded:
    return _Guarded(path, file) if is_gzip else path.open("rb")


def share_read(stream: BinaryIO | _Guarded, path: Path) -> float:
    """How much of a file `stream` has read, 0 to 1; of a packed one, how much of its packed bytes."""
    return min(getattr(stream, "fileobj", stream).tell() / max(path.stat().st_size, 1), 1.0)


def _decode(data: bytes, file: str, first_line: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        before, after = data[max(0, error.start - 12) : error.start], data[error.start : error.start + 12]
        # it may be a patient's name: only the character at fault is shown as it is
        fault, after = after[:1].decode("latin-1"), after[1:]
        around = (before.rpartition(b"\n")[2].decode("latin-1"), after.partition(b"\n")[0].decode("latin-1"))
        shown = fault.join(re.sub(r"[^\W\d_]|[\x80-\xff]", "x", re.sub("[0-9]", "9", text)) for text in around)
        _refuse(file, "not_utf8", "is not valid UTF-8", lines=[line], found=[shown],
                fix="save it as UTF-8 ('CSV UTF-8' in a spreadsheet)")  # fmt: skip
        raise  # unreachable: the refusal above raises


def _read(stream: BinaryIO | _Guarded, file: str, size: int) -> bytes:
    try:
        return stream.read(size)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        _refuse(file, "damaged", "cannot be unpacked to its end", fix="copy or export it again")
    except OSError as error:
        _refuse(file, "unreadable", f"cannot be read to its end ({error.strerror})", fix="copy it again")
    raise AssertionError  # unreachable: the refusals raise


class _Guarded(io.RawIOBase):
    """A gzip stream that stops when a small file keeps unpacking: a zip bomb, not a table."""

    def __init__(self, path: Path, file: str) -> None:
        self._stream, self._file = gzip.open(path, "rb"), file  # noqa: SIM115  closed below
        self._packed, self._unpacked = path.stat().st_size, 0
        self.fileobj = self._stream.fileobj  # the packed bytes

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._unpacked += len(data)
        if self._unpacked > max(BOMB_BYTES, BOMB_RATIO * self._packed):
            _refuse(self._file, "unpacks_too_far", f"unpacks to more than {BOMB_RATIO} times its size",
                    fix="unpack it yourself if it is meant")  # fmt: skip
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


def _text_blocks(
    stream: BinaryIO | _Guarded, file: str, header: list[str], delimiter: str, line: int, blanks: tuple[str, ...]
) -> Iterator[Block]:
    """Cut at record ends; `stream` stands at the start of line `line`."""
    data, at_end = b"", False
    while not at_end:
        more = _read(stream, file, BLOCK_BYTES)
        at_end = not more
        data += more
        if at_end and data and not data.endswith(b"\n"):
            data += b"\n"
        cells = np.frombuffer(data, np.uint8)
        newlines, quotes = np.flatnonzero(cells == NEWLINE), np.flatnonzero(cells == QUOTE)
        # a newline inside quotes (an odd number of them before it) does not end a record
        is_end = np.searchsorted(quotes, newlines) % 2 == 0
        ends = newlines[is_end]
        tail = int(ends[-1]) + 1 if ends.size else 0
        if (at_end and tail < len(data)) or len(data) - tail > MAX_RECORD_BYTES:
            opened = quotes[np.searchsorted(quotes, tail) :]
            if not opened.size:
                _refuse(file, "endless_line", f"a line is longer than {MAX_RECORD_BYTES >> 20} MB", lines=[line],
                        fix="export it with line ends")  # fmt: skip
            # lines after a stray quote hold pairs of them, so the record that never ends begins on its line
            where = line + int(np.searchsorted(newlines, opened[0]))
            _refuse(file, "unclosed_quote", "a quote is opened and never closed", lines=[where],
                    fix='close it, or put the whole cell in quotes and double those inside it ("5"" lesion")')  # fmt: skip
        if ends.size:
            starts = np.concatenate(([0], ends[:-1] + 1))
            lines = line + np.searchsorted(newlines, starts)
            block = cells[:tail]
            if (nul := data.find(b"\x00", 0, tail)) >= 0:
                _refuse(file, "not_text", "holds a NUL byte", lines=[line + int(np.searchsorted(newlines, nul))],
                        fix="export it again")  # fmt: skip
            _decode(data[:tail], file, line)
            yield _parse_block(block, starts, ends, lines, quotes, file, header, delimiter, blanks)
            line += int(np.searchsorted(newlines, tail))
        data = data[tail:]


def _parse_block(block, starts, ends, lines, quotes, file, header, delimiter, blanks) -> Block:
    commas = np.flatnonzero(block == ord(delimiter))
    commas = commas[np.searchsorted(quotes, commas) % 2 == 0]
    n_fields = np.bincount(np.searchsorted(ends, commas), minlength=ends.size)[: ends.size] + 1
    has_return = (ends > starts) & (block[np.maximum(ends - 1, 0)] == RETURN)
    is_blank = ends - starts == has_return
    is_ragged = ~is_blank & (n_fields != len(header))
    if len(header) == 1:
        is_ragged[:] = n_fields > 1
    keep = ~is_blank & ~is_ragged
    ragged = _NO_RAGGED
    if is_ragged.any():
        at = np.flatnonzero(is_ragged)
        texts = [bytes(block[starts[i] : ends[i]]).decode().rstrip("\r") for i in at]
        ragged = pl.DataFrame({"_line": lines[at], "text": texts, "n_fields": n_fields[at]}, _NO_RAGGED.schema)
        ragged = ragged.filter(pl.col("text").str.strip_chars() != "")
    kept = block if keep.all() else block[np.repeat(keep, ends - starts + 1)]
    if not kept.size:
        empty = pl.DataFrame(schema=dict.fromkeys(header, pl.String) | {"_line": pl.Int64})
        return Block(empty, ragged)
    try:
        rows = pl.read_csv(
            io.BytesIO(kept.tobytes()), separator=delimiter, has_header=False, new_columns=header,
            infer_schema=False,
        )  # fmt: skip
        same = rows.height == int(keep.sum()) and rows.width == len(header)
    except pl.exceptions.PolarsError:
        same = False
    if not same:
        quotes = quotes[quotes < block.size]
        stray = _stray_quote(block, quotes[keep[np.searchsorted(ends, quotes)]], delimiter)
        record = int(np.searchsorted(ends, stray))
        where = int(lines[record]) + int(np.count_nonzero(block[starts[record] : stray] == NEWLINE))
        _refuse(file, "misplaced_quote", "a quote stands where none may", lines=[where],
                fix='put the whole cell in quotes and double those inside it ("5"" lesion")')  # fmt: skip
    return Block(_blank_to_null(rows.with_columns(_line=pl.Series(lines[keep], dtype=pl.Int64)), blanks), ragged)


def _stray_quote(block: np.ndarray, quotes: np.ndarray, delimiter: str) -> int:
    """Where the first quote stands that does not open a cell, close one, or double another."""
    opens = np.arange(quotes.size) % 2 == 0
    beside = np.where(opens, block[quotes - 1], block[quotes + 1])  # a block ends with a newline: both exist
    is_stray = ~np.isin(beside, [NEWLINE, RETURN, QUOTE, ord(delimiter)])
    return int(quotes[np.argmax(is_stray)])


# --- workbooks and Parquet ----------------------------------------------------------------------------


def _with_errors(sheet: fastexcel.ExcelSheet) -> pl.DataFrame:
    """The cells of a sheet as text; a cell that holds an error shows it, as the reader would make it blank."""
    batch, errors = sheet.to_arrow_with_errors()
    cells = pl.DataFrame(batch)
    for error in errors.errors if errors else ():
        row, column = error.offset_position
        if found := re.search(r"Error\((\w+)\)", error.detail):
            cells[row, column] = WORKBOOK_ERRORS.get(found[1], "#VALUE!")
    return cells


def _open_workbook(path: Path, file: str, sheet: str | None) -> Table:
    import fastexcel  # only workbooks need it

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size):
            _refuse(file, "unpacks_too_far", f"unpacks to more than {BOMB_RATIO} times its size",
                    fix="save the sheet as CSV")  # fmt: skip
        book = fastexcel.read_excel(path)
        if sheet is not None and sheet not in book.sheet_names:
            _refuse(file, "no_such_sheet", f"has no sheet '{printable(sheet)}'", found=book.sheet_names,
                    fix="name one of these")  # fmt: skip
        name = sheet or book.sheet_names[0]
        cells = _with_errors(book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string"))
    except (zipfile.BadZipFile, fastexcel.FastExcelError):
        _refuse(file, "damaged", "is not a readable workbook", fix="save it again as .xlsx, or as CSV UTF-8")
        raise  # unreachable
    cells = cells.with_columns(_line=pl.int_range(1, cells.height + 1, dtype=pl.Int64))
    filled = cells.filter(~pl.all_horizontal(pl.exclude("_line").is_null()))
    # only above the header: further down, a cell that begins with # belongs to a row
    is_comment = pl.nth(0).fill_null("").str.starts_with("#")
    filled = filled.filter(~is_comment.cum_min()) if filled.height else filled
    if filled.is_empty():
        _refuse(file, "empty_file", f"sheet '{printable(name)}' is empty",
                fix="fill it, or name another with `sheet = …` in hpd.toml")  # fmt: skip
    line = filled["_line"][0]
    top = filled.drop("_line").row(0)
    used = max(i for i, value in enumerate(top) if value is not None) + 1
    header = _check_header([value or "" for value in top[:used]], file, line)
    body = filled.slice(1)
    is_beyond = [pl.nth(i).is_not_null() for i in range(used, len(top))]
    beyond = body.filter(pl.any_horizontal(*is_beyond, pl.lit(False)))
    if beyond.height:
        _refuse(file, "unnamed_column", f"cells stand to the right of the last of its {used} named columns",
                lines=beyond["_line"].to_list(), fix="name the column, or clear the cells")  # fmt: skip
    notes = []
    if sheet is None and len(book.sheet_names) > 1:
        notes.append(Problem(
            file=file, rule="other_sheets", level="NOTE", what=f"only the first sheet, '{printable(name)}', was read",
            found=book.sheet_names[1:], fix="name another with `sheet = …` in hpd.toml"))  # fmt: skip

    def blocks() -> Iterator[Block]:
        rows = body.select(*[pl.nth(i).alias(n) for i, n in enumerate(header)], "_line")
        yield Block(_blank_to_null(rows), _NO_RAGGED)

    return Table(file, header, line, blocks(), notes)


@contextmanager
def _readable_parquet(file: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError):
        _refuse(file, "damaged", "is not a readable Parquet file", fix="write it again")


def _open_parquet(path: Path, file: str) -> Table:
    def batches(parquet: pq.ParquetFile) -> Iterator[pl.DataFrame]:
        with _readable_parquet(file):
            yield from map(pl.DataFrame, parquet.iter_batches(batch_size=200_000))

    with _readable_parquet(file):
        parquet = pq.ParquetFile(path)
        header = _check_header(list(parquet.schema_arrow.names), file, 0)

    def blocks() -> Iterator[Block]:
        row = 1  # Parquet has rows, not lines
        for rows in batches(parquet):
            nested = [n for n, t in rows.schema.items() if t.is_nested() or t == pl.Binary]
            if nested:
                _refuse(file, "nested_column", "holds lists, structures or bytes, not plain cells", found=nested,
                        fix="write one plain value per cell")  # fmt: skip
            text = rows.cast(pl.String).with_columns(_line=pl.int_range(row, row + rows.height, dtype=pl.Int64))
            row += rows.height
            yield Block(_blank_to_null(text), _NO_RAGGED, (row - 1) / parquet.metadata.num_rows)

    return Table(file, header, 0, blocks())
