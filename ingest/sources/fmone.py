"""Alteration lists of FoundationOne and its like: text such as `amplification(42, exons 11 of 11)` (copy number 42).

Wide: a sample per line, columns <GENE>_amp, <GENE>_gain, <GENE>_del; a blank is "assayed, not altered". Long: a line per
alteration (sample, gene, type, call); it names altered samples only, so that the list of all samples must be given.
A gain (or equivocal amplification) is not an amplification, whatever the text beside it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import SHOWN, InputError, Problem
from ingest.sources.calls import NAMES, header_of, roles_of, samples_and_calls, study_name
from ingest.sources.flat import ragged_rows
from ingest.sources.part import REJECTED, Part
from ingest.table import Table, open_table

if TYPE_CHECKING:
    from ingest.pipeline import Item

WIDE = re.compile(r"^([A-Z0-9-]+)_(amp|gain|del)$")
CALL_OF = {"amp": "2", "gain": "1", "del": "-2", "amplification": "2", "equivocal": "1", "deletion": "-2", "loss": "-2"}
KINDS = ("amplification", "gain", "equivocal", "deletion", "loss")  # types of the long list
TEXT = {"amp": r"^amplification\(", "gain": r"^(amplification|gain)\(", "del": r"^(loss|deletion)\("}
IDS = NAMES | {"anonpt_id": "patient_id"}


KIND = "FoundationOne alteration list"
NAMES_SAMPLES = True  # in messages and findings


def recognise(path: Path) -> bool:
    """A sample column, and columns such as MDM2_amp, or gene, type and call."""
    if path.is_dir():
        return False
    header = header_of(path)
    roles = {IDS.get(name.lower()) for name in header}
    is_long = {"gene", "call"} <= roles and "type" in header
    return "sample_id" in roles and (is_long or any(WIDE.match(name) for name in header))


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """Samples and calls of an alteration list.

    Raises:
        InputError: it cannot be read; or it is long and the list of all samples is not given.
    """
    opened = open_table(item.path, item.file, item.spec.sheet)
    roles = roles_of(opened, IDS)
    frames, ragged, notes = [], [], [*opened.notes]
    for block in opened.blocks:
        frames.append(block.rows)
        if block.ragged.height:
            told, problem = ragged_rows(block.ragged, opened)
            ragged.append(told.with_columns(message=pl.lit(problem.what)).select(*REJECTED))
            notes.append(problem)
    text = pl.concat(frames) if frames else pl.DataFrame()
    if text.is_empty():
        raise InputError(Problem(opened.file, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))
    say(f"{item.file}: {text.height:,} rows")
    text = text.rename(roles).with_columns(study_id=pl.lit(study_name(item)))
    is_long = {"gene", "type", "call"} <= set(text.columns)
    attributes, melted, odd, problems = (_long if is_long else _wide)(item, opened, text)
    yield Part.of_notes(opened.file, [*notes, *problems])
    yield from samples_and_calls(
        item, opened.file, attributes, melted, [] if is_long else ragged, sample_file=item.spec.samples if is_long else None,
        call_rejects=[*odd, *ragged] if is_long else odd, is_wide=not is_long,
    )  # fmt: skip


def _wide(item: Item, opened: Table, text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list, list]:
    """Attributes of the samples, calls of sample and gene, cells that are no calls, and what to say."""
    columns = [name for name in opened.header if WIDE.match(name)]
    genes = sorted({name.removesuffix("_amp") for name in columns if name.endswith("_amp")})
    cells = text.select("study_id", "sample_id", "_line", *columns).unpivot(
        columns, index=["study_id", "sample_id", "_line"], variable_name="column", value_name="text"
    )
    cells = cells.with_columns(
        gene=pl.col("column").str.extract(WIDE.pattern, 1), kind=pl.col("column").str.extract(WIDE.pattern, 2)
    )
    fits = pl.lit(False)
    for kind, pattern in TEXT.items():
        fits = fits | ((pl.col("kind") == kind) & pl.col("text").str.contains(pattern))
    odd = cells.filter(pl.col("text").is_not_null() & ~fits)
    problems, rejected = [], []
    if odd.height:
        problems.append(Problem(
            opened.file, "not_a_call", "is no alteration as FoundationOne writes it", ", ".join(odd["column"].unique(maintain_order=True)),
            odd["_line"].unique(maintain_order=True).head(SHOWN).to_list(), odd["_line"].n_unique(), odd["text"].unique(maintain_order=True).head(SHOWN).to_list(),
            odd["text"].n_unique(), allowed="amplification(…), gain(…), loss(…), or blank", outcome=f"{odd.height:,} {'cell' if odd.height == 1 else 'cells'} not loaded: counted as not assayed",
            fix="correct the cells"))  # fmt: skip
        rejected.append(odd.select("_line", "column", value="text", rule=pl.lit("not_a_call"), message=pl.lit("is no alteration"),
                                   row_json=pl.struct("sample_id", "column", "text").struct.json_encode()).select(*REJECTED))  # fmt: skip
    called = cells.filter(pl.col("text").is_not_null() & fits).select(
        "sample_id", "gene", call=pl.col("kind").replace_strict(CALL_OF, return_dtype=pl.String)
    )
    # an amplification beside a gain of the same gene is an amplification
    called = (
        called.with_columns(pl.col("call").cast(pl.Int64))
        .group_by("sample_id", "gene")
        .agg(pl.col("call").max().cast(pl.String))
    )
    grid = text.select("study_id", "sample_id", "_line").join(pl.DataFrame({"gene": genes}), how="cross")
    melted = grid.join(called, on=["sample_id", "gene"], how="left").with_columns(pl.col("call").fill_null("0"))
    unknown = odd.select("sample_id", "gene").unique()
    melted = melted.join(unknown, on=["sample_id", "gene"], how="anti")
    kept = [
        "study_id",
        "sample_id",
        "_line",
        *[c for c in ("patient_id", "cancer_type_reported", "oncotree_code") if c in text.columns],
    ]
    # lines stay in samples: a bad cell does not take its sample away
    return text.select(kept), melted, rejected, [*problems, *_left_out(opened, text, columns)]


def _long(item: Item, opened: Table, text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list, list]:
    """As `_wide`; the samples are those of the list."""
    if item.spec.samples is None:
        raise InputError(Problem(
            opened.file, "no_sample_list", "lists altered samples only, so that nobody can say of how many",
            outcome="nothing of it was loaded", fix='name a file with every assayed sample: `samples = "samples.csv"` in hpd.toml'))  # fmt: skip
    listed = open_table(item.spec.base / item.spec.samples, item.spec.samples)
    roles = roles_of(listed, IDS)
    if "sample_id" not in roles.values():
        raise InputError(Problem(listed.file, "missing_column", "needs this column", "sample_id", lines=[listed.header_line],
                                 found=listed.header[:SHOWN], n_found=len(listed.header), fix="add it"))  # fmt: skip
    problems, rejected, frames = [], [], []
    for block in listed.blocks:
        frames.append(block.rows)
        if block.ragged.height:
            problems.append(replace(ragged_rows(block.ragged, listed)[1], outcome="lines not read", level="WARNING"))
    if not sum(frame.height for frame in frames):
        raise InputError(Problem(listed.file, "no_rows", "has a header and no rows", fix="name every assayed sample"))
    everyone = pl.concat(frames).rename(roles).with_columns(study_id=pl.lit(study_name(item)))
    everyone = everyone.unique("sample_id", keep="first", maintain_order=True)

    def reject(rows: pl.DataFrame, column: str, rule: str, what: str, **more: str) -> None:
        if rows.height:
            values = rows[column].drop_nulls().unique(maintain_order=True)
            problems.append(Problem(opened.file, rule, what, column, rows["_line"].head(SHOWN).to_list(), rows.height,
                                    values.head(SHOWN).to_list(), values.len(), outcome="rows rejected", **more))  # fmt: skip
            rejected.append(rows.select("_line", column=pl.lit(column), value=column, rule=pl.lit(rule), message=pl.lit(what),
                                        row_json=pl.struct(pl.exclude("_line")).struct.json_encode()).select(*REJECTED))  # fmt: skip

    for column in ("sample_id", "gene", "type"):
        reject(text.filter(pl.col(column).is_null()), column, "missing_value", "is blank", fix="fill it in")
    text = text.drop_nulls(["sample_id", "gene", "type"])
    kind = pl.col("type").str.to_lowercase()
    odd = text.filter(~kind.is_in(KINDS))
    reject(odd, "type", "not_allowed", "is not a kind of alteration", allowed=", ".join(KINDS), fix="correct it")
    text = text.join(odd.select("_line"), on="_line", how="anti", maintain_order="left")
    strangers = text.join(everyone.select("sample_id"), on="sample_id", how="anti")
    reject(strangers, "sample_id", "unknown_sample", "is not in the list of samples", fix="add it to the list")
    known = text.join(strangers.select("_line"), on="_line", how="anti", maintain_order="left")
    # an amplification beside a gain of the same gene is an amplification
    call = kind.replace_strict(CALL_OF, default=None, return_dtype=pl.String).cast(pl.Int64)
    called = known.group_by("sample_id", "gene").agg(call.max().cast(pl.String).alias("call"), pl.col("_line").min())
    grid = everyone.select("study_id", "sample_id").join(
        pl.DataFrame({"gene": known["gene"].unique(maintain_order=True)}), how="cross"
    )
    melted = grid.join(called, on=["sample_id", "gene"], how="left", maintain_order="left").with_columns(
        pl.col("call").fill_null("0"), pl.col("_line").fill_null(opened.header_line)
    )
    kept = [
        "study_id",
        "sample_id",
        "_line",
        *[c for c in ("patient_id", "cancer_type_reported", "oncotree_code") if c in everyone.columns],
    ]
    return everyone.select(kept), melted, rejected, problems


def _left_out(opened: Table, text: pl.DataFrame, columns: list[str]) -> list[Problem]:
    """Columns that are not documented are not kept."""
    others = [name for name in opened.header if name not in columns and name.lower() not in IDS]
    if not others:
        return []
    return [Problem(opened.file, "columns_left_out", "columns that are not copy number", found=others[:SHOWN], n_found=len(others),
                    outcome="not read", level="NOTE")]  # fmt: skip
