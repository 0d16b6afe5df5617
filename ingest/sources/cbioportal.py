"""A cBioPortal study folder. Its meta files say which file is what; the names of data files mean nothing.

Format: https://docs.cbioportal.org/file-formats/. Discrete calls (DISCRETE, DISCRETE_LONG) are read; linear, log2 and
segment profiles are no calls of amplification and are refused with that reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import SHOWN, InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from ingest.pipeline import Item
    from ingest.sources.part import Part

REQUIRED = ("type_of_cancer", "cancer_study_identifier", "name", "description")
DISCRETE = ("DISCRETE", "DISCRETE_LONG")
PREFERRED = ("gistic", "cna", "cna_rae", "cna_consensus")  # which discrete profile counts, where there are several
NOT_CALLS = {"CONTINUOUS": "linear copy numbers", "LOG2-VALUE": "log2 ratios", "SEG": "segments"}
BLANKS = ["", "na", "[not available]", "[not applicable]", "[pending]", "[discrepancy]", "[completed]", "[null]"]
TCGA = re.compile(r"^([a-z]+)_tcga(_|$)")
WHOLE_GENOME = ("WGS", "WXS")


KIND = "cBioPortal study folder"
NAMES_SAMPLES = True  # in messages and findings


def recognise(path: Path) -> bool:
    """A folder with a meta_study.txt."""
    return path.is_dir() and (path / "meta_study.txt").is_file()


@dataclass
class Study:
    """What the meta files of a study say; paths are those within the folder."""

    folder: Path
    file: str
    meta: dict[str, str]
    cna: dict[str, str] = field(default_factory=dict)
    sample_file: str | None = None
    patient_file: str | None = None
    panel_matrix: str | None = None
    panel_files: list[str] = field(default_factory=list)
    case_lists: dict[str, str] = field(default_factory=dict)
    metas: list[str] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @property
    def study_id(self) -> str:
        """`cancer_study_identifier`."""
        return self.meta["cancer_study_identifier"]


def study_files(path: Path, file: str) -> list[str]:
    """The files of a study that are read, as paths within its folder.

    Raises:
        InputError: the meta files are missing something, contradict each other, or name no discrete profile.
    """
    study = open_study(path, file)
    named = [study.cna["data_filename"], study.sample_file, study.patient_file, study.panel_matrix]
    names = [*study.metas, *filter(None, named), *study.panel_files, *study.case_lists.values()]
    for name in names:
        if not (path / name).resolve().is_relative_to(path.resolve()):
            raise InputError(Problem(f"{file}/{name}", "leaves_folder", "is a link that leaves the folder of the study",
                                     fix="copy the file into the folder"))  # fmt: skip
    return list(dict.fromkeys(names))


def open_study(path: Path, file: str) -> Study:
    """Read the meta files and the heads of the case lists. Raises: as `study_files`."""
    study = Study(path, file, _meta(path, file, "meta_study.txt"))
    missing = [key for key in REQUIRED if not study.meta.get(key)]
    if missing:
        raise InputError(Problem(f"{file}/meta_study.txt", "missing_key", "a required line is missing", ", ".join(missing),
                                 fix="add `key: value` lines"))  # fmt: skip
    profiles = []
    for meta_file in sorted(p.name for p in path.glob("meta_*.txt")):
        study.metas.append(meta_file)
        meta = study.meta if meta_file == "meta_study.txt" else _meta(path, file, meta_file)
        meta["meta_file"] = meta_file
        kind, datatype, data = (meta.get(k, "") for k in ("genetic_alteration_type", "datatype", "data_filename"))
        if meta.get("cancer_study_identifier", study.study_id) != study.study_id:
            raise InputError(Problem(
                f"{file}/{meta_file}", "other_study", "belongs to another study", "cancer_study_identifier",
                found=[meta["cancer_study_identifier"]], allowed=study.study_id, fix="correct it, or remove the file"))  # fmt: skip
        if kind == "COPY_NUMBER_ALTERATION":
            profiles.append(meta)
        elif kind == "CLINICAL" and datatype in ("SAMPLE_ATTRIBUTES", "PATIENT_ATTRIBUTES"):
            setattr(
                study,
                "sample_file" if datatype == "SAMPLE_ATTRIBUTES" else "patient_file",
                _inside(study, data, meta_file),
            )
        elif kind == "GENE_PANEL_MATRIX":
            study.panel_matrix = _inside(study, data, meta_file)
    # studies downloaded in part come without these meta files
    for attribute, name in (
        ("sample_file", "data_clinical_sample.txt"), ("patient_file", "data_clinical_patient.txt"),
        ("panel_matrix", "data_gene_panel_matrix.txt"),
    ):  # fmt: skip
        if getattr(study, attribute) is None and (path / name).is_file():
            setattr(study, attribute, _inside(study, name, "the study"))
    study.cna = _discrete_profile(study, profiles)
    study.cna["data_filename"] = _inside(study, study.cna.get("data_filename", ""), study.cna["meta_file"])
    study.panel_files = sorted(
        p.relative_to(path).as_posix() for p in path.rglob("*gene_panel*.txt")
        if p.name not in ("data_gene_panel_matrix.txt", study.panel_matrix) and not p.name.startswith("meta_")
    )  # fmt: skip
    _find_case_lists(study)
    return study


def _meta(folder: Path, file: str, name: str) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        lines = (folder / name).read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(Problem(f"{file}/{name}", "not_utf8", "is not valid UTF-8", fix="save it as UTF-8")) from None
    for number, line in enumerate(lines, 1):
        key, colon, value = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not colon:
            raise InputError(Problem(f"{file}/{name}", "not_key_value", "is no `key: value` line", lines=[number], found=[line],
                                     fix="write `key: value`, one per line"))  # fmt: skip
        values[key.strip()] = value.strip()
    return values


def _inside(study: Study, name: str, named_in: str) -> str:
    """`name`, if it is a file of the study's folder."""
    path = study.folder / name
    if not name:
        raise InputError(Problem(f"{study.file}/{named_in}", "missing_key", "a required line is missing", "data_filename",
                                 fix="add it"))  # fmt: skip
    if not path.resolve().is_relative_to(study.folder.resolve()):
        raise InputError(Problem(f"{study.file}/{named_in}", "leaves_folder", "names a file outside the folder of the study",
                                 "data_filename", found=[name], fix="copy the file into the folder"))  # fmt: skip
    if not path.is_file():
        raise InputError(Problem(f"{study.file}/{named_in}", "not_found", "names a file that is not there", "data_filename",
                                 found=[name], fix="add the file, or correct the name"))  # fmt: skip
    return name


