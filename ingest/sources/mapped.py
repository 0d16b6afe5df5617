"""Tables of patients and scans in other people's columns: a map in hpd.toml says which column is which.

    [[inputs]]
    path = "export.csv"
    trial_id = "OUR_COHORT"
    [inputs.map.patients]                 # our column = their column
    patient_id = "record_id"
    treatment_start_date = "io_start"
    off_treatment_date = "io_stop"
    [inputs.map.tumor_measurements]       # several scans on a line: [[inputs.map.tumor_measurements]], one each
    patient_id = "record_id"
    scan_date = "ct_date"
    sum_diameters_mm = "sld_cm"
    reader = { value = "INVESTIGATOR" }   # the same in every row
    [inputs.units]                        # their column = its unit, where it is not days, mm or percent
    sld_cm = "cm"
    [inputs.values.cohort]                # their value = ours
    A = "HNSCC"
    [inputs.only]                         # rows in which their column has this value; * stands for anything
    regimen = "*pembrolizumab*"

A patient may stand in several rows, as in a REDCap or GENIE BPC export, where each row holds one instrument: what the
rows say is gathered, and must agree (`repeats = "first"`: the first row that says something counts).

Two wide forms need no map: Ferté's table of tumour growth rates (RECIST_BEFORE, SCANDATE_BEFORE, ...; Ferté 2013, doi
10.1158/1078-0432.CCR-13-1115), in which the baseline scan stands for the start of treatment, and pre_baseline_mm,
pre_baseline_day, baseline_mm, ... in a table of patients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest import clinical
from ingest.errors import SHOWN, InputError, Problem
from ingest.privacy import hide, shape
from ingest.sources.calls import header_of
from ingest.sources.flat import NO_NAME, hidden_ragged, treatment_starts, with_starts
from ingest.sources.part import REJECTED, Part
from ingest.table import Table, open_table
from schemas import TABLES

if TYPE_CHECKING:
    from ingest.pipeline import Item

KIND = "table of patients in its own columns"

PATIENTS, SCANS = TABLES["patients"], TABLES["tumor_measurements"]
UNITS = {
    "days": 1, "weeks": 7, "months": 30.4375, "years": 365.25, "mm": 1, "cm": 10, "percent": 1, "fraction": 100,
}  # fmt: skip
FERTE = {
    f"{what}_{when}": (column, number)
    for number, when in enumerate(("BEFORE", "BASELINE", "EVAL1"))
    for what, column in (("RECIST", "sum_diameters_mm"), ("SCANDATE", "scan_date"))
}
WIDE = {
    f"{prefix}_{what}": (column, number)
    for number, prefixes in enumerate((("pre_baseline", "pre"), ("baseline", "base"), ("first_evaluation", "eval1")))
    for prefix in prefixes
    for what, column in (("mm", "sum_diameters_mm"), ("day", "day"), ("date", "scan_date"))
}
SCALARS = (str, bool, int, float)
# names that tables give the patient, where nothing says which column it is
PATIENT_NAMES = ("patient_id", "patient", "id", "case", "subject", "usubjid", "record_id")


def recognise(path: Path) -> bool:
    """One of the two wide forms: a line holds the scans of a patient."""
    if path.is_dir():
        return False
    header = header_of(path)
    return set(FERTE) <= set(header) or {number for name, (_, number) in WIDE.items() if name in header} >= {1, 2}


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """The patients of the file, then its scans.

    Raises:
        InputError: the map names a column that neither we nor the file have, or the file cannot be read.
    """
    yield from clinical.with_reader(_parts(item, say), item)


def _parts(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    opened = open_table(item.path, item.file, item.spec.sheet)
    maps = _maps(item, opened)
    yield Part.of_notes(item.file, [*opened.notes, *_left_out(opened, maps, item)])
    starts = treatment_starts(item)
    n_rows = 0
    if patient_map := maps.get("patients"):
        part, gathered = _patients(item, opened, patient_map[0], starts)
        n_rows += part.rows_read
        yield part
        if gathered is not None:
            starts = gathered
    if scan_maps := maps.get("tumor_measurements"):
        for block in open_table(item.path, item.file, item.spec.sheet).blocks:
            rows = _wanted(block.rows, item)
            for scans in scan_maps:
                part = _scans(item, rows, scans, starts)
                part.share = block.share
                n_rows += part.rows_read
                yield part
            if block.ragged.height:
                yield hidden_ragged(SCANS, block.ragged, opened)
                n_rows += block.ragged.height
    if not n_rows:
        raise InputError(Problem(opened.file, "no_rows", "no row of it speaks of a patient or a scan",
                                 fix="check [inputs.map] and [inputs.only]"))  # fmt: skip


# --- maps ---------------------------------------------------------------------------------------------


def _maps(item: Item, opened: Table) -> dict[str, list[dict]]:
    """Table → its maps, our column → their column or `{value = ...}`; checked."""
    given = _preset(opened, item) if item.spec.map is None else item.spec.map
    maps = {name: entry if isinstance(entry, list) else [entry] for name, entry in given.items()}
    for name, entries in maps.items():
        if name not in ("patients", "tumor_measurements") or not all(isinstance(entry, dict) for entry in entries):
            _refuse(
                item, f"[inputs.map.{name}]", "is no table that can be mapped", allowed="patients, tumor_measurements"
            )
        if name == "patients" and len(entries) > 1:
            _refuse(item, "[inputs.map.patients]", "stands twice", fix="a patient is one row: keep one")
        table = TABLES[name]
        maps[name] = [dict(entry) for entry in entries]  # what is filled in below is not what was configured
        for entry in maps[name]:
            for ours, theirs in entry.items():
                if ours not in (*table.columns, *table.input_only):
                    _refuse(item, f"[inputs.map.{name}]", "names a column that we do not have", found=[ours],
                            allowed=", ".join([*table.columns, *table.input_only]))  # fmt: skip
                if isinstance(theirs, str) and theirs not in opened.header:
                    _refuse(item, f"[inputs.map.{name}] {ours}", "names a column that the file does not have", found=[theirs],
                            allowed=_names(opened))  # fmt: skip
                is_value = (
                    isinstance(theirs, dict) and set(theirs) == {"value"} and isinstance(theirs["value"], SCALARS)
                )
                if not isinstance(theirs, str) and not is_value:
                    _refuse(item, f"[inputs.map.{name}] {ours}", "is neither a column nor { value = ... }")
            for ours, value in clinical.given(item).items():
                if ours in table.columns:
                    entry.setdefault(ours, {"value": value})
            missing = [c for c in ("trial_id", "patient_id") if c not in entry]
            if missing:
                _refuse(item, f"[inputs.map.{name}]", f"does not name {' and '.join(missing)}",
                        fix='add it; a trial that is the same in every row: trial_id = "..." below path')  # fmt: skip
    scans = maps.get("tumor_measurements", [])
    if scans and not any({*clinical.MEASURED} & {*entry} for entry in scans):
        _refuse(item, "[inputs.map.tumor_measurements]", "says of no scan what was measured",
                allowed=f"one of {', '.join(clinical.MEASURED)}")  # fmt: skip
    for option in ("units", "values", "only"):
        for theirs in getattr(item.spec, option) or {}:
            if theirs not in opened.header:
                _refuse(item, f"[inputs.{option}]", "names a column that the file does not have", found=[theirs],
                        allowed=_names(opened))  # fmt: skip
    for theirs, recoded in (item.spec.values or {}).items():
        if not isinstance(recoded, dict) or not all(isinstance(v, SCALARS) for v in recoded.values()):
            _refuse(item, f"[inputs.values.{theirs}]", "is no list of their values = ours")
    for theirs, wanted in (item.spec.only or {}).items():
        if not all(isinstance(w, SCALARS) for w in _listed(wanted)):
            _refuse(item, f"[inputs.only] {theirs}", "is neither a value nor a list of values")
    for theirs, unit in (item.spec.units or {}).items():
        if not isinstance(unit, str) or unit not in UNITS:
            _refuse(item, f"[inputs.units] {theirs}", "is not a unit", found=[str(unit)], allowed=", ".join(UNITS))
    return maps


def _listed(wanted: object) -> list:
    return wanted if isinstance(wanted, list) else [wanted]


def _names(opened: Table) -> str:
    """The columns of a file; of one whose header looks like a row, a patient's it may be, nothing."""
    if any(NO_NAME.search(c) for c in opened.header):
        return "(its header looks like a row: add one)"
    return ", ".join(opened.header[:30])


