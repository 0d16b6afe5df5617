"""A gallery of bad clinical inputs, one fault each: the exact messages, the exit status, and what is loaded.

A fault that only several rows together show (a scan after death, a second baseline) is no matter of the door: such rows
load, and the models flag or leave out what cannot be counted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pytest
import xlsxwriter
from click.testing import CliRunner

from ingest import pipeline
from ingest.cli import main
from ingest.settings import load_settings
from schemas import TABLES

LEVELS = ("ERROR ", "WARNING ", "NOTE ")
GOOD = {
    "patients": {"trial_id": "OWN", "patient_id": "Good", "cancer_type_reported": "Melanoma"},
    "scans": {"trial_id": "OWN", "patient_id": "Good", "day": "-3", "sum_diameters_mm": "50"},
    "dated": {"trial_id": "OWN", "patient_id": "Good", "scan_date": "2024-01-10", "treatment_start_date": "2024-01-12",
              "sum_diameters_mm": "50"},
}  # fmt: skip


def text_of(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def rows_of(kind: str, *bad: dict[str, str]) -> list[list[str]]:
    """A header, a good row on line 2, and below it a row of patient Bad for each of `bad`, good but for these cells."""
    header = list(dict.fromkeys([*GOOD[kind], *(name for cells in bad for name in cells)]))
    rows = [GOOD[kind], *(GOOD[kind] | {"patient_id": "Bad"} | cells for cells in bad)]
    return [header, *([row.get(name, "") for name in header] for row in rows)]


def flat(kind: str, *bad: dict[str, str]) -> str:
    return text_of(rows_of(kind, *bad))


def workbook(rows: list[list]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"default_date_format": "dd/mm/yyyy"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write(number, place, cell)
    return out.getvalue()


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def toml(path: str = "own.csv", more: str = "", **options: str) -> str:
    told = {"path": path} | options
    return "[[inputs]]\n" + "".join(f'{key} = "{value}"\n' for key, value in told.items()) + more


EXPORT = (
    "record_id,surname,io_start,io_stop,arm,ct,sld\n1,Mustermann,2024-01-01,2024-02-10,A,,\n1,,,,,2023-12-20,6.2\n"
    "2,Doe,2024-01-01,,B,2024-01-30,7\n"
)
MAP = """\
trial_id = "OWN"
[inputs.map.patients]
patient_id = "record_id"
treatment_start_date = "io_start"
off_treatment_date = "io_stop"
[inputs.map.tumor_measurements]
patient_id = "record_id"
scan_date = "ct"
sum_diameters_mm = "sld"
"""


class Bad(NamedTuple):
    """A bad delivery.

    Attributes:
        files: name → content; without an hpd.toml among them, `own.csv` (or what else begins with own) is named to hpd.
        says: every message; a pseudonym is P….
        status: of `hpd validate`.
        loaded: lines of `own` that are in raw.patients and raw.tumor_measurements.
        rejected: (line, column, value, rule) of every finding that is kept.
        stored: SQL, and what it finds: how the odd thing is stored.
    """

    files: dict[str, str | bytes]
    says: list[str]
    status: int = 3
    loaded: tuple[list[int], list[int]] = ([], [])
    rejected: list[tuple] = []  # noqa: RUF012  never changed
    stored: tuple[str, list[tuple]] | None = None

    def put(self, folder: Path) -> list[str]:
        for name, content in self.files.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return [] if "hpd.toml" in self.files else [name for name in self.files if name.startswith("own")]


GALLERY = {
    'a day of a patient twice, with different sums': Bad({"own.csv": flat("scans", {'day': '40', 'sum_diameters_mm': '62'}, {'day': '40', 'sum_diameters_mm': '26'})}, ["ERROR own.csv: lines 3, 4: trial_id + patient_id + day + reader: the same key stands on several lines; found 'OWN / P… / 40.0 / NOT STATED'; 2 rows rejected; keep one of them"], 3, ([], [2]), [(3, 'trial_id + patient_id + day + reader', 'OWN / P… / 40.0 / NOT STATED', 'duplicate_key'), (4, 'trial_id + patient_id + day + reader', 'OWN / P… / 40.0 / NOT STATED', 'duplicate_key')]),
    'a day of a patient twice, with the same sum': Bad({"own.csv": flat("scans", {'day': '40'}, {'day': '40.0'})}, ["ERROR own.csv: lines 3, 4: trial_id + patient_id + day + reader: the same key stands on several lines; found 'OWN / P… / 40.0 / NOT STATED'; 2 rows rejected; keep one of them"], 3, ([], [2]), [(3, 'trial_id + patient_id + day + reader', 'OWN / P… / 40.0 / NOT STATED', 'duplicate_key'), (4, 'trial_id + patient_id + day + reader', 'OWN / P… / 40.0 / NOT STATED', 'duplicate_key')]),
    'a patient twice': Bad({"own.csv": flat("patients", {'death_day': '90'}, {'death_day': '91'})}, ["ERROR own.csv: lines 3, 4: trial_id + patient_id: the same key stands on several lines; found 'OWN / P…'; 2 rows rejected; keep one of them"], 3, ([2], []), [(3, 'trial_id + patient_id', 'OWN / P…', 'duplicate_key'), (4, 'trial_id + patient_id', 'OWN / P…', 'duplicate_key')]),
    'one scan, two readers': Bad({"own.csv": flat("scans", {'reader': 'SITE'}, {'reader': 'CENTRAL'})}, [], 0, ([], [2, 3, 4]), [], ('select reader from raw.tumor_measurements order by 1', [('CENTRAL',), ('NOT STATED',), ('SITE',)])),
    'an identifier in two trials': Bad({"own.csv": flat("patients", {'trial_id': 'A'}, {'trial_id': 'B'})}, [], 0, ([2, 3, 4], []), [], ('select trial_id, count(distinct patient_id), count(*) from raw.patients group by all order by 1', [('A', 1, 1), ('B', 1, 1), ('OWN', 1, 1)])),
    'an empty patient id': Bad({"own.csv": flat("patients", {'patient_id': ''})}, ['ERROR own.csv: line 3: patient_id: is blank; 1 row rejected; fill it in'], 3, ([2], []), [(3, 'patient_id', None, 'missing_value')]),
    'a blank trial': Bad({"own.csv": flat("scans", {'trial_id': ''})}, ['ERROR own.csv: line 3: trial_id: is blank; 1 row rejected; fill it in'], 3, ([], [2]), [(3, 'trial_id', None, 'missing_value')]),
    '#REF! as a patient': Bad({"own.csv": flat("patients", {'patient_id': '#REF!'})}, ["ERROR own.csv: line 3: patient_id: is a spreadsheet's error; found '(hidden)'; 1 row rejected; mend the formula, or leave the cell blank"], 3, ([2], []), [(3, 'patient_id', '(hidden)', 'spreadsheet_error')]),
    'no column of patients': Bad({"own.csv": "trial_id,cancer_type,ttf_days,death_day\nOWN,Melanoma,3,9\n"}, ['ERROR own.csv: line 1: patient_id: the table patients needs this column; nothing of it was loaded; add it (`hpd template patients` prints them all)'], 1),
    'two columns of patients': Bad({"own.csv": "trial_id,patient_id,patient_label,cancer_type\nOWN,1,2,Melanoma\n"}, ["ERROR own.csv: line 1: two columns both mean patient_id; found 'patient_id', 'patient_label'; nothing of it was loaded; keep one"], 1),
    'a scan of a patient nobody knows': Bad({"own.csv": flat("patients"), "own_scans.csv": flat("scans", {"patient_id": "Stranger"})}, [], 0, ([2], [2, 3]), [], ('select count(*) from raw.tumor_measurements where patient_id not in (select patient_id from raw.patients)', [(1,)])),
    'an end of treatment before its start': Bad({"own.csv": flat("patients", {'treatment_start_date': '2024-02-01', 'off_treatment_date': '2024-01-31'})}, ["ERROR own.csv: line 3: off_treatment_date: is before the start of treatment; found '9999-99-99'; 1 row rejected; correct one of the two dates"], 3, ([2], []), [(3, 'off_treatment_date', '9999-99-99', 'end_before_start')]),
    'a death before the start of treatment': Bad({"own.csv": flat("patients", {'death_day': '-3'})}, ["ERROR own.csv: line 3: death_day: is below the minimum; found '-3'; allowed: 0 to 36525; a date goes into death_date; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'death_day', '-3', 'below_minimum')]),
    'an end before the start on another clock': Bad({"own.csv": flat("patients", {'treatment_start_day': '100', 'off_treatment_day': '99'})}, ["ERROR own.csv: line 3: off_treatment_day: is before the start of treatment; found '99'; 1 row rejected; correct one of the two dates"], 3, ([2], []), [(3, 'off_treatment_day', '99', 'end_before_start')]),
    'a scan in the future': Bad({"own.csv": flat("dated", {'scan_date': '3024-01-10'})}, ["ERROR own.csv: line 3: scan_date: lies in the future; found '9999-99-99'; 1 row rejected; correct it"], 3, ([], [2]), [(3, 'scan_date', '9999-99-99', 'date_in_future')]),
    'a start of treatment in the future': Bad({"own.csv": flat("dated", {'treatment_start_date': '3024-01-10'})}, ["ERROR own.csv: line 3: treatment_start_date: lies in the future; found '9999-99-99'; 1 row rejected; correct it"], 3, ([], [2]), [(3, 'treatment_start_date', '9999-99-99', 'date_in_future')]),
    'a scan of which only the month is known': Bad({"own.csv": flat("dated", {'scan_date': '2024-03'})}, [], 0, ([], [2, 3]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None), (None, 50.0, True)])),
    'a scan of which the day is UN': Bad({"own.csv": flat("dated", {'scan_date': '2024-03-UN'})}, [], 0, ([], [2, 3]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None), (None, 50.0, True)])),
    'a start of treatment of which only the year is known': Bad({"own.csv": flat("dated", {'treatment_start_date': '2024'})}, [], 0, ([], [2, 3]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None), (None, 50.0, True)])),
    'a death of which only the month is known': Bad({"own.csv": flat("patients", {'treatment_start_date': '2024-01-12', 'death_date': '2024-03'})}, [], 0, ([2, 3], []), [], ('select death_day, partial_dates from raw.patients order by _source_line', [(None, None), (None, 'death_date')])),
    'a date that may be of February or of March': Bad({"own.csv": flat("dated", {'scan_date': '02/03/2024'})}, ["ERROR own.csv: line 3: scan_date: is not a date; found '99/99/9999'; allowed: YYYY-MM-DD, or only its year or month; 1 row rejected; write it so, or give `date_format` in hpd.toml"], 3, ([], [2]), [(3, 'scan_date', '99/99/9999', 'not_a_date')]),
    'a date as a spreadsheet counts it': Bad({"own.csv": flat("dated", {'scan_date': '45292'})}, ["ERROR own.csv: line 3: scan_date: is not a date; found '99999'; allowed: YYYY-MM-DD, or only its year or month; 1 row rejected; write it so, or give `date_format` in hpd.toml"], 3, ([], [2]), [(3, 'scan_date', '99999', 'not_a_date')]),
    'a date as a spreadsheet counts it in place of a day': Bad({"own.csv": flat("scans", {'day': '45292'})}, ["ERROR own.csv: line 3: day: is above the maximum; found '99999'; allowed: -36525 to 36525; a date goes into scan_date; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'day', '99999', 'above_maximum')]),
    'a date in place of a day': Bad({"own.csv": flat("scans", {'day': '2024-01-10'})}, ["ERROR own.csv: line 3: day: is not a number; found '9999-99-99'; allowed: a number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([], [2]), [(3, 'day', '9999-99-99', 'not_number')]),
    'the 30th of February': Bad({"own.csv": flat("dated", {'scan_date': '2024-02-30'})}, ["ERROR own.csv: line 3: scan_date: is not a date; found '9999-99-99'; allowed: YYYY-MM-DD, or only its year or month; 1 row rejected; write it so, or give `date_format` in hpd.toml"], 3, ([], [2]), [(3, 'scan_date', '9999-99-99', 'not_a_date')]),
    'a time stamp with its zone': Bad({"own.csv": flat("dated", {'scan_date': '2024-01-20T23:30:00-08:00'})}, [], 0, ([], [2, 3]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None), (8.0, 50.0, None)])),
    'a date in words': Bad({"own.csv": flat("dated", {'scan_date': '10 January 2024'})}, ["ERROR own.csv: line 3: scan_date: is not a date; found '99 xxxxxxx 9999'; allowed: YYYY-MM-DD, or only its year or month; 1 row rejected; write it so, or give `date_format` in hpd.toml"], 3, ([], [2]), [(3, 'scan_date', '99 xxxxxxx 9999', 'not_a_date')]),
    'a date that is a name': Bad({"own.csv": flat("dated", {'treatment_start_date': 'Jane Doe'})}, ["ERROR own.csv: line 3: treatment_start_date: is not a date; found 'xxxx xxx'; allowed: YYYY-MM-DD, or only its year or month; 1 row rejected; write it so, or give `date_format` in hpd.toml"], 3, ([], [2]), [(3, 'treatment_start_date', 'xxxx xxx', 'not_a_date')]),
    'a date in another form than configured': Bad({"own.csv": flat('dated', {'scan_date': '13/01/2024', 'treatment_start_date': '12/01/2024'}), "hpd.toml": toml(date_format='%d/%m/%Y', more="")}, ["ERROR own.csv: line 2: scan_date: is not a date; found '9999-99-99'; allowed: %d/%m/%Y; 1 row rejected; write it so, or correct `date_format` in hpd.toml", "ERROR own.csv: line 2: treatment_start_date: is not a date; found '9999-99-99'; allowed: %d/%m/%Y; 1 row rejected; write it so, or correct `date_format` in hpd.toml"], 3, ([], [3]), [(2, 'scan_date', '9999-99-99', 'not_a_date'), (2, 'treatment_start_date', '9999-99-99', 'not_a_date')]),
    'no start of treatment': Bad({"own.csv": flat("dated", {'treatment_start_date': ''})}, ["ERROR own.csv: line 3: scan_date: cannot be counted from the first dose; found '9999-99-99'; allowed: a treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 1 row rejected; give it, or give days since the first dose"], 3, ([], [2]), [(3, 'scan_date', '9999-99-99', 'no_treatment_start')]),
    'no column of the start of treatment': Bad({"own.csv": "trial_id,patient_id,scan_date,sum_diameters_mm\nOWN,Bad,2024-01-10,50\nOWN,Worse,2024-01-11,50\n"}, ["ERROR own.csv: lines 2, 3: scan_date: cannot be counted from the first dose; found '9999-99-99'; allowed: a treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 2 rows rejected; give it, or give days since the first dose"], 3, ([], []), [(2, 'scan_date', '9999-99-99', 'no_treatment_start'), (3, 'scan_date', '9999-99-99', 'no_treatment_start')]),
    'a start of treatment after all scans': Bad({"own.csv": flat("dated", {'treatment_start_date': '2024-06-01'}, {'treatment_start_date': '2024-06-01', 'scan_date': '2024-02-10'})}, [], 0, ([], [2, 3, 4]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None), (-143.0, 50.0, None), (-112.0, 50.0, None)])),
    'a blank day': Bad({"own.csv": flat("scans", {'day': ''})}, ["ERROR own.csv: line 3: day: is blank; 1 row rejected; fill it in"], 3, ([], [2]), [(3, 'day', None, 'missing_value')]),
    'a blank start on another clock': Bad({"own.csv": flat("scans", {'treatment_start_day': ''})}, ["ERROR own.csv: lines 2, 3: day: cannot be counted from the first dose; found '-3'; allowed: a treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 2 rows rejected; give it, or give days since the first dose"], 3, ([], []), [(2, 'day', '-3', 'no_treatment_start'), (3, 'day', '-3', 'no_treatment_start')]),
    'a workbook with true dates': Bad({"own.xlsx": workbook([["trial_id", "patient_id", "scan_date", "treatment_start_date", "sum_diameters_mm"], ["OWN", "Good", date(2024, 1, 10), date(2024, 1, 12), 50]])}, [], 0, ([], [2]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.0, None)])),
    'a Parquet file with time stamps': Bad({"own.parquet": parquet(pl.DataFrame({"trial_id": ["OWN"], "patient_id": [1], "scan_date": [datetime(2024, 1, 10, 9, 30)], "treatment_start_date": [date(2024, 1, 12)], "sum_diameters_mm": [50.5]}))}, [], 0, ([], [1]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-2.0, 50.5, None)])),
    'cm in the cell': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '6.2 cm'})}, ["ERROR own.csv: line 3: sum_diameters_mm: carries a unit; found '6.2 cm'; allowed: the bare number; 1 row rejected; give it in mm, and the number alone"], 3, ([], [2]), [(3, 'sum_diameters_mm', '6.2 cm', 'unit_in_cell')]),
    'cm in the header': Bad({"own.csv": flat("scans", {"sum_cm": "6.2"}).replace("sum_diameters_mm", "mm")}, ["ERROR own.csv: line 1: says of no scan what was measured; found 'mm', 'sum_cm'; allowed: one of sum_diameters_mm, change_from_baseline_percent, measurement_status, response; nothing of it was loaded; rename the column, or map it with its unit in hpd.toml"], 1),
    'cm in hpd.toml, without a map': Bad({"own.csv": flat('scans', {'sum_diameters_mm': '6.2'}), "hpd.toml": toml(more='[inputs.units]\nsum_diameters_mm = "cm"\n')}, ['ERROR own.csv: [inputs.units]: is of use with a map only; nothing of it was loaded; say in [inputs.map] which column is which, or remove it'], 1),
    'a unit nobody knows': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP + '[inputs.units]\nsld = "inch"\n')}, ["ERROR own.csv: [inputs.units] sld: is not a unit; found 'inch'; allowed: days, weeks, months, years, mm, cm, percent, fraction; nothing of it was loaded; correct hpd.toml"], 1),
    'a decimal comma': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '62,5'})}, ["ERROR own.csv: line 3: sum_diameters_mm: has a comma in a number; found '62,5'; allowed: digits and a decimal point; 1 row rejected; write 13,8 as 13.8 and 1,318 as 1318"], 3, ([], [2]), [(3, 'sum_diameters_mm', '62,5', 'comma_in_number')]),
    'a negative sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '-62'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is out of range; found '-62'; allowed: 0 to 5000; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', '-62', 'out_of_range')]),
    'a sum of 62 metres': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '62000'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is out of range; found '99999'; allowed: 0 to 5000; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', '99999', 'out_of_range')]),
    'NaN as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': 'NaN'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is not a finite number; found 'NaN'; allowed: a finite number, or blank; 1 row rejected; leave an unknown value blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', 'NaN', 'not_finite')]),
    'an infinite sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': 'inf'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is not a finite number; found 'inf'; allowed: a finite number, or blank; 1 row rejected; leave an unknown value blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', 'inf', 'not_finite')]),
    'a percentage as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '62 %'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is written as a percentage; found '62 %'; allowed: a number, or blank; 1 row rejected; give it in mm"], 3, ([], [2]), [(3, 'sum_diameters_mm', '62 %', 'percent_sign')]),
    'a percentage with its sign': Bad({"own.csv": flat("scans", {'change_from_baseline_percent': '25%', 'sum_diameters_mm': ''})}, ["ERROR own.csv: line 3: change_from_baseline_percent: is written as a percentage; found '25%'; allowed: a number, or blank; 1 row rejected; leave the sign away"], 3, ([], [2]), [(3, 'change_from_baseline_percent', '25%', 'percent_sign')]),
    'a tumour that shrank by 120 %': Bad({"own.csv": flat("scans", {'change_from_baseline_percent': '-120', 'sum_diameters_mm': ''})}, ["ERROR own.csv: line 3: change_from_baseline_percent: is below the minimum; found '-120'; allowed: -100 or more; +25 % is 25; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'change_from_baseline_percent', '-120', 'below_minimum')]),
    'a range as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '50-60'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is not a number; found '99-99'; allowed: a number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', '99-99', 'not_number')]),
    'an error of a spreadsheet as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '#DIV/0!'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is a spreadsheet's error; found '#DIV/0!'; 1 row rejected; mend the formula, or leave the cell blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', '#DIV/0!', 'spreadsheet_error')]),
    'a formula as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '=HYPERLINK("http://x";"Doe")'})}, ['ERROR own.csv: line 3: sum_diameters_mm: is not a number; found \'=xxxxxxxxx("xxxx://x";"xxx")\'; allowed: a number, or blank; 1 row rejected; correct it, or leave it blank'], 3, ([], [2]), [(3, 'sum_diameters_mm', '=xxxxxxxxx("xxxx://x";"xxx")', 'not_number')]),
    'a name as a sum': Bad({"own.csv": flat("scans", {'sum_diameters_mm': 'Jane Doe'})}, ["ERROR own.csv: line 3: sum_diameters_mm: is not a number; found 'xxxx xxx'; allowed: a number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([], [2]), [(3, 'sum_diameters_mm', 'xxxx xxx', 'not_number')]),
    'a baseline of 0 mm': Bad({"own.csv": flat("scans", {'sum_diameters_mm': '0'}, {'day': '40', 'sum_diameters_mm': '62'})}, [], 0, ([], [2, 3, 4]), [], ('select day, sum_diameters_mm, is_day_partial from raw.tumor_measurements order by _source_line', [(-3.0, 50.0, None), (-3.0, 0.0, None), (40.0, 62.0, None)])),
    'two baselines': Bad({"own.csv": flat("scans", {'is_baseline': 'true'}, {'is_baseline': 'true', 'day': '-1'})}, [], 0, ([], [2, 3, 4]), [], ('select count(*) from raw.tumor_measurements where is_baseline', [(2,)])),
    'a baseline that is perhaps one': Bad({"own.csv": flat("scans", {'is_baseline': 'perhaps'})}, ["ERROR own.csv: line 3: is_baseline: is neither true nor false; found 'xxxxxxx'; allowed: true, false, yes, no, 1, 0, or blank; 1 row rejected; write one of these"], 3, ([], [2]), [(3, 'is_baseline', 'xxxxxxx', 'not_true_or_false')]),
    'too small and 12 mm at once': Bad({"own.csv": flat("scans", {'measurement_status': 'too_small_to_measure', 'sum_diameters_mm': '12'})}, [], 0, ([], [2, 3]), [], ('select sum_diameters_mm, measurement_status from raw.tumor_measurements order by _source_line', [(50.0, None), (12.0, 'too_small_to_measure')])),
    'a status nobody knows': Bad({"own.csv": flat("scans", {'measurement_status': 'small'})}, ["ERROR own.csv: line 3: measurement_status: is not an allowed value; found 'xxxxx'; allowed: measured, too_small_to_measure, not_evaluable; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'measurement_status', 'xxxxx', 'not_allowed')]),
    'a response in words': Bad({"own.csv": flat("scans", {'response': 'progression'})}, ["ERROR own.csv: line 3: response: is not an allowed value; found 'xxxxxxxxxxx'; allowed: CR, PR, SD, NON-CR/NON-PD, PD, NE, iCR, iPR, iSD, iUPD, iCPD; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'response', 'xxxxxxxxxxx', 'not_allowed')]),
    'half a new lesion': Bad({"own.csv": flat("scans", {'n_new_lesions': '1.5'})}, ["ERROR own.csv: line 3: n_new_lesions: is not a whole number; found '1.5'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([], [2]), [(3, 'n_new_lesions', '1.5', 'not_whole_number')]),
    'new lesions in words': Bad({"own.csv": flat("scans", {'n_new_lesions': 'two'})}, ["ERROR own.csv: line 3: n_new_lesions: is not a whole number; found 'xxx'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([], [2]), [(3, 'n_new_lesions', 'xxx', 'not_whole_number')]),
    'fewer new lesions than none': Bad({"own.csv": flat("scans", {'n_new_lesions': '-1'})}, ["ERROR own.csv: line 3: n_new_lesions: is below the minimum; found '-1'; allowed: 0 or more; 1 row rejected; correct the cell, or leave it blank"], 3, ([], [2]), [(3, 'n_new_lesions', '-1', 'below_minimum')]),
    'a person as reader': Bad({"own.csv": flat("scans", {'reader': 'Dr Jane Doe'})}, ["ERROR own.csv: line 3: reader: has the wrong form; found 'xx xxxx xxx'; allowed: a role, e.g. INVESTIGATOR, INDEPENDENT ASSESSOR, RADIOLOGIST 1, READER A; 1 row rejected; correct the cell"], 3, ([], [2]), [(3, 'reader', 'xx xxxx xxx', 'wrong_form')]),
    'a person behind a role': Bad({"own.csv": flat("scans", {'reader': 'READER Jane Doe'})}, ["ERROR own.csv: line 3: reader: has the wrong form; found 'xxxxxx xxxx xxx'; allowed: a role, e.g. INVESTIGATOR, INDEPENDENT ASSESSOR, RADIOLOGIST 1, READER A; 1 row rejected; correct the cell"], 3, ([], [2]), [(3, 'reader', 'xxxxxx xxxx xxx', 'wrong_form')]),
    'a reader who read nothing': Bad({"own.csv": flat('scans', {'reader': 'CENTRAL'}), "hpd.toml": toml(reader='SITE', more="")}, ["ERROR own.csv: the option `reader` names somebody who read no scan; found 'SITE'; allowed: CENTRAL, NOT STATED; nothing of it was loaded; correct it in hpd.toml"], 1),
    'a scan after death': Bad({"own.csv": flat("patients", {"death_day": "30"}), "own_scans.csv": flat("scans", {"day": "42"})}, [], 0, ([2, 3], [2, 3]), [], ('select p.death_day, s.day from raw.patients as p join raw.tumor_measurements as s using (patient_id) where s.day > p.death_day', [(30.0, 42.0)])),
    'a dose after death': Bad({"own.csv": flat("patients", {'death_day': '30', 'last_dose_day': '42'})}, [], 0, ([2, 3], []), [], ('select death_day, last_dose_day from raw.patients where death_day is not null', [(30.0, 42.0)])),
    'ECOG 7': Bad({"own.csv": flat("patients", {'ecog_worst_2_months': '7'})}, ["ERROR own.csv: line 3: ecog_worst_2_months: is out of range; found '7'; allowed: 0 to 5; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'ecog_worst_2_months', '7', 'out_of_range')]),
    'ECOG 1-2': Bad({"own.csv": flat("patients", {'ecog_worst_2_months': '1-2'})}, ["ERROR own.csv: line 3: ecog_worst_2_months: is not a whole number; found '9-9'; allowed: a whole number, or blank; 1 row rejected; correct it, or leave it blank"], 3, ([2], []), [(3, 'ecog_worst_2_months', '9-9', 'not_whole_number')]),
    'a negative time to treatment failure': Bad({"own.csv": flat("patients", {'ttf_days': '-1'})}, ["ERROR own.csv: line 3: ttf_days: is below the minimum; found '-1'; allowed: 0 to 36525; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'ttf_days', '-1', 'below_minimum')]),
    'a time to treatment failure in months': Bad({"own.csv": flat("patients", {'ttf_days': '2 months'})}, ["ERROR own.csv: line 3: ttf_days: carries a unit; found '2 months'; allowed: the bare number; 1 row rejected; give it in days, and the number alone"], 3, ([2], []), [(3, 'ttf_days', '2 months', 'unit_in_cell')]),
    'an event nobody knows': Bad({"own.csv": flat("patients", {'ttf_event': 'pfs'})}, ["ERROR own.csv: line 3: ttf_event: is not an allowed value; found 'xxx'; allowed: last_dose, off_treatment, progression, death; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'ttf_event', 'xxx', 'not_allowed')]),
    'an event nobody knows in hpd.toml': Bad({"own.csv": flat('patients'), "hpd.toml": toml(ttf_event='pfs', more="")}, ["ERROR hpd.toml: ttf_event = 'pfs'; allowed: last_dose, off_treatment, progression, death"], 2),
    '2 months of no days': Bad({"own.csv": flat("patients", {'ttf_cut_days': '0'})}, ["ERROR own.csv: line 3: ttf_cut_days: is not above the minimum; found '0'; allowed: a number above 0; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'ttf_cut_days', '0', 'not_above_minimum')]),
    'perhaps censored': Bad({"own.csv": flat("patients", {'is_ttf_censored': 'perhaps'})}, ["ERROR own.csv: line 3: is_ttf_censored: is neither true nor false; found 'xxxxxxx'; allowed: true, false, yes, no, 1, 0, or blank; 1 row rejected; write one of these"], 3, ([2], []), [(3, 'is_ttf_censored', 'xxxxxxx', 'not_true_or_false')]),
    'free text about an own patient': Bad({"own.csv": flat("patients", {'other_alteration': 'KRAS G12C, Frau Mustermann', 'assay': 'FISH by Dr Doe'})}, [], 0, ([2, 3], []), [], ('select other_alteration, assay from raw.patients order by all', [(None, None), (None, None)])),
    'names and birth dates in columns of their own': Bad({"own.csv": flat("patients", {'surname': 'Mustermann', 'date_of_birth': '1954-03-12', 'mrn': '4711-0815', 'phone': '0123 456'})}, ["NOTE own.csv: columns that the table patients does not have; found 'surname', 'date_of_birth', 'mrn' (1 more); not read"], 0, ([2, 3], [])),
    'a column that resembles one of ours': Bad({"own.csv": flat("patients", {'off_treatment_dat': '2024-02-01'})}, ["ERROR own.csv: line 1: the table patients has no such column; found 'off_treatment_dat'; nothing of it was loaded; 'off_treatment_date' may be meant; rename or remove it (`hpd template patients`)"], 1),
    'a date of birth that passes for a date that may be partial': Bad({"own.csv": flat("patients", {'partial_dates': 'birth_date'})}, ["ERROR own.csv: line 3: partial_dates: has the wrong form; found 'xxxxx_xxxx'; allowed: names of date columns separated by |; 1 row rejected; correct the cell, or leave it blank"], 3, ([2], []), [(3, 'partial_dates', 'xxxxx_xxxx', 'wrong_form')]),
    'a formula as a cancer type': Bad({"own.csv": flat("patients", {'cancer_type_reported': '=1+1'})}, [], 0, ([2, 3], []), [], ('select cancer_type_reported from raw.patients order by 1', [('=1+1',), ('Melanoma',)])),
    'a line that is too short': Bad({"own.csv": flat("patients", {"death_day": "30"}) + "OWN,Mustermann\n"}, ["ERROR own.csv: line 4: the line has not as many fields as the header; found '2 fields'; allowed: 4 fields; 1 row rejected; put cells that hold the separator in quotes"], 3, ([2, 3], []), [(4, '', '2 fields', 'ragged_line')]),
    'a line that is too long': Bad({"own.csv": flat("scans") + "OWN,Mustermann, Erika,-3,50\n"}, ["ERROR own.csv: line 3: the line has not as many fields as the header; found '5 fields'; allowed: 4 fields; 1 row rejected; put cells that hold the separator in quotes"], 3, ([], [2]), [(3, '', '5 fields', 'ragged_line')]),
    'patients in Latin-1': Bad({"own.csv": flat("patients", {"patient_id": "Müller"}).encode("latin-1")}, ["ERROR own.csv: line 3: is not valid UTF-8; found 'xxx,xüxxxx,xxxxxx'; nothing of it was loaded; save it as UTF-8 ('CSV UTF-8' in a spreadsheet)"], 1),
    'patients with semicolons': Bad({"own.csv": flat("patients").replace(",", ";")}, ['ERROR own.csv: line 1: is separated by semicolons; nothing of it was loaded; save it as CSV with commas, or tab-separated, with decimal points'], 1),
    'patients without a header': Bad({"own.csv": "Erika Mustermann,Melanoma,1954-03-12,50\nJane Doe,Melanoma,1960-01-01,60\n"}, ["ERROR own.csv: line 1: the header fits no table and looks like a row; found 'xxxxx xxxxxxxxxx', 'xxxxxxxx', '9999-99-99' (1 more); allowed: trials, patients, tumor_measurements, amplification_counts, hpd_by_amplification; nothing of it was loaded; `hpd template trials` prints a header to start from"], 1),
    'patients and no row': Bad({"own.csv": flat("patients").splitlines()[0] + "\n"}, ['ERROR own.csv: has a header and no rows; nothing of it was loaded; add rows, or leave it out'], 1),
    'a map of a column that is not there': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP.replace('io_stop', 'io_end'))}, ["ERROR own.csv: [inputs.map.patients] off_treatment_date: names a column that the file does not have; found 'io_end'; allowed: record_id, surname, io_start, io_stop, arm, ct, sld; nothing of it was loaded; correct hpd.toml"], 1),
    'a map without patients': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP.replace('patient_id = "record_id"\n', '', 1))}, ['ERROR own.csv: [inputs.map.patients]: does not name patient_id; nothing of it was loaded; add it; a trial that is the same in every row: trial_id = "..." below path'], 1),
    'a map to a column that we do not have': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP.replace('off_treatment_date', 'end_date'))}, ["ERROR own.csv: [inputs.map.patients]: names a column that we do not have; found 'end_date'; allowed: trial_id, patient_id, cancer_type_reported, agents, genes, amplification_status, assay, other_alteration, hpd_definition, is_hpd_reported, is_ttf_below_2_months, ttf_days, is_ttf_censored, ttf_event, ttf_cut_days, last_dose_day, off_treatment_day, progression_day, death_day, last_known_day, ecog_worst_2_months, partial_dates, burden_change_low, burden_change_high, progression_pace_fold, source_url, last_dose_date, off_treatment_date, progression_date, death_date, last_known_date, treatment_start_date, treatment_start_day; nothing of it was loaded; correct hpd.toml"], 1),
    'a map without a trial': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP.replace('trial_id = "OWN"\n', ''))}, ['ERROR own.csv: [inputs.map.patients]: does not name trial_id; nothing of it was loaded; add it; a trial that is the same in every row: trial_id = "..." below path'], 1),
    'values that disagree': Bad({"own.csv": EXPORT + "1,,,2024-03-01,,,\n", "hpd.toml": toml(more=MAP)}, ["NOTE own.csv: columns that the map does not name; found 'surname', 'arm'; not read", 'ERROR own.csv: line 2: off_treatment_date: has several values for one patient; 1 row rejected; choose rows with [inputs.only], or let the first count: repeats = "first"', "ERROR own.csv: line 3: scan_date: cannot be counted from the first dose; found '9999-99-99'; allowed: a treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 1 row rejected; give it, or give days since the first dose"], 3, ([4], [4]), [(2, 'off_treatment_date', '9999-99-99', 'conflicting_values'), (3, 'scan_date', '9999-99-99', 'no_treatment_start')]),
    'a start that disagrees': Bad({"own.csv": EXPORT + "1,,2024-01-02,,,,\n", "hpd.toml": toml(more=MAP)}, ["NOTE own.csv: columns that the map does not name; found 'surname', 'arm'; not read", 'ERROR own.csv: line 2: treatment_start_date: has several values for one patient; 1 row rejected; choose rows with [inputs.only], or let the first count: repeats = "first"', "ERROR own.csv: line 3: scan_date: cannot be counted from the first dose; found '9999-99-99'; allowed: a treatment_start_date (of days on another clock: treatment_start_day) in the row, or of the patient; 1 row rejected; give it, or give days since the first dose"], 3, ([4], [4]), [(2, 'treatment_start_date', '9999-99-99', 'conflicting_values'), (3, 'scan_date', '9999-99-99', 'no_treatment_start')]),
    'rows of which none is wanted': Bad({"own.csv": EXPORT, "hpd.toml": toml(more=MAP + '[inputs.only]\narm = "C"\n')}, ['ERROR own.csv: no row of it speaks of a patient or a scan; nothing of it was loaded; check [inputs.map] and [inputs.only]'], 1),
    'a row of nobody': Bad({"own.csv": EXPORT + ",Roe,2024-01-01,,A,,\n", "hpd.toml": toml(more=MAP)}, ["NOTE own.csv: columns that the map does not name; found 'surname', 'arm'; not read", 'ERROR own.csv: line 5: patient_id: is blank; 1 row rejected; fill it in'], 3, ([2, 4], [3, 4]), [(5, 'patient_id', None, 'missing_value')]),
    'two starts of treatment': Bad({"own.csv": flat("dated"), "starts.csv": "patient_id,treatment_start_date\nGood,2024-01-01\nGood,2024-01-02\n", "hpd.toml": toml(treatment_starts="starts.csv")}, ['ERROR starts.csv: lines 2, 3: treatment_start_date: gives a patient several starts; nothing of it was loaded; keep one'], 1),
    'no file of starts of treatment': Bad({"own.csv": flat('dated'), "hpd.toml": toml(treatment_starts='starts.csv', more="")}, ['ERROR starts.csv: not found; nothing of it was loaded; check the path and its permissions'], 1),
    'starts of treatment without dates': Bad({"own.csv": flat("dated"), "starts.csv": "patient_id,start\nGood,2024-01-01\n", "hpd.toml": toml(treatment_starts="starts.csv")}, ['ERROR starts.csv: line 1: treatment_start_date: needs this column; nothing of it was loaded; add it'], 1),
}  # fmt: skip


def shown(text: str) -> str:
    """Pseudonyms of a process that made its own key are told by none."""
    return re.sub(r"\bP[0-9a-f]{20}\b", "P…", text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test, and a warehouse of its own in it."""
    monkeypatch.setenv("HPD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HPD_PATIENT_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", GALLERY)
