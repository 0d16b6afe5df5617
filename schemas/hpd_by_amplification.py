"""Published 2x2 tables: an outcome such as HPD against a gene alteration."""

from __future__ import annotations

import pandera.polars as pa

from schemas.amplification_counts import GENES

_CELL = "Blank: the source does not print it."


def _count(what: str, example: str) -> int:
    return pa.Field(
        nullable=True,
        ge=0,
        description=f"Patients {what}. {_CELL}",
        metadata={"required": True, "unit": "patients", "example": example},
    )


class HpdByAmplification(pa.DataFrameModel):
    """Patients with and without an outcome, by alteration of a gene set, as a source prints them."""

    report_id: str = pa.Field(
        description="Report or study the table is from.",
        metadata={"required": True, "aliases": ["study_id"], "example": "OWN_2026"},
    )
    cancer_type_reported: str = pa.Field(
        description="Cancer type in the source's own words.",
        metadata={"required": True, "aliases": ["cancer_type"], "example": "Urothelial carcinoma"},
    )
    genes: str = pa.Field(
        str_matches=GENES,
        description="Genes of the table; a bar means any of them.",
        metadata={"required": True, "allowed": "gene symbols separated by |, e.g. MDM2|MDM4", "example": "MDM2|MDM4"},
    )
    alteration: str = pa.Field(
        isin=["amplification", "any_alteration"],
        description="What 'altered' means: amplification, or any alteration of the genes.",
        metadata={"required": True, "example": "amplification"},
    )
    assay: str = pa.Field(
        nullable=True, description="Assay behind the status, e.g. FISH.", metadata={"example": "FISH"}
    )
    outcome: str = pa.Field(
        description="The outcome counted, in the source's own words.", metadata={"required": True, "example": "HPD"}
    )
    hpd_definition: str = pa.Field(
        nullable=True,
        description="Code of the HPD definition, where the outcome is HPD. Blank: it is not, or the rule is not known.",
        metadata={"example": "CHAMPIAT_TGR2"},
    )
    n_altered_with_outcome: int = _count("altered, with the outcome", "4")
    n_altered_without_outcome: int = _count("altered, without the outcome", "2")
    n_unaltered_with_outcome: int = _count("not altered, with the outcome", "10")
    n_unaltered_without_outcome: int = _count("not altered, without the outcome", "120")
    pmid: str = pa.Field(
        nullable=True, str_matches=r"^\d{1,9}$", description="PubMed id.", metadata={"allowed": "digits"}
    )
    doi: str = pa.Field(
        nullable=True,
        str_matches=r"^10\.\d{4,9}/\S+$",
        description="Digital object identifier, without https://doi.org/.",
        metadata={"allowed": "10.…/…, without https://doi.org/"},
    )
    source_url: str = pa.Field(nullable=True, description="Where the table was read.", metadata={})

    class Config:
        """Nothing beyond the documented columns."""

        strict = True