def _refuse(item: Item, where: str, what: str, fix: str = "correct hpd.toml", **more) -> None:
    raise InputError(Problem(item.file, "wrong_map", what, where, fix=fix, **more))


def _preset(opened: Table, item: Item) -> dict[str, list[dict]]:
    """The map of a wide form."""
    known = FERTE if set(FERTE) <= set(opened.header) else WIDE
    scans: list[dict] = [{}, {}, {}]
    for theirs in opened.header:
        if theirs in known:
            ours, number = known[theirs]
            if ours in scans[number]:
                raise InputError(Problem(opened.file, "duplicate_column", "two columns mean the same", found=[scans[number][ours], theirs],
                                         lines=[opened.header_line] if opened.header_line else [], fix="keep one"))  # fmt: skip
            scans[number][ours] = theirs
    aliases = PATIENTS.aliases()
    patients = {
        aliases.get(c, c): c for c in opened.header if aliases.get(c, c) in (*PATIENTS.columns, *PATIENTS.input_only)
    }
    who = [c for name in PATIENT_NAMES for c in opened.header if c.lower() == name]
    if "patient_id" not in patients and not who:
        raise InputError(Problem(opened.file, "missing_column", "needs this column", "patient_id",
                                 lines=[opened.header_line] if opened.header_line else [], fix="add it"))  # fmt: skip
    patients.setdefault("patient_id", (who or [""])[0])
    if "trial_id" not in patients and item.spec.trial_id is None:
        patients["trial_id"] = {"value": Path(item.file).name.partition(".")[0]}
    if known is FERTE:
        patients[clinical.START_DATE] = "SCANDATE_BASELINE"
    who_and_when = ("trial_id", "patient_id", clinical.START_DATE, clinical.START_DAY, "reader")
    shared = {c: patients[c] for c in who_and_when if c in patients}
    if "reader" in opened.header:
        shared["reader"] = "reader"
    return {"patients": [patients], "tumor_measurements": [shared | scan for scan in scans if len(scan) > 1]}