def _discrete_profile(study: Study, profiles: list[dict[str, str]]) -> dict[str, str]:
    for meta in profiles:
        datatype = meta.get("datatype", "")
        if datatype not in DISCRETE:
            study.notes.append(Problem(
                f"{study.file}/{meta['meta_file']}", "not_calls", f"holds {NOT_CALLS.get(datatype, 'no discrete calls')}, from which "
                "amplification cannot be told", "datatype", found=[datatype], allowed=", ".join(DISCRETE),
                outcome="not read", level="NOTE"))  # fmt: skip
    discrete = [meta for meta in profiles if meta.get("datatype") in DISCRETE]
    if not discrete:
        found = [meta.get("datatype", "") for meta in profiles]
        held = " and ".join(dict.fromkeys(NOT_CALLS.get(datatype, "no discrete calls") for datatype in found))
        reason = f" (only {held}, from which amplification cannot be told)" if found else ""
        raise InputError(Problem(
            study.file, "no_discrete_profile", f"has no profile of discrete copy-number calls{reason}", found=found, n_found=len(found),
            allowed="a meta file with genetic_alteration_type: COPY_NUMBER_ALTERATION and datatype: DISCRETE or DISCRETE_LONG",
            fix="add the GISTIC or panel calls to the study"))  # fmt: skip
    order = {name: i for i, name in enumerate(PREFERRED)}
    discrete.sort(key=lambda meta: (order.get(meta.get("stable_id", ""), len(order)), meta["meta_file"]))
    if len(discrete) > 1:
        study.notes.append(Problem(
            study.file, "other_profiles", f"only the profile {discrete[0].get('stable_id')} was read",
            found=[m.get("stable_id", m["meta_file"]) for m in discrete[1:]], level="NOTE"))  # fmt: skip
    return discrete[0]


def _find_case_lists(study: Study) -> None:
    wanted = {
        "all": ("all_cases_in_study", f"{study.study_id}_all"),
        "cna": ("all_cases_with_cna_data", f"{study.study_id}_cna"),
    }
    for path in sorted((study.folder / "case_lists").glob("*.txt")):
        with path.open(encoding="utf-8", errors="replace") as stream:
            head = dict(line.partition(":")[::2] for line in stream if not line.startswith("case_list_ids"))
        said = {head.get(key, "").strip() for key in ("case_list_category", "stable_id")}
        for kind, names in wanted.items():
            if said.intersection(names):
                study.case_lists.setdefault(kind, path.relative_to(study.folder).as_posix())


