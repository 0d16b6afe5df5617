"""CDISC domains → one row per scan and reader, as text for the door of clinical rows.

- A sum is the SUMDIAM (SDIAM) of the reader, as given. Without one, the diameters of the TARGET lesions are added:
  DIAMETER, or LPERP of a lymph node and LDIAM of anything else (RECIST 1.1, doi 10.1016/j.ejca.2008.10.026). A lesion
  TOO SMALL TO MEASURE without a number is 2 mm, as such a sum is. A lesion that is not measured, or fewer lesions than
  at baseline, make the sum not evaluable.
- A new lesion counts at the scan where TU identifies it; one that TR calls EQUIVOCAL, from the scan where it is
  UNEQUIVOCAL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ingest.clinical import START_DATE, STATUS_WORDS, part_of
from ingest.errors import InputError, Problem
from ingest.privacy import hide
from ingest.sources.cdisc_domains import FULL, KEY, SCANS, WHO, Dates, dated, day_of, told, who_read
from ingest.sources.part import REJECTED, Part

if TYPE_CHECKING:
    from ingest.pipeline import Item

TOO_SMALL = "2"  # mm


def scans_part(
    item: Item,
    frames: dict[str, pl.DataFrame],
    subjects: pl.DataFrame,
    responses: pl.DataFrame | None,
    files: dict[str, str],
    said: list[Problem],
) -> Part:
    """One row per reader and scan.

    Raises:
        InputError: there is nothing that is, or adds up to, a sum of diameters.
    """
    tu = frames.get("TU")
    if "TR" in frames:
        file = files["TR"]
        tr = _of_tr(frames["TR"], subjects)
        scans = _tr_scans(tr, tu, subjects, file, said)
    else:
        file, tr = files["ADTR"], None
        scans = _adtr_scans(frames["ADTR"], subjects)
    if scans.is_empty():
        raise InputError(Problem(file, "no_scans", "holds no sum of diameters and no diameters of target lesions",
                                 allowed="TRTESTCD SUMDIAM, or DIAMETER, LDIAM, LPERP of TRGRPID TARGET; PARAMCD SDIAM", fix="add them"))  # fmt: skip
    day = "TRDY" if tr is not None else "ADY"
    said += told(
        file,
        "study_day_counts",
        "lack a full date, so that the study day counts",
        scans.filter("by_day"),
        day,
        level="NOTE",
    )
    said += told(file, "study_day_differs", "study days differ from the dates", scans.filter("differs"), day, outcome="the dates count",
                  level="NOTE")  # fmt: skip
    starts = subjects.select(*KEY, treatment_start_date="start", is_known=pl.lit(True))
    scans = scans.join(starts, on=KEY, how="left", maintain_order="left")
    untreated = pl.col("is_known").fill_null(False) & pl.col(START_DATE).is_null()
    said += told(
        file,
        "not_treated",
        "scans of subjects without a dose",
        scans.filter(untreated),
        outcome="not read",
        level="NOTE",
    )
    scans = scans.filter(~untreated)
    if responses is not None:
        scans = _with_responses(scans, responses)
    if tu is not None:
        scans = _with_new_lesions(scans, tu, tr, subjects)
    text = scans.with_columns(
        trial_id=pl.lit(item.spec.trial_id, pl.String).fill_null(pl.col("STUDYID")), patient_id="USUBJID", scan_date="date",
        sum_diameters_mm="cell", measurement_status="status", is_baseline=pl.col("is_baseline").cast(pl.String),
    )  # fmt: skip
    is_number = pl.col("cell").cast(pl.Float64, strict=False).is_not_null()
    # a sum in TR always has a unit
    not_mm = is_number & (pl.col("unit").str.to_lowercase() != "mm").fill_null(pl.lit(tr is not None))
    unit, number = ("TRSTRESU", "TRSTRESN") if tr is not None else ("AVALU", "AVAL")
    odd_units = text.filter(not_mm).rename({"unit": unit})
    conflicts = text.filter(pl.col("conflict"), ~not_mm).rename({"cell": number})
    part = part_of(SCANS, file, text.filter(~not_mm, ~pl.col("conflict")), reader=item.spec.reader)
    _turn_away(
        part, odd_units, unit, "not_mm", "is not in mm", allowed="mm", fix="convert the sums, or the diameters, to mm"
    )
    _turn_away(
        part, conflicts, number, "conflicting_values", "has several values for one lesion at one scan", fix="keep one"
    )
    return part


def _turn_away(part: Part, rows: pl.DataFrame, column: str, rule: str, what: str, **more: str) -> None:
    """Rows that do not even reach the door."""
    if rows.is_empty():
        return
    kept = [c for c in rows.columns if c in SCANS.columns or c in SCANS.input_only]
    shown = hide(rows.select(*dict.fromkeys([*kept, column]), "_line"), SCANS)
    shown = shown.select(
        "_line", column=pl.lit(column), value=column, rule=pl.lit(rule), message=pl.lit(what),
        row_json=pl.struct(pl.exclude("_line")).struct.json_encode(),
    )  # fmt: skip
    part.rows_read += rows.height
    part.rejected = pl.concat([part.rejected, shown.select(*REJECTED)])
    part.problems += told(part.file, rule, what, rows, column, outcome="rows rejected", **more)


def _adtr_scans(adtr: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """The sums of ADTR: WHO, `date`, `by_day`, `differs`, `visit`, `group`, `cell` (the sum as text), `status`, `unit`,
    `is_baseline`, `conflict`, `_line`."""
    # a date that was imputed for a lesion is no better for the sum
    rows = adtr.with_columns(ADTF=pl.coalesce("ADTF", pl.col("ADTF").drop_nulls().first().over(*KEY, "ADT")))
    rows = rows.filter(pl.col("PARAMCD") == "SDIAM", pl.col("DTYPE").is_null())
    rows = dated(rows, Dates("ADT", "ADY", "ADTF"), subjects)
    return rows.select(
        *KEY, "date", "by_day", "differs", "ADY", "_line",
        reader=who_read("TREVAL", "TREVALID", "PARCAT2"), visit=pl.coalesce("VISITNUM", "AVISIT"), group=pl.lit(None, pl.String),
        cell=pl.coalesce("AVAL", "AVALC"), status=pl.lit(None, pl.String),
        # a parameter that names no unit is in mm
        unit=pl.coalesce("AVALU", "TRSTRESU", pl.col("PARAM").str.extract(r"(?i)\((mm|cm|in)\)")),
        is_baseline=pl.when(pl.col("ABLFL").is_not_null()).then(pl.col("ABLFL") == "Y"), conflict=pl.lit(False),
    )  # fmt: skip


def _of_tr(tr: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """TR with `reader`, `date`, `visit`, `group`, `cell` (the result as text) and `scan`: what was seen at one time."""
    number, text, collected = pl.col("TRSTRESN"), pl.col("TRSTRESC"), pl.col("TRORRES")
    # as collected, a number may be in another unit
    word = pl.when(collected.cast(pl.Float64, strict=False).is_null()).then(collected)
    rows = dated(tr, Dates("TRDTC", "TRDY"), subjects).with_columns(
        reader=who_read("TREVAL", "TREVALID"), group="TRLNKGRP", visit=pl.coalesce("VISITNUM", "VISIT"),
        test=pl.col("TRTESTCD").str.to_uppercase(), part=pl.col("TRGRPID").str.to_uppercase(),
        cell=pl.coalesce(number, text, word, pl.lit("NOT EVALUABLE")),
        is_flagged=pl.any_horizontal((pl.col(c) == "Y").fill_null(False) for c in ("TRBLFL", "TRLOBXFL")),
    )  # fmt: skip
    rows = rows.with_columns(
        cell=pl.when(number.is_null() & (pl.col("TRSTAT") == "NOT DONE").fill_null(False))
        .then(pl.lit("NOT DONE"))
        .otherwise("cell")
    )
    # a visit may take several days; but where a lesion is measured twice under one visit, it was seen at two times
    n_same = pl.struct("date").n_unique().over(*WHO, "visit", "test", "part", "TRLNKID")
    is_split = (n_same.max().over(*WHO, "visit") > 1) | pl.col("visit").is_null()
    at = pl.when(is_split).then(pl.concat_str(pl.col("visit", "date").fill_null(""), separator=" ")).otherwise("visit")
    return rows.with_columns(scan=at)


def _tr_scans(
    tr: pl.DataFrame, tu: pl.DataFrame | None, subjects: pl.DataFrame, file: str, said: list[Problem]
) -> pl.DataFrame:
    """As `_adtr_scans`: the sums of the readers; of scans without one, the sums of their target lesions."""
    same = [*WHO, "scan"]
    sums = tr.filter(pl.col("test") == "SUMDIAM", (pl.col("part") == "TARGET").fill_null(True))
    lesions = _lesions(tr, tu)
    measured = _added(lesions, subjects)
    incomplete = sums.join(measured.filter("is_lacking").select(same), on=same, how="semi", maintain_order="left")
    said += told(file, "incomplete_sum", "the sum leaves out target lesions that were not measured", incomplete, outcome="counted as given",
                  level="WARNING")  # fmt: skip
    added = measured.join(sums.select(same).unique(), on=same, how="anti", maintain_order="left", nulls_equal=True)
    said += told(file, "lesions_missing", "fewer target lesions are measured than at baseline, or one is not evaluable",
                  added.filter(pl.col("is_lacking") | pl.col("is_fewer"), pl.col("odd").is_null()), outcome="the sum is not evaluable", level="NOTE")  # fmt: skip
    said += told(file, "which_diameter", "a lesion has two diameters and no place, so that nobody can say which one counts",
                  added.filter("is_open"), outcome="the sum is not evaluable", fix="add TU with TULOC, or DIAMETER", level="WARNING")  # fmt: skip
    said += told(file, "nameless_lesion", "target lesions have no TRLNKID, so that they cannot be added", added.filter("is_nameless"),
                  outcome="the sum is not evaluable", fix="fill it in", level="WARNING")  # fmt: skip
    given = ["date", "by_day", "differs", "TRDY", "visit", "group", "_line"]
    is_lost = pl.any_horizontal("is_lacking", "is_fewer", "is_open", "is_nameless") & pl.col("odd").is_null()
    flagged = pl.when(tr["is_flagged"].any()).then(pl.col("is_flagged"))
    return pl.concat([
        sums.select(*WHO, *given, "cell", status=pl.lit(None, pl.String), unit="TRSTRESU", is_baseline=flagged, conflict=pl.lit(False)),
        added.select(
            *WHO, *given, cell=pl.when(is_lost).then(None).otherwise(pl.coalesce("odd", "total")),
            status=pl.when(is_lost).then(pl.lit("not_evaluable")), unit="unit", is_baseline=flagged, conflict="conflict"),
    ])  # fmt: skip


def _lesions(tr: pl.DataFrame, tu: pl.DataFrame | None) -> pl.DataFrame:
    """A row per target lesion and scan, with the one diameter of it that counts."""
    rows = tr.filter(pl.col("test").is_in(["DIAMETER", "LDIAM", "LPERP"]), pl.col("part") == "TARGET")
    place = pl.col("TRLOC")
    if tu is not None:
        places = tu.with_columns(reader=who_read("TUEVAL", "TUEVALID")).drop_nulls(["TULNKID", "TULOC"])
        places = places.unique([*WHO, "TULNKID"], keep="first").select(*WHO, TRLNKID="TULNKID", place="TULOC")
        rows = rows.join(places, on=[*WHO, "TRLNKID"], how="left", maintain_order="left")
        place = pl.coalesce("place", "TRLOC")
    rows = rows.with_columns(is_node=place.str.to_uppercase().str.contains("LYMPH", literal=True))
    lesion = [*WHO, "scan", "TRLNKID"]
    by_test = {test: pl.col("cell").filter(pl.col("test") == test) for test in ("DIAMETER", "LDIAM", "LPERP")}
    rows = rows.group_by(lesion, maintain_order=True).agg(
        *(cells.first().alias(test) for test, cells in by_test.items()),
        pl.col("is_node").first(),
        conflict=pl.any_horizontal(cells.n_unique() > 1 for cells in by_test.values()) & pl.col("TRLNKID").first().is_not_null(),
        units=pl.col("TRSTRESU").filter(pl.col("cell").cast(pl.Float64, strict=False).is_not_null()).str.to_lowercase(),
        **{c: pl.col(c) for c in ("date", "by_day", "differs", "TRDY", "visit", "group", "is_flagged", "_line")},
    )  # fmt: skip
    two = pl.col("LDIAM").is_not_null() & pl.col("LPERP").is_not_null() & pl.col("DIAMETER").is_null()
    by_place = pl.when("is_node").then(pl.col("LPERP")).otherwise(pl.col("LDIAM"))
    return rows.with_columns(
        cell=pl.when(two).then(by_place).otherwise(pl.coalesce("DIAMETER", "LDIAM", "LPERP")),
        is_open=two & pl.col("is_node").is_null() & (pl.col("LDIAM") != pl.col("LPERP")),
    )  # fmt: skip


def _added(lesions: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """A row per scan: `total` of its lesions (exact), `odd` (a cell that is no diameter, for the door to reject), and
    what stands against the sum."""
    word = pl.col("cell").str.to_lowercase().str.replace_all(r"[\s_]+", " ")
    status = word.replace_strict(STATUS_WORDS, default=None, return_dtype=pl.String)
    diameter = pl.when(status == "too_small_to_measure").then(pl.lit(TOO_SMALL)).otherwise("cell")
    is_diameter = diameter.str.contains(r"^\+?(\d{1,6}\.?\d*|\.\d+)$")
    lesions = lesions.with_columns(
        is_lacking=status == "not_evaluable",
        odd=pl.when(~is_diameter & (status != "not_evaluable").fill_null(True)).then(pl.col("cell")),
        mm=pl.when(is_diameter).then(diameter).cast(pl.Decimal(18, 6), strict=False),
    ).with_columns(pl.col("is_lacking").fill_null(False))
    many = ["date", "by_day", "differs", "TRDY", "visit", "group", "is_flagged", "_line", "units"]
    scans = lesions.group_by(*WHO, "scan", maintain_order=True).agg(
        *(pl.col(c).list.explode() for c in many),
        pl.col("is_lacking", "is_open", "conflict").any(),
        is_nameless=pl.col("TRLNKID").is_null().any(),
        odd=pl.col("odd").drop_nulls().first(),
        total=pl.col("mm").sum().cast(pl.String),
        n_measured=pl.col("mm").is_not_null().sum(),
    )  # fmt: skip
    # the sum is known when its last lesion is measured; when that was, only if all dates are full
    dates = pl.col("date").list
    is_full = dates.eval(pl.element().str.contains(FULL).fill_null(False)).list.all()
    open_date = dates.eval(pl.element().filter(~pl.element().str.contains(FULL))).list.first()
    units = pl.col("units").list
    odd_unit = units.eval(pl.element().filter(pl.element() != "mm")).list.first()
    has_blank = units.eval(pl.element().is_null()).list.any()
    scans = scans.with_columns(
        pl.when(is_full).then(dates.max()).otherwise(open_date).alias("date"),
        pl.col("by_day").list.any(), pl.col("differs").list.any(), pl.col("is_flagged").list.any(),
        pl.col("TRDY", "visit", "group").list.first(), pl.col("_line").list.min(),
        unit=pl.coalesce(odd_unit, pl.when(~has_blank).then(pl.lit("mm"))),
    )  # fmt: skip
    return _beside_baseline(scans, subjects)


def _beside_baseline(scans: pl.DataFrame, subjects: pl.DataFrame) -> pl.DataFrame:
    """Adds `is_fewer`: fewer lesions have a diameter than at the baseline of the reader, which is the scan that is
    flagged, else the last one up to the day after the first dose (day 1, as the build has it)."""
    starts = subjects.select(*KEY, day_one=day_of(pl.col("start")) + pl.duration(days=1))
    before = scans.join(starts, on=KEY, how="left", maintain_order="left").with_columns(at=day_of(pl.col("date")))
    before = before.filter(~pl.col("is_lacking"), pl.col("is_flagged") | (pl.col("at") <= pl.col("day_one")))
    baseline = before.sort("is_flagged", "at", nulls_last=False).group_by(WHO, maintain_order=True).last()
    scans = scans.join(baseline.select(*WHO, n_baseline="n_measured"), on=WHO, how="left", maintain_order="left")
    return scans.with_columns(is_fewer=(pl.col("n_measured") < pl.col("n_baseline")).fill_null(False))


def _with_responses(scans: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """The overall response to each scan: of the same date, else the same link group, else the same visit."""
    found = []
    for by in ("date", "group", "visit"):
        on = [*WHO, by]
        single = responses.drop_nulls(by)
        single = single.filter(~single.select(on).is_duplicated())
        single = single.select(*on, pl.col("response").alias(f"by {by}"))
        is_one = ~pl.struct(on).is_duplicated() if by != "date" else pl.lit(True)
        scans = scans.join(single, on=on, how="left", maintain_order="left")
        found.append(pl.when(is_one).then(pl.col(f"by {by}")))
    return scans.with_columns(response=pl.coalesce(found))


def _with_new_lesions(
    scans: pl.DataFrame, tu: pl.DataFrame, tr: pl.DataFrame | None, subjects: pl.DataFrame
) -> pl.DataFrame:
    """New lesions at each scan, for subjects and readers in TU; a place that is not given leaves open what follows from it."""
    tu = dated(tu, Dates("TUDTC", "TUDY"), subjects).with_columns(
        reader=who_read("TUEVAL", "TUEVALID"), kind=pl.col("TUSTRESC").str.to_uppercase(), visit=pl.coalesce("VISITNUM", "VISIT"),
        place=pl.col("TULOC").str.to_uppercase(), lesion="TULNKID",
    )  # fmt: skip
    known = tu.filter(pl.col("kind").is_in(["TARGET", "NON-TARGET"]))
    organs = known.group_by(WHO).agg(
        places=pl.col("place").drop_nulls().unique(), has_blank=pl.col("place").is_null().any()
    )
    new = tu.filter(pl.col("kind").str.starts_with("NEW")).select(*WHO, "lesion", "place", "date", "visit", "_line")
    # identified once, however often it is listed
    new = (
        new.sort("date", "_line", nulls_last=True)
        .unique([*WHO, pl.coalesce("lesion", pl.col("_line").cast(pl.String))], keep="first", maintain_order=True)
        .drop("_line")
    )
    if tr is not None:
        states = tr.filter(pl.col("part").str.starts_with("NEW"), pl.col("test") == "TUMSTATE").drop_nulls("TRLNKID")
        states = states.select(*WHO, "date", "visit", lesion="TRLNKID", state=pl.col("cell").str.to_uppercase())
        states = states.filter(pl.col("state").is_in(["EQUIVOCAL", "UNEQUIVOCAL"]))
        places = new.drop_nulls("lesion").unique([*WHO, "lesion"], keep="first").select(*WHO, "lesion", "place")
        sure = (
            states.filter(pl.col("state") == "UNEQUIVOCAL")
            .sort("date")
            .unique([*WHO, "lesion"], keep="first", maintain_order=True)
        )
        sure = sure.join(places, on=[*WHO, "lesion"], how="inner", maintain_order="left").select(new.columns)
        judged = states.select(*WHO, "lesion").unique()
        new = pl.concat([new.join(judged, on=[*WHO, "lesion"], how="anti", maintain_order="left"), sure])
    new = new.join(organs, on=WHO, how="left", maintain_order="left")
    inside = pl.col("place").is_in(pl.col("places"))
    is_inside = pl.when(pl.col("place").is_null() | pl.col("places").is_null()).then(None).when(inside).then(True).when(
        pl.col("has_blank")).then(None).otherwise(False)  # fmt: skip
    new = _at_scans(new.with_columns(is_inside=is_inside), scans)
    counted = new.drop_nulls("_line").group_by("_line").agg(
        n=pl.len(),
        n_inside=pl.when(pl.col("is_inside").is_null().any()).then(None).otherwise(pl.col("is_inside").sum()),
        has_outside=pl.col("is_inside").not_().any(ignore_nulls=False),
    )  # fmt: skip
    recorded = tu.select(WHO).unique().with_columns(is_recorded=pl.lit(True))
    # a new lesion that cannot be placed in time may belong to any scan
    lost = new.filter(pl.col("_line").is_null(), day_of(pl.col("date")).is_null()).select(WHO).unique()
    lost = lost.with_columns(is_lost=pl.lit(True))
    for frame, on in ((recorded, WHO), (lost, WHO), (counted, ["_line"])):
        scans = scans.join(frame, on=on, how="left", maintain_order="left")
    is_recorded = pl.col("is_recorded").fill_null(False) & pl.col("is_lost").is_null()
    none = pl.col("n").is_null()
    return scans.with_columns(
        n_new_lesions=pl.when(is_recorded).then(pl.col("n").fill_null(0)).cast(pl.String),
        n_new_lesions_involved_organ=pl.when(is_recorded)
        .then(pl.when(none).then(0).otherwise("n_inside"))
        .cast(pl.String),
        has_new_organ=pl.when(is_recorded).then(pl.when(none).then(False).otherwise("has_outside")).cast(pl.String),
    )


def _at_scans(new: pl.DataFrame, scans: pl.DataFrame) -> pl.DataFrame:
    """New lesions with the `_line` of their scan: of the same date, else the same visit, else the next
    one; null: none follows, or nobody can say."""
    new = new.with_row_index("n_new")
    by_date = scans.select(*WHO, "date", _at="_line").drop_nulls("date").unique([*WHO, "date"], keep="first")
    visits = scans.select(*WHO, "visit", _by_visit="_line").drop_nulls("visit")
    visits = visits.filter(~visits.select(*WHO, "visit").is_duplicated())
    new = new.join(by_date, on=[*WHO, "date"], how="left", maintain_order="left")
    new = new.join(visits, on=[*WHO, "visit"], how="left", maintain_order="left")
    when = scans.select(*WHO, at=day_of(pl.col("date")), _next="_line").drop_nulls("at").sort("at")
    later = new.with_columns(at=day_of(pl.col("date"))).drop_nulls("at").sort("at")
    later = later.join_asof(when, on="at", by=WHO, strategy="forward", check_sortedness=False).select("n_new", "_next")
    new = new.join(later, on="n_new", how="left", maintain_order="left")
    return new.with_columns(_line=pl.coalesce("_at", "_by_visit", "_next"))
