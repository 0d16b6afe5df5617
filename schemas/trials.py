"""Reports of hyperprogression: how many of how many patients, under which definition."""

from __future__ import annotations

from datetime import date

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

POOL_EXCLUSIONS = [
    "no_cancer_split",
    "other_definition",
    "overlap",
    "part_of_report",
    "percentage_only",
    "combination_therapy",
    "selected_cohort",
    "not_hpd",
    "wrong_denominator",
    "total_only",
]


class Trials(pa.DataFrameModel):
    """One report of HPD in one cancer type of one trial or cohort."""

    report_id: str = pa.Field(
        description="Name of the report, unique together with the cancer type.",
        metadata={"required": True, "example": "OWN_2026"},
    )
    cohort_id: str = pa.Field(
        nullable=True,
        description="Name of the patients: reports about the same patients share it. Blank: the report's own.",
        metadata={"example": "OWN_2026"},
    )
    first_author: str = pa.Field(nullable=True, description="First author of the publication.", metadata={})
    publication_year: int = pa.Field(
        nullable=True,
        ge=1990,
        description="Year of publication.",
        metadata={"unit": "year", "aliases": ["year"], "example": "2026"},
    )
    cancer_type_reported: str = pa.Field(
        description="Cancer type in the report's own words; mapped to a canonical type later.",
        metadata={"required": True, "aliases": ["cancer_type"], "example": "Non-small cell lung cancer"},
    )
    agent_class_reported: str = pa.Field(
        nullable=True,
        description="Class of the immunotherapy in the report's own words.",
        metadata={"aliases": ["agent_class"], "example": "anti-PD-1"},
    )
    agents: str = pa.Field(
        nullable=True,
        description="Drugs given, in the report's own words.",
        metadata={"example": "nivolumab"},
    )
    hpd_definition: str = pa.Field(
        description="Code of the HPD definition used; the vocabulary hpd_definitions lists the known ones.",
        metadata={"required": True, "example": "FERRARA_DTGR50"},
    )
    n_evaluable: int = pa.Field(
        nullable=True,
        ge=0,
        description="Patients in whom HPD could be judged: the denominator. Blank: not printed.",
        metadata={"required": True, "unit": "patients", "example": "50"},
    )
    n_hpd: int = pa.Field(
        nullable=True,
        ge=0,
        description="Patients with HPD: the numerator. Blank: not printed.",
        metadata={"required": True, "unit": "patients", "example": "6"},
    )
    is_n_hpd_derived: bool = pa.Field(
        nullable=True,
        description="True when n_hpd is arithmetic on a printed percentage. Blank: false.",
        metadata={"example": "false"},
    )
    hpd_incidence_reported: float = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 1},
        description="Incidence as printed, as a fraction.",
        metadata={"unit": "fraction 0-1", "example": "0.12"},
    )
    study_design: str = pa.Field(
        nullable=True,
        description="Design, e.g. retrospective cohort.",
        metadata={"example": "retrospective"},
    )
    setting: str = pa.Field(
        nullable=True,
        description="Centres and country.",
        metadata={"example": "1 centre"},
    )
    pmid: str = pa.Field(
        nullable=True, str_matches=r"^\d{1,9}$", description="PubMed id.", metadata={"allowed": "digits"}
    )
    doi: str = pa.Field(
        nullable=True,
        str_matches=r"^10\.\d{4,9}/\S+$",
        description="Digital object identifier, without https://doi.org/.",
        metadata={"allowed": "10.…/…, without https://doi.org/"},
    )
    source_url: str = pa.Field(nullable=True, description="Where the numbers were read.", metadata={})
    source_kind: str = pa.Field(
        nullable=True,
        isin=["primary", "secondary"],
        description="primary: the report itself; secondary: a review or a citing text.",
        metadata={"example": "primary"},
    )
    in_pool: bool = pa.Field(
        nullable=True,
        description="Whether this is the report that counts for its cohort in the pool over all definitions. Blank: true.",
        metadata={"example": "true"},
    )
    pool_exclusion_code: str = pa.Field(
        nullable=True,
        isin=POOL_EXCLUSIONS,
        description="Kind of reason for in_pool = false.",
        metadata={},
    )
    pool_exclusion_reason: str = pa.Field(
        nullable=True, description="Reason for in_pool = false, in words.", metadata={}
    )

    class Config:
        """Nothing beyond the documented columns."""

        strict = True

    @pa.dataframe_check(
        name="n_hpd_above_n_evaluable",
        title="n_hpd",
        description="is larger than n_evaluable; correct the counts",
    )
    def n_hpd_at_most_n_evaluable(cls, data: PolarsData) -> pl.LazyFrame:
        """HPD patients are a part of the evaluable ones."""
        return data.lazyframe.select((pl.col("n_hpd") <= pl.col("n_evaluable")).fill_null(True))

    @pa.dataframe_check(
        name="n_hpd_without_n_evaluable",
        title="n_evaluable",
        description="is blank although n_hpd is given: a numerator without its denominator; give the evaluable patients, or leave n_hpd blank and give hpd_incidence_reported",
    )
    def n_hpd_has_its_denominator(cls, data: PolarsData) -> pl.LazyFrame:
        """A numerator needs its denominator."""
        return data.lazyframe.select(pl.col("n_hpd").is_null() | pl.col("n_evaluable").is_not_null())

    @pa.dataframe_check(
        name="in_pool_without_counts",
        title="in_pool",
        description="is true or blank, and a report without n_evaluable and n_hpd, or with n_evaluable 0, cannot be pooled; give both counts, or set in_pool to false with a pool_exclusion_reason",
    )
    def pooled_reports_have_counts(cls, data: PolarsData) -> pl.LazyFrame:
        """Only reports with counts are pooled."""
        has_counts = (pl.col("n_evaluable") > 0).fill_null(False) & pl.col("n_hpd").is_not_null()
        return data.lazyframe.select(~pl.col("in_pool").fill_null(True) | has_counts)

    @pa.dataframe_check(
        name="pool_exclusion_without_reason",
        title="pool_exclusion_reason",
        description="is blank although in_pool is false; say why the report is left out, and its pool_exclusion_code",
    )
    def excluded_reports_have_a_reason(cls, data: PolarsData) -> pl.LazyFrame:
        """No report is left out in silence."""
        has_reason = pl.col("pool_exclusion_reason").is_not_null() & pl.col("pool_exclusion_code").is_not_null()
        return data.lazyframe.select(pl.col("in_pool").fill_null(True) | has_reason)

    @pa.dataframe_check(
        name="publication_year_in_future",
        title="publication_year",
        description="lies in the future; correct the year",
    )
    def publication_year_is_past(cls, data: PolarsData) -> pl.LazyFrame:
        """A year after this one is a typing error."""
        return data.lazyframe.select((pl.col("publication_year") <= date.today().year).fill_null(True))
