"""What is a valid row? One pandera model per raw table; a column is documented where it is checked.

Field metadata: `required` (the header must name it), `unit`, `allowed` (for messages, where the checks do
not say it), `aliases` (other header names that mean it), `example` (for `hpd template`), `default` (what a blank
becomes), `date` (the calendar date an input may give instead), `identifies` (patient or sample: stored as a pseudonym), `published_only` (free text, kept of published patients only).
Frame checks carry `title` = the column they speak of, `description` = what is wrong; the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandera.polars as pa
import polars as pl

from schemas.amplification_counts import AmplificationCounts
from schemas.copy_number import CopyNumberProfiles, GenePanels
from schemas.hpd_by_amplification import HpdByAmplification
from schemas.patients import Patients
from schemas.samples import Samples
from schemas.trials import Trials
from schemas.tumor_measurements import TumorMeasurements


@dataclass(frozen=True)
class RawTable:
    """A raw table: its name, what one row is, its key and its pandera model."""

    name: str
    grain: str
    key: tuple[str, ...]
    model: type[pa.DataFrameModel]
    is_flat: bool = True  # filled from flat files with the same columns; otherwise from genomic files
    is_melted: bool = False  # one line of a file may hold several of its rows

    @cached_property
    def identifiers(self) -> dict[str, str]:
        """Columns that say who somebody is → what kind of identifier (patient, sample); stored as pseudonyms."""
        return {c: self.metadata(c)["identifies"] for c in self.columns if "identifies" in self.metadata(c)}

    @property
    def free_text(self) -> list[str]:
        """Columns that are kept of published evidence only: of own patients nobody knows what people wrote there."""
        return [c for c in self.columns if self.metadata(c).get("published_only")]

    @cached_property
    def dates(self) -> dict[str, str]:
        """Calendar dates that an input may give → the column of days they become."""
        return {self.metadata(c)["date"]: c for c in self.columns if "date" in self.metadata(c)}

    @property
    def input_only(self) -> list[str]:
        """Columns that an input may have and that are never stored: dates, and the start they are counted from."""
        return [*self.dates, "treatment_start_date", "treatment_start_day"] if self.dates else []

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The compiled pandera schema."""
        return self.model.to_schema()

    @property
    def columns(self) -> list[str]:
        """Every column, in the order of the table."""
        return list(self.schema.columns)

    @property
    def required(self) -> list[str]:
        """Columns the header must name."""
        return [name for name in self.columns if self.metadata(name).get("required")]

    def metadata(self, column: str) -> dict:
        """The documented facts of a column that pandera does not know."""
        return self.schema.columns[column].metadata or {}

    def dtype(self, column: str) -> pl.DataType:
        """The Polars type of a column."""
        return self.schema.columns[column].dtype.type

    def aliases(self) -> dict[str, str]:
        """Other header names → the column they mean."""
        return {a: name for name in self.columns for a in self.metadata(name).get("aliases", ())}


TABLES = {
    table.name: table
    for table in (
        RawTable("trials", "one report of HPD in one cancer type", ("report_id", "cancer_type_reported"), Trials),
        RawTable("patients", "one treated patient of one trial or paper", ("trial_id", "patient_id"), Patients),
        RawTable(
            "tumor_measurements",
            "one scan of one patient by one reader",
            ("trial_id", "patient_id", "day", "reader"),
            TumorMeasurements,
            is_melted=True,
        ),
        RawTable(
            "amplification_counts",
            "one source, study, cancer type and gene set",
            ("source", "study_id", "cancer_type_reported", "genes", "unit"),
            AmplificationCounts,
        ),
        RawTable(
            "hpd_by_amplification",
            "one published 2x2 table of an outcome by a gene alteration",
            ("report_id", "cancer_type_reported", "genes", "outcome"),
            HpdByAmplification,
        ),
        RawTable("samples", "one sample of one study", ("study_id", "sample_id"), Samples, is_flat=False),
        RawTable(
            "copy_number_profiles", "one gene of one study", ("study_id", "gene"), CopyNumberProfiles, is_flat=False
        ),
        RawTable("gene_panels", "one gene of one panel", ("panel_id", "gene"), GenePanels, is_flat=False),
    )
}
FLAT_TABLES = {name: table for name, table in TABLES.items() if table.is_flat}
