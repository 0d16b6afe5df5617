"""Discrete copy-number calls, and which genes a panel covers."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl


class CopyNumberProfiles(pa.DataFrameModel):
    """The calls of one gene in every sample of one study.

    One row per gene keeps a whole genome small and quick; the view `raw.copy_number_calls` has a row per sample
    and gene.
    """

    study_id: str = pa.Field(description="Study of the samples.", metadata={"required": True})
    gene: str = pa.Field(
        description="Gene by its current symbol, whatever the file calls it.", metadata={"required": True}
    )
    entrez_gene_id: int = pa.Field(nullable=True, ge=1, description="Entrez id. Blank: not given.", metadata={})
    calls: pl.List(pl.Int8) = pa.Field(  # type: ignore[valid-type]  pandera's way to type a list
        description="Twice the discrete call (-4 to 4: -2, -1.5, -1, 0, 1, 2), in the order of samples.sample_number; "
        "null: not called. 4 is a high-level amplification, 2 a gain, which is not an amplification.",
        metadata={"required": True},
    )

    class Config:
        """Nothing beyond the documented columns."""

        strict = True


class GenePanels(pa.DataFrameModel):
    """One gene that a panel covers; of the genes that are loaded."""

    panel_id: str = pa.Field(
        description="Panel as samples name it.", metadata={"required": True, "example": "IMPACT468"}
    )
    gene: str = pa.Field(description="Gene by its current symbol.", metadata={"required": True, "example": "MDM2"})

    class Config:
        """Nothing beyond the documented columns."""

        strict = True
