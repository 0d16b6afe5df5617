"""Tables of discrete copy-number calls: long (sample, gene, call) and wide (a sample per line, a column per gene)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ingest.errors import SHOWN, InputError, Problem
from ingest.sources.cna_matrix import CALLS
from ingest.sources.flat import ragged_rows
from ingest.sources.genes import AmbiguousGene, Wanted, vocabulary
from ingest.sources.part import REJECTED, Part
from ingest.table import Table, open_table
from schemas import TABLES

if TYPE_CHECKING:
    from ingest.pipeline import Item

# names under which a column is known, in lower case
NAMES = {
    "sample_id": "sample_id", "sample": "sample_id", "patient_id": "patient_id", "study_id": "study_id", "source": "source",
    "hugo_symbol": "gene", "gene": "gene", "entrez_gene_id": "entrez", "value": "call", "call": "call",
    "cancer_type_reported": "cancer_type_reported", "cancer_type": "cancer_type_reported", "oncotree_code": "oncotree_code",
    "sample_type": "sample_type", "gene_panel_id": "gene_panel_id", "call_method": "call_method",
}  # fmt: skip
PROFILES = {
    "study_id": pl.String, "gene": pl.String, "entrez_gene_id": pl.Int64, "calls": pl.List(pl.Int8), "_line": pl.Int64,
}  # fmt: skip
SYMBOL = re.compile(r"^([A-Z][A-Z0-9-]{1,19}|C[0-9XY]{1,2}orf[0-9]+)$")
TWICE = {"-2": -4, "-1.5": -3, "-1": -2, "0": 0, "1": 2, "2": 4}


@dataclass
class Calls:
    """Calls of a long table, a row per sample and gene, checked."""

    samples: list[str]
    profiles: Iterator[Part]
    problems: list[Problem] = field(default_factory=list)


def header_of(path: Path) -> list[str]:
    """Column names of a flat file; empty when it is none."""
    try:
        return open_table(path, path.name).header
    except InputError:
        return []


KIND = "table of copy-number calls"
NAMES_SAMPLES = True  # in messages and findings


def recognise(path: Path) -> bool:
    """A sample column, and either gene and call columns or a column per known gene."""
    if path.is_dir():
        return False
    header = header_of(path)
    roles = [NAMES.get(name.lower()) for name in header]
    if "sample_id" not in roles:
        return False
    is_long = {"gene", "entrez"} & set(roles) and "call" in roles
    return bool(is_long) or any(name.upper() in vocabulary()[0] for name in header)


def roles_of(opened: Table, names: dict[str, str]) -> dict[str, str]:
    """Columns with a documented name → what they hold. Raises InputError: two columns hold the same."""
    roles = {name: names[name.lower()] for name in opened.header if name.lower() in names}
    for role in roles.values():
        same = [name for name, held in roles.items() if held == role]
        if len(same) > 1:
            raise InputError(Problem(opened.file, "duplicate_column", f"two columns both mean {role}", found=same, fix="keep one",
                                     lines=[opened.header_line] if opened.header_line else []))  # fmt: skip
    return roles


def _gene_columns(header: list[str], wanted: Wanted) -> dict[str, tuple[str, int | None]]:
    """Columns named after a wanted gene → the gene."""
    return {name: gene for name in header if _is_gene(name) and (gene := wanted.resolve(name, ""))}


def _is_gene(name: str) -> bool:
    """Whether a column is named after a gene, in the vocabulary or not (it holds the genes of the question only)."""
    return NAMES.get(name.lower()) is None and (name.upper() in vocabulary()[0] or SYMBOL.match(name) is not None)


def study_name(item: Item) -> str:
    """The study of a file that does not say: `study_id` of hpd.toml, else the file's name."""
    return item.spec.study_id or item.path.name.split(".")[0]


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """Samples and calls of a flat table of calls; every sample of it is in the study, one without calls not assayed."""
    opened = open_table(item.path, item.file, item.spec.sheet)
    wanted = Wanted(item.genes)
    roles = roles_of(opened, NAMES)
    is_long = "call" in roles.values()
    genes = {} if is_long else _gene_columns(opened.header, wanted)
    strangers = [n for n in opened.header if n not in roles and (is_long or not _is_gene(n))]
    if strangers:
        raise InputError(Problem(opened.file, "unknown_column", "a table of calls has no such column", lines=[opened.header_line] if opened.header_line else [],
                                 found=strangers[:SHOWN], n_found=len(strangers), allowed=", ".join(dict.fromkeys(NAMES.values())) + " or a gene symbol",
                                 fix="rename or remove it"))  # fmt: skip
    frames, rejects, problems, n_read = [], [], [], 0
    others = [n for n in opened.header if n not in roles and n not in genes]
    if others:
        problems.append(Problem(opened.file, "columns_left_out", "columns of genes that are not wanted", found=others[:SHOWN], n_found=len(others),
                                outcome="not read", level="NOTE"))  # fmt: skip
    for block in opened.blocks:
        frames.append(block.rows)
        n_read += block.rows.height
        if block.ragged.height:
            rows, problem = ragged_rows(block.ragged, opened)
            rejects.append(rows.with_columns(message=pl.lit(problem.what)).select(*REJECTED))
            problems.append(problem)
        say(f"{item.file}: {n_read:,} rows", block.share, 1.0)
    text = pl.concat(frames) if frames else pl.DataFrame()
    if text.is_empty():
        raise InputError(Problem(opened.file, "no_rows", "has a header and no rows", fix="add rows, or leave it out"))
    text = text.rename(roles)
    study = pl.col("study_id").fill_null(study_name(item)) if "study_id" in text.columns else pl.lit(study_name(item))
    text = text.with_columns(study_id=study)
    if is_long:
        melted = text.select(
            *[c for c in ("study_id", "sample_id", "gene", "entrez", "call", "_line") if c in text.columns]
        )
        named = text.filter(pl.col("sample_id").is_not_null())  # the others are told of with their calls
        attributes = named.unique(["study_id", "sample_id"], keep="first", maintain_order=True)
    else:
        melted = text.select("study_id", "sample_id", "_line", *genes).unpivot(
            list(genes), index=["study_id", "sample_id", "_line"], variable_name="gene", value_name="call"
        )
        attributes = text
    yield Part.of_notes(opened.file, [*opened.notes, *problems])
    yield from samples_and_calls(item, opened.file, attributes, melted, rejects, is_wide=not is_long)


