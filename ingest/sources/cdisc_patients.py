"""CDISC domains → treated patients, as text for the door of clinical rows. Who was never dosed is no patient.

- Off treatment: the last DISPOSITION EVENT of DS about treatment; where none says what it is about, the first one that is
  not of screening, follow-up or the study. ADSL.EOTDT; EOSDT is the end of the study and is not read.
- Progression: the first PD (iUPD, iCPD) of the chosen reader, else of the investigator, else of who read most patients.
- Last known: the last day at which every event without a date is known not to have happened; see `_last_known`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ingest.clinical import START_DATE, part_of
from ingest.errors import InputError, Problem
from ingest.sources.cdisc_domains import KEY, PATIENTS, day_of, doses, earliest, full_date, latest, not_imputed, told
from ingest.sources.part import Part

if TYPE_CHECKING:
    from ingest.pipeline import Item

PROGRESSION = ("PD", "iUPD", "iCPD")
TREATMENT, OTHER = "TREATMENT|DRUG|THERAPY|DOSING", "SCREEN|FOLLOW|STUDY|RUN-IN|RANDOMI"  # what a disposition is about
TTF_PARAMETERS = {None: "TTF", "off_treatment": "TTF", "progression": "PFS", "death": "OS"}  # event → PARAMCD


def patients_part(
    item: Item,
    frames: dict[str, pl.DataFrame],
    subjects: pl.DataFrame,
    responses: pl.DataFrame | None,
    files: dict[str, str],
    said: list[Problem],
) -> Part:
    """One row per treated subject, from DM, else ADSL, else EX.

    Raises:
        InputError: nobody was treated.
    """
    base = next(role for role in ("DM", "ADSL", "EX") if role in frames)
    rows = _patients(base, item, frames, subjects, responses, files, said)
    treated = pl.col(START_DATE).is_not_null()
    if rows.filter(treated).is_empty():
        raise InputError(Problem(files[base], "nobody_treated", "names no subject whose treatment has a start",
                                 allowed="DM.RFXSTDTC, doses in EX, or ADSL.TRTSDT", fix="add them"))  # fmt: skip
    said += told(
        files[base],
        "not_treated",
        "subjects without a dose",
        rows.filter(~treated),
        outcome="no patients",
        level="NOTE",
    )
    return part_of(PATIENTS, files[base], rows.filter(treated))


def _patients(
    base: str,
    item: Item,
    frames: dict[str, pl.DataFrame],
    subjects: pl.DataFrame,
    responses: pl.DataFrame | None,
    files: dict[str, str],
    said: list[Problem],
) -> pl.DataFrame:
    """Subjects with the dates of their treatment; `treatment_start_date` null: not treated."""
    rows = frames[base].select(*KEY, "_line")
    if base == "EX":
        rows = rows.unique(KEY, keep="first", maintain_order=True)
    rows = rows.join(subjects, on=KEY, how="left", maintain_order="left")
    facts: list[pl.DataFrame] = []
    if "EX" in frames:
        facts.append(_exposure(frames["EX"]))
    if "DM" in frames:
        dm = frames["DM"].unique(KEY, keep="first", maintain_order=True)
        facts.append(
            dm.select(*KEY, last_of_dm="RFXENDTC", death_of_dm="DTHDTC", arm_of_dm=pl.coalesce("ACTARM", "ARM"))
        )
    if "DS" in frames:
        facts.append(_disposition(frames["DS"]))
    if "ADSL" in frames:
        adsl = frames["ADSL"].unique(KEY, keep="first", maintain_order=True)
        facts.append(adsl.select(
            *KEY, last_of_adsl="TRTEDT", off_of_adsl="EOTDT", death_of_adsl=not_imputed("DTHDT", "DTHDTF"),
            arm_of_adsl=pl.coalesce("TRT01A", "ACTARM", "ARM")))  # fmt: skip
    if "ADTTE" in frames:
        facts.append(_ttf(item, frames["ADTTE"], subjects, files["ADTTE"], said))
    if responses is not None:
        facts.append(_progression(item, responses, subjects))
    for fact in facts:
        rows = rows.join(fact, on=KEY, how="left", maintain_order="left")

    def first_of(*columns: str) -> pl.Expr:
        there = [pl.col(c) for c in columns if c in rows.columns]
        return pl.coalesce(there) if there else pl.lit(None, pl.String)

    last_start = first_of("last_start")
    # RFXENDTC of a subject whose last dose has no end is often the end of the one before
    of_dm = pl.when(last_start.is_null() | (first_of("last_of_dm") >= last_start)).then(first_of("last_of_dm"))
    rows = rows.with_columns(
        last_dose_date=pl.coalesce(first_of("last_of_ex"), of_dm, first_of("last_of_adsl")),
        off_treatment_date=first_of("off_of_ds", "off_of_adsl"),
        death_date=first_of("death_of_dm", "death_of_ds", "death_of_adsl"),
    )
    return rows.select(
        "_line",
        trial_id=pl.lit(item.spec.trial_id, pl.String).fill_null(pl.col("STUDYID")),
        patient_id="USUBJID",
        cancer_type_reported=pl.lit(item.spec.cancer_type, pl.String),
        agents=first_of("drugs", "arm_of_dm", "arm_of_adsl"),
        treatment_start_date="start",
        last_dose_date="last_dose_date",
        off_treatment_date="off_treatment_date",
        progression_date=first_of("progression_date"),
        death_date="death_date",
        last_known_date=_last_known(last_start, first_of("last_response")),
        ttf_event=pl.lit(item.spec.ttf_event, pl.String),
        ttf_days=first_of("ttf_days"),
        is_ttf_censored=first_of("is_ttf_censored"),
    )


def _exposure(ex: pl.DataFrame) -> pl.DataFrame:
    """Drugs given; end of the last dose (null where its end is not given); start of the last dose."""
    exposure = doses(ex).group_by(KEY).agg(
        drugs=pl.col("EXTRT").drop_nulls().unique().sort().str.join("+"),
        ended=latest("EXENDTC"),
        last_start=latest("EXSTDTC"),
        open_start=pl.col("EXSTDTC").filter(pl.col("EXENDTC").is_null()).max(),
    )  # fmt: skip
    is_open = pl.col("open_start") >= pl.col("ended")
    ended = pl.when(is_open.fill_null(False)).then(None).otherwise(pl.col("ended"))
    drugs = pl.when(pl.col("drugs") != "").then(pl.col("drugs"))
    return exposure.select(*KEY, "last_start", drugs=drugs, last_of_ex=ended)


def _disposition(ds: pl.DataFrame) -> pl.DataFrame:
    """When treatment was given up, and death where DM does not tell it."""
    events = ds.filter(
        pl.col("DSCAT").str.to_uppercase() == "DISPOSITION EVENT",
        pl.col("DSDECOD").str.to_uppercase() != "SCREEN FAILURE",
    )
    # the subcategory says more than the epoch in which something happened
    about, epoch = (pl.col(c).fill_null("").str.to_uppercase() for c in ("DSSCAT", "EPOCH"))
    events = events.with_columns(
        is_treatment=about.str.contains(TREATMENT) | (~about.str.contains(OTHER) & epoch.str.contains(TREATMENT)),
        is_other=about.str.contains(OTHER) | (~about.str.contains(TREATMENT) & epoch.str.contains(OTHER)),
    )
    of_treatment = events.filter(pl.col("is_treatment")).group_by(KEY).agg(treatment=latest("DSSTDTC"))
    of_any = events.filter(~pl.col("is_treatment"), ~pl.col("is_other")).group_by(KEY).agg(event=earliest("DSSTDTC"))
    deaths = (
        ds.filter(pl.col("DSDECOD").str.to_uppercase() == "DEATH").group_by(KEY).agg(death_of_ds=earliest("DSSTDTC"))
    )
    rows = ds.select(KEY).unique(maintain_order=True)
    for frame in (of_treatment, of_any, deaths):
        rows = rows.join(frame, on=KEY, how="left", maintain_order="left")
    return rows.select(*KEY, off_of_ds=pl.coalesce("treatment", "event"), death_of_ds="death_of_ds")


def _ttf(item: Item, adtte: pl.DataFrame, subjects: pl.DataFrame, file: str, said: list[Problem]) -> pl.DataFrame:
    """Time to the event of the option `ttf_event`, from the first dose where its date is given (AVAL often counts the
    first day as 1, or from randomisation), else as AVAL has it."""
    code = TTF_PARAMETERS.get(item.spec.ttf_event)
    # a time to an imputed date is as unknown as the date
    rows = adtte.filter(pl.col("PARAMCD") == pl.lit(code, pl.String), pl.col("ADTF").is_null())
    rows = rows.join(subjects, on=KEY, how="left", maintain_order="left")
    days = (day_of(pl.col("ADT")) - day_of(pl.col("start"))).dt.total_days().cast(pl.String)
    is_days = pl.col("AVALU").str.to_lowercase().is_in(["day", "days"]).fill_null(True)
    rows = rows.with_columns(by_date=days, is_days=is_days)
    said += told(file, "not_days", "is not in days and has no full date", rows.filter(~pl.col("is_days") & pl.col("by_date").is_null()),
                  "AVALU", allowed="DAYS", outcome="left blank", fix="export AVAL in days, or ADT", level="WARNING")  # fmt: skip
    said += told(file, "aval_as_given", "has no full date, so that AVAL counts as it is", rows.filter(pl.col("is_days") & pl.col("by_date").is_null()),
                  "ADT", level="NOTE")  # fmt: skip
    given = pl.coalesce("by_date", pl.when(pl.col("is_days")).then(pl.col("AVAL")))
    is_censored = pl.col("CNSR").cast(pl.Float64, strict=False) != 0
    rows = rows.select(
        *KEY, "_line", ttf_days=given, is_ttf_censored=pl.when(given.is_not_null()).then(is_censored.cast(pl.String))
    )
    twice = rows.select(KEY).is_duplicated()
    said += told(file, "several_times", f"{code} stands on several lines of one subject", rows.filter(twice),
                  outcome="left blank", fix="keep one", level="WARNING")  # fmt: skip
    # an event without a censoring mark is neither
    return rows.filter(~twice, pl.col("is_ttf_censored").is_not_null()).drop("_line")


def _last_known(last_start: pl.Expr, last_response: pl.Expr) -> pl.Expr:
    """The last response, of which it is sure that progression is known by then; no later than the last dose where no end
    of treatment is given, and no later than its start where the dose has no end."""
    dose, off = pl.col("last_dose_date"), pl.col("off_treatment_date")
    response, far = full_date(last_response), pl.lit("9999-12-31")
    still_treated = pl.when(off.is_not_null()).then(far).otherwise(full_date(dose).fill_null(full_date(last_start)))
    still_dosed = pl.when(dose.is_not_null()).then(far).otherwise(full_date(last_start))
    is_sure = response.is_not_null() & still_treated.is_not_null() & still_dosed.is_not_null()
    last = pl.min_horizontal(response, still_treated, still_dosed)
    return pl.when(is_sure & (last >= full_date(pl.col("start")))).then(last)


def _progression(item: Item, responses: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """First progression and last response after the start of treatment, as one reader has them."""
    readers = responses.group_by("reader").agg(n=pl.struct(KEY).n_unique())
    is_asked_for = (pl.col("reader") == pl.lit(item.spec.reader, pl.String)).fill_null(False)
    rank = pl.when(is_asked_for).then(0).when(pl.col("reader") == "INVESTIGATOR").then(1).otherwise(2)
    readers = readers.sort(rank, -pl.col("n").cast(pl.Int64), "reader")
    reader = readers["reader"].head(1).to_list()
    rows = responses.filter(pl.col("reader").is_in(reader)).join(subjects, on=KEY, how="left", maintain_order="left")
    rows = rows.filter(~(day_of(pl.col("date")) < day_of(pl.col("start"))).fill_null(False))
    progression = (
        rows.filter(pl.col("response").is_in(PROGRESSION)).group_by(KEY).agg(progression_date=earliest("date"))
    )
    last = rows.group_by(KEY).agg(last_response=full_date(pl.col("date")).max())
    return last.join(progression, on=KEY, how="left", maintain_order="left")
