"""The domains of a CDISC folder as text, and what patients and scans both need of them: dates, subjects, responses.

- Dates go before study days. A study day (which has no 0: the day after -1 is 1) stands in only where the date is
  blank or lacks its day, and only if it falls into the month that is given. A day that ADaM imputed (ADTF) is unknown.
- Treatment starts at DM.RFXSTDTC, else at the first dose of EX (EXDOSE > 0, or a placebo), else at ADSL.TRTSDT.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from ingest.clinical import PARTIAL
from ingest.errors import SHOWN, InputError, Problem
from ingest.privacy import shape
from ingest.sources.cdisc import open_data_set
from ingest.sources.flat import hidden_ragged
from ingest.sources.part import Part
from ingest.sources.xport import EPOCH
from schemas import TABLES

PATIENTS, SCANS = TABLES["patients"], TABLES["tumor_measurements"]
KEY = ["STUDYID", "USUBJID"]
WHO = [*KEY, "reader"]
# what is read of each domain: what it must have (one of those joined by |), and what it may have
COLUMNS: dict[str, tuple[list[str], list[str]]] = {
    "DM": ([], ["RFSTDTC", "RFXSTDTC", "RFXENDTC", "DTHDTC", "ARM", "ACTARM"]),
    "EX": (["EXTRT", "EXSTDTC"], ["EXDOSE", "EXENDTC", "EXOCCUR"]),
    "DS": (["DSDECOD", "DSCAT", "DSSTDTC"], ["DSSCAT", "EPOCH"]),
    "RS": (["RSTESTCD", "RSSTRESC", "RSDTC|RSDY"], ["RSDY", "RSDTC", "RSEVAL", "RSEVALID", "RSCAT", "RSLNKGRP", "VISITNUM", "VISIT"]),
    "TU": (["TUSTRESC"], ["TUDTC", "TUDY", "TULNKID", "TULOC", "TUEVAL", "TUEVALID", "VISITNUM", "VISIT"]),
    "TR": (
        ["TRTESTCD", "TRSTRESN|TRSTRESC", "TRSTRESU", "TRDTC|TRDY"],
        ["TRDTC", "TRDY", "TRSTRESN", "TRSTRESC", "TRORRES", "TRSTAT", "TRGRPID", "TRLNKGRP", "TRLNKID", "TRLOC", "TREVAL",
         "TREVALID", "TRBLFL", "TRLOBXFL", "VISITNUM", "VISIT"],
    ),
    "ADSL": (["TRTSDT"], ["TRTEDT", "EOTDT", "DTHDT", "DTHDTF", "TRT01A", "ACTARM", "ARM"]),
    "ADTR": (
        ["PARAMCD", "AVAL", "ADT|ADY"],
        ["ADT", "ADTF", "ADY", "AVALC", "AVALU", "TRSTRESU", "PARAM", "PARCAT2", "TREVAL", "TREVALID", "ABLFL", "DTYPE", "VISITNUM",
         "AVISIT"],
    ),
    "ADRS": (["PARAMCD", "AVALC", "ADT|ADY"], ["ADT", "ADTF", "ADY", "PARCAT2", "RSEVAL", "RSEVALID", "DTYPE", "VISITNUM", "AVISIT"]),
    "ADTTE": (["PARAMCD", "CNSR", "AVAL"], ["ADT", "ADTF", "AVALU"]),
}  # fmt: skip
DATES = ("TRTSDT", "TRTEDT", "EOTDT", "DTHDT", "ADT")  # numbers of days in SAS
FULL = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
KNOWN = r"^\d{4}(-\d{2}(-\d{2})?)?"  # what a date says, before what it leaves open
IMPUTED = {"D": 7, "M": 4, "Y": 0}  # how much of a date was not imputed
RESPONSES = {
    word: ours
    for ours, words in {
        "CR": ("CR", "COMPLETE RESPONSE"), "PR": ("PR", "PARTIAL RESPONSE"), "SD": ("SD", "STABLE DISEASE"),
        "PD": ("PD", "PROGRESSIVE DISEASE"), "NE": ("NE", "NOT EVALUABLE", "INEVALUABLE"),
        "NON-CR/NON-PD": ("NON-CR/NON-PD", "NON-ICR/NON-IUPD"),
        "iCR": ("ICR",), "iPR": ("IPR",), "iSD": ("ISD",), "iUPD": ("IUPD",), "iCPD": ("ICPD",),
    }.items()
    for word in words
}  # fmt: skip


def read_domain(path: Path, file: str, role: str) -> tuple[pl.DataFrame, list[Part]]:
    """The columns of a domain that are needed, as text, absent ones null; and what could not be read."""
    required, optional = COLUMNS[role]
    wanted = list(dict.fromkeys([*KEY, *(name for choice in required for name in choice.split("|")), *optional]))
    opened = open_data_set(path, file, wanted, DATES)
    theirs = {name.upper(): name for name in opened.header}
    missing = [choice for choice in (*KEY, *required) if not theirs.keys() & set(choice.split("|"))]
    if missing:
        raise InputError(Problem(file, "missing_column", f"{role} needs {'this column' if len(missing) == 1 else 'these columns'}",
                                 ", ".join(missing).replace("|", " or "), lines=[opened.header_line] if opened.header_line else [],
                                 fix="export it with them"))  # fmt: skip
    cells = [
        pl.col(theirs[name]).alias(name) if name in theirs else pl.lit(None, pl.String).alias(name) for name in wanted
    ]
    frames, parts = [], [Part.of_notes(file, opened.notes)] if opened.notes else []
    for block in opened.blocks:
        frames.append(block.rows.select(*cells, "_line"))
        if block.ragged.height:
            turned_away = hidden_ragged(SCANS if role in ("TR", "ADTR") else PATIENTS, block.ragged, opened)
            if role not in ("TR", "ADTR", "DM"):  # their lines are not rows of ours
                for problem in turned_away.problems:
                    problem.outcome, problem.level = "lines not read", "WARNING"
                turned_away = Part.of_notes(file, turned_away.problems)
            parts.append(turned_away)
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(wanted, pl.String) | {"_line": pl.Int64})
    if rows.is_empty():
        raise InputError(Problem(file, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))
    dates = [c for c in DATES if c in rows.columns]
    return rows.with_columns(_iso(c).alias(c) for c in dates), parts


def _iso(column: str) -> pl.Expr:
    """Dates of ADaM, which CSV exports also write as SAS counts them (19725) or shows them (02JAN2014)."""
    cell = pl.col(column)
    counted = pl.when(cell.str.contains(r"^\d{5}(\.0+)?$")).then(cell.cast(pl.Float64, strict=False))
    by_number = (pl.lit(EPOCH).str.to_date() + pl.duration(days=counted)).cast(pl.String)
    shown = pl.when(cell.str.contains(r"^\d{1,2}[A-Za-z]{3}\d{4}$")).then(cell.str.to_titlecase())
    return pl.coalesce(by_number, shown.str.to_date("%d%b%Y", strict=False).cast(pl.String), cell)


def told(file: str, rule: str, what: str, rows: pl.DataFrame, column: str = "", **more) -> list[Problem]:
    """One problem about some lines; none when there are none. Values of `column` are shown by their shape."""
    if rows.is_empty():
        return []
    found = (
        rows.select(shape(pl.col(column)))[column].drop_nulls().unique(maintain_order=True)
        if column in rows.columns
        else None
    )
    return [Problem(file, rule, what, column, rows["_line"].sort().head(SHOWN).to_list(), rows.height,
                    found.head(SHOWN).to_list() if found is not None else [], len(found) if found is not None else 0, **more)]  # fmt: skip


# --- dates --------------------------------------------------------------------------------------------


def full_date(cell: pl.Expr) -> pl.Expr:
    """A date that is known to its day; else null."""
    return pl.when(cell.str.contains(FULL)).then(cell.str.slice(0, 10))


def day_of(cell: pl.Expr) -> pl.Expr:
    """Such a date as a day; else null."""
    return full_date(cell).str.to_date("%Y-%m-%d", strict=False)


def earliest(column: str) -> pl.Expr:
    """In a group; a date without its day comes before those of its month: it may be the earliest."""
    return pl.col(column).sort_by(pl.col(column).str.extract(f"({KNOWN})"), nulls_last=True).first()


def latest(column: str) -> pl.Expr:
    """In a group; a date without its day comes after those of its month: it may be the latest."""
    return pl.col(column).sort_by(pl.col(column).str.extract(f"({KNOWN})") + "~", nulls_last=False).last()


def not_imputed(date: str, flag: str) -> pl.Expr:
    """A date as far as it was not imputed."""
    kept = pl.col(flag).replace_strict(IMPUTED, default=10, return_dtype=pl.UInt32)
    cut = pl.when(pl.col(flag).is_null()).then(pl.col(date)).otherwise(pl.col(date).str.slice(0, kept))
    return pl.when(cut != "").then(cut)


class Dates(NamedTuple):
    """The names of the columns that say when."""

    date: str
    day: str
    imputed: str | None = None


def dated(rows: pl.DataFrame, names: Dates, subjects: pl.DataFrame) -> pl.DataFrame:
    """Adds `date` (text, possibly partial, null: not given), `by_day` (where the study day stands for it) and `differs`."""
    written = not_imputed(names.date, names.imputed) if names.imputed else pl.col(names.date)
    clock = "reference" if names.day != "ADY" else "start"
    rows = rows.join(subjects.select(*KEY, clock=clock), on=KEY, how="left", maintain_order="left")
    number = pl.col(names.day).cast(pl.Float64, strict=False)
    elapsed = pl.when(number > 0).then(number - 1).when(number < 0).then(number)
    rows = rows.with_columns(
        written=written, told=(day_of(pl.col("clock")) + pl.duration(days=elapsed.floor())).cast(pl.String)
    )
    known = pl.col("written").str.extract(f"({KNOWN})").str.slice(0, 7)
    # of a date that is no date at all nothing is known
    is_open = pl.col("written").str.contains(PARTIAL) & ~pl.col("written").str.contains(FULL)
    fits = pl.col("written").is_null() | (is_open & pl.col("told").str.starts_with(known))
    if names.imputed:
        fits = fits & pl.col(names.imputed).is_null()
    by_day = pl.when(fits.fill_null(False)).then(pl.col("told"))
    return rows.with_columns(
        date=pl.coalesce(full_date(pl.col("written")), by_day, "written"), by_day=by_day.is_not_null(),
        differs=(day_of(pl.col("written")) != pl.col("told").str.to_date("%Y-%m-%d", strict=False)).fill_null(False),
    ).drop("clock", "written", "told")  # fmt: skip


# --- subjects and responses -----------------------------------------------------------------------------


def subjects_of(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """A row per subject: `start` of treatment and day 1 of the study days (`reference`), as written; null: not known."""
    named = [frames[role].select(KEY) for role in ("DM", "ADSL", "EX") if role in frames]
    subjects = pl.concat(named).drop_nulls().unique(maintain_order=True)
    found = {
        "DM": frames["DM"].group_by(KEY).agg(reference=earliest("RFSTDTC"), of_dm=earliest("RFXSTDTC")) if "DM" in frames else None,
        "EX": doses(frames["EX"]).group_by(KEY).agg(of_ex=earliest("EXSTDTC")) if "EX" in frames else None,
        "ADSL": frames["ADSL"].group_by(KEY).agg(of_adsl=earliest("TRTSDT")) if "ADSL" in frames else None,
    }  # fmt: skip
    for frame in found.values():
        if frame is not None:
            subjects = subjects.join(frame, on=KEY, how="left", maintain_order="left")
    starts = [c for c in ("of_dm", "of_ex", "of_adsl") if c in subjects.columns]
    subjects = subjects.with_columns(start=pl.coalesce(starts))
    reference = pl.coalesce("reference", "start") if "reference" in subjects.columns else pl.col("start")
    return subjects.select(*KEY, "start", reference=reference)


def doses(ex: pl.DataFrame) -> pl.DataFrame:
    """The rows of EX in which something was given: a dose above 0, or a placebo."""
    dose = pl.col("EXDOSE").cast(pl.Float64, strict=False)
    is_placebo = pl.col("EXTRT").str.to_uppercase().str.contains("PLACEBO", literal=True)
    given = (dose > 0) | (is_placebo & (dose.fill_null(0) == 0))
    return ex.filter(given.fill_null(False), pl.col("EXOCCUR").fill_null("Y") != "N")


def responses_of(
    frames: dict[str, pl.DataFrame], subjects: pl.DataFrame, files: dict[str, str], said: list[Problem]
) -> pl.DataFrame | None:
    """Overall responses: WHO, `date`, `group`, `visit`, `response`; None where they are not delivered."""
    if "RS" in frames:
        file, written = files["RS"], "RSSTRESC"
        rows = frames["RS"].filter(pl.col("RSTESTCD").str.to_uppercase() == "OVRLRESP")
        rows = dated(rows, Dates("RSDTC", "RSDY"), subjects)
        rows = rows.with_columns(
            reader=who_read("RSEVAL", "RSEVALID"), group="RSLNKGRP", visit=pl.coalesce("VISITNUM", "VISIT")
        )
        rows = rows.sort(pl.col("RSCAT").fill_null("").str.to_lowercase().str.contains("irecist"), maintain_order=True)
        rows = rows.with_columns(criteria=pl.col("RSCAT").fill_null(""))
    elif "ADRS" in frames:
        file, written = files["ADRS"], "AVALC"
        rows = dated(
            frames["ADRS"].filter(pl.col("PARAMCD") == "OVR", pl.col("DTYPE").is_null()),
            Dates("ADT", "ADY", "ADTF"),
            subjects,
        )
        rows = rows.with_columns(
            reader=who_read("RSEVAL", "RSEVALID", "PARCAT2"), group=pl.lit(None, pl.String), criteria=pl.lit(""),
            visit=pl.coalesce("VISITNUM", "AVISIT"),
        )  # fmt: skip
    else:
        return None
    word = pl.col(written).str.to_uppercase().str.replace_all(r"\s+", " ").str.replace_all(" ?/ ?", "/")
    rows = rows.with_columns(response=word.replace_strict(RESPONSES, default=None, return_dtype=pl.String))
    unknown = rows.filter(pl.col("response").is_null() & pl.col(written).is_not_null())
    said += told(file, "not_a_response", "is no overall response", unknown, written, allowed=", ".join(dict.fromkeys(RESPONSES.values())),
                  outcome="left blank", level="WARNING")  # fmt: skip
    rows = rows.drop_nulls("response")
    # where a scan is judged by two criteria, RECIST goes before iRECIST
    rows = rows.filter(pl.col("criteria") == pl.col("criteria").first().over(*WHO, "date", "visit"))
    several = pl.col("response").n_unique().over(*WHO, "date", "visit") > 1
    said += told(file, "several_responses", "a scan has several overall responses", rows.filter(several), written,
                  outcome="left blank", fix="keep one", level="WARNING")  # fmt: skip
    return rows.filter(~several).select(*WHO, "date", "group", "visit", "response")


def who_read(evaluator: str, evaluator_id: str, category: str | None = None) -> pl.Expr:
    """Who read, as `INDEPENDENT ASSESSOR RADIOLOGIST 1`; null: not stated."""
    told = pl.concat_str(evaluator, evaluator_id, separator=" ", ignore_nulls=True)
    told = pl.when(told != "").then(told)
    return (pl.coalesce(told, category) if category else told).str.to_uppercase().fill_null("NOT STATED")
