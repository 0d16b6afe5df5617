"""Any flat file becomes the same text, and every row keeps the number of the line it began on."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import table
from ingest.errors import InputError
from ingest.table import open_table

Rows = list[tuple]


def read(path: Path, content: str | bytes, sheet: str | None = None) -> Rows:
    """Every row as (line, cell, …)."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows = pl.concat([block.rows for block in open_table(path, path.name, sheet).blocks])
    return rows.select("_line", pl.exclude("_line")).rows()


def ragged(path: Path, content: str) -> Rows:
    path.write_text(content)
    return pl.concat([block.ragged for block in open_table(path, path.name).blocks]).rows()


def refusal(path: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(path, content)
    return str(caught.value)


def workbook(*sheets: dict[str, object]) -> bytes:
    """Sheets of {cell name: value}."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        for cells in sheets:
            sheet = book.add_worksheet()
            for name, value in cells.items():
                sheet.write(name, value)
    return out.getvalue()


def parquet(**columns: list) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_the_first_row_stands_on_line_2(file: Path) -> None:
    assert read(file, "a,b\n1,2\n") == [(2, "1", "2")]


def test_a_last_line_without_an_end_is_a_row(file: Path) -> None:
    assert read(file, "a,b\n1,2\n3,4") == [(2, "1", "2"), (3, "3", "4")]


def test_a_newline_in_quotes_belongs_to_the_cell_and_still_counts(file: Path) -> None:
    assert read(file, 'a,b\n1,"x\n\ny"\n3,4\n') == [(2, "1", "x\n\ny"), (5, "3", "4")]


def test_blank_lines_are_no_rows_and_still_count(file: Path) -> None:
    assert read(file, "a,b\n\n1,2\n\n\n3,4\n\n") == [(3, "1", "2"), (6, "3", "4")]


def test_a_line_of_spaces_is_blank(file: Path) -> None:
    assert ragged(file, "a,b\n1,2\n   \n3,4\n") == []


def test_a_row_of_blank_cells_is_no_row(file: Path) -> None:
    assert read(file, "a,b\n1,2\n,\nNA,n/a\n3,4\n") == [(2, "1", "2"), (5, "3", "4")]


def test_windows_line_ends_leave_no_trace(file: Path) -> None:
    assert read(file, 'a,b\r\n1,2\r\n\r\n3,"x\r\ny"\r\n5,6\r\n') == [
        (2, "1", "2"),
        (4, "3", "x\r\ny"),
        (6, "5", "6"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_name(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert open_table(file, "file").header == ["a", "b"]


def test_comments_above_the_header_are_skipped_and_count(file: Path) -> None:
    assert read(file, '# made by hand\n\n"# quoted, by a spreadsheet",\na,b\n1,2\n') == [(5, "1", "2")]


def test_what_looks_like_a_comment_below_the_header_is_a_row(file: Path) -> None:
    assert read(file, "a,b\n#1,2\n") == [(2, "#1", "2")]


def test_cells_are_trimmed(file: Path) -> None:
    assert read(file, "a,b\n  x y\t, 2 \n") == [(2, "x y", "2")]


@pytest.mark.parametrize("blank", ["", " ", "NA", "na", "N/A", "NULL", "null", '""', '" "'])
def test_blank_na_and_null_mean_not_known(file: Path, blank: str) -> None:
    assert read(file, f"a,b\n1,{blank}\n") == [(2, "1", None)]


@pytest.mark.parametrize("kept", ["NaN", "none", "-", "0", ".", "NA1", "unk", "FALSE"])
def test_other_words_are_kept(file: Path, kept: str) -> None:
    assert read(file, f"a,b\n1,{kept}\n") == [(2, "1", kept)]


def test_a_doubled_quote_is_one_quote(file: Path) -> None:
    assert read(file, 'a,b\n"5"" lesion","""x"""\n') == [(2, '5" lesion', '"x"')]


def test_short_and_long_lines_are_named_not_filled_up(file: Path) -> None:
    assert ragged(file, 'a,b\n1\n1,2\n1,2,3\n"1,2",3\n') == [(2, "1", 1), (4, "1,2,3", 3)]


def test_a_table_of_one_column_is_read(file: Path) -> None:
    assert read(file, "a\n1\n\n3\n") == [(2, "1"), (4, "3")]


def test_tabs_separate_and_commas_stay(file: Path) -> None:
    assert read(file, "a\tb\n1,2\tx y\n") == [(2, "1,2", "x y")]


EVERYTHING = (
    "\ufeff# comment, long enough to fill a block or two of its own\r\n\r\na,b\r\n001,x\r\n\r\n"
    '"2\r\n\r\n2","y, ""z"""\r\n3\r\n  \r\n=1+1,Ñ😀\r\nNA,\r\n4,5,6\r\nlast,row'
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64, 1000])
def test_blocks_of_any_size_give_the_same_rows(file: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    whole = read(file, EVERYTHING), ragged(file, EVERYTHING)
    assert whole == (
        [(4, "001", "x"), (6, "2\r\n\r\n2", 'y, "z"'), (11, "=1+1", "Ñ😀"), (14, "last", "row")],
        [(9, "3", 1), (13, "4,5,6", 3)],
    )
    monkeypatch.setattr(table, "BLOCK_BYTES", size)
    monkeypatch.setattr(table, "HEAD_BYTES", size + 3)  # never less than a byte order mark
    assert (read(file, EVERYTHING), ragged(file, EVERYTHING)) == whole


@pytest.mark.parametrize("size", [1, 30, 1000])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3,M\xe9lanome\n", "ERROR file: line 3: is not valid UTF-8; found '9,xéxxxxxx'"),
        (b"a,b\n1,2\n\n3,x\0y\n", "ERROR file: line 4: holds a NUL byte"),
        (b'a,b\n1,"x"\n3,"y\n5,"z"\n', "ERROR file: line 3: a quote is opened and never closed"),
        (b'a,b\n1,"x"\n3,5" y\n5,"z"\n7,6" y\n', "ERROR file: line 3: a quote stands where none may"),
        (b'a,b\n1,"x\ny"\n3,"y"z\n', "ERROR file: line 4: a quote stands where none may"),
    ],
)
def test_the_line_at_fault_is_named_at_any_block_size(
    file: Path, monkeypatch: pytest.MonkeyPatch, size: int, content: bytes, message: str
) -> None:
    monkeypatch.setattr(table, "HEAD_BYTES", 8)  # the NUL byte is not met while the header is looked for
    monkeypatch.setattr(table, "BLOCK_BYTES", size)
    assert refusal(file, content).startswith(f"{message}; nothing of it was loaded; ")