def _case_list(study: Study, kind: str) -> tuple[list[str], int] | None:
    """The sample ids of a case list and the line they stand on; None where the study has no such list."""
    if kind not in study.case_lists:
        return None
    name = study.case_lists[kind]
    with (study.folder / name).open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            if line.startswith("case_list_ids"):
                ids = line.partition(":")[2].split()
                again = [name for name, n in Counter(ids).items() if n > 1]
                if again:
                    study.notes.append(Problem(f"{study.file}/{name}", "sample_twice", "names samples twice", lines=[number],
                                               found=again[:SHOWN], n_found=len(again), outcome="each counted once", level="WARNING"))  # fmt: skip
                if ids:
                    return list(dict.fromkeys(ids)), number
    raise InputError(Problem(f"{study.file}/{name}", "empty_case_list", "names no sample", "case_list_ids",
                             fix="add tab-separated sample ids, or remove the file"))  # fmt: skip


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """Samples, panels and calls of a study."""
    from ingest.sources import calls
    from ingest.sources.cna_matrix import good_columns, open_matrix, read_profiles
    from ingest.sources.genes import Wanted
    from ingest.sources.part import Part

    study = open_study(item.path, item.file)
    wanted = Wanted(item.genes)
    cna_file = f"{item.file}/{study.cna['data_filename']}"
    if study.cna["datatype"] == "DISCRETE":
        matrix = open_matrix(item.path / study.cna["data_filename"], cna_file)
        columns, problems = good_columns(matrix)
        profiled, at_line = [matrix.samples[i] for i in columns], matrix.header_line
        profiles = read_profiles(matrix, columns, study.study_id, wanted, say)
    else:
        long = calls.read_long(item.path / study.cna["data_filename"], cna_file, study.study_id, wanted)
        problems, profiled, at_line, profiles = long.problems, long.samples, 1, long.profiles
    yield Part.of_notes(item.file, [*study.notes, *problems])
    study.notes.clear()
    yield from _samples(study, item, profiled, cna_file, at_line)
    yield Part.of_notes(item.file, study.notes)
    yield from profiles


def _samples(study: Study, item: Item, profiled: list[str], cna_file: str, at_line: int) -> Iterator[Part]:
    import polars as pl

    from ingest.sources.part import REJECTED, Part
    from schemas import TABLES

    sources = []  # (file, frame of sample_id, _line, attributes)
    problems: list[Problem] = []
    clinical, rejected = _clinical(study, problems)
    if clinical is not None:
        sources.append((f"{study.file}/{study.sample_file}", clinical))
    everyone, with_cna = _case_list(study, "all"), _case_list(study, "cna")
    for kind, found in (("all", everyone), ("cna", with_cna)):
        if found:
            sources.append(
                (
                    f"{study.file}/{study.case_lists[kind]}",
                    pl.DataFrame({"sample_id": found[0]}).with_columns(_line=pl.lit(found[1], pl.Int64)),
                )
            )
    sources.append(
        (
            cna_file,
            pl.DataFrame({"sample_id": profiled}, {"sample_id": pl.String}).with_columns(
                _line=pl.lit(at_line, pl.Int64)
            ),
        )
    )
    _compare(study, clinical, profiled, with_cna, cna_file, at_line, problems)

    numbers = pl.DataFrame(
        {"sample_id": profiled, "sample_number": range(1, len(profiled) + 1)},
        {"sample_id": pl.String, "sample_number": pl.Int64},
    )
    everybody = list(dict.fromkeys(sample for _, frame in sources for sample in frame["sample_id"]))
    panels, panel_parts = _panels(study, item, everybody, problems)
    tcga = TCGA.match(study.study_id)
    group = item.spec.study_group or (f"tcga_{tcga[1]}" if tcga else study.study_id)
    seen: pl.Series = pl.Series([], dtype=pl.String)
    for k, (file, frame) in enumerate(sources):
        new = frame.filter(~pl.col("sample_id").is_in(seen.implode())) if len(seen) else frame
        seen = pl.concat([seen, new["sample_id"]])
        if new.is_empty() and not (k == 0 and rejected is not None and rejected.height):
            continue
        for column in ("patient_id", "cancer_type_reported", "oncotree_code", "sample_type"):
            if column not in new.columns:
                new = new.with_columns(pl.lit(None, pl.String).alias(column))
        barcode = pl.col("sample_id").str.extract(r"^TCGA-\w\w-\w{4}-(\d\d)").cast(pl.Int64)
        said_normal = pl.col("sample_type").str.to_lowercase().str.contains("normal").fill_null(False)
        rows = new.join(numbers, on="sample_id", how="left", maintain_order="left").join(
            panels, on="sample_id", how="left", maintain_order="left"
        )
        rows = rows.select(
            study_id=pl.lit(study.study_id),
            sample_id="sample_id",
            patient_id=pl.col("patient_id").fill_null(pl.col("sample_id").str.extract(r"^(TCGA-\w\w-\w{4})-\d\d")),
            source=pl.lit(item.spec.source or ("TCGA" if tcga else study.study_id)),
            study_group=pl.lit(group),
            tcga_code=pl.lit(tcga[1].upper() if tcga else None, pl.String),
            cancer_type_reported="cancer_type_reported",
            oncotree_code="oncotree_code",
            study_cancer_type=pl.lit(item.spec.cancer_type or study.meta["type_of_cancer"]),
            sample_type="sample_type",
            is_normal=(barcode.is_between(10, 14) if tcga else pl.lit(None, pl.Boolean)).fill_null(said_normal),
            in_study_list=pl.col("sample_id").is_in(everyone[0]) if everyone else pl.lit(True),
            in_cna_list=pl.col("sample_id").is_in(with_cna[0]) if with_cna else pl.col("sample_number").is_not_null(),
            sample_number="sample_number",
            gene_panel_id="gene_panel_id",
            is_panel_known="is_panel_known",
            call_method=pl.lit(": ".join(filter(None, [study.cna.get("stable_id"), study.cna.get("profile_name")]))),
            _line="_line",
        )  # fmt: skip
        turned_away = rejected if k == 0 and rejected is not None else pl.DataFrame(schema=REJECTED)
        n_rejected = turned_away["_line"].n_unique() if turned_away.height else 0
        yield Part(TABLES["samples"], file, rows.height + n_rejected, rows, turned_away, [])
    yield Part.of_notes(study.file, problems)
    yield from panel_parts


