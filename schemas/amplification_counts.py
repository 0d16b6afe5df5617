"""Amplification counts: how many tumours were assayed for a gene set, and in how many it is amplified."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

GENES = r"^[A-Z0-9-]+(\|[A-Z0-9-]+)*$"


class AmplificationCounts(pa.DataFrameModel):
    """Amplified and assayed tumours of one source, study, cancer type and gene set."""

    source: str = pa.Field(
        description="Who sequenced, e.g. TCGA or the hospital.", metadata={"required": True, "example": "OUR_HOSPITAL"}
    )
    study_id: str = pa.Field(
        description="Study within the source; the same patients must not come in two studies.",
        metadata={"required": True, "example": "our_panel_2026"},
    )
    cancer_type_code_reported: str = pa.Field(
        nullable=True,
        description="Cancer type code of the source, e.g. LUAD.",
        metadata={"aliases": ["cancer_code_reported"]},
    )
    cancer_type_reported: str = pa.Field(
        description="Cancer type in the source's own words.",
        metadata={
            "required": True,
            "aliases": ["cancer_type", "cancer_name_reported"],
            "example": "Lung adenocarcinoma",
        },
    )
    oncotree_code: str = pa.Field(
        nullable=True,
        str_matches=r"^[A-Z0-9_]+$",
        description="OncoTree code, where the source gives one.",
        metadata={"allowed": "an OncoTree code in capitals", "example": "LUAD"},
    )
    genes: str = pa.Field(
        str_matches=GENES,
        description="Genes counted together; a bar means any of them.",
        metadata={
            "required": True,
            "allowed": "gene symbols separated by |, e.g. MDM2|MDM4",
            "example": "MDM2|MDM4",
        },
    )
    n_samples_all: int = pa.Field(
        nullable=True,
        ge=0,
        description="All tumours of the study, profiled for copy number or not. Blank: not known.",
        metadata={"unit": "samples or patients", "example": "120"},
    )
    n_assayed: int = pa.Field(
        ge=0,
        description="Tumours in which every gene of the set was assayed: the denominator.",
        metadata={"required": True, "unit": "samples or patients", "example": "110"},
    )
    n_amplified: int = pa.Field(
        ge=0,
        description="Tumours in which any gene of the set is amplified: the numerator.",
        metadata={"required": True, "unit": "samples or patients", "example": "5"},
    )
    unit: str = pa.Field(
        isin=["sample", "patient"],
        description="What was counted.",
        metadata={"required": True, "example": "patient"},
    )
    call_method: str = pa.Field(
        nullable=True,
        description="How amplification was called; travels to the mart.",
        metadata={"example": "published_call"},
    )
    source_reference: str = pa.Field(nullable=True, description="Where the counts come from.", metadata={})

    class Config:
        """Nothing beyond the documented columns."""

        strict = True

    @pa.dataframe_check(
        name="n_amplified_above_n_assayed",
        title="n_amplified",
        description="is larger than n_assayed; correct the counts",
    )
    def amplified_at_most_assayed(cls, data: PolarsData) -> pl.LazyFrame:
        """Amplified tumours are a part of the assayed ones."""
        return data.lazyframe.select((pl.col("n_amplified") <= pl.col("n_assayed")).fill_null(True))

    @pa.dataframe_check(
        name="n_assayed_above_n_samples_all",
        title="n_assayed",
        description="is larger than n_samples_all; correct the counts, or leave n_samples_all blank",
    )
    def assayed_at_most_all(cls, data: PolarsData) -> pl.LazyFrame:
        """Assayed tumours are a part of all of them."""
        return data.lazyframe.select((pl.col("n_assayed") <= pl.col("n_samples_all")).fill_null(True))