def _left_out(opened: Table, maps: dict[str, list[dict]], item: Item) -> list[Problem]:
    used = {
        theirs for entries in maps.values() for entry in entries for theirs in entry.values() if isinstance(theirs, str)
    }
    others = [c for c in opened.header if c not in used and c not in (item.spec.only or {})]
    if not others:
        return []
    return [Problem(opened.file, "columns_left_out", "columns that the map does not name", level="NOTE", found=others[:SHOWN],
                    n_found=len(others), outcome="not read")]  # fmt: skip


# --- rows ---------------------------------------------------------------------------------------------


def _wanted(rows: pl.DataFrame, item: Item) -> pl.DataFrame:
    """Rows that [inputs.only] lets through, their values recoded and in our units."""
    for theirs, wanted in (item.spec.only or {}).items():
        alternatives = "|".join(re.escape(_text(w)).replace(r"\*", ".*") for w in _listed(wanted))
        rows = rows.filter(pl.col(theirs).str.contains(rf"(?is)^({alternatives})$"))
    for theirs, recoded in (item.spec.values or {}).items():
        rows = rows.with_columns(pl.col(theirs).replace({k: _text(v) for k, v in recoded.items()}))
    for theirs, unit in (item.spec.units or {}).items():
        # what is no number is left as it is, for the parser to find
        number = pl.col(theirs).cast(pl.Float64, strict=False)
        rows = rows.with_columns(pl.coalesce((number * UNITS[unit]).round(9).cast(pl.String), theirs).alias(theirs))
    return rows