def test_a_header_cut_between_cr_and_lf_is_no_old_mac_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "HEAD_BYTES", len("a,b\r"))
    assert read(file, "a,b\r\n1,2\r\n") == [(2, "1", "2")]


def test_a_refused_header_leaves_no_file_open(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(table, "_unpacked", lambda path, *_: opened.append(path.open("rb")) or opened[-1])
    refusal(file, "a,a\n1,2\n")
    assert [stream.closed for stream in opened] == [True]


def test_a_table_read_to_its_end_leaves_no_file_open(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(table, "_unpacked", lambda path, *_: opened.append(path.open("rb")) or opened[-1])
    read(file, "a,b\n1,2\n")
    assert [stream.closed for stream in opened] == [True, True]


def test_a_folder_is_refused_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, not a file"):
        open_table(tmp_path, "folder")


# --- the same rows in every format ---------------------------------------------------------------------

ROWS = [("id", "n", "text"), ("001", "7", "a, b"), ("002", "", '5" x\ny'), ("1e5", "0.10", "Ñ")]


def as_text(delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(ROWS)
    return out.getvalue().encode()


def as_workbook() -> bytes:
    return workbook({f"{'ABC'[i]}{n}": cell for n, row in enumerate(ROWS, 1) for i, cell in enumerate(row)})


FORMATS = {
    "CSV": as_text(","),
    "TSV": as_text("\t"),
    "CSV with a byte order mark": b"\xef\xbb\xbf" + as_text(","),
    "gzipped CSV": gzip.compress(as_text(",")),
    "gzipped TSV": gzip.compress(as_text("\t")),
    "XLSX": as_workbook(),
    "Parquet": parquet(**{name: [row[i] for row in ROWS[1:]] for i, name in enumerate(ROWS[0])}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_cells(file: Path, name: str) -> None:
    cells = [row[1:] for row in read(file, FORMATS[name])]
    assert cells == [("001", "7", "a, b"), ("002", None, '5" x\ny'), ("1e5", "0.10", "Ñ")]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_header(file: Path, name: str) -> None:
    file.write_bytes(FORMATS[name])
    assert open_table(file, "file").header == ["id", "n", "text"]


# --- workbooks -----------------------------------------------------------------------------------------


def test_blank_rows_of_a_sheet_keep_the_line_numbers(file: Path) -> None:
    cells = {"A3": "a", "B3": "b", "A5": "1", "B5": "2", "A9": "3"}
    assert read(file, workbook(cells)) == [(5, "1", "2"), (9, "3", None)]


def test_comments_above_the_header_of_a_sheet_are_skipped(file: Path) -> None:
    assert read(file, workbook({"A1": "# notes", "A2": "a", "B2": "b", "A3": "1"})) == [(3, "1", None)]


def test_a_row_of_a_sheet_that_begins_with_a_hash_is_a_row(file: Path) -> None:
    assert read(file, workbook({"A1": "a", "B1": "b", "A2": "#7", "B2": "2"})) == [(2, "#7", "2")]


def test_numbers_and_booleans_of_a_sheet_are_written_out(file: Path) -> None:
    cells = {"A1": "a", "B1": "b", "C1": "c", "A2": 406, "B2": 0.138, "C2": True}
    assert read(file, workbook(cells)) == [(2, "406", "0.138", "true")]


def test_a_formula_of_a_sheet_gives_its_value_and_a_text_that_looks_like_one_stays(file: Path) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write_row("A1", ["a", "b"])
        sheet.write_formula("A2", "=1+1", value=2)
        sheet.write_string("B2", "=1+1")
    assert read(file, out.getvalue()) == [(2, "2", "=1+1")]


def test_a_named_sheet_is_read(file: Path) -> None:
    assert read(file, workbook({"A1": "a", "A2": "1"}, {"A1": "b", "A2": "2"}), sheet="Sheet2") == [(2, "2")]


def test_other_sheets_are_spoken_of(file: Path) -> None:
    file.write_bytes(workbook({"A1": "a", "A2": "1"}, {"A1": "b"}))
    (note,) = open_table(file, "file").notes
    assert str(note).startswith("NOTE file: only the first sheet, 'Sheet1', was read; found 'Sheet2'; name another")


def test_a_column_of_a_sheet_may_have_any_name(file: Path) -> None:
    file.write_bytes(workbook({"A1": "_line", "B1": "b", "A2": "1"}))
    assert open_table(file, "file").header == ["_line", "b"]


# --- Parquet -------------------------------------------------------------------------------------------


def test_lines_of_parquet_are_its_rows_from_1_through_every_batch(file: Path) -> None:
    lines = [row[0] for row in read(file, parquet(a=["x"] * 200_002))]
    assert lines == list(range(1, 200_003))


def test_typed_columns_of_parquet_are_written_out(file: Path) -> None:
    assert read(file, parquet(a=[7, None], b=[0.5, 1.0], c=[True, False])) == [
        (1, "7", "0.5", "true"),
        (2, None, "1.0", "false"),
    ]


# --- any table at all ----------------------------------------------------------------------------------

# separators of records (1C–1F) are white space to Python and not to Polars
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1c\x1d\x1e\x1f"), max_size=6)
CELL = st.one_of(TEXT, st.text(',"\n\r\t #=aA0é', max_size=6), st.sampled_from(["NA", "null", "001", "", "-"]))
TABLE = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=8))


def reference(text: str, delimiter: str) -> Rows:
    """What Python's csv module reads: (line a record begins on, cell, …), blank ones left out."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
    rows, line = [], 1
    for record in reader:
        cells = [cell.strip() for cell in record]
        cells = [None if cell.lower() in {"", "na", "n/a", "null"} else cell for cell in cells]
        if any(cells):
            rows.append((line, *cells))
        line = reader.line_num + 1
    return rows[1:]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=TABLE,
    size=st.integers(1, 90),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    use_tabs=st.booleans(),
)
def test_any_table_that_python_writes_is_read_back(
    file: Path, *, rows: list[list[str]], size: int, line_end: str, quoting: int, use_tabs: bool
) -> None:
    delimiter = "\t" if use_tabs and len(rows[0]) > 1 else ","
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # Python leaves a lone CR bare, and cannot read it back
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([[f"c{i}" for i in range(len(rows[0]))], *rows])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(table, "BLOCK_BYTES", size)
        monkeypatch.setattr(table, "HEAD_BYTES", size + 3)
        assert read(file, out.getvalue()) == reference(out.getvalue(), delimiter)