def samples_and_calls(
    item: Item,
    file: str,
    attributes: pl.DataFrame,
    melted: pl.DataFrame,
    rejects: list[pl.DataFrame],
    *,
    sample_file: str | None = None,
    call_rejects: list[pl.DataFrame] | None = None,
    is_wide: bool = False,
) -> Iterator[Part]:
    """A row per sample (`study_id`, `sample_id`, `_line`, what else is known) and a row per sample and gene
    (`study_id`, `sample_id`, `gene`, `call`, `_line`) → the raw tables.

    Args:
        file: of the calls, and of the samples unless `sample_file` is another.
        rejects: lines that are no samples.
        call_rejects: cells that are no calls.
        is_wide: the column at fault is the gene's, not `call`.
    """
    yield from _sample_parts(item, sample_file or file, attributes, melted, rejects)
    parts = []
    for (study_id,), rows in melted.group_by("study_id", maintain_order=True):
        order = attributes.filter(pl.col("study_id") == study_id)["sample_id"].drop_nulls().to_list()
        parts.append(_profiles(rows, file, str(study_id), Wanted(item.genes), order, is_wide=is_wide))
    yield from _counted(parts, file, call_rejects or [])


def _counted(parts: list[Part], file: str, rejects: list[pl.DataFrame]) -> Iterator[Part]:
    """The parts, then what is rejected: a line of which anything is loaded is not counted as rejected."""
    rejected = pl.concat([pl.DataFrame(schema=REJECTED), *rejects, *(part.rejected for part in parts)])
    kept = {line for part in parts for line in part.valid["_line"]}
    for part in parts:
        part.rejected = rejected.clear()
        yield part
    if rejected.height:
        n_rejected = len(set(rejected["_line"]) - kept)
        yield Part(TABLES["copy_number_profiles"], file, n_rejected, pl.DataFrame(schema=PROFILES), rejected)


