"""Genomic sources: every format gives the same calls, and the published numbers come out of the real files."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline import Report, discover, run, specs_from
from ingest.settings import PROJECT, Settings
from ingest.sources import calls as calls_source
from ingest.sources import cna_matrix
from ingest.sources.cna_matrix import BAD, NA, decode
from ingest.sources.genes import AmbiguousGene, Wanted

REAL = SHARED / "data" / "real"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not part of the project")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test, and a warehouse of its own in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPD_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


Load = Callable[..., Report]


@pytest.fixture
def load(db: duckdb.DuckDBPyConnection) -> Load:
    """Loads an input with options into the database of the test; nothing else stays in it. As published evidence, whose
    samples keep their names, unless an origin is given."""

    def load(path: str | Path, **options: str) -> Report:
        told = {"path": path, "origin": "published"} | options
        lines = [f'{key} = "{value}"\n' for key, value in told.items()]
        Path("hpd.toml").write_text("[[inputs]]\n" + "".join(lines))
        items, failed, _ = discover(specs_from([], Path("hpd.toml")), Settings(home=Path("home")))
        assert failed == []
        report = run(items, db)
        assert report.failed == []
        return report

    return load


def calls_of(db: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], float]:
    """(gene, sample) → call, of what is called."""
    found = db.sql("select gene, sample_id, call::double from raw.copy_number_calls where call is not null")
    return {(gene, sample): call for gene, sample, call in found.fetchall()}


def rows(db: duckdb.DuckDBPyConnection, sql: str) -> list:
    return [row[0] if len(row) == 1 else row for row in db.sql(sql).fetchall()]


# --- cells → calls -------------------------------------------------------------------------------------

LEGAL = {"-2": -4, "-1.5": -3, "-1": -2, "0": 0, "1": 2, "2": 4, "NA": NA}
blanks = st.sampled_from(["", " ", "  ", "\r", "\x0b"])
legal = st.builds(lambda left, token, right: left + token + right, blanks, st.sampled_from(list(LEGAL)), blanks)
odd = st.sampled_from(
    ["", "3", "-3", "2.0", "NaN", "na", "N", "--1", "+1", "1e999", "-", "-1.50", "0 0", "é", "²", "-0"]
)
text = st.text(st.characters(exclude_characters="\t\n", codec="utf-8"), max_size=6)
line = st.lists(st.one_of(legal, odd, text), min_size=1, max_size=6)


@given(st.lists(line, min_size=1, max_size=6), st.integers(1, 6))
def test_cells_become_calls_as_a_plain_loop_would_have_it(lines: list[list[str]], n_samples: int) -> None:
    calls, is_whole = decode(["\t".join(cells).encode() for cells in lines], n_samples)
    blank = " \t\n\r\x0b\f"  # what bytes.strip takes away
    told = [[LEGAL.get(cell.strip(blank), BAD) for cell in cells] for cells in lines if len(cells) == n_samples]
    assert is_whole.tolist() == [len(cells) == n_samples for cells in lines]
    assert calls.tolist() == told
    assert calls.dtype == np.int8


def test_the_calls_of_a_matrix_without_whole_lines_are_none() -> None:
    calls, is_whole = decode([b"0\t1"], 3)
    assert (calls.shape, is_whole.tolist()) == ((0, 3), [False])


# --- which gene ----------------------------------------------------------------------------------------

ANY, DEFAULT = Wanted(None), Wanted(frozenset({"MDM2", "MDM4", "FGF3"}))


@pytest.mark.parametrize(
    ("symbol", "entrez", "gene"),
    [
        ("MDM2", "4193", ("MDM2", 4193)),
        ("MDM2", "", ("MDM2", 4193)),
        ("", "4193", ("MDM2", 4193)),
        ("mdm2", "", ("MDM2", 4193)),
        ("hdm2", "", ("MDM2", 4193)),
        ("HDM2", "-1", ("MDM2", 4193)),
        ("MDMX", "", ("MDM4", 4194)),
        ("HDMX", "4194", ("MDM4", 4194)),
        ("MRP1", "4194", ("MDM4", 4194)),
        ("CDKN2A", "4193", ("MDM2", 4193)),
        ("MDM2|ENSG00000135679.21", "", ("MDM2", 4193)),
        ("MDM2", "0", ("MDM2", 4193)),
        ("MDM2", "4.193e+03", ("MDM2", 4193)),
        ("MDM2", "²", ("MDM2", 4193)),
        ("MDM2", "9" * 5000, ("MDM2", 4193)),
    ],
)
def test_a_gene_is_told_by_entrez_id_then_symbol_then_alias(symbol: str, entrez: str, gene: tuple) -> None:
    assert DEFAULT.resolve(symbol, entrez) == ANY.resolve(symbol, entrez) == gene
    assert DEFAULT.may_be(symbol.encode(), entrez.encode())


@pytest.mark.parametrize(
    ("symbol", "entrez", "candidates"),
    [
        ("HDMX", "", "MDM2 or MDM4"),
        ("hdmx", "-5", "MDM2 or MDM4"),
        ("MRP1", "", "ABCC1, MDM4 or MSH3"),
        ("INT2", "", "FGF3 or INTS2"),
        ("MDM2", "999999", "Entrez id 999999 or symbol MDM2 (Entrez id 4193)"),
    ],
)
@pytest.mark.parametrize("wanted", [ANY, DEFAULT])
def test_a_name_of_several_genes_is_none_of_them(symbol: str, entrez: str, candidates: str, wanted: Wanted) -> None:
    with pytest.raises(AmbiguousGene) as caught:
        wanted.resolve(symbol, entrez)
    assert str(caught.value) == candidates


@pytest.mark.parametrize(("symbol", "entrez"), [("TP53", "7157"), ("MRP1", "4363"), ("1-Mar", ""), ("", "")])
def test_other_genes_are_not_wanted(symbol: str, entrez: str) -> None:
    assert DEFAULT.resolve(symbol, entrez) is None


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_name_is_too_odd(symbol: str, entrez: str) -> None:
    for wanted in (ANY, DEFAULT):
        try:
            found = wanted.resolve(symbol, entrez)
        except AmbiguousGene:
            found = ("", None)
        if wanted is DEFAULT and found is not None:
            assert wanted.may_be(symbol.encode(), entrez.encode())


# --- one study, many formats ---------------------------------------------------------------------------

SAMPLES = ["S1", "S2", "S3", "S4"]
CALLS = {
    "MDM2": ["2", "0", "-1.5", "NA"],
    "MDM4": ["1", "2", "-2", "-1"],
    "EGFR": ["0", "NA", "0", "2"],
    "TP53": ["-2", "0", "0", "-1"],
}
EXPECTED = {
    (gene, sample): float(cell)
    for gene, cells in CALLS.items()
    for sample, cell in zip(SAMPLES, cells, strict=True)
    if cell != "NA" and gene != "TP53"
}
META = "type_of_cancer: sarc\ncancer_study_identifier: own\nname: Own\ndescription: ours\n"
META_CNA = (
    "cancer_study_identifier: own\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: {}\n"
    "stable_id: gistic\ndata_filename: calls.txt\n"
)
WIDE = "Hugo_Symbol\t" + "\t".join(SAMPLES) + "\n" + "".join(f"{g}\t" + "\t".join(c) + "\n" for g, c in CALLS.items())
LONG = [(gene, sample, cell) for gene, cells in CALLS.items() for sample, cell in zip(SAMPLES, cells, strict=True)]


def study(name: str = "own", matrix: str | bytes = WIDE, datatype: str = "DISCRETE", **files: str) -> Path:
    """A study folder; `files` by name without `.txt`, `__` for a folder."""
    root = Path(name)
    texts = {"meta_study": META, "meta_cna": META_CNA.format(datatype)} | files
    for file, content in texts.items():
        path = root / f"{file.replace('__', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "calls.txt").write_bytes(matrix.encode() if isinstance(matrix, str) else matrix)
    return root


def long_study() -> Path:
    body = "".join(f"{gene}\t{sample}\t{cell}\n" for gene, sample, cell in LONG)
    return study(matrix="Hugo_Symbol\tSample_Id\tValue\n" + body, datatype="DISCRETE_LONG")


def wide_table() -> Path:
    Path("own.csv").write_text(
        ",".join(["sample_id", *CALLS]) + "\n" +
        "".join(",".join([s, *(cells[i] for cells in CALLS.values())]) + "\n" for i, s in enumerate(SAMPLES))
    )  # fmt: skip
    return Path("own.csv")


def long_table() -> Path:
    Path("own.csv").write_text("sample_id,gene,call\n" + "".join(f"{s},{g},{c}\n" for g, s, c in LONG))
    return Path("own.csv")


def zipped(path: Path) -> Path:
    target = Path(f"{path}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def gistic() -> Path:
    Path("own.txt").write_text(WIDE.replace("Hugo_Symbol", "Gene Symbol"))
    return Path("own.txt")


FORMATS = {
    "wide profile": study,
    "wide profile in gzip": lambda: study(matrix=gzip.compress(WIDE.encode())),
    "wide profile with CRLF": lambda: study(matrix=WIDE.replace("\n", "\r\n")),
    "wide profile without a last line end": lambda: study(matrix=WIDE.rstrip("\n")),
    "wide profile with ids in another order": lambda: study(
        matrix="".join(f"1p\t{line}\n" for line in WIDE.splitlines()).replace("1p\tHugo", "Cytoband\tHugo")
    ),
    "long profile": long_study,
    "wide table": wide_table,
    "wide table in gzip": lambda: zipped(wide_table()),
    "long table": long_table,
    "long table in gzip": lambda: zipped(long_table()),
    "GISTIC file": gistic,
    "GISTIC file in gzip": lambda: zipped(gistic()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_calls(name: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    report = load(FORMATS[name](), cancer_type="SARC")
    assert calls_of(db) == EXPECTED
    assert rows(db, "select distinct study_id from raw.copy_number_calls") == ["own"]
    assert rows(db, "select sample_id from raw.samples order by sample_number") == SAMPLES
    assert report.rows_rejected == 0


@pytest.mark.parametrize("name", FORMATS)
def test_all_genes_are_loaded_when_asked_for(name: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(FORMATS[name](), genes="all", cancer_type="SARC")
    assert {gene for gene, _ in calls_of(db)} == set(CALLS)
    assert {key: call for key, call in calls_of(db).items() if key[0] != "TP53"} == EXPECTED


@pytest.mark.parametrize("cells", [1, 4, 8, 9])
def test_the_size_of_a_block_changes_nothing(
    cells: int, db: duckdb.DuckDBPyConnection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cna_matrix, "BLOCK_CELLS", cells)
    bad = WIDE.replace("MDM2\t2", "MDM2\t7").replace("EGFR\t0", "EGFR\t8") + "MDM2\t0\n"
    report = load(study(matrix=bad))
    assert calls_of(db) == {key: call for key, call in EXPECTED.items() if key not in {("MDM2", "S1"), ("EGFR", "S1")}}
    assert [str(problem) for problem in report.problems if problem.level == "ERROR"] == [
        "ERROR own/calls.txt: line 6: the line has not as many cells as there are samples; found '1 cell'; "
        "allowed: 4 cells; 1 row rejected; export the file again",
        "ERROR own/calls.txt: lines 2, 4: S1: is not a discrete call; found '7', '8'; allowed: -2, -1.5, -1, 0, 1, 2, NA; "
        "2 cells not loaded: counted as not assayed; correct the cells, or write NA",
    ]


def test_the_view_has_a_row_per_sample_and_gene(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(study())
    assert rows(db, "select gene, list(call::varchar order by sample_id) from raw.copy_number_calls group by 1 order by 1") == [
        ("EGFR", ["0.0", None, "0.0", "2.0"]),
        ("MDM2", ["2.0", "0.0", "-1.5", None]),
        ("MDM4", ["1.0", "2.0", "-2.0", "-1.0"]),
    ]  # fmt: skip


def test_a_gene_list_of_every_spelling_is_read_under_its_current_symbol(
    db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    load(study(matrix=WIDE.replace("MDM2", '"HDM2"').replace("MDM4", "MDMX|x")))
    assert calls_of(db) == EXPECTED


def test_two_studies_of_one_table_are_kept_apart(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("own.csv").write_text("study_id,sample_id,MDM2\na,S1,2\nb,S1,0\na,S2,1\nb,S3,-1\n")
    load("own.csv")
    assert rows(db, "select study_id, sample_id, call::int from raw.copy_number_calls order by all") == [
        ("a", "S1", 2), ("a", "S2", 1), ("b", "S1", 0), ("b", "S3", -1),
    ]  # fmt: skip


# --- samples -------------------------------------------------------------------------------------------


def test_a_tcga_barcode_tells_patient_and_normal_tissue(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    ids = [f"TCGA-AA-0001-{kind}" for kind in ("01", "03", "06", "09", "10", "11", "14", "15")]
    header = "Gene Symbol\tLocus ID\tCytoband\t" + "\t".join(f"{i}A-11D-A000-01" for i in ids)
    Path("sarc_tcga.txt").write_text(header + "\nMDM2\t4193\t12q15" + "\t0" * len(ids) + "\n")
    load("sarc_tcga.txt", cancer_type="SARC")
    told = rows(
        db, "select sample_id, patient_id, is_normal, source, study_group, tcga_code from raw.samples order by 1"
    )
    assert told == [(i, "TCGA-AA-0001", i[-2:] in ("10", "11", "14"), "TCGA", "tcga_sarc", "SARC") for i in ids]


def test_cancer_type_is_the_sample_s_then_the_patient_s(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    sample = (
        "#\n" * 4
        + "SAMPLE_ID\tPATIENT_ID\tCANCER_TYPE\tONCOTREE_CODE\nS1\tP1\tSarcoma\tlms\nS2\tP1\t[Not Available]\t\n"
    )
    patient = "PATIENT_ID\tCANCER_TYPE\tONCOTREE_CODE\nP1\tMelanoma\tMEL\n"
    load(study(data_clinical_sample=sample, data_clinical_patient=patient))
    told = rows(
        db,
        "select sample_id, patient_id, cancer_type_reported, oncotree_code, study_cancer_type from raw.samples order by 1",
    )
    assert told == [
        ("S1", "P1", "Sarcoma", "LMS", "sarc"),
        ("S2", "P1", "Melanoma", "MEL", "sarc"),
        ("S3", None, None, None, "sarc"),
        ("S4", None, None, None, "sarc"),
    ]


def test_case_lists_say_who_is_in_the_study_and_who_was_assayed(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    every = "stable_id: own_all\ncase_list_ids: S1\tS2\tS3\tS5\n"
    cna = "stable_id: x\ncase_list_category: all_cases_with_cna_data\ncase_list_ids: S1\tS2\tS5\n"
    load(study(case_lists__a=every, case_lists__b=cna))
    told = rows(db, "select sample_id, in_study_list, in_cna_list, sample_number from raw.samples order by 1")
    assert told == [
        ("S1", True, True, 1), ("S2", True, True, 2), ("S3", True, False, 3), ("S4", False, False, 4), ("S5", True, True, None),
    ]  # fmt: skip


PANEL = "SAMPLE_ID\tmutations\tgistic\nS1\tA\tOURS\nS2\tA\tWXS\nS3\tA\tNA\nS4\tA\tSECRET\n"


def test_panels_are_those_of_the_profile_with_the_genes_that_are_loaded(
    db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    ours = "stable_id: OURS\ndescription: ours\ngene_list: TP53\tEGFR\tHDM2\n"
    load(study(data_gene_panel_matrix=PANEL, data_gene_panel_ours=ours))
    told = rows(db, "select sample_id, gene_panel_id, is_panel_known from raw.samples order by 1")
    assert told == [("S1", "OURS", True), ("S2", "WXS", True), ("S3", None, None), ("S4", "SECRET", False)]
    covered = rows(db, "select panel_id, gene, _source_file from raw.gene_panels order by all")
    assert covered == [("OURS", gene, "own/data_gene_panel_ours.txt") for gene in ("EGFR", "MDM2")]


def test_a_panel_of_the_profile_is_everyone_s(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(study(meta_cna=META_CNA.format("DISCRETE") + "gene_panel: IMPACT468\n"))
    assert rows(db, "select distinct gene_panel_id, is_panel_known from raw.samples") == [("IMPACT468", True)]
    assert {"MDM2", "MDM4"} <= set(rows(db, "select gene from raw.gene_panels where panel_id = 'IMPACT468'"))


# --- loading again -------------------------------------------------------------------------------------


def everything(db: duckdb.DuckDBPyConnection) -> list:
    names = ("raw.samples", "raw.copy_number_profiles", "raw.gene_panels", "audit.loads", "audit.rejected_rows")
    return [db.sql(f"from {name} order by all").fetchall() for name in names]


def test_an_unchanged_study_is_not_read_again(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(study())
    before = everything(db)
    assert load(study()).unchanged == ["own"]
    assert everything(db) == before


@pytest.mark.parametrize("file", ["calls", "case_lists/a", "data_clinical_sample", "meta_study"])
def test_a_changed_file_replaces_the_whole_study(file: str, db: duckdb.DuckDBPyConnection, load: Load) -> None:
    clinical = "SAMPLE_ID\tPATIENT_ID\nS1\tP1\n"
    root = study(case_lists__a="stable_id: own_all\ncase_list_ids: S1\tS2\n", data_clinical_sample=clinical)
    load(root)
    before = rows(db, "select distinct item_id from audit.loads")
    path = root / f"{file}.txt"
    path.write_text(path.read_text().replace("S2", "S9").replace("P1", "P7").replace("Own", "Ours"))
    report = load(root)
    assert report.unchanged == []
    after = rows(db, "select distinct item_id from audit.loads")
    assert (len(after), len({*before, *after})) == (1, 2)
    assert rows(db, "select count(*) from raw.copy_number_profiles") == [3]
    assert {"calls": "S9", "case_lists/a": "S9"}.get(file, "S1") in rows(db, "select sample_id from raw.samples")


def test_a_changed_list_of_samples_is_read_again(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    Path("own.csv").write_text("sample,gene,type,call\nS1,MDM2,amplification,amplification(9)\n")
    Path("samples.csv").write_text("sample_id\nS1\nS2\n")
    load("own.csv", samples="samples.csv")
    Path("samples.csv").write_text("sample_id\nS1\nS2\nS3\n")
    load("own.csv", samples="samples.csv")
    assert calls_of(db) == {("MDM2", "S1"): 2, ("MDM2", "S2"): 0, ("MDM2", "S3"): 0}
    assert rows(db, "select source_file, table_name from audit.loads order by 1") == [
        ("own.csv", "copy_number_profiles"), ("samples.csv", "samples"),
    ]  # fmt: skip


# --- samples of own studies ----------------------------------------------------------------------------


def patients_of(db: duckdb.DuckDBPyConnection, table: str = "samples") -> set[str]:
    return set(rows(db, f"select distinct patient_id from raw.{table}"))


@pytest.mark.parametrize("name", FORMATS)
def test_samples_of_own_data_are_pseudonyms_and_their_calls_stay_theirs(
    name: str, db: duckdb.DuckDBPyConnection, load: Load
) -> None:
    load(FORMATS[name](), cancer_type="SARC", origin="institutional")
    named = rows(db, "select sample_id from raw.samples order by sample_number")
    assert all(re.fullmatch("S[0-9a-f]{20}", sample) for sample in named)
    true_name = dict(zip(named, SAMPLES, strict=True))
    assert {(gene, true_name[sample]): call for (gene, sample), call in calls_of(db).items()} == EXPECTED


CLINICAL = "#\n" * 4 + "SAMPLE_ID\tPATIENT_ID\nS1\tP1\nS2\tP1\nS3\tP3\n"


def test_a_patient_of_a_study_has_one_pseudonym_for_all_samples(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(study(data_clinical_sample=CLINICAL), origin="institutional")
    told = rows(db, "select patient_id from raw.samples order by sample_number")
    assert told[0] == told[1] != told[2]
    assert told[3] is None
    assert all(re.fullmatch("P[0-9a-f]{20}", patient) for patient in told[:3])


@pytest.mark.parametrize("trial", ["TRIAL", "own", None])
def test_samples_of_the_patients_of_a_trial_are_found_by_their_trial(
    trial: str | None, db: duckdb.DuckDBPyConnection
) -> None:
    option = f'trial_id = "{trial}"\n' if trial else ""
    study(data_clinical_sample=CLINICAL)
    Path("p.csv").write_text(f"trial_id,patient_id,cancer_type\n{trial or 'own'},P1,SARC\n{trial or 'own'},P3,SARC\n")
    Path("hpd.toml").write_text(f'[[inputs]]\npath = "own"\n{option}[[inputs]]\npath = "p.csv"\n')
    items, *_ = discover(specs_from([], Path("hpd.toml")), Settings(home=Path("home")))
    assert run(items, db).failed == []
    assert patients_of(db) - {None} == patients_of(db, "patients")
    assert rows(db, "select distinct trial_id from raw.samples") == [trial]


def test_samples_of_another_trial_are_of_other_patients(db: duckdb.DuckDBPyConnection) -> None:
    study(data_clinical_sample=CLINICAL)
    Path("p.csv").write_text("trial_id,patient_id,cancer_type\nANOTHER,P1,SARC\n")
    items, *_ = discover(specs_from(["own", "p.csv"], None), Settings(home=Path("home")))
    assert run(items, db).failed == []
    assert patients_of(db) & patients_of(db, "patients") == set()


# --- real files ----------------------------------------------------------------------------------------

COUNTS = "select count(*) filter (call = 2), count(call) from raw.copy_number_calls where gene = '{}'"


def amplified(db: duckdb.DuckDBPyConnection, gene: str) -> tuple[int, int]:
    """Amplified and called samples."""
    return db.sql(COUNTS.format(gene)).fetchall()[0]


# of a set: any member amplified, assayed where every member is called
SETS = """
with samples as (
    select c.study_id, g.genes, c.sample_id, max(c.call) = 2 as is_amplified, count(c.call) = len(any_value(g.members)) as is_assayed
    from raw.copy_number_calls as c
    join (select genes, string_split(genes, '|') as members from (select unnest($1) as genes)) as g
        on list_contains(g.members, c.gene)
    group by all
)
select study_id, genes, count(*) filter (is_assayed), count(*) filter (is_assayed and is_amplified)
from samples group by all order by all
"""


def of_sets(db: duckdb.DuckDBPyConnection, *genes: str) -> dict[tuple[str, str], tuple[int, int]]:
    found = db.execute(SETS, [list(genes)]).fetchall()
    return {(study_id, name): (n_assayed, n_amplified) for study_id, name, n_assayed, n_amplified in found}


@needs_real_data
def test_sarcoma_of_tcga(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    assert load(REAL / "tcga" / "sarc_tcga").problems == []
    assert rows(db, "select count(*), count(distinct patient_id) from raw.samples") == [(265, 261)]
    found = of_sets(db, "MDM2", "MDM4", "MDM2|MDM4")
    assert {genes: n for (_, genes), n in found.items()} == {
        "MDM2": (257, 54), "MDM4": (257, 4), "MDM2|MDM4": (257, 56),
    }  # fmt: skip


@needs_real_data
def test_renal_clear_cell_carcinoma_of_tcga(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    assert load(REAL / "tcga" / "kirc_tcga").problems == []
    assert rows(db, "select count(*) from raw.samples") == [538]
    assert of_sets(db, "MDM2|MDM4") == {("kirc_tcga", "MDM2|MDM4"): (528, 3)}


IMVIGOR = {"MDM2": (25, 293), "MDM4": (0, 293), "EGFR": (5, 293), "CCND1": (32, 293)}


@needs_real_data
def test_imvigor210_by_patient(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    load(REAL / "imvigor210_fmone" / "imvigor210_fmone_genes.csv")
    assert {gene: amplified(db, gene) for gene in IMVIGOR} == IMVIGOR
    assert rows(db, "select count(*) from raw.copy_number_calls where gene = 'MDM4' and call = 1") == [1]


@needs_real_data
def test_imvigor210_by_alteration(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    source = REAL / "imvigor210_fmone"
    load(source / "imvigor210_fmone_cna_long.csv", samples=str(source / "imvigor210_fmone_genes.csv"))
    assert {gene: amplified(db, gene) for gene in IMVIGOR} == IMVIGOR
    assert rows(db, "select count(*) from raw.copy_number_calls where gene = 'MDM4' and call = 1") == [1]


@needs_real_data
def test_every_tcga_cohort_gives_the_bundled_counts(db: duckdb.DuckDBPyConnection, load: Load) -> None:
    with gzip.open(REAL / "tcga" / "tcga_keygenes_calls.csv.gz", "rt") as source, Path("tcga.csv").open("w") as target:
        reader = csv.DictReader(source)
        genes = list(reader.fieldnames or [])[2:]
        writer = csv.writer(target)
        writer.writerow(["study_id", "sample_id", *genes])
        for row in reader:
            writer.writerow([f"{row['cohort'].lower()}_tcga", row["sample_id"], *(row[gene] for gene in genes)])
    report = load("tcga.csv")
    assert {problem.level for problem in report.problems} == {"NOTE"}  # genes that are not asked for
    assert report.rows_rejected == 0
    with (PROJECT / "ingest" / "bundled" / "amplification_counts.csv").open(encoding="utf-8") as file:
        published = {
            (row["study_id"], row["genes"]): (int(row["n_assayed"]), int(row["n_amplified"]))
            for row in csv.DictReader(file)
            if row["source"] == "TCGA"
        }
    found = of_sets(db, *{genes for _, genes in published})
    assert len({study_id for study_id, _ in published}) == 32
    assert found == published


def test_an_empty_cell_of_a_long_profile_is_an_error_and_na_is_none(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text(
        "Hugo_Symbol\tSample_Id\tValue\nMDM2\tS1\t2\nMDM2\tS2\t\nMDM2\tS3\tNA\nMDM2\tS4\t0\n"
    )
    found = calls_source.read_long(tmp_path / "d.txt", "d.txt", "study", Wanted(frozenset({"MDM2"})))
    parts = list(found.profiles)
    assert [row for part in parts for row in part.valid["calls"].to_list()] == [[4, None, None, 0]]
    told = [row for part in parts for row in part.rejected.select("_line", "column", "value", "rule").iter_rows()]
    assert told == [(3, "call", "", "not_a_call")]