def test_a_bad_delivery_gets_its_exact_messages(name: str, folder: Path) -> None:
    bad = GALLERY[name]
    result = CliRunner().invoke(main, ["validate", *bad.put(folder)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert [shown(line) for line in result.stderr.splitlines() if line.startswith(LEVELS)] == bad.says
    assert result.exit_code == bad.status
    assert not (folder / "home").exists()


class Loaded(NamedTuple):
    """What `hpd load` of the evidence and a bad delivery would have left."""

    evidence: dict[str, list[tuple]]
    lines: tuple[list[int], list[int]]
    rejected: list[tuple]
    loads: list[tuple]
    problems: list[str]
    stored: list[tuple]
    texts: str


def load(bad: Bad, folder: Path, db: duckdb.DuckDBPyConnection) -> Loaded:
    inputs = bad.put(folder)
    specs = [
        *pipeline.specs_from(["bundled"], None),
        *pipeline.specs_from(inputs, None if inputs else Path("hpd.toml")),
    ]
    items, failed, notes = pipeline.discover(specs, load_settings())
    report = pipeline.run(items, db)

    def rows(sql: str) -> list[tuple]:
        return db.sql(sql).fetchall()

    def own_lines(table: str) -> list[int]:
        return [n for (n,) in rows(f"select _source_line from raw.{table} where data_origin <> 'published' order by 1")]

    findings = rows("select source_line, column_name, value, rule from audit.rejected_rows order by all")
    own = [rows(f"select * exclude (_source_file) from raw.{t} where data_origin <> 'published'") for t in TABLES]
    found = Loaded(
        {t: rows(f"select * from raw.{t} where data_origin = 'published' order by all") for t in TABLES},
        (own_lines("patients"), own_lines("tumor_measurements")),
        [(line, column, value and shown(value), rule) for line, column, value, rule in findings],
        rows(
            "select rows_read, rows_loaded, rows_rejected from audit.loads where data_origin <> 'published' order by all"
        ),
        [shown(str(p)) for p in [*notes, *report.problems, *(e.problem for e in [*failed, *report.failed])]],
        rows(bad.stored[0].replace("raw.patients", "own_patients")) if bad.stored else [],
        re.sub(r"\b[PS]?[0-9a-f]{16,}", "", str([own, rows("from audit.rejected_rows"), report.problems])),
    )
    pipeline.run(items[: len(items) - len(inputs or ["own.csv"])], db)  # nothing of it stays
    return found


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        pipeline.run(pipeline.discover(pipeline.specs_from(["bundled"], None), load_settings())[0], connection)
        connection.execute(
            "create temp view own_patients as select * from raw.patients where data_origin <> 'published'"
        )
        yield connection


@pytest.fixture(scope="module")
def evidence(db: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    """The rows of the evidence before anything else was loaded."""
    return {t: db.sql(f"select * from raw.{t} order by all").fetchall() for t in TABLES}


@pytest.fixture(scope="module")
def done() -> dict[str, Loaded]:
    """What was loaded before, by the name of the delivery."""
    return {}


ASKED = [name for name, bad in GALLERY.items() if bad.status != 2]  # the others are refused before anything is read


@pytest.fixture
def loaded(
    name: str, folder: Path, evidence: dict[str, list[tuple]], db: duckdb.DuckDBPyConnection, done: dict[str, Loaded]
) -> Loaded:
    """What a delivery of the gallery left; each is loaded once, beside the evidence."""
    if name not in done:
        done[name] = load(GALLERY[name], folder, db)
    return done[name]


@pytest.mark.parametrize("name", ASKED)
def test_the_rest_of_a_bad_delivery_is_loaded(name: str, loaded: Loaded) -> None:
    assert loaded.lines == GALLERY[name].loaded


@pytest.mark.parametrize("name", ASKED)
def test_a_bad_delivery_changes_nothing_that_is_loaded(
    name: str, loaded: Loaded, evidence: dict[str, list[tuple]]
) -> None:
    assert loaded.evidence == evidence
    assert len(evidence["patients"]) == 21


@pytest.mark.parametrize("name", ASKED)
def test_every_finding_is_kept_with_line_column_shape_and_rule(name: str, loaded: Loaded) -> None:
    assert loaded.rejected == GALLERY[name].rejected


@pytest.mark.parametrize("name", ASKED)
def test_loading_says_what_validating_says(name: str, loaded: Loaded) -> None:
    assert loaded.problems == GALLERY[name].says


@pytest.mark.parametrize("name", ASKED)
def test_rows_read_are_rows_loaded_and_rows_rejected(name: str, loaded: Loaded) -> None:
    assert [n_read for n_read, *_ in loaded.loads] == [n_loaded + n_bad for _, n_loaded, n_bad in loaded.loads]
    assert sum(n_loaded for _, n_loaded, _ in loaded.loads) == sum(map(len, loaded.lines))
    assert (loaded.loads == []) == (GALLERY[name].status == 1)


@pytest.mark.parametrize("name", [name for name, bad in GALLERY.items() if bad.stored])
def test_what_is_odd_and_allowed_is_stored_as_it_is_meant(name: str, loaded: Loaded) -> None:
    stored = GALLERY[name].stored
    assert stored is not None
    assert loaded.stored == stored[1]


# who the patients of the gallery are, and when they were born, treated and scanned
IDENTIFIERS = re.compile(
    r"Good|Bad|Worse|Stranger|Mustermann|Erika|Jane|\bDoe|Roe|M.ller|1954|4711|0815|0123|2024|3024|45292"
)


@pytest.mark.parametrize("name", ASKED)
def test_nothing_that_is_kept_says_who_it_is(name: str, loaded: Loaded) -> None:
    assert IDENTIFIERS.findall(loaded.texts) == []


def test_the_gallery_is_large() -> None:
    assert len(GALLERY) >= 40
    assert len({bad.says[-1] for bad in GALLERY.values() if bad.says}) >= 40