def _ours(rows: pl.DataFrame, entry: dict) -> pl.DataFrame:
    cells = [
        (pl.col(theirs) if isinstance(theirs, str) else pl.lit(_text(theirs["value"]), pl.String)).alias(ours)
        for ours, theirs in entry.items()
    ]
    return rows.select("_line", *cells)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _patients(item: Item, opened: Table, entry: dict, starts: pl.DataFrame | None) -> tuple[Part, pl.DataFrame | None]:
    """One row per patient, gathered from all rows that speak of them; and when their treatment started."""
    frames, ragged = [], []
    told = [ours for ours, theirs in entry.items() if isinstance(theirs, str)]
    for block in opened.blocks:
        rows = _ours(_wanted(block.rows, item), entry)
        # cells that say the same again are not needed again
        frames.append(rows.unique([c for c in rows.columns if c != "_line"], keep="first", maintain_order=True))
        ragged.append(block.ragged)
    rows = pl.concat(frames) if frames else pl.DataFrame(schema={"_line": pl.Int64} | dict.fromkeys(entry, pl.String))
    key = ["trial_id", "patient_id"]
    rest = [c for c in rows.columns if c not in (*key, "_line")]
    if item.spec.repeats == "first":
        rows = _first_to_speak(rows, key, rest)
    grouped = rows.drop_nulls(key).group_by(key, maintain_order=True)
    gathered = grouped.agg(pl.col("_line").first(), *(pl.col(c).drop_nulls().first() for c in rest))
    rejected, problems, conflicts = [], [], []
    for column in key:
        nobody = rows.filter(pl.col(column).is_null())
        if nobody.height:
            problems.append(_problem(item, nobody, column, "missing_value", "is blank", "fill it in"))
            rejected.append(_hidden(nobody, column, "missing_value", "is blank"))
    if item.spec.repeats != "first":
        several = grouped.agg(pl.col(c).drop_nulls().n_unique() for c in rest)
        for column in rest:
            # every row of the patient is told; the patient is one row of ours
            twice = gathered.join(
                several.filter(pl.col(column) > 1).select(key), on=key, how="semi", maintain_order="left"
            )
            if twice.height:
                what = "has several values for one patient"
                fix = 'choose rows with [inputs.only], or let the first count: repeats = "first"'
                problems.append(_problem(item, twice, column, "conflicting_values", what, fix))
                rejected.append(_hidden(twice, column, "conflicting_values", what))
                conflicts.extend(twice["_line"])
    good = with_starts(gathered.filter(~pl.col("_line").is_in(conflicts)), starts)
    part = clinical.part_of(PATIENTS, item.file, good, item.spec.date_format)
    part.rows_read = gathered.height + rows.filter(pl.any_horizontal(pl.col(key).is_null())).height
    part.rejected = pl.concat([part.rejected, *(r.select(*REJECTED) for r in rejected)])
    part.problems += problems
    start = next((c for c in (clinical.START_DATE, clinical.START_DAY) if c in good.columns), None)
    if "tumor_measurements" not in (item.spec.map or {"tumor_measurements": None}):
        for lines in ragged:
            if lines.height:
                told_lines = hidden_ragged(PATIENTS, lines, opened)
                part.rows_read += told_lines.rows_read
                part.rejected = pl.concat([part.rejected, told_lines.rejected])
                part.problems += told_lines.problems
    known = None if start is None or not told else good.select(*key, start).drop_nulls(start)
    return part, known


def _first_to_speak(rows: pl.DataFrame, key: list[str], rest: list[str]) -> pl.DataFrame:
    """The rows without those that contradict an earlier one of the patient in any column: the end of a second regimen must
    not close the first."""
    firsts = rows.group_by(key, maintain_order=True).agg(
        pl.col(c).drop_nulls().first().alias(f"first {c}") for c in rest
    )
    agrees = [pl.col(c).is_null() | (pl.col(c) == pl.col(f"first {c}")) for c in rest]
    joined = rows.join(firsts, on=key, how="left", nulls_equal=True, maintain_order="left")
    return joined.filter(pl.all_horizontal(agrees)).select(rows.columns)


def _scans(item: Item, rows: pl.DataFrame, entry: dict, starts: pl.DataFrame | None) -> Part:
    """The scans that one map finds in a block; a row in which nothing of a scan is filled in is none."""
    said = [theirs for ours, theirs in entry.items() if isinstance(theirs, str) and ours not in _WHO]
    rows = rows.filter(pl.any_horizontal(pl.col(theirs).is_not_null() for theirs in said)) if said else rows
    text = with_starts(_ours(rows, entry), starts)
    return clinical.part_of(SCANS, item.file, text, item.spec.date_format, item.spec.reader)


_WHO = ("trial_id", "patient_id", "reader", clinical.START_DATE, clinical.START_DAY)


def _problem(item: Item, rows: pl.DataFrame, column: str, rule: str, what: str, fix: str) -> Problem:
    return Problem(
        item.file,
        rule,
        what,
        column,
        rows["_line"].head(SHOWN).to_list(),
        rows.height,
        outcome="rows rejected",
        fix=fix,
    )


def _hidden(rows: pl.DataFrame, column: str, rule: str, what: str) -> pl.DataFrame:
    shown = hide(rows, PATIENTS)
    return shown.select("_line", column=pl.lit(column), value=shape(pl.col(column)), rule=pl.lit(rule), message=pl.lit(what),
                        row_json=pl.struct(pl.exclude("_line")).struct.json_encode())  # fmt: skip
