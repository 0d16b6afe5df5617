"""Single patients: so far those described one by one in a paper."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData


class Patients(pa.DataFrameModel):
    """One treated patient of one trial, cohort or paper."""

    trial_id: str = pa.Field(
        description="Trial, cohort or report the patient belongs to.",
        metadata={"required": True, "aliases": ["report_id"], "example": "OWN_2026"},
    )
    patient_id: str = pa.Field(
        description="Patient, unique within the trial. Use a study pseudonym, never a record number or a name.",
        metadata={"required": True, "aliases": ["patient_label"], "example": "P001"},
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
    assay: str = pa.Field(nullable=True, description="Assay behind the status, e.g. FISH.", metadata={})
    other_alteration: str = pa.Field(nullable=True, description="Another alteration, as printed.", metadata={})
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
        description="Time to treatment failure.",
        metadata={"unit": "days", "example": "44"},
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
    source_url: str = pa.Field(nullable=True, description="Where the patient is described.", metadata={})

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