def _sample_parts(
    item: Item, file: str, attributes: pl.DataFrame, melted: pl.DataFrame, rejects: list[pl.DataFrame]
) -> Iterator[Part]:
    from ingest.sources.cbioportal import TCGA
    from ingest.sources.genes import known_panels

    rows = attributes.filter(pl.col("sample_id").is_not_null())
    nameless = attributes.filter(pl.col("sample_id").is_null())
    problems = []
    if nameless.height:
        problems.append(Problem(file, "missing_value", "is blank", "sample_id", nameless["_line"].to_list()[:SHOWN], nameless.height,
                                outcome="rows rejected", fix="fill it in"))  # fmt: skip
        told = nameless.select("_line", column=pl.lit("sample_id"), value=pl.lit(None, pl.String), rule=pl.lit("missing_value"),
                               message=pl.lit("is blank"), row_json=pl.struct(pl.exclude("_line")).struct.json_encode())  # fmt: skip
        rejects = [*rejects, told.select(*REJECTED)]
    rejected = pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECTED)

    def given(name: str) -> pl.Expr:
        return pl.col(name) if name in rows.columns else pl.lit(None, pl.String)

    called = (
        melted.filter(pl.col("call").is_not_null())
        .select("study_id", "sample_id")
        .unique()
        .with_columns(has_calls=pl.lit(True))
    )
    rows = rows.join(called, on=["study_id", "sample_id"], how="left", maintain_order="left")
    prefix = pl.col("study_id").str.extract(TCGA.pattern)
    barcode = pl.col("sample_id").str.extract(r"^TCGA-\w\w-\w{4}-(\d\d)").cast(pl.Int64)
    panel = given("gene_panel_id")
    known = list(known_panels())
    samples = rows.select(
        study_id="study_id", sample_id="sample_id",
        patient_id=given("patient_id").fill_null(pl.col("sample_id").str.extract(r"^(TCGA-\w\w-\w{4})-\d\d")),
        source=pl.coalesce(given("source"), pl.lit(item.spec.source, pl.String), pl.when(prefix.is_not_null()).then(pl.lit("TCGA")), pl.col("study_id")),
        study_group=pl.coalesce(pl.lit(item.spec.study_group, pl.String), pl.lit("tcga_") + prefix, pl.col("study_id")),
        tcga_code=prefix.str.to_uppercase(),
        cancer_type_reported=given("cancer_type_reported"), oncotree_code=given("oncotree_code").str.to_uppercase(),
        study_cancer_type=pl.lit(item.spec.cancer_type, pl.String), sample_type=given("sample_type"),
        is_normal=barcode.is_between(10, 14).fill_null(given("sample_type").str.to_lowercase().str.contains("normal").fill_null(False)),
        in_study_list=pl.lit(True), in_cna_list=pl.col("has_calls").fill_null(False),
        sample_number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("study_id"),
        gene_panel_id=panel,
        is_panel_known=pl.when(panel.is_not_null()).then(panel.is_in(known) | panel.str.to_uppercase().is_in(["WGS", "WXS"])),
        call_method=given("call_method").fill_null("discrete calls, as given"), _line="_line",
    )  # fmt: skip
    n_rejected = len(set(rejected["_line"]))
    yield Part(TABLES["samples"], file, samples.height + n_rejected, samples, rejected, problems)
    used = sorted(set(samples["gene_panel_id"].drop_nulls()) & set(known))
    for name in used:
        genes = sorted(known_panels()[name] & (item.genes or known_panels()[name]))
        frame = pl.DataFrame(
            {"panel_id": [name] * len(genes), "gene": genes}, {"panel_id": pl.String, "gene": pl.String}
        )
        yield Part(
            TABLES["gene_panels"],
            file,
            frame.height,
            frame.with_columns(_line=pl.lit(1, pl.Int64)),
            pl.DataFrame(schema=REJECTED),
        )


