"""A gallery of bad files, one fault each: the exact message, the exit status, and what stays untouched."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter
from click.testing import CliRunner

from ingest import pipeline, table
from ingest.cli import main
from ingest.settings import load_settings
from schemas import TABLES

GOOD = {
    "trials": {
        "report_id": "OWN_1", "cancer_type_reported": "Melanoma", "hpd_definition": "FERRARA_DTGR50",
        "n_evaluable": "50", "n_hpd": "6",
    },
    "patients": {"trial_id": "OWN", "patient_id": "P001", "cancer_type_reported": "Melanoma"},
    "amplification_counts": {
        "source": "OWN", "study_id": "panel_1", "cancer_type_reported": "Melanoma", "genes": "MDM2",
        "n_assayed": "110", "n_amplified": "5", "unit": "patient",
    },
    "hpd_by_amplification": {
        "report_id": "OWN_1", "cancer_type_reported": "Melanoma", "genes": "MDM2", "alteration": "amplification",
        "outcome": "HPD", "n_altered_with_outcome": "4", "n_altered_without_outcome": "2",
        "n_unaltered_with_outcome": "10", "n_unaltered_without_outcome": "120",
    },
}  # fmt: skip
HEADER = ",".join(GOOD["trials"]) + "\n"
ROW = ",".join(GOOD["trials"].values()) + "\n"


def rows_of(name: str, **cells: str) -> list[list[str]]:
    """Header, a good row on line 2, and on line 3 a row of its own key with `cells` in it."""
    key = TABLES[name].key[0]
    good = dict.fromkeys(cells, "") | GOOD[name]
    return [list(good), list(good.values()), list((good | {key: "SECOND"} | cells).values())]


def text_of(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def flat(name: str, **cells: str) -> str:
    return text_of(rows_of(name, **cells))


def workbook(rows: list[list[str]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("trials")
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)
    return out.getvalue()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_torn_sheet(book: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(book))
    members = {name: source.read(name) for name in source.namelist()}
    members["xl/worksheets/sheet1.xml"] = members["xl/worksheets/sheet1.xml"][:-200]
    return zipped(**members)


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out, compression="uncompressed")
    return out.getvalue()


def torn(file: bytes) -> bytes:
    """The footer is whole, the pages are not."""
    return file[:4] + b"\xff" * 600 + file[604:]


def frame_of(rows: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame(rows[1:], schema=rows[0], orient="row")


def folder_without_tables(path: Path) -> None:
    path.mkdir()
    (path / "notes.docx").write_text("no table")


def folder_with_a_way_out(path: Path) -> None:
    path.mkdir()
    (path.parent / "secret.csv").write_text(HEADER + ROW)
    (path / "link.csv").symlink_to("../secret.csv")


@dataclass(frozen=True)
class Bad:
    """A bad file.

    Attributes:
        content: text, bytes, what makes it, or None for no file at all.
        says: every message it gets.
        rejected: (line, column, value, rule) of every finding; empty when the file is refused as a whole.
        config: an hpd.toml that names it.
    """

    file: str
    content: str | bytes | Callable[[Path], None] | None
    says: list[str]
    rejected: list[tuple[int, str, str | None, str]] = field(default_factory=list)
    config: str = ""

    def put(self, folder: Path) -> None:
        path = folder / self.file
        if callable(self.content):
            self.content(path)
        elif self.content is not None:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)
        if self.config:
            (folder / "hpd.toml").write_text(self.config)

    @property
    def inputs(self) -> list[str]:
        return [] if self.config else [self.file]


REFUSED = {
    "not found": Bad("gone.csv", None, ['ERROR gone.csv: not found; nothing of it was loaded; check the path and its permissions']),
    "a folder without tables": Bad("folder", folder_without_tables, ['ERROR folder: holds no table; allowed: CSV, TSV, XLSX or Parquet files; nothing of it was loaded']),
    "a link that leaves the folder": Bad("folder", folder_with_a_way_out, ['ERROR folder/link.csv: is a link that leaves the folder of the input; nothing of it was loaded; copy the file into the folder, or name it as an input']),
    "empty": Bad("bad.csv", "", ['ERROR bad.csv: is empty; nothing of it was loaded; export it again']),
    "a byte order mark and nothing else": Bad("bad.csv", b"\xef\xbb\xbf", ['ERROR bad.csv: holds no header; nothing of it was loaded; start from `hpd template`']),
    "comments and no header": Bad("bad.csv", "# trials\n\n# and no more\n", ['ERROR bad.csv: holds no header; nothing of it was loaded; start from `hpd template`']),
    "a header and no rows": Bad("bad.csv", HEADER, ['ERROR bad.csv: has a header and no rows; nothing of it was loaded; add rows, or leave it out']),
    "a header and blank rows": Bad("bad.csv", HEADER + "\n,,,,\n   \n", ['ERROR bad.csv: has a header and no rows; nothing of it was loaded; add rows, or leave it out']),
    "a picture": Bad("bad.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", ['ERROR bad.csv: is not text (it holds NUL bytes); nothing of it was loaded; give a CSV, TSV, XLSX or Parquet file']),
    "Latin-1": Bad("bad.csv", (HEADER + ROW + ROW.replace("Melanoma", "Mélanome")).encode("latin-1"), ["ERROR bad.csv: line 3: is not valid UTF-8; found 'xxx_9,xéxxxxxx,xxxx'; nothing of it was loaded; save it as UTF-8 ('CSV UTF-8' in a spreadsheet)"]),
    "Latin-1 in the header": Bad("bad.csv", ("Kohorte_für," + HEADER + ROW).encode("latin-1"), ["ERROR bad.csv: line 1: is not valid UTF-8; found 'xxxxxxx_xüx,xxxxxx_xx'; nothing of it was loaded; save it as UTF-8 ('CSV UTF-8' in a spreadsheet)"]),
    "UTF-16": Bad("bad.csv", (HEADER + ROW).encode("utf-16"), ["ERROR bad.csv: is UTF-16 text, not UTF-8; nothing of it was loaded; save it as 'CSV UTF-8'"]),
    "lines that end with CR alone": Bad("bad.csv", (HEADER + ROW).replace("\n", "\r"), ['ERROR bad.csv: ends its lines with CR alone (old Mac); nothing of it was loaded; save it with LF or CRLF']),
    "semicolons": Bad("bad.csv", (HEADER + ROW).replace(",", ";"), ['ERROR bad.csv: line 1: is separated by semicolons; nothing of it was loaded; save it as CSV with commas, or tab-separated, with decimal points']),
    "a column twice": Bad("bad.csv", "report_id," + HEADER + "x," + ROW, ["ERROR bad.csv: line 1: the header names a column twice; found 'report_id'; nothing of it was loaded; keep one of them"]),
    "a column twice, in two spellings": Bad("bad.csv", "Report_ID," + HEADER + "x," + ROW, ["ERROR bad.csv: line 1: the header names a column twice; found 'Report_ID', 'report_id'; nothing of it was loaded; keep one of them"]),
    "two names of one column": Bad("bad.csv", "cancer_type," + HEADER + "x," + ROW, ["ERROR bad.csv: line 1: two columns both mean cancer_type_reported; found 'cancer_type', 'cancer_type_reported'; nothing of it was loaded; keep one"]),
    "no key column": Bad("bad.csv", "cancer_type,hpd_definition,n_evaluable,n_hpd\nMelanoma,X,50,6\n", ['ERROR bad.csv: line 1: report_id: the table trials needs this column; nothing of it was loaded; add it (`hpd template trials` prints them all)']),
    "several columns missing": Bad("bad.csv", "report_id,cancer_type,hpd_definition\nOWN,Melanoma,X\n", ['ERROR bad.csv: line 1: n_evaluable, n_hpd: the table trials needs these columns; nothing of it was loaded; add them (`hpd template trials` prints them all)']),
    "a misspelt column": Bad("bad.csv", HEADER.replace("n_evaluable", "n_evaluabel") + ROW, ["ERROR bad.csv: line 1: the table trials has no such column; found 'n_evaluabel'; nothing of it was loaded; 'n_evaluable' may be meant; rename or remove it (`hpd template trials`)"]),
    "a column as a person would write it": Bad("bad.csv", HEADER.replace("report_id", "Report ID") + ROW, ["ERROR bad.csv: line 1: the table trials has no such column; found 'Report ID'; nothing of it was loaded; 'report_id' may be meant; rename or remove it (`hpd template trials`)"]),
    "a column nobody knows": Bad("bad.csv", "favourite_colour," + HEADER + "blue," + ROW, ["ERROR bad.csv: line 1: the table trials has no such column; found 'favourite_colour'; nothing of it was loaded; rename or remove it (`hpd template trials`)"]),
    "a column without a name": Bad("bad.csv", HEADER.replace("n_evaluable", "") + ROW, ['ERROR bad.csv: line 1: column 4 of the header has no name; nothing of it was loaded; name it, or remove the empty column']),
    "a trailing comma in the header": Bad("bad.csv", HEADER.replace("\n", ",\n") + ROW.replace("\n", ",\n"), ['ERROR bad.csv: line 1: column 6 of the header has no name; nothing of it was loaded; name it, or remove the empty column']),
    "a table of something else": Bad("bad.csv", "date,glucose,insulin,comment\n2026-01-01,5.1,3,fine\n", ["ERROR bad.csv: line 1: the header fits no table; found 'date', 'glucose', 'insulin' (1 more); allowed: trials, patients, tumor_measurements, amplification_counts, hpd_by_amplification; nothing of it was loaded; `hpd template trials` prints a header to start from"]),
    "the wrong table in hpd.toml": Bad("bad.csv", "trial_id,patient_id,cancer_type_reported,ttf_days\nA,P1,NSCLC,4\n", ["ERROR bad.csv: line 1: the table trials has no such column; found 'trial_id', 'patient_id', 'ttf_days'; nothing of it was loaded; rename or remove it (`hpd template trials`)"], config='[[inputs]]\npath = "bad.csv"\ntable = "trials"\n'),
    "a quote that is never closed": Bad("bad.csv", HEADER + ROW + 'B,"Melanoma,X,50,6\nC,"NSCLC, any",X,50,6\n', ['ERROR bad.csv: line 3: a quote is opened and never closed; nothing of it was loaded; close it, or put the whole cell in quotes and double those inside it ("5"" lesion")']),
    "a quote in the header that is never closed": Bad("bad.csv", '"' + HEADER + ROW, ['ERROR bad.csv: line 1: the header opens a quote that is never closed; nothing of it was loaded; close it, or double a quote that belongs to the text']),
    "quotes inside cells": Bad("bad.csv", HEADER + '"A",5" lesion,X,50,6\nB,6" lesion,X,50,6\n', ['ERROR bad.csv: line 2: a quote stands where none may; nothing of it was loaded; put the whole cell in quotes and double those inside it ("5"" lesion")']),
    "a line without an end": Bad("bad.csv", HEADER + ROW + "x" * (3 << 20), ['ERROR bad.csv: line 2: a line is longer than 2 MB; nothing of it was loaded; export it with line ends']),
    "a gzip cut short": Bad("bad.csv.gz", gzip.compress((HEADER + ROW * 99).encode(), mtime=0)[:-30], ['ERROR bad.csv.gz: cannot be unpacked to its end; nothing of it was loaded; copy or export it again']),
    "a gzip with wrong bytes": Bad("bad.csv.gz", b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 99, ['ERROR bad.csv.gz: cannot be unpacked to its end; nothing of it was loaded; copy or export it again']),
    "a gzip of nothing": Bad("bad.csv.gz", gzip.compress(b""), ['ERROR bad.csv.gz: holds no header; nothing of it was loaded; start from `hpd template`']),
    "a gzip bomb": Bad("bad.csv.gz", gzip.compress((HEADER + ROW).encode() + b"\n" * (2 << 20)), ['ERROR bad.csv.gz: unpacks to more than 200 times its size; nothing of it was loaded; unpack it yourself if it is meant']),
    "a workbook bomb": Bad("bad.xlsx", zipped(sheet=b" " * (2 << 20)), ['ERROR bad.xlsx: unpacks to more than 200 times its size; nothing of it was loaded; save the sheet as CSV']),
    "a workbook cut short": Bad("bad.xlsx", workbook(rows_of("trials"))[:900], ['ERROR bad.xlsx: is not a readable workbook; nothing of it was loaded; save it again as .xlsx, or as CSV UTF-8']),
    "a workbook with a torn sheet": Bad("bad.xlsx", with_torn_sheet(workbook(rows_of("trials"))), ['ERROR bad.xlsx: is not a readable workbook; nothing of it was loaded; save it again as .xlsx, or as CSV UTF-8']),
    "a zip archive of something else": Bad("bad.xlsx", zipped(notes=b"no workbook"), ['ERROR bad.xlsx: is not a readable workbook; nothing of it was loaded; save it again as .xlsx, or as CSV UTF-8']),
    "an old workbook": Bad("bad.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, ['ERROR bad.xls: is an old (.xls) or password-protected workbook; nothing of it was loaded; save it as .xlsx without a password, or as CSV UTF-8']),
    "a sheet that does not exist": Bad("bad.xlsx", workbook(rows_of("trials")), ["ERROR bad.xlsx[Tabelle1]: has no sheet 'Tabelle1'; found 'trials'; nothing of it was loaded; name one of these"], config='[[inputs]]\npath = "bad.xlsx"\nsheet = "Tabelle1"\n'),
    "an empty sheet": Bad("bad.xlsx", workbook([]), ["ERROR bad.xlsx: sheet 'trials' is empty; nothing of it was loaded; fill it, or name another with `sheet = …` in hpd.toml"]),
    "cells to the right of the header": Bad("bad.xlsx", workbook([*rows_of("trials"), [*GOOD["trials"].values(), "see mail"]]), ['ERROR bad.xlsx: line 4: cells stand to the right of the last of its 5 named columns; nothing of it was loaded; name the column, or clear the cells']),
    "a Parquet file cut short": Bad("bad.parquet", parquet(frame_of(rows_of("trials")))[:-9], ['ERROR bad.parquet: is not a readable Parquet file; nothing of it was loaded; write it again']),
    "a Parquet file with a torn page": Bad("bad.parquet", torn(parquet(frame_of(rows_of("trials")))), ['ERROR bad.parquet: is not a readable Parquet file; nothing of it was loaded; write it again']),
    "a Parquet file with a nested column": Bad("bad.parquet", parquet(frame_of(rows_of("trials")).with_columns(n_hpd=pl.lit([6]))), ["ERROR bad.parquet: holds lists, structures or bytes, not plain cells; found 'n_hpd'; nothing of it was loaded; write one plain value per cell"]),
    "a Parquet file of something else": Bad("bad.parquet", parquet(pl.DataFrame({"date": [1], "glucose": [5.1]})), ["ERROR bad.parquet: the header fits no table; found 'date', 'glucose'; allowed: trials, patients, tumor_measurements, amplification_counts, hpd_by_amplification; nothing of it was loaded; `hpd template trials` prints a header to start from"]),
}  # fmt: skip

REJECTED = {
    "a line with too few fields": Bad("bad.csv", HEADER + ROW + "B,Melanoma,X\n", ["ERROR bad.csv: line 3: the line has not as many fields as the header; found '3 fields'; allowed: 5 fields; 1 row rejected; put cells that hold the separator in quotes"], [(3, '', '3 fields', 'ragged_line')]),
    "a line with too many fields": Bad("bad.csv", HEADER + ROW + "B,Melanoma, uveal,X,50,6\n", ["ERROR bad.csv: line 3: the line has not as many fields as the header; found '6 fields'; allowed: 5 fields; 1 row rejected; put cells that hold the separator in quotes"], [(3, '', '6 fields', 'ragged_line')]),
    "a key twice": Bad("bad.csv", HEADER + ROW + ROW.replace("6", "7"), ["ERROR bad.csv: lines 2, 3: report_id + cancer_type_reported: the same key stands on several lines; found 'OWN_1 / Melanoma'; 2 rows rejected; keep one of them"], [(2, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (3, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key')]),
    "a key twice, far apart": Bad("bad.csv", HEADER + ROW + "".join(f"R{i}," + ROW.partition(",")[2] for i in range(300)) + ROW, ["ERROR bad.csv: lines 2, 303: report_id + cancer_type_reported: the same key stands on several lines; found 'OWN_1 / Melanoma'; 2 rows rejected; keep one of them"], [(2, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (303, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key')]),
    "a key five times": Bad("bad.csv", HEADER + ROW * 5, ["ERROR bad.csv: lines 2, 3, 4 (2 more): report_id + cancer_type_reported: the same key stands on several lines; found 'OWN_1 / Melanoma'; 5 rows rejected; keep one of them"], [(2, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (3, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (4, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (5, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key'), (6, 'report_id + cancer_type_reported', 'OWN_1 / Melanoma', 'duplicate_key')]),
    "more HPD than patients": Bad("bad.csv", flat("trials", n_hpd="51"), ["ERROR bad.csv: line 3: n_hpd: is larger than n_evaluable; found '51'; 1 row rejected; correct the counts"], [(3, 'n_hpd', '51', 'n_hpd_above_n_evaluable')]),
    "a numerator without its denominator": Bad("bad.csv", flat("trials", n_evaluable="", in_pool="false", pool_exclusion_code="total_only", pool_exclusion_reason="no total"), ['ERROR bad.csv: line 3: n_evaluable: is blank although n_hpd is given: a numerator without its denominator; 1 row rejected; give the evaluable patients, or leave n_hpd blank and give hpd_incidence_reported'], [(3, 'n_evaluable', None, 'n_hpd_without_n_evaluable')]),
    "nobody evaluable": Bad("bad.csv", flat("trials", n_evaluable="0", n_hpd="0"), ['ERROR bad.csv: line 3: in_pool: is true or blank, and a report without n_evaluable and n_hpd, or with n_evaluable 0, cannot be pooled; 1 row rejected; give both counts, or set in_pool to false with a pool_exclusion_reason'], [(3, 'in_pool', None, 'in_pool_without_counts')]),
    "a negative count": Bad("bad.csv", flat("trials", n_hpd="-6"), ["ERROR bad.csv: line 3: n_hpd: is below the minimum; found '-6'; allowed: 0 or more; 1 row rejected; correct the cell, or leave it blank"], [(3, 'n_hpd', '-6', 'below_minimum')]),
    "NaN": Bad("bad.csv", flat("trials", hpd_incidence_reported="NaN"), ["ERROR bad.csv: line 3: hpd_incidence_reported: is not a finite number; found 'NaN'; allowed: a finite number, or blank; 1 row rejected; leave an unknown value blank"], [(3, 'hpd_incidence_reported', 'NaN', 'not_finite')]),
    "NaN in a count": Bad("bad.csv", flat("trials", n_hpd="nan"), ["ERROR bad.csv: line 3: n_hpd: is not a finite number; found 'nan'; allowed: a finite number, or blank; 1 row rejected; leave an unknown value blank"], [(3, 'n_hpd', 'nan', 'not_finite')]),
    "infinity": Bad("bad.csv", flat("trials", hpd_incidence_reported="-inf"), ["ERROR bad.csv: line 3: hpd_incidence_reported: is not a finite number; found '-inf'; allowed: a finite number, or blank; 1 row rejected; leave an unknown value blank"], [(3, 'hpd_incidence_reported', '-inf', 'not_finite')]),
    "a number beyond every number": Bad("bad.csv", flat("trials", hpd_incidence_reported="1e999"), ["ERROR bad.csv: line 3: hpd_incidence_reported: is too large to be stored as a number; found '1e999'; 1 row rejected; correct it, or leave it blank"], [(3, 'hpd_incidence_reported', '1e999', 'number_too_large')]),
    "a count beyond every count": Bad("bad.csv", flat("trials", n_evaluable="99999999999999999999"), ["ERROR bad.csv: line 3: n_evaluable: is too large to be stored as a number; found '99999999999999999999'; 1 row rejected; correct it, or leave it blank"], [(3, 'n_evaluable', '99999999999999999999', 'number_too_large')]),
    "a decimal comma": Bad("bad.csv", flat("trials", hpd_incidence_reported="0,138"), ["ERROR bad.csv: line 3: hpd_incidence_reported: has a comma in a number; found '0,138'; allowed: digits and a decimal point; 1 row rejected; write 13,8 as 13.8 and 1,318 as 1318"], [(3, 'hpd_incidence_reported', '0,138', 'comma_in_number')]),
    "a decimal comma in a tab-separated file": Bad("bad.tsv", text_of(rows_of("trials", hpd_incidence_reported="0,138"), "\t"), ["ERROR bad.tsv: line 3: hpd_incidence_reported: has a comma in a number; found '0,138'; allowed: digits and a decimal point; 1 row rejected; write 13,8 as 13.8 and 1,318 as 1318"], [(3, 'hpd_incidence_reported', '0,138', 'comma_in_number')]),
    "a thousands comma": Bad("bad.csv", flat("trials", n_evaluable="1,318"), ["ERROR bad.csv: line 3: n_evaluable: has a comma in a number; found '1,318'; allowed: digits; 1 row rejected; write 1,318 as 1318"], [(3, 'n_evaluable', '1,318', 'comma_in_number')]),
    "a percent sign": Bad("bad.csv", flat("trials", hpd_incidence_reported="13.8 %"), ["ERROR bad.csv: line 3: hpd_incidence_reported: is written as a percentage; found '13.8 %'; allowed: a fraction; 1 row rejected; write 12 % as 0.12"], [(3, 'hpd_incidence_reported', '13.8 %', 'percent_sign')]),
    "a percent sign in a count": Bad("bad.csv", flat("trials", n_hpd="12%"), ["ERROR bad.csv: line 3: n_hpd: is written as a percentage; found '12%'; allowed: a whole number; 1 row rejected; give the count"], [(3, 'n_hpd', '12%', 'percent_sign')]),
    "a percentage where a fraction belongs": Bad("bad.csv", flat("trials", hpd_incidence_reported="13.8"), ["ERROR bad.csv: line 3: hpd_incidence_reported: is out of range; found '13.8'; allowed: 0 to 1; 1 row rejected; write a fraction: 12 % is 0.12"], [(3, 'hpd_incidence_reported', '13.8', 'out_of_range')]),
    "patients in the cell": Bad("bad.csv", flat("trials", n_evaluable="50 pts"), ["ERROR bad.csv: line 3: n_evaluable: carries a unit; found '50 pts'; allowed: the bare number; 1 row rejected; move the unit out of the cell"], [(3, 'n_evaluable', '50 pts', 'unit_in_cell')]),
    "days in the cell": Bad("bad.csv", flat("patients", ttf_days="44 days"), ["ERROR bad.csv: line 3: ttf_days: carries a unit; found '44 days'; allowed: the bare number; 1 row rejected; give it in days, and the number alone"], [(3, 'ttf_days', '44 days', 'unit_in_cell')]),
    "millimetres in the cell": Bad("bad.csv", flat("patients", burden_change_low="12mm"), ["ERROR bad.csv: line 3: burden_change_low: carries a unit; found '12mm'; allowed: the bare number; 1 row rejected; write a fraction: 12 % is 0.12"], [(3, 'burden_change_low', '12mm', 'unit_in_cell')]),
    "centimetres in the cell": Bad("bad.csv", flat("patients", burden_change_high="1.2cm"), ["ERROR bad.csv: line 3: burden_change_high: carries a unit; found '1.2cm'; allowed: the bare number; 1 row rejected; write a fraction: 12 % is 0.12"], [(3, 'burden_change_high', '1.2cm', 'unit_in_cell')]),
    "a word in a number": Bad("bad.csv", flat("patients", progression_pace_fold="twofold"), ["ERROR bad.csv: line 3: progression_pace_fold: is not a number; found 'xxxxxxx'; allowed: a number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, 'progression_pace_fold', 'xxxxxxx', 'not_number')]),
    "a fractional count": Bad("bad.csv", flat("trials", n_hpd="6.5"), ["ERROR bad.csv: line 3: n_hpd: is not a whole number; found '6.5'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, 'n_hpd', '6.5', 'not_whole_number')]),
    "a count in scientific notation": Bad("bad.csv", flat("amplification_counts", n_assayed="1e+05"), ["ERROR bad.csv: line 3: n_assayed: is not a whole number; found '1e+05'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, 'n_assayed', '1e+05', 'not_whole_number')]),
    "neither true nor false": Bad("bad.csv", flat("trials", in_pool="maybe"), ["ERROR bad.csv: line 3: in_pool: is neither true nor false; found 'maybe'; allowed: true, false, yes, no, 1, 0, or blank; 1 row rejected; write one of these"], [(3, 'in_pool', 'maybe', 'not_true_or_false')]),
    "a blank key": Bad("bad.csv", flat("trials", cancer_type_reported=""), ['ERROR bad.csv: line 3: cancer_type_reported: is blank; 1 row rejected; fill it in'], [(3, 'cancer_type_reported', None, 'missing_value')]),
    "NA as a key": Bad("bad.csv", flat("patients", patient_id="N/A"), ['ERROR bad.csv: line 3: patient_id: is blank; 1 row rejected; fill it in'], [(3, 'patient_id', None, 'missing_value')]),
    "a year in the future": Bad("bad.csv", flat("trials", publication_year="2999"), ["ERROR bad.csv: line 3: publication_year: lies in the future; found '2999'; 1 row rejected; correct the year"], [(3, 'publication_year', '2999', 'publication_year_in_future')]),
    "a year before immunotherapy": Bad("bad.csv", flat("trials", publication_year="19"), ["ERROR bad.csv: line 3: publication_year: is below the minimum; found '19'; allowed: 1990 or more; 1 row rejected; correct the cell, or leave it blank"], [(3, 'publication_year', '19', 'below_minimum')]),
    "a DOI as an address": Bad("bad.csv", flat("trials", doi="https://doi.org/10.1001/jamaoncol.2018.3676"), ["ERROR bad.csv: line 3: doi: has the wrong form; found 'https://doi.org/10.1001/jamaoncol.2018.3676'; allowed: 10.…/…, without https://doi.org/; 1 row rejected; correct the cell, or leave it blank"], [(3, 'doi', 'https://doi.org/10.1001/jamaoncol.2018.3676', 'wrong_form')]),
    "a PMID with its name": Bad("bad.csv", flat("trials", pmid="PMID: 28419181"), ["ERROR bad.csv: line 3: pmid: has the wrong form; found 'PMID: 28419181'; allowed: digits; 1 row rejected; correct the cell, or leave it blank"], [(3, 'pmid', 'PMID: 28419181', 'wrong_form')]),
    "a source_kind nobody knows": Bad("bad.csv", flat("trials", source_kind="tertiary"), ["ERROR bad.csv: line 3: source_kind: is not an allowed value; found 'tertiary'; allowed: primary, secondary; 1 row rejected; correct the cell, or leave it blank"], [(3, 'source_kind', 'tertiary', 'not_allowed')]),
    "an exclusion without a reason": Bad("bad.csv", flat("trials", in_pool="false"), ['ERROR bad.csv: line 3: pool_exclusion_reason: is blank although in_pool is false; 1 row rejected; say why the report is left out, and its pool_exclusion_code'], [(3, 'pool_exclusion_reason', None, 'pool_exclusion_without_reason')]),
    "an exclusion code nobody knows": Bad("bad.csv", flat("trials", in_pool="no", pool_exclusion_code="dislike", pool_exclusion_reason="x"), ["ERROR bad.csv: line 3: pool_exclusion_code: is not an allowed value; found 'dislike'; allowed: no_cancer_split, other_definition, overlap, part_of_report, percentage_only, combination_therapy, selected_cohort, not_hpd, wrong_denominator, total_only; 1 row rejected; correct the cell, or leave it blank"], [(3, 'pool_exclusion_code', 'dislike', 'not_allowed')]),
    "more amplified than assayed": Bad("bad.csv", flat("amplification_counts", n_amplified="111"), ["ERROR bad.csv: line 3: n_amplified: is larger than n_assayed; found '111'; 1 row rejected; correct the counts"], [(3, 'n_amplified', '111', 'n_amplified_above_n_assayed')]),
    "more assayed than there are": Bad("bad.csv", flat("amplification_counts", n_samples_all="100"), ["ERROR bad.csv: line 3: n_assayed: is larger than n_samples_all; found '110'; 1 row rejected; correct the counts, or leave n_samples_all blank"], [(3, 'n_assayed', '110', 'n_assayed_above_n_samples_all')]),
    "no denominator of amplification": Bad("bad.csv", flat("amplification_counts", n_assayed=""), ['ERROR bad.csv: line 3: n_assayed: is blank; 1 row rejected; fill it in'], [(3, 'n_assayed', None, 'missing_value')]),
    "a gene set with a comma": Bad("bad.csv", flat("amplification_counts", genes="MDM2,MDM4"), ["ERROR bad.csv: line 3: genes: has the wrong form; found 'MDM2,MDM4'; allowed: gene symbols separated by |, e.g. MDM2|MDM4; 1 row rejected; correct the cell"], [(3, 'genes', 'MDM2,MDM4', 'wrong_form')]),
    "a gene in lower case": Bad("bad.csv", flat("amplification_counts", genes="mdm2"), ["ERROR bad.csv: line 3: genes: has the wrong form; found 'mdm2'; allowed: gene symbols separated by |, e.g. MDM2|MDM4; 1 row rejected; correct the cell"], [(3, 'genes', 'mdm2', 'wrong_form')]),
    "neither sample nor patient": Bad("bad.csv", flat("amplification_counts", unit="tumour"), ["ERROR bad.csv: line 3: unit: is not an allowed value; found 'tumour'; allowed: sample, patient; 1 row rejected; correct the cell"], [(3, 'unit', 'tumour', 'not_allowed')]),
    "a 2x2 table with a negative cell": Bad("bad.csv", flat("hpd_by_amplification", n_altered_without_outcome="-2"), ["ERROR bad.csv: line 3: n_altered_without_outcome: is below the minimum; found '-2'; allowed: 0 or more; 1 row rejected; correct the cell, or leave it blank"], [(3, 'n_altered_without_outcome', '-2', 'below_minimum')]),
    "an alteration nobody knows": Bad("bad.csv", flat("hpd_by_amplification", alteration="mutation"), ["ERROR bad.csv: line 3: alteration: is not an allowed value; found 'mutation'; allowed: amplification, any_alteration; 1 row rejected; correct the cell"], [(3, 'alteration', 'mutation', 'not_allowed')]),
    "an amplification status of no gene": Bad("bad.csv", flat("patients", amplification_status="amplified", genes=""), ['ERROR bad.csv: line 3: genes: is blank although amplification_status is given; 1 row rejected; name the genes'], [(3, 'genes', None, 'amplification_status_without_genes')]),
    "a status nobody knows": Bad("bad.csv", flat("patients", amplification_status="positive", genes="MDM2"), ["ERROR bad.csv: line 3: amplification_status: is not an allowed value; found 'xxxxxxxx'; allowed: amplified, not_amplified; 1 row rejected; correct the cell, or leave it blank"], [(3, 'amplification_status', 'xxxxxxxx', 'not_allowed')]),
    "a range the wrong way round": Bad("bad.csv", flat("patients", burden_change_low="2.58", burden_change_high="0.55"), ["ERROR bad.csv: line 3: burden_change_low: is above burden_change_high; found '2.58'; 1 row rejected; exchange them"], [(3, 'burden_change_low', '2.58', 'burden_change_low_above_high')]),
    "a tumour that shrank by more than itself": Bad("bad.csv", flat("patients", burden_change_low="-50"), ["ERROR bad.csv: line 3: burden_change_low: is below the minimum; found '-50'; allowed: -1 or more; +50 % is 0.50; 1 row rejected; correct the cell, or leave it blank"], [(3, 'burden_change_low', '-50', 'below_minimum')]),
    "terminal escapes in a value": Bad("bad.csv", flat("trials", n_hpd="\x1b[2J\x1b]0;x\x07six"), ["ERROR bad.csv: line 3: n_hpd: is not a whole number; found '\\x1b[2J\\x1b]0;x\\x07six'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, 'n_hpd', '\x1b[2J\x1b]0;x\x07six', 'not_whole_number')]),
    "a megabyte in a number": Bad("bad.csv", flat("trials", n_hpd="six" * 350_000), ["ERROR bad.csv: line 3: n_hpd: is not a whole number; found 'sixsixsixsixsixsixsixsixsixsixsixsixsixsixsixsixsixsixsixsi…'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, "n_hpd", "six" * 350_000, "not_whole_number")]),
    "two faults in one row": Bad("bad.csv", flat("trials", n_hpd="six", doi="none"), ["ERROR bad.csv: line 3: n_hpd: is not a whole number; found 'six'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank", "ERROR bad.csv: line 3: doi: has the wrong form; found 'none'; allowed: 10.…/…, without https://doi.org/; 1 row rejected; correct the cell, or leave it blank"], [(3, 'doi', 'none', 'wrong_form'), (3, 'n_hpd', 'six', 'not_whole_number')]),
    "one fault in many rows": Bad("bad.csv", HEADER + "".join(f"R{i},Melanoma,X,50,{i}x{i}\n" for i in range(6)) + ROW, ["ERROR bad.csv: lines 2, 3, 4 (3 more): n_hpd: is not a whole number; found '0x0', '1x1', '2x2' (3 more); allowed: a whole number, or blank; 6 rows rejected; correct it, or leave it blank"], [(2, 'n_hpd', '0x0', 'not_whole_number'), (3, 'n_hpd', '1x1', 'not_whole_number'), (4, 'n_hpd', '2x2', 'not_whole_number'), (5, 'n_hpd', '3x3', 'not_whole_number'), (6, 'n_hpd', '4x4', 'not_whole_number'), (7, 'n_hpd', '5x5', 'not_whole_number')]),
    "a fault in a gzipped file": Bad("bad.csv.gz", gzip.compress(flat("trials", n_hpd="six").encode()), ["ERROR bad.csv.gz: line 3: n_hpd: is not a whole number; found 'six'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(3, 'n_hpd', 'six', 'not_whole_number')]),
    "a fault in a workbook": Bad("bad.xlsx", workbook([["# own trials"], [], *rows_of("trials", n_hpd="six")]), ["ERROR bad.xlsx: line 5: n_hpd: is not a whole number; found 'six'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(5, 'n_hpd', 'six', 'not_whole_number')]),
    "a fault in a Parquet file": Bad("bad.parquet", parquet(frame_of(rows_of("trials", n_hpd="six"))), ["ERROR bad.parquet: line 2: n_hpd: is not a whole number; found 'six'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], [(2, 'n_hpd', 'six', 'not_whole_number')]),
}  # fmt: skip

GALLERY = REFUSED | REJECTED


def set_limits(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Limits that a small file can break; and a folder and a warehouse of its own."""
    monkeypatch.setattr(table, "BOMB_BYTES", 1 << 20)
    monkeypatch.setattr(table, "MAX_RECORD_BYTES", 2 << 20)
    monkeypatch.setenv("HPD_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("name", GALLERY)
def test_a_bad_file_gets_its_exact_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits(monkeypatch, tmp_path)
    bad = GALLERY[name]
    bad.put(tmp_path)
    result = CliRunner().invoke(main, ["validate", *bad.inputs])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert [line for line in result.stderr.splitlines() if line.startswith(("ERROR ", "WARNING ", "NOTE "))] == bad.says
    assert result.exit_code == (1 if name in REFUSED else 3)


@dataclass(frozen=True)
class Outcome:
    """What loading the evidence and one more file left behind; rows of raw tables by table name."""

    evidence: dict[str, list[tuple]]
    rows: dict[str, list[tuple]]
    loads: list[tuple]
    rejected: list[dict]
    problems: list[str]

    @property
    def lines(self) -> set[int]:
        """The lines of the file that are in a raw table."""
        return {row[-1] for rows in self.rows.values() for row in rows}


Load = Callable[[str, Bad], Outcome]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """Loads the evidence, once, and a file beside it, once per name."""
    done: dict[str, Outcome] = {}
    with duckdb.connect(":memory:") as connection, pytest.MonkeyPatch.context() as monkeypatch:

        def rows(which: str) -> dict[str, list[tuple]]:
            return {name: connection.sql(f"from raw.{name} where {which} order by all").fetchall() for name in TABLES}

        def load(name: str, bad: Bad) -> Outcome:
            if name not in done:
                folder = tmp_path_factory.mktemp("bad")
                set_limits(monkeypatch, folder)
                bad.put(folder)
                specs = [
                    *pipeline.specs_from([pipeline.BUNDLED], None),
                    *pipeline.specs_from(bad.inputs, Path("hpd.toml") if bad.config else None),
                ]
                items, failed, _ = pipeline.discover(specs, load_settings())
                report = pipeline.run(items, connection)
                found = connection.sql("select * exclude load_id from audit.rejected_rows order by all")
                done[name] = Outcome(
                    rows("_source_file like 'bundled/%'"),
                    rows("_source_file not like 'bundled/%'"),
                    connection.sql(
                        "select rows_read, rows_loaded, rows_rejected from audit.loads"
                        " where source_file not like 'bundled/%'"
                    ).fetchall(),
                    [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()],
                    [*map(str, report.problems), *(str(e.problem) for e in [*failed, *report.failed])],
                )
            return done[name]

        yield load


@pytest.fixture(scope="module")
def evidence(load: Load) -> dict[str, list[tuple]]:
    """The rows of the evidence when nothing else was ever loaded."""
    return load("nothing", Bad("bundled", None, [])).evidence


@pytest.mark.parametrize("name", GALLERY)
def test_a_bad_file_changes_nothing_that_is_loaded(name: str, load: Load, evidence: dict[str, list[tuple]]) -> None:
    assert load(name, GALLERY[name]).evidence == evidence
    assert {name: len(rows) for name, rows in evidence.items() if rows} == {
        "trials": 66, "patients": 21, "amplification_counts": 354, "hpd_by_amplification": 6,
    }  # fmt: skip


@pytest.mark.parametrize("name", GALLERY)
def test_loading_says_what_validating_says(name: str, load: Load) -> None:
    assert load(name, GALLERY[name]).problems == GALLERY[name].says


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_of_a_refused_file_is_loaded(name: str, load: Load) -> None:
    outcome = load(name, REFUSED[name])
    assert not any(outcome.rows.values())
    assert outcome.loads == []
    assert outcome.rejected == []


@pytest.mark.parametrize("name", REJECTED)
def test_every_finding_is_kept_with_file_line_column_value_and_rule(name: str, load: Load) -> None:
    bad, found = REJECTED[name], load(name, REJECTED[name]).rejected
    told = [(row["source_line"], row["column_name"], row["value"], row["rule"]) for row in found]
    assert told == bad.rejected
    assert {row["source_file"] for row in found} == {bad.file}


@pytest.mark.parametrize("name", REJECTED)
def test_no_rejected_row_is_in_a_raw_table(name: str, load: Load) -> None:
    outcome = load(name, REJECTED[name])
    assert outcome.lines.isdisjoint(line for line, *_ in REJECTED[name].rejected)


@pytest.mark.parametrize("name", REJECTED)
def test_rows_read_are_rows_loaded_and_rows_rejected(name: str, load: Load) -> None:
    outcome = load(name, REJECTED[name])
    n_loaded, n_rejected = len(outcome.lines), len({line for line, *_ in REJECTED[name].rejected})
    assert outcome.loads == [(n_loaded + n_rejected, n_loaded, n_rejected)]


@pytest.mark.parametrize("name", [n for n, bad in REJECTED.items() if "ragged" not in str(bad.rejected)])
def test_the_whole_rejected_row_is_kept(name: str, load: Load) -> None:
    for row in load(name, REJECTED[name]).rejected:
        kept = json.loads(row["row_json"])
        assert kept.keys() >= GOOD[row["table_name"]].keys()
        if row["rule"] != "duplicate_key":
            assert kept.get(row["column_name"]) == row["value"]


def test_a_ragged_line_is_kept_as_it_stood(load: Load) -> None:
    name = "a line with too many fields"
    (row,) = load(name, REJECTED[name]).rejected
    assert json.loads(row["row_json"]) == {"line": "B,Melanoma, uveal,X,50,6"}


def test_each_copy_of_a_key_is_told_where_the_others_stand(load: Load) -> None:
    name = "a key five times"
    messages = {row["message"] for row in load(name, REJECTED[name]).rejected}
    assert messages == {"the key stands on lines 2, 3, 4 (2 more)"}


ACCEPTED = {
    "a formula": ("cancer_type_reported", '=HYPERLINK("http://example.org";"Melanoma")'),
    "a formula behind a plus": ("agents", "+cmd|' /C calc'!A0"),
    "a megabyte of text": ("setting", "one centre, " * 90_000 + "and no more"),
    "terminal escapes": ("setting", "\x1b[31mred\x1b[0m"),
    "letters of many scripts": ("first_author", "Ñuñez-Łęcki 王小明 عبد"),
    "a comma, a quote and a line end": ("setting", 'Paris, "Lyon"\nand Nice'),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_text_is_kept_as_it_stands(name: str, load: Load) -> None:
    column, value = ACCEPTED[name]
    outcome = load(name, Bad("odd.csv", flat("trials", **{column: value}), []))
    assert outcome.problems == []
    assert outcome.rows["trials"][1][TABLES["trials"].columns.index(column)] == value
