"""Tumour samples of a genomic study: who they are from, what cancer, and whether copy number was assayed."""

from __future__ import annotations

import pandera.polars as pa


class Samples(pa.DataFrameModel):
    """One sample of one study, assayed or not."""

    study_id: str = pa.Field(
        description="Study the sample belongs to.", metadata={"required": True, "example": "own_panel"}
    )
    sample_id: str = pa.Field(
        description="Sample, unique within the study.",
        metadata={"required": True, "example": "S001", "identifies": "sample"},
    )
    patient_id: str = pa.Field(
        nullable=True,
        description="Patient the sample is from. Blank: not given; the sample then counts as a patient of its own.",
        metadata={"example": "P001", "identifies": "patient"},
    )
    trial_id: str = pa.Field(
        nullable=True,
        description="Trial whose patients these are, so that their hyperprogression is set beside their genes.",
        metadata={"example": "OWN_2026"},
    )
    source: str = pa.Field(
        description="Who sequenced: TCGA, or the name of the study.",
        metadata={"required": True, "example": "OUR_HOSPITAL"},
    )
    study_group: str = pa.Field(
        description="Studies of one group are about the same patients: one of them counts.",
        metadata={"required": True, "example": "own_panel"},
    )
    tcga_code: str = pa.Field(
        nullable=True, description="TCGA cohort of the study, e.g. SARC. Blank: not a TCGA study.", metadata={}
    )
    cancer_type_reported: str = pa.Field(
        nullable=True,
        description="Cancer type of the sample, else of its patient, in the source's own words.",
        metadata={"example": "Lung adenocarcinoma"},
    )
    oncotree_code: str = pa.Field(
        nullable=True, description="OncoTree code of the sample, else of its patient.", metadata={"example": "LUAD"}
    )
    study_cancer_type: str = pa.Field(
        nullable=True,
        description="Cancer type of the whole study, used where the sample says nothing.",
        metadata={"example": "LUAD"},
    )
    sample_type: str = pa.Field(nullable=True, description="Primary, Metastasis, ..., as given.", metadata={})
    is_normal: bool = pa.Field(
        description="Normal tissue, not a tumour (TCGA barcodes 10 to 14).", metadata={"required": True}
    )
    in_study_list: bool = pa.Field(
        description="In the list of all samples of the study; true where the study has no such list.",
        metadata={"required": True},
    )
    in_cna_list: bool = pa.Field(
        description="In the list of samples profiled for copy number; where there is no list: has calls.",
        metadata={"required": True},
    )
    sample_number: int = pa.Field(
        nullable=True,
        ge=1,
        description="Place of the sample in `copy_number_profiles.calls`. Blank: the study has no calls of it.",
        metadata={},
    )
    gene_panel_id: str = pa.Field(
        nullable=True,
        description="Gene panel it was sequenced with; WGS and WXS cover every gene. Blank: not given.",
        metadata={"example": "IMPACT468"},
    )
    is_panel_known: bool = pa.Field(
        nullable=True,
        description="Whether the genes of that panel are known (raw.gene_panels, or WGS/WXS). Blank: no panel given.",
        metadata={},
    )
    call_method: str = pa.Field(
        nullable=True,
        description="How amplification was called; travels to the mart.",
        metadata={"example": "published_call"},
    )

    class Config:
        """Nothing beyond the documented columns."""

        strict = True