def read_long(path: Path, file: str, study_id: str, wanted: Wanted) -> Calls:
    """A DISCRETE_LONG profile: Hugo_Symbol and/or Entrez_Gene_Id, Sample_Id, Value."""
    opened = open_table(path, file, blanks=("",))
    roles = roles_of(opened, NAMES)
    missing = [n for n, role in (("Sample_Id", "sample_id"), ("Value", "call")) if role not in roles.values()]
    if not {"gene", "entrez"} & set(roles.values()):
        missing.append("Hugo_Symbol or Entrez_Gene_Id")
    if missing:
        raise InputError(Problem(file, "missing_column", "a long profile needs this column", ", ".join(missing), lines=[opened.header_line],
                                 found=opened.header[:SHOWN], n_found=len(opened.header), fix="add it"))  # fmt: skip
    frames, problems, rejects = [], [], []
    for block in opened.blocks:
        frames.append(
            block.rows.rename(roles).select(
                *[c for c in ("sample_id", "gene", "entrez", "call", "_line") if c in roles.values() or c == "_line"]
            )
        )
        if block.ragged.height:
            told, problem = ragged_rows(block.ragged, opened)
            rejects.append(told.with_columns(message=pl.lit(problem.what)).select(*REJECTED))
            problems.append(problem)
    rows = pl.concat(frames) if frames else pl.DataFrame()
    if rows.is_empty():
        raise InputError(Problem(file, "no_rows", "has a header and no rows", fix="export it again"))
    # NA is a call that was not made; nothing at all is an error
    value = pl.col("call").fill_null("")
    rows = rows.with_columns(call=pl.when(value != "NA").then(value))
    samples = rows["sample_id"].drop_nulls().unique(maintain_order=True).to_list()
    part = _profiles(rows.with_columns(study_id=pl.lit(study_id)), file, study_id, wanted, samples)
    return Calls(samples, _counted([part], file, rejects), problems)