def _table(study: Study, name: str, required: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame, list[Problem]]:
    """A tab-separated file of a study: rows as text with `_line`, rejected ragged lines, problems."""
    import polars as pl

    from ingest.sources.flat import ragged_rows
    from ingest.table import open_table

    opened = open_table(study.folder / name, f"{study.file}/{name}")
    missing = [c for c in required if c not in opened.header]
    if missing:
        fix = (
            "clinical files have four # lines, then attribute names in capitals"
            if name != study.panel_matrix
            else "add it"
        )
        raise InputError(Problem(opened.file, "missing_column", f"needs {'this column' if len(missing) == 1 else 'these columns'}", ", ".join(missing), lines=[opened.header_line],
                                 found=opened.header[:SHOWN], n_found=len(opened.header), fix=fix))  # fmt: skip
    frames, rejects, problems = [], [], []
    for block in opened.blocks:
        text = pl.col(pl.String)
        frames.append(
            block.rows.with_columns(
                pl.when(text.str.to_lowercase().is_in(BLANKS)).then(None).otherwise(text).name.keep()
            )
        )
        if block.ragged.height:
            rows, problem = ragged_rows(block.ragged, opened)
            rejects.append(rows.with_columns(message=pl.lit(problem.what)))
            problems.append(problem)
    rows = (
        pl.concat(frames)
        if frames
        else pl.DataFrame(schema=dict.fromkeys(opened.header, pl.String) | {"_line": pl.Int64})
    )
    if rows.is_empty() and not rejects:
        raise InputError(Problem(opened.file, "no_rows", "has a header and no rows", fix="export it again"))
    from ingest.sources.part import REJECTED

    return rows, pl.concat(rejects).select(*REJECTED) if rejects else pl.DataFrame(schema=REJECTED), problems


