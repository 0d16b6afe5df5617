"""Treated patients: of an own trial or cohort, or described one by one in a paper."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

MAX_DAYS = 36525  # 100 years; what is more is a date as a spreadsheet counts it (36526 = 2000-01-01)
DATES = "treatment_start_date|last_dose_date|off_treatment_date|progression_date|death_date|last_known_date"


class Patients(pa.DataFrameModel):
    """One treated patient of one trial, cohort or paper."""

    trial_id: str = pa.Field(
        description="Trial, cohort or report the patient belongs to.",
        metadata={"required": True, "aliases": ["report_id"], "example": "OWN_2026"},
    )
    patient_id: str = pa.Field(
        description="Patient, unique within the trial. Use a study pseudonym, never a record number or a name.",
        metadata={"required": True, "aliases": ["patient_label"], "example": "P001", "identifies": "patient"},
    )
    cancer_type_reported: str = pa.Field(
        nullable=True,
        description="Cancer type in the source's own words. Blank: not printed.",
        metadata={"required": True, "aliases": ["cancer_type"], "example": "Urothelial carcinoma"},
    )
    agents: str = pa.Field(
        nullable=True, description="Drugs given, in the source's own words.", metadata={"example": "atezolizumab"}
    )
    genes: str = pa.Field(
        nullable=True,
        str_matches=r"^[A-Z0-9-]+(\|[A-Z0-9-]+)*$",
        description="Genes whose amplification status is given; a bar means any of them.",
        metadata={"allowed": "gene symbols separated by |, e.g. MDM2|MDM4", "example": "MDM2|MDM4"},
    )
    amplification_status: str = pa.Field(
        nullable=True,
        isin=["amplified", "not_amplified"],
        description="Status of those genes. Blank: not assayed or not printed.",
        metadata={"example": "amplified"},
    )
    assay: str = pa.Field(
        nullable=True,
        description="Assay behind the status, e.g. FISH. Kept of published patients only: free text.",
        metadata={"published_only": True},
    )
    other_alteration: str = pa.Field(
        nullable=True,
        description="Another alteration, as printed. Kept of published patients only: free text.",
        metadata={"published_only": True},
    )
    hpd_definition: str = pa.Field(
        nullable=True,
        description="Code of the definition behind is_hpd_reported. Blank: not printed.",
        metadata={"example": "KATO_TTF_BURDEN_PACE"},
    )
    is_hpd_reported: bool = pa.Field(
        nullable=True,
        description="Whether the source calls the patient hyperprogressive. Blank: it does not say.",
        metadata={"example": "true"},
    )
    is_ttf_below_2_months: bool = pa.Field(
        nullable=True, description="Time to treatment failure below 2 months, as printed.", metadata={}
    )
    ttf_days: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Time from the first dose to treatment failure, to the event that ttf_event names.",
        metadata={"unit": "days", "allowed": f"0 to {MAX_DAYS}", "example": "44"},
    )
    is_ttf_censored: bool = pa.Field(
        nullable=True,
        description="Whether the patient was still without that event at ttf_days. Blank: no.",
        metadata={"example": "false"},
    )
    ttf_event: str = pa.Field(
        nullable=True,
        isin=["last_dose", "off_treatment", "progression", "death"],
        description="What counts as treatment failure in this source; ttf_days, where given, is the time to it. "
        "Blank: off_treatment.",
        metadata={"example": "off_treatment"},
    )
    ttf_cut_days: float = pa.Field(
        nullable=True,
        gt=0,
        description="What this source takes as 2 months. Blank: 60.875.",
        metadata={"unit": "days", "allowed": "a number above 0"},
    )
    last_dose_day: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Day of the last dose, 0 = day of the first.",
        metadata={
            "date": "last_dose_date",
            "unit": "days",
            "allowed": f"0 to {MAX_DAYS}; a date goes into last_dose_date",
            "example": "42",
        },
    )
    off_treatment_day: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Day the treatment was given up, for whatever reason. Blank: not known, or still on treatment.",
        metadata={
            "date": "off_treatment_date",
            "unit": "days",
            "allowed": f"0 to {MAX_DAYS}; a date goes into off_treatment_date",
            "example": "44",
        },
    )
    progression_day: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Day progression was first seen.",
        metadata={
            "date": "progression_date",
            "unit": "days",
            "allowed": f"0 to {MAX_DAYS}; a date goes into progression_date",
            "example": "41",
        },
    )
    death_day: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Day of death. Blank: not known to have died.",
        metadata={"date": "death_date", "unit": "days", "allowed": f"0 to {MAX_DAYS}; a date goes into death_date"},
    )
    last_known_day: float = pa.Field(
        nullable=True,
        ge=0,
        le=MAX_DAYS,
        description="Last day about which anything is known; an event without a day of its own had not happened by then.",
        metadata={
            "date": "last_known_date",
            "unit": "days",
            "allowed": f"0 to {MAX_DAYS}; a date goes into last_known_date",
            "example": "90",
        },
    )
    ecog_worst_2_months: int = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 5},
        description="Worst ECOG performance status in the first 2 months.",
        metadata={"unit": "ECOG grade", "example": "1"},
    )
    partial_dates: str = pa.Field(
        nullable=True,
        str_matches=rf"^({DATES})(\|({DATES}))*$",
        description="Dates that were given without their day, so that no day could be computed; filled in by `hpd`.",
        metadata={"allowed": "names of date columns separated by |"},
    )
    burden_change_low: float = pa.Field(
        nullable=True,
        ge=-1,
        description="Change of tumour burden against baseline; lower end where a range is printed.",
        metadata={"unit": "fraction", "allowed": "-1 or more; +50 % is 0.50", "example": "0.55"},
    )
    burden_change_high: float = pa.Field(
        nullable=True,
        ge=-1,
        description="Change of tumour burden against baseline; upper end where a range is printed.",
        metadata={"unit": "fraction", "allowed": "-1 or more; +50 % is 0.50", "example": "0.55"},
    )
    progression_pace_fold: float = pa.Field(
        nullable=True,
        description="Pace of progression after against before treatment.",
        metadata={"unit": "fold"},
    )
    source_url: str = pa.Field(
        nullable=True,
        description="Where the patient is described. Kept of published patients only: free text.",
        metadata={"published_only": True},
    )

    class Config:
        """Nothing beyond the documented columns."""

        strict = True

    @pa.dataframe_check(
        name="burden_change_low_above_high",
        title="burden_change_low",
        description="is above burden_change_high; exchange them",
    )
    def burden_change_is_a_range(cls, data: PolarsData) -> pl.LazyFrame:
        """The lower end comes first."""
        return data.lazyframe.select((pl.col("burden_change_low") <= pl.col("burden_change_high")).fill_null(True))

    @pa.dataframe_check(
        name="amplification_status_without_genes",
        title="genes",
        description="is blank although amplification_status is given; name the genes",
    )
    def amplification_status_has_genes(cls, data: PolarsData) -> pl.LazyFrame:
        """A status is of some gene."""
        return data.lazyframe.select(pl.col("amplification_status").is_null() | pl.col("genes").is_not_null())