def _profiles(
    rows: pl.DataFrame, file: str, study_id: str, wanted: Wanted, order: list[str], *, is_wide: bool = False
) -> Part:
    """Rows of sample, gene and call → `raw.copy_number_profiles`, calls in the order of `order`."""
    problems: list[Problem] = []
    rejected: list[pl.DataFrame] = []
    names = rows.select(gene=pl.col("gene").fill_null("") if "gene" in rows.columns else pl.lit(""),
                        entrez=pl.col("entrez").fill_null("") if "entrez" in rows.columns else pl.lit(""))  # fmt: skip
    rows = rows.with_columns(names)
    nameless = pl.col("sample_id").is_null(), (pl.col("gene") == "") & (pl.col("entrez") == "")
    for column, is_blank in zip(("sample_id", "gene"), nameless, strict=True):
        blanks = rows.filter(is_blank)
        if blanks.height and not is_wide:  # a wide table has told of the sample
            rejected.append(_told(blanks, column, pl.lit(None, pl.String), "missing_value", "is blank"))
            problems.append(Problem(file, "missing_value", "is blank", column, blanks["_line"].head(SHOWN).to_list(), blanks.height,
                                    outcome="rows rejected", fix="fill it in"))  # fmt: skip
        rows = rows.filter(~is_blank)
    resolved = []
    for gene, entrez in rows.select("gene", "entrez").unique(maintain_order=True).iter_rows():
        try:
            found = wanted.resolve(gene, entrez)
        except AmbiguousGene as error:
            at = rows.filter((pl.col("gene") == gene) & (pl.col("entrez") == entrez))
            rejected.append(_told(at, "gene", pl.lit(gene or entrez), "ambiguous_gene", f"may be {error}"))
            problems.append(Problem(file, "ambiguous_gene", f"the gene may be {error}", "gene", at["_line"].head(SHOWN).to_list(), at.height, [gene or entrez], 1,
                                    outcome="rows rejected", fix="give the Entrez id or the current symbol"))  # fmt: skip
            continue
        if found:
            resolved.append((gene, entrez, *found))
    schema = {"gene": pl.String, "entrez": pl.String, "symbol": pl.String, "entrez_gene_id": pl.Int64}
    rows = rows.join(
        pl.DataFrame(resolved, schema, orient="row"), on=["gene", "entrez"], how="inner", maintain_order="left"
    )
    blank = pl.col("call").is_null()
    rows = rows.with_columns(twice=pl.col("call").replace_strict(TWICE, default=None, return_dtype=pl.Int8))
    bad = rows.filter(~blank & pl.col("twice").is_null())
    if bad.height:
        lines, values = bad["_line"].unique().sort(), bad["call"].unique(maintain_order=True)
        column = ", ".join(bad["gene"].unique(maintain_order=True)) if is_wide else "call"
        rejected.append(
            _told(bad, pl.col("gene") if is_wide else "call", pl.col("call"), "not_a_call", "is not a discrete call")
        )
        problems.append(Problem(file, "not_a_call", "is not a discrete call", column, lines.head(SHOWN).to_list(), lines.len(), values.head(SHOWN).to_list(),
                                values.len(), allowed=CALLS, outcome=f"{bad.height:,} {'cell' if bad.height == 1 else 'cells'} not loaded: counted as not assayed",
                                fix="correct the cells, or write NA"))  # fmt: skip
    rows = rows.filter(blank | pl.col("twice").is_not_null())
    key = ["sample_id", "symbol"]
    differ = rows.filter(pl.col("twice").n_unique().over(key) > 1)
    if differ.height:
        pair = pl.format("{} / {}", "sample_id", "symbol")
        pairs = differ.select(pair).to_series().unique(maintain_order=True)
        rejected.append(
            _told(differ, "sample_id + gene", pair, "different_calls", "a sample has different calls of one gene")
        )
        problems.append(Problem(file, "different_calls", "a sample has different calls of one gene", "sample_id + gene", differ["_line"].head(SHOWN).to_list(), differ.height,
                                pairs.head(SHOWN).to_list(), pairs.len(), outcome="rows rejected", fix="keep one"))  # fmt: skip
        rows = rows.join(differ.select(key).unique(), on=key, how="anti", maintain_order="left")
    again = rows.filter(~pl.struct(key).is_first_distinct())
    if again.height and not is_wide:
        pairs = again.select(pl.format("{} / {}", "sample_id", "symbol")).to_series().unique(maintain_order=True)
        problems.append(Problem(file, "call_again", "a sample has the same call of a gene again", "sample_id + gene", again["_line"].head(SHOWN).to_list(), again.height,
                                pairs.head(SHOWN).to_list(), pairs.len(), outcome="one copy was loaded", level="NOTE"))  # fmt: skip
    rows = rows.unique(key, keep="first", maintain_order=True)
    numbers = pl.DataFrame({"sample_id": order}, {"sample_id": pl.String}).with_row_index("number")
    lists = []
    for (symbol,), group in rows.group_by("symbol", maintain_order=True):
        calls = numbers.join(group.select("sample_id", "twice"), on="sample_id", how="left", maintain_order="left")[
            "twice"
        ]
        lists.append(
            {
                "study_id": study_id,
                "gene": symbol,
                "entrez_gene_id": group["entrez_gene_id"][0],
                "calls": calls.to_list(),
                "_line": group["_line"][0],
            }
        )
    valid = pl.DataFrame(lists, PROFILES)
    told = pl.concat([pl.DataFrame(schema=REJECTED), *rejected]).unique(
        ["_line", "column", "rule"], maintain_order=True
    )
    return Part(TABLES["copy_number_profiles"], file, valid.height, valid, told, problems)


def _told(rows: pl.DataFrame, column: str | pl.Expr, value: pl.Expr, rule: str, message: str) -> pl.DataFrame:
    return rows.select("_line", column=pl.lit(column) if isinstance(column, str) else column, value=value, rule=pl.lit(rule), message=pl.lit(message),
                       row_json=pl.struct(pl.exclude("_line")).struct.json_encode()).select(*REJECTED)  # fmt: skip
