"""Serial tumour measurements: one scan of one patient, as one reader measured it."""

from __future__ import annotations

import pandera.polars as pa

from schemas.patients import MAX_DAYS

ROLE = (
    "investigator|site|local|central|independent|blinded|bicr|irc|review|reviewer|committee|panel|radiology|radiologist|"
    "oncologist|reader|assessor|adjudicator|consensus"
)


class TumorMeasurements(pa.DataFrameModel):
    """One scan of one patient by one reader."""

    trial_id: str = pa.Field(
        description="Trial or cohort the patient belongs to.", metadata={"required": True, "example": "OWN_2026"}
    )
    patient_id: str = pa.Field(
        description="Patient, as in the patients table.",
        metadata={"required": True, "example": "P001", "identifies": "patient"},
    )
    day: float = pa.Field(
        nullable=True,
        ge=-MAX_DAYS,
        le=MAX_DAYS,
        description="Day of the scan, 0 = day of the first dose, before it negative. Blank: only its month or year is known.",
        metadata={
            "required": True,
            "unit": "days",
            "date": "scan_date",
            "example": "-14",
            "allowed": f"-{MAX_DAYS} to {MAX_DAYS}; a date goes into scan_date",
        },
    )
    reader: str = pa.Field(
        # at most one letter or number of a colleague: more could spell a name
        str_matches=rf"^(?i:not stated|({ROLE})([ _/-]+({ROLE}))*([ _/-]+[a-z]|[ _/-]*\d{{1,2}})?)$",
        description="Who measured: a role, never a name.",
        metadata={
            "default": "NOT STATED",
            "allowed": "a role, e.g. INVESTIGATOR, INDEPENDENT ASSESSOR, RADIOLOGIST 1, READER A",
            "example": "INVESTIGATOR",
        },
    )
    sum_diameters_mm: float = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 5000},
        description="Sum of the longest diameters of the target lesions (RECIST 1.1: nodes by their short axis).",
        metadata={"unit": "mm", "aliases": ["sld_mm", "sum_of_diameters_mm"], "example": "62"},
    )
    change_from_baseline_percent: float = pa.Field(
        nullable=True,
        ge=-100,
        description="Change of that sum from baseline, where the sum itself is not given: 25 is +25 %.",
        metadata={"unit": "%", "allowed": "-100 or more; +25 % is 25", "example": ""},
    )
    measurement_status: str = pa.Field(
        nullable=True,
        isin=["measured", "too_small_to_measure", "not_evaluable"],
        description="Whether the scan could be measured. Blank: measured where there is a number, else not evaluable.",
        metadata={"example": ""},
    )
    response: str = pa.Field(
        nullable=True,
        isin=["CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "iCR", "iPR", "iSD", "iUPD", "iCPD"],
        description="Overall response at the scan (RECIST or iRECIST), as assessed.",
        metadata={"example": "SD"},
    )
    n_new_lesions: int = pa.Field(
        nullable=True,
        ge=0,
        description="New lesions seen. Blank: not recorded.",
        metadata={"unit": "lesions", "example": "0"},
    )
    n_new_lesions_involved_organ: int = pa.Field(
        nullable=True,
        ge=0,
        description="Of these, in an organ that had a lesion before. Blank: not recorded.",
        metadata={"unit": "lesions", "example": "0"},
    )
    has_new_organ: bool = pa.Field(
        nullable=True,
        description="Whether an organ without a lesion before has one now. Blank: not recorded.",
        metadata={"example": "false"},
    )
    is_baseline: bool = pa.Field(
        nullable=True,
        description="Whether the source calls this scan the baseline. Compared, not obeyed: the baseline is the last "
        "measurable scan up to the first dose.",
        metadata={},
    )
    is_day_partial: bool = pa.Field(
        nullable=True, description="Whether the date was given without its day; filled in by `hpd`.", metadata={}
    )
    is_reader_chosen: bool = pa.Field(
        nullable=True,
        description="Whether the input's option `reader` names this reader. Blank: it names none.",
        metadata={},
    )

    class Config:
        """Nothing beyond the documented columns."""

        strict = True
