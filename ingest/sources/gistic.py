"""GISTIC2's all_thresholded.by_genes.txt: Gene Symbol, Locus ID (or Gene ID), Cytoband, then TCGA aliquot barcodes.

The first 15 characters of a barcode are the sample, 12 the patient, characters 14 and 15 the kind of sample.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import InputError, Problem
from ingest.sources.calls import study_name
from ingest.sources.cbioportal import TCGA
from ingest.sources.cna_matrix import good_columns, open_matrix, read_profiles
from ingest.sources.genes import Wanted
from ingest.sources.part import REJECTED, Part
from schemas import TABLES

if TYPE_CHECKING:
    from ingest.pipeline import Item


KIND = "GISTIC2 thresholded calls"
NAMES_SAMPLES = True  # in messages and findings


def recognise(path: Path) -> bool:
    """A tab-separated file whose header begins with the gene columns of GISTIC2 or cBioPortal."""
    if path.is_dir():
        return False
    try:
        return bool(open_matrix(path, path.name).samples)
    except InputError:
        return False


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """Samples and calls of a cohort.

    Raises:
        InputError: the cancer type of the cohort is not given, or the file cannot be read.
    """
    matrix = open_matrix(item.path, item.file)
    if item.spec.cancer_type is None:
        raise InputError(Problem(
            item.file, "no_cancer_type", "does not say which cancer its samples are", fix='give `cancer_type = "SARC"` (a label, TCGA or OncoTree code) in hpd.toml'))  # fmt: skip
    barcodes = matrix.samples
    is_tcga = all(name.startswith("TCGA-") for name in barcodes if name)
    matrix = dataclasses.replace(matrix, samples=[name[:15] if is_tcga else name for name in barcodes])
    columns, problems = good_columns(matrix)
    yield Part.of_notes(item.file, problems)
    study_id = study_name(item)
    prefix = TCGA.match(study_id)
    samples = pl.DataFrame({"sample_id": [matrix.samples[i] for i in columns]}, {"sample_id": pl.String})
    barcode = pl.col("sample_id").str.extract(r"^TCGA-\w\w-\w{4}-(\d\d)").cast(pl.Int64)
    code = prefix[1].upper() if prefix else (item.spec.cancer_type.upper() if is_tcga else None)
    rows = samples.select(
        study_id=pl.lit(study_id), sample_id="sample_id", patient_id=pl.col("sample_id").str.extract(r"^(TCGA-\w\w-\w{4})"),
        source=pl.lit(item.spec.source or ("TCGA" if is_tcga else study_id)),
        study_group=pl.lit(item.spec.study_group or (f"tcga_{code.lower()}" if code else study_id)),
        tcga_code=pl.lit(code, pl.String), cancer_type_reported=pl.lit(None, pl.String), oncotree_code=pl.lit(None, pl.String),
        study_cancer_type=pl.lit(item.spec.cancer_type), sample_type=pl.lit(None, pl.String),
        is_normal=barcode.is_between(10, 14).fill_null(False), in_study_list=pl.lit(True), in_cna_list=pl.lit(True),
        sample_number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), gene_panel_id=pl.lit(None, pl.String),
        is_panel_known=pl.lit(None, pl.Boolean), call_method=pl.lit("gistic2"), _line=pl.lit(matrix.header_line, pl.Int64),
    )  # fmt: skip
    yield Part(TABLES["samples"], item.file, rows.height, rows, pl.DataFrame(schema=REJECTED))
    yield from read_profiles(matrix, columns, study_id, Wanted(item.genes), say)