def _clinical(study: Study, problems: list[Problem]) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Samples of the clinical file, with the cancer type of the sample, else of its patient; and rejected lines."""
    import polars as pl

    from ingest.sources.part import REJECTED

    if study.sample_file is None:
        problems.append(Problem(
            study.file, "no_clinical_file", "has no clinical sample file", level="WARNING",
            outcome="patients are not known: each sample counts as one", fix="add data_clinical_sample.txt"))  # fmt: skip
        return None, None
    rows, rejected, found = _table(study, study.sample_file, ("SAMPLE_ID", "PATIENT_ID"))
    problems += found
    file = f"{study.file}/{study.sample_file}"
    names = {
        "SAMPLE_ID": "sample_id",
        "PATIENT_ID": "patient_id",
        "ONCOTREE_CODE": "oncotree_code",
        "SAMPLE_TYPE": "sample_type",
    }
    nameless = rows.filter(pl.col("SAMPLE_ID").is_null())
    if nameless.height:
        problems.append(Problem(file, "missing_value", "is blank", "SAMPLE_ID", nameless["_line"].to_list()[:SHOWN], nameless.height,
                                outcome="rows rejected", fix="fill it in"))  # fmt: skip
        told = nameless.select(
            "_line", column=pl.lit("SAMPLE_ID"), value=pl.lit(None, pl.String), rule=pl.lit("missing_value"), message=pl.lit("is blank"),
            row_json=pl.struct(pl.exclude("_line")).struct.json_encode(),
        )  # fmt: skip
        rejected = pl.concat([rejected, told.select(*REJECTED)])
        rows = rows.filter(pl.col("SAMPLE_ID").is_not_null())
    if study.patient_file is not None:
        patients, _, found = _table(study, study.patient_file, ("PATIENT_ID",))
        problems += [replace(problem, outcome="lines not read", level="WARNING") for problem in found]
        extra = [c for c in ("CANCER_TYPE", "CANCER_TYPE_DETAILED", "ONCOTREE_CODE") if c in patients.columns]
        patients = patients.select("PATIENT_ID", *[pl.col(c).alias(f"PATIENT_{c}") for c in extra]).unique(
            "PATIENT_ID", keep="first"
        )
        rows = rows.join(patients, on="PATIENT_ID", how="left", maintain_order="left")

    def either(*columns: str) -> pl.Expr:
        present = [pl.col(c) for c in columns if c in rows.columns]
        return pl.coalesce(*present) if present else pl.lit(None, pl.String)

    label = either("CANCER_TYPE_DETAILED", "CANCER_TYPE", "PATIENT_CANCER_TYPE_DETAILED", "PATIENT_CANCER_TYPE")
    broad = either("CANCER_TYPE", "CANCER_TYPE_DETAILED", "PATIENT_CANCER_TYPE", "PATIENT_CANCER_TYPE_DETAILED")
    code = either("ONCOTREE_CODE", "PATIENT_ONCOTREE_CODE")
    # with a code the detailed label is only shown; without one the broad label is what the vocabulary knows
    rows = rows.with_columns(
        cancer_type_reported=pl.when(code.is_null()).then(broad).otherwise(label), ONCOTREE_CODE=code.str.to_uppercase()
    )
    present = {old: new for old, new in names.items() if old in rows.columns}
    return rows.select(
        *[pl.col(old).alias(new) for old, new in present.items()], "cancer_type_reported", "_line"
    ), rejected


def _compare(
    study: Study, clinical: pl.DataFrame | None, profiled: list[str], with_cna: tuple[list[str], int] | None,
    cna_file: str, at_line: int, problems: list[Problem],
) -> None:  # fmt: skip
    """Where the lists of samples disagree."""
    import polars as pl

    listed, columns = set(with_cna[0]) if with_cna else None, set(profiled)
    known = set(clinical["sample_id"]) if clinical is not None else None

    def tell(
        samples: list[str], file: str, lines: list[int], rule: str, what: str, outcome: str, level: str = "WARNING"
    ) -> None:
        if samples:
            n_lines = len(samples) if len(lines) > 1 else 1
            problems.append(Problem(file, rule, what, lines=lines, n_lines=n_lines, found=samples[:SHOWN], n_found=len(samples),
                                    outcome=outcome, level=level))  # fmt: skip

    if known is not None:
        tell([s for s in profiled if s not in known], cna_file, [at_line], "sample_not_in_clinical",
             "samples that the clinical file does not name", "loaded without patient; the study's cancer type is used")  # fmt: skip
    if listed is not None:
        tell([s for s in profiled if s not in listed], cna_file, [at_line], "not_in_cna_list",
             "samples that the list of samples with CNA data does not name", "counted as not assayed")  # fmt: skip
        tell([s for s in with_cna[0] if s not in columns], f"{study.file}/{study.case_lists['cna']}", [with_cna[1]], "listed_without_calls",
             "samples with CNA data of which there are no calls", "counted as not assayed")  # fmt: skip
    elif clinical is not None:
        without = clinical.filter(~pl.col("sample_id").is_in(profiled))
        tell(without["sample_id"].to_list(), f"{study.file}/{study.sample_file}", without["_line"].head(SHOWN).to_list(), "sample_without_calls",
             "samples of which there are no calls, and no list of samples with CNA data", "counted as not assayed", "NOTE")  # fmt: skip


def _panels(study: Study, item: Item, everybody: list[str], problems: list[Problem]) -> tuple[pl.DataFrame, list[Part]]:
    """sample_id → gene_panel_id, is_panel_known; and the rows of the panels."""
    import polars as pl

    from ingest.sources.genes import AmbiguousGene, Wanted, known_panels
    from ingest.sources.part import REJECTED, Part
    from schemas import TABLES

    schema = {"sample_id": pl.String, "gene_panel_id": pl.String}
    profile = study.cna.get("stable_id", "")
    if study.panel_matrix is not None:
        rows, _, found = _table(study, study.panel_matrix, ("SAMPLE_ID",))
        problems += [replace(problem, outcome="lines not read", level="WARNING") for problem in found]
        column = next((c for c in rows.columns if c.lower() in (profile.lower(), "cna")), None)
        if column is None:
            problems.append(Problem(f"{study.file}/{study.panel_matrix}", "no_panel_column", f"has no column for the profile {profile}",
                                    found=rows.columns[1:-1][:SHOWN], outcome="panels are not used", level="WARNING"))  # fmt: skip
            of_sample = pl.DataFrame(schema=schema)
        else:
            of_sample = (
                rows.select(sample_id="SAMPLE_ID", gene_panel_id=column)
                .drop_nulls("sample_id")
                .unique("sample_id", keep="first")
            )
    else:  # one panel for all of them, or none
        ids = everybody if study.cna.get("gene_panel") else []
        of_sample = pl.DataFrame({"sample_id": ids, "gene_panel_id": [study.cna.get("gene_panel")] * len(ids)}, schema)

    wanted, files, coverage = Wanted(item.genes), {}, {}
    for name in study.panel_files:
        meta = _meta(study.folder, study.file, name)
        panel, genes = meta.get("stable_id", ""), meta.get("gene_list", "").split()
        if not panel or not genes:
            problems.append(Problem(f"{study.file}/{name}", "missing_key", "a required line is missing or blank",
                                    ", ".join(k for k in ("stable_id", "gene_list") if not meta.get(k)), level="WARNING",
                                    outcome="the panel is not used", fix="add it"))  # fmt: skip
            continue
        covered = set()
        for gene in genes:
            try:
                resolved = wanted.resolve(gene, "")
            except AmbiguousGene as error:
                problems.append(Problem(f"{study.file}/{name}", "ambiguous_gene", f"the gene may be {error}", "gene_list", found=[gene],
                                        outcome="not counted as covered", fix="use the current symbol", level="WARNING"))  # fmt: skip
                continue
            if resolved:
                covered.add(resolved[0])
        coverage[panel], files[panel] = covered, f"{study.file}/{name}"
    used = set(of_sample["gene_panel_id"].drop_nulls())
    public = known_panels()
    unknown = sorted(p for p in used if p not in coverage and p not in public and p.upper() not in WHOLE_GENOME)
    if unknown:
        problems.append(Problem(
            study.file, "panel_unknown", "a gene panel whose genes are not known", "gene_panel", found=unknown[:SHOWN],
            n_found=len(unknown), outcome="its samples are counted as not assayed", fix="add its gene panel file to the study folder",
            level="WARNING"))  # fmt: skip
    parts = []
    for panel in sorted(used - set(unknown)):
        if panel.upper() in WHOLE_GENOME:
            continue
        genes = coverage.get(panel, public.get(panel, frozenset()))
        if item.genes is not None:
            genes = genes & item.genes
        file = files.get(panel, f"{study.file}/{study.panel_matrix or study.cna['meta_file']}")
        rows = pl.DataFrame(
            {"panel_id": [panel] * len(genes), "gene": sorted(genes)}, {"panel_id": pl.String, "gene": pl.String}
        )
        parts.append(
            Part(
                TABLES["gene_panels"],
                file,
                rows.height,
                rows.with_columns(_line=pl.lit(1, pl.Int64)),
                pl.DataFrame(schema=REJECTED),
            )
        )
    known = pl.col("gene_panel_id").is_in(unknown).not_()
    return of_sample.with_columns(is_panel_known=pl.when(pl.col("gene_panel_id").is_not_null()).then(known)), parts
