"""A gallery of bad genomic deliveries, one fault each: the exact messages, the exit status, and what is loaded."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from click.testing import CliRunner

from ingest import pipeline
from ingest.cli import main
from ingest.settings import load_settings
from ingest.sources import cna_matrix

LEVELS = ("ERROR ", "WARNING ", "NOTE ")
ENTREZ = {
    "MDM2": 4193, "MDM4": 4194, "EGFR": 1956, "CCND1": 595, "FGF3": 2248, "FGF4": 2249, "FGF19": 9965, "CDK4": 1019,
    "MYC": 4609, "ERBB2": 2064,
}  # fmt: skip
GENES = tuple(ENTREZ)
CALLS = {gene: ["0", "0", "0"] for gene in GENES} | {"MDM2": ["2", "0", "-1"], "MDM4": ["0", "1", "NA"]}


def matrix(samples: list[str], calls: dict[str, list[str]]) -> str:
    header = ["Hugo_Symbol", "Entrez_Gene_Id", *samples]
    lines = [header, *([gene, str(ENTREZ[gene]), *cells] for gene, cells in calls.items())]
    return "".join("\t".join(line) + "\n" for line in lines)


def with_calls(**calls: list[str]) -> str:
    return matrix(["S1", "S2", "S3"], CALLS | calls)


def toml(path: str, **options: str) -> str:
    """An hpd.toml; published evidence, whose samples keep their names, unless an origin is given."""
    told = {"path": path, "origin": "published"} | options
    return "[[inputs]]\n" + "".join(f'{key} = "{value}"\n' for key, value in told.items())


class Link(NamedTuple):
    """A symbolic link instead of a file."""

    target: str


META_STUDY = "type_of_cancer: sarc\ncancer_study_identifier: own\nname: Own\ndescription: ours\n"
META_CNA = (
    "cancer_study_identifier: own\ngenetic_alteration_type: COPY_NUMBER_ALTERATION\ndatatype: DISCRETE\n"
    "stable_id: gistic\nprofile_name: calls\ndata_filename: data_cna.txt\n"
)
META_LONG = META_CNA.replace("DISCRETE", "DISCRETE_LONG")
MATRIX = matrix(["S1", "S2", "S3"], CALLS)
LONG = "Hugo_Symbol\tSample_Id\tValue\n" + "".join(
    f"{gene}\tS{i}\t{call}\n" for gene in ("MDM2", "MDM4") for i, call in enumerate(CALLS[gene][:2], 1)
)
CLINICAL = (
    "#Patient\tSample\tCancer\n" * 4 + "PATIENT_ID\tSAMPLE_ID\tCANCER_TYPE\n"
    "P1\tS1\tSarcoma\nP2\tS2\tSarcoma\nP3\tS3\tSarcoma\n"
)
CASES_ALL = "cancer_study_identifier: own\nstable_id: own_all\ncase_list_ids: S1\tS2\tS3\n"
CASES_CNA = "cancer_study_identifier: own\nstable_id: own_cna\ncase_list_ids: S1\tS2\tS3\n"
STUDY = {
    "meta_study.txt": META_STUDY, "meta_cna.txt": META_CNA, "data_cna.txt": MATRIX, "data_clinical_sample.txt": CLINICAL,
    "case_lists/cases_all.txt": CASES_ALL, "case_lists/cases_cna.txt": CASES_CNA,
}  # fmt: skip
GISTIC = "Gene Symbol\tLocus ID\tCytoband\t" + "\t".join(
    f"TCGA-AA-000{i}-01A-11D-A000-01" for i in (1, 2, 3)
) + "\n" + "".join(
    f"{gene}\t{ENTREZ[gene]}\t1p\t" + "\t".join(cells) + "\n" for gene, cells in CALLS.items()
)  # fmt: skip
FMONE_LONG = 'sample,gene,type,call\nS1,MDM2,amplification,"amplification(42, exons 11 of 11)"\nS2,MDM4,gain,gain\n'


class Bad(NamedTuple):
    """A bad delivery.

    Attributes:
        files: what is other than in the good study (None: not there); for other inputs, all of it.
        inputs: what hpd.toml names; blank: it is among the files.
        says: every message.
        status: of `hpd validate`.
        samples: the ids that are loaded.
        calls: of MDM2 and MDM4, by sample; a sample without an entry is not called.
        rejected: (file, line, column, value, rule) of every finding that is kept.
    """

    files: dict[str, str | bytes | Link | None]
    inputs: list[str]
    says: list[str]
    status: int
    samples: str = ""
    calls: str = ""
    rejected: list[tuple] = []  # noqa: RUF012  never changed

    def put(self, folder: Path, origin: str = "published") -> None:
        root = folder / "own" if self.inputs == ["own"] else folder
        if self.inputs:
            (folder / "hpd.toml").write_text("".join(toml(path, origin=origin) for path in self.inputs))
        for name, content in (STUDY | self.files if self.inputs == ["own"] else self.files).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.target)
            elif content is not None:
                path.write_bytes(content.encode() if isinstance(content, str) else content)


GALLERY = {
    'a study without a required line': Bad({"meta_study.txt": META_STUDY.replace("name: Own\n", "")}, ['own'], ['ERROR own/meta_study.txt: name: a required line is missing; nothing of it was loaded; add `key: value` lines'], 1),
    'a meta line without a colon': Bad({"meta_cna.txt": META_CNA + "no colon here\n"}, ['own'], ["ERROR own/meta_cna.txt: line 7: is no `key: value` line; found 'no colon here'; nothing of it was loaded; write `key: value`, one per line"], 1),
    'a meta line without a blank after the colon': Bad({"meta_cna.txt": META_CNA.replace(": ", ":")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a meta file of another study': Bad({"meta_cna.txt": META_CNA.replace("own\n", "other\n")}, ['own'], ["ERROR own/meta_cna.txt: cancer_study_identifier: belongs to another study; found 'other'; allowed: own; nothing of it was loaded; correct it, or remove the file"], 1),
    'a meta file in Latin-1': Bad({"meta_study.txt": META_STUDY.replace("Own", "Kohorte für").encode("latin-1")}, ['own'], ['ERROR own/meta_study.txt: is not valid UTF-8; nothing of it was loaded; save it as UTF-8'], 1),
    'no profile of copy number': Bad({"meta_cna.txt": None}, ['own'], ['ERROR own: has no profile of discrete copy-number calls; allowed: a meta file with genetic_alteration_type: COPY_NUMBER_ALTERATION and datatype: DISCRETE or DISCRETE_LONG; nothing of it was loaded; add the GISTIC or panel calls to the study'], 1),
    'linear copy numbers only': Bad({"meta_cna.txt": META_CNA.replace("DISCRETE", "CONTINUOUS")}, ['own'], ["ERROR own: has no profile of discrete copy-number calls (only linear copy numbers, from which amplification cannot be told); found 'CONTINUOUS'; allowed: a meta file with genetic_alteration_type: COPY_NUMBER_ALTERATION and datatype: DISCRETE or DISCRETE_LONG; nothing of it was loaded; add the GISTIC or panel calls to the study"], 1),
    'log2 ratios only': Bad({"meta_cna.txt": META_CNA.replace("DISCRETE", "LOG2-VALUE")}, ['own'], ["ERROR own: has no profile of discrete copy-number calls (only log2 ratios, from which amplification cannot be told); found 'LOG2-VALUE'; allowed: a meta file with genetic_alteration_type: COPY_NUMBER_ALTERATION and datatype: DISCRETE or DISCRETE_LONG; nothing of it was loaded; add the GISTIC or panel calls to the study"], 1),
    'segments only': Bad({"meta_cna.txt": META_CNA.replace("DISCRETE", "SEG")}, ['own'], ["ERROR own: has no profile of discrete copy-number calls (only segments, from which amplification cannot be told); found 'SEG'; allowed: a meta file with genetic_alteration_type: COPY_NUMBER_ALTERATION and datatype: DISCRETE or DISCRETE_LONG; nothing of it was loaded; add the GISTIC or panel calls to the study"], 1),
    'log2 ratios beside the calls': Bad({"meta_log2.txt": META_CNA.replace("DISCRETE", "LOG2-VALUE").replace("gistic", "log2CNA")}, ['own'], ["NOTE own/meta_log2.txt: datatype: holds log2 ratios, from which amplification cannot be told; found 'LOG2-VALUE'; allowed: DISCRETE, DISCRETE_LONG; not read"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'log2 ratios under the name of calls': Bad({"data_cna.txt": matrix([f"S{i}" for i in range(1, 151)], {gene: ["0.13"] * 150 for gene in GENES})}, ['own'], ["ERROR own/data_cna.txt: line 2: most cells are no discrete calls; found '0.13'; allowed: -2, -1.5, -1, 0, 1, 2, NA; nothing of it was loaded; give the discrete calls, not copy numbers or log2 ratios"], 1),
    'no data_filename': Bad({"meta_cna.txt": META_CNA.replace("data_filename: data_cna.txt\n", "")}, ['own'], ['ERROR own/meta_cna.txt: data_filename: a required line is missing; nothing of it was loaded; add it'], 1),
    'a data file that is not there': Bad({"meta_cna.txt": META_CNA.replace("data_cna", "data_CNA")}, ['own'], ["ERROR own/meta_cna.txt: data_filename: names a file that is not there; found 'data_CNA.txt'; nothing of it was loaded; add the file, or correct the name"], 1),
    'a data file outside the folder': Bad({"meta_cna.txt": META_CNA.replace("data_cna.txt", "../secret.txt"), "../secret.txt": MATRIX}, ['own'], ["ERROR own/meta_cna.txt: data_filename: names a file outside the folder of the study; found '../secret.txt'; nothing of it was loaded; copy the file into the folder"], 1),
    'a data file that is a link out of the folder': Bad({"data_cna.txt": Link("../secret.txt"), "../secret.txt": MATRIX}, ['own'], ["ERROR own/meta_cna.txt: data_filename: names a file outside the folder of the study; found 'data_cna.txt'; nothing of it was loaded; copy the file into the folder"], 1),
    'a case list that is a link out of the folder': Bad({"case_lists/cases_cna.txt": Link("../../secret.txt"), "../secret.txt": CASES_CNA}, ['own'], ['ERROR own/case_lists/cases_cna.txt: is a link that leaves the folder of the study; nothing of it was loaded; copy the file into the folder'], 1),
    'two discrete profiles': Bad({"meta_rae.txt": META_CNA.replace("gistic", "cna_rae"), "meta_a.txt": META_CNA.replace("gistic", "own_calls")}, ['own'], ["NOTE own: only the profile gistic was read; found 'cna_rae', 'own_calls'"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an empty matrix': Bad({"data_cna.txt": ""}, ['own'], ['ERROR own/data_cna.txt: is empty; nothing of it was loaded; export it again'], 1),
    'a matrix with a header only': Bad({"data_cna.txt": MATRIX.splitlines()[0] + "\n"}, ['own'], ['ERROR own/data_cna.txt: has a header and no gene; nothing of it was loaded; export it again'], 1),
    'a matrix with commas': Bad({"data_cna.txt": MATRIX.replace("\t", ",")}, ['own'], ["ERROR own/data_cna.txt: line 1: is not tab-separated; found 'Hugo_Symbol,Entrez_Gene_Id,S1,S2,S3'; nothing of it was loaded; save it with tabs"], 1),
    'a matrix without a gene column': Bad({"data_cna.txt": MATRIX.replace("Hugo_Symbol\tEntrez_Gene_Id", "Gene\tId")}, ['own'], ["ERROR own/data_cna.txt: line 1: names no gene column before the samples; found 'Gene', 'Id', 'S1' (2 more); allowed: Hugo_Symbol, Entrez_Gene_Id; nothing of it was loaded; name it"], 1),
    'a gene column after the samples': Bad({"data_cna.txt": "Hugo_Symbol\tS1\tEntrez_Gene_Id\nMDM2\t2\t4193\n"}, ['own'], ["ERROR own/data_cna.txt: line 1: a gene column stands among the samples; found 'Entrez_Gene_Id'; nothing of it was loaded; move it before the first sample"], 1),
    'a matrix without samples': Bad({"data_cna.txt": "Hugo_Symbol\tEntrez_Gene_Id\nMDM2\t4193\n"}, ['own'], ['ERROR own/data_cna.txt: line 1: names no sample; nothing of it was loaded; add sample columns'], 1),
    'a sample column twice': Bad({"data_cna.txt": matrix(["S1", "S2", "S2"], CALLS)}, ['own'], ["ERROR own/data_cna.txt: line 1: sample columns with the same name; found 'S2'; none of them was loaded, the other samples were; keep one column per sample", "WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S2', 'S3'; counted as not assayed"], 3, 'S1 S2 S3', 'MDM2 S1=2; MDM4 S1=0'),
    'a sample column without a name': Bad({"data_cna.txt": matrix(["S1", "", "S3"], CALLS)}, ['own'], ['ERROR own/data_cna.txt: line 1: sample columns without a name; not loaded, the other samples were; name them', "WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S2'; counted as not assayed"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=-1; MDM4 S1=0'),
    'a sample column of other values': Bad({"data_cna.txt": matrix(["S1", "S2", "S3"], CALLS | {"MDM2": ["2", "3", "-1"], "MDM4": ["0", "2.0", "NA"], "EGFR": ["0", "", "0"], "MYC": ["0", "NaN", "1"]})}, ['own'], ["ERROR own/data_cna.txt: lines 2, 3, 4 (1 more): S2: is not a discrete call; found '3', '2.0', '' (1 more); allowed: -2, -1.5, -1, 0, 1, 2, NA; 4 cells not loaded: counted as not assayed; correct the cells, or write NA"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=-1; MDM4 S1=0', [('own/data_cna.txt', 2, 'S2', '3', 'not_a_call'), ('own/data_cna.txt', 3, 'S2', '2.0', 'not_a_call'), ('own/data_cna.txt', 4, 'S2', '', 'not_a_call'), ('own/data_cna.txt', 10, 'S2', 'NaN', 'not_a_call')]),
    '1e999 as a call': Bad({"data_cna.txt": with_calls(MDM2=["2", "1e999", "-1"])}, ['own'], ["ERROR own/data_cna.txt: line 2: S2: is not a discrete call; found '1e999'; allowed: -2, -1.5, -1, 0, 1, 2, NA; 1 cell not loaded: counted as not assayed; correct the cells, or write NA"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=-1; MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, 'S2', '1e999', 'not_a_call')]),
    'a blank in front of a call': Bad({"data_cna.txt": with_calls(MDM2=[" 2", "-1.5 ", "NA "])}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=-1.5; MDM4 S1=0 S2=1'),
    'a line with too few calls': Bad({"data_cna.txt": with_calls(MDM2=["2", "0"])}, ['own'], ["ERROR own/data_cna.txt: line 2: the line has not as many cells as there are samples; found '2 cells'; allowed: 3 cells; 1 row rejected; export the file again"], 3, 'S1 S2 S3', 'MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, '', '2 cells', 'ragged_line')]),
    'a line with too many calls': Bad({"data_cna.txt": with_calls(MDM2=["2", "0", "1", "1"])}, ['own'], ["ERROR own/data_cna.txt: line 2: the line has not as many cells as there are samples; found '4 cells'; allowed: 3 cells; 1 row rejected; export the file again"], 3, 'S1 S2 S3', 'MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, '', '4 cells', 'ragged_line')]),
    'HDMX, which is MDM2 and MDM4': Bad({"data_cna.txt": MATRIX.replace("MDM4\t4194", "HDMX\t")}, ['own'], ["ERROR own/data_cna.txt: line 3: the gene may be MDM2 or MDM4; found 'HDMX'; 1 row rejected; give the Entrez id or the current symbol", "NOTE own/data_cna.txt: has no line for wanted genes; found 'MDM4'; counted as not assayed"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1', [('own/data_cna.txt', 3, '', 'HDMX', 'ambiguous_gene')]),
    'MRP1, which is three genes': Bad({"data_cna.txt": MATRIX + "MRP1\t\t0\t0\t0\n"}, ['own'], ["ERROR own/data_cna.txt: line 12: the gene may be ABCC1, MDM4 or MSH3; found 'MRP1'; 1 row rejected; give the Entrez id or the current symbol"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1', [('own/data_cna.txt', 12, '', 'MRP1', 'ambiguous_gene')]),
    'INT2, which is FGF3 and INTS2': Bad({"data_cna.txt": MATRIX + "INT2\t\t0\t0\t0\nHDMX\t\t2\t2\t2\n"}, ['own'], ["ERROR own/data_cna.txt: line 12: the gene may be FGF3 or INTS2; found 'INT2'; 1 row rejected; give the Entrez id or the current symbol", "ERROR own/data_cna.txt: line 13: the gene may be MDM2 or MDM4; found 'HDMX'; 1 row rejected; give the Entrez id or the current symbol"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1', [('own/data_cna.txt', 12, '', 'INT2', 'ambiguous_gene'), ('own/data_cna.txt', 13, '', 'HDMX', 'ambiguous_gene')]),
    'HDM2, which is MDM2 alone': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", "HDM2\t")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an alias that the Entrez id decides': Bad({"data_cna.txt": MATRIX.replace("MDM4\t4194", "HDMX\t4194")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an Entrez id of one gene and the symbol of another': Bad({"data_cna.txt": MATRIX.replace("MDM4\t4194", "CDKN2A\t4194")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an Entrez id nobody knows beside a known symbol': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", "MDM2\t999999")}, ['own'], ["ERROR own/data_cna.txt: line 2: the gene may be Entrez id 999999 or symbol MDM2 (Entrez id 4193); found 'MDM2'; 1 row rejected; give the Entrez id or the current symbol"], 3, 'S1 S2 S3', 'MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, '', 'MDM2', 'ambiguous_gene')]),
    'a negative Entrez id': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", "MDM2\t-12")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an Entrez id in scientific notation': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", "MDM2\t4.193e+03")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a symbol with a bar': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", "MDM2|ENSG00000135679.21\t")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a symbol in quotes': Bad({"data_cna.txt": MATRIX.replace("MDM2\t4193", '"MDM2"\t')}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a gene twice with the same calls': Bad({"data_cna.txt": MATRIX + "MDM2\t4193\t2\t0\t-1\nEGFR\t1956\t0\t0\t0\n"}, ['own'], ["NOTE own/data_cna.txt: lines 12, 13: a gene stands again with the same calls; found 'MDM2', 'EGFR'; one copy was loaded"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a gene twice with different calls': Bad({"data_cna.txt": MATRIX + "MDM2\t4193\t0\t0\t-1\n"}, ['own'], ["ERROR own/data_cna.txt: lines 2, 12: study_id + gene: the same key stands on several lines; found 'own / MDM2'; 2 rows rejected; keep one of them"], 3, 'S1 S2 S3', 'MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, 'study_id + gene', 'own / MDM2', 'duplicate_key'), ('own/data_cna.txt', 12, 'study_id + gene', 'own / MDM2', 'duplicate_key')]),
    'a gene that is not there': Bad({"data_cna.txt": "".join(line for line in MATRIX.splitlines(True) if not line.startswith("MDM4"))}, ['own'], ["NOTE own/data_cna.txt: has no line for wanted genes; found 'MDM4'; counted as not assayed"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1'),
    'a matrix in a gzip cut short': Bad({"data_cna.txt": gzip.compress(MATRIX.encode(), mtime=0)[:-12]}, ['own'], ['ERROR own/data_cna.txt: line 10: cannot be read to its end; nothing of it was loaded; copy it again'], 1),
    'a matrix in a gzip of rubbish': Bad({"data_cna.txt": b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 99}, ['own'], ['ERROR own/data_cna.txt: cannot be read; nothing of it was loaded; check the path, or copy it again'], 1),
    'a line without an end': Bad({"data_cna.txt": MATRIX + "x" * (3 << 20)}, ['own'], ['ERROR own/data_cna.txt: line 12: a line is longer than 2 MB; nothing of it was loaded; export it with line ends'], 1),
    'a clinical file without SAMPLE_ID': Bad({"data_clinical_sample.txt": CLINICAL.replace("\tSAMPLE_ID", "\tSAMPLE")}, ['own'], ["ERROR own/data_clinical_sample.txt: line 5: SAMPLE_ID: needs this column; found 'PATIENT_ID', 'SAMPLE', 'CANCER_TYPE'; nothing of it was loaded; clinical files have four # lines, then attribute names in capitals"], 1),
    'a clinical file without PATIENT_ID': Bad({"data_clinical_sample.txt": CLINICAL.replace("PATIENT_ID", "CASE_ID")}, ['own'], ["ERROR own/data_clinical_sample.txt: line 5: PATIENT_ID: needs this column; found 'CASE_ID', 'SAMPLE_ID', 'CANCER_TYPE'; nothing of it was loaded; clinical files have four # lines, then attribute names in capitals"], 1),
    'clinical attributes in lower case': Bad({"data_clinical_sample.txt": CLINICAL.replace("PATIENT_ID\tSAMPLE_ID", "patient_id\tsample_id")}, ['own'], ["ERROR own/data_clinical_sample.txt: line 5: SAMPLE_ID, PATIENT_ID: needs these columns; found 'patient_id', 'sample_id', 'CANCER_TYPE'; nothing of it was loaded; clinical files have four # lines, then attribute names in capitals"], 1),
    'a clinical line with too few cells': Bad({"data_clinical_sample.txt": CLINICAL.replace("P3\tS3\tSarcoma", "P3\tS3")}, ['own'], ["ERROR own/data_clinical_sample.txt: line 8: the line has not as many fields as the header; found '2 fields'; allowed: 3 fields; 1 row rejected; put cells that hold the separator in quotes", "WARNING own/data_cna.txt: line 1: samples that the clinical file does not name; found 'S3'; loaded without patient; the study's cancer type is used"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1', [('own/data_clinical_sample.txt', 8, '', '2 fields', 'ragged_line')]),
    'a clinical sample twice': Bad({"data_clinical_sample.txt": CLINICAL + "P9\tS3\tSarcoma\n"}, ['own'], ["ERROR own/data_clinical_sample.txt: lines 8, 9: study_id + sample_id: the same key stands on several lines; found 'own / S3'; 2 rows rejected; keep one of them"], 3, 'S1 S2', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1', [('own/data_clinical_sample.txt', 8, 'study_id + sample_id', 'own / S3', 'duplicate_key'), ('own/data_clinical_sample.txt', 9, 'study_id + sample_id', 'own / S3', 'duplicate_key')]),
    'a clinical line without a sample': Bad({"data_clinical_sample.txt": CLINICAL + "P4\t\tSarcoma\n"}, ['own'], ['ERROR own/data_clinical_sample.txt: line 9: SAMPLE_ID: is blank; 1 row rejected; fill it in'], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1', [('own/data_clinical_sample.txt', 9, 'SAMPLE_ID', None, 'missing_value')]),
    'a clinical file without rows': Bad({"data_clinical_sample.txt": "".join(CLINICAL.splitlines(True)[:5])}, ['own'], ['ERROR own/data_clinical_sample.txt: has a header and no rows; nothing of it was loaded; export it again'], 1),
    'no clinical file': Bad({"data_clinical_sample.txt": None}, ['own'], ['WARNING own: has no clinical sample file; patients are not known: each sample counts as one; add data_clinical_sample.txt'], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'blanks as cBioPortal writes them': Bad({"data_clinical_sample.txt": CLINICAL.replace("P3\tS3\tSarcoma", "[Not Available]\tS3\t[not applicable]")}, ['own'], [], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a patient file with a short line': Bad({"data_clinical_patient.txt": "PATIENT_ID\tCANCER_TYPE\nP1\n"}, ['own'], ["WARNING own/data_clinical_patient.txt: line 2: the line has not as many fields as the header; found '1 field'; allowed: 2 fields; lines not read; put cells that hold the separator in quotes"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a sample that the clinical file does not name': Bad({"data_clinical_sample.txt": CLINICAL.replace("P3\tS3\tSarcoma\n", "")}, ['own'], ["WARNING own/data_cna.txt: line 1: samples that the clinical file does not name; found 'S3'; loaded without patient; the study's cancer type is used"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a clinical sample without calls': Bad({"data_clinical_sample.txt": CLINICAL + "P4\tS4\tSarcoma\n", "case_lists/cases_cna.txt": None, "case_lists/cases_all.txt": CASES_ALL.replace("S3", "S3\tS4")}, ['own'], ["NOTE own/data_clinical_sample.txt: line 9: samples of which there are no calls, and no list of samples with CNA data; found 'S4'; counted as not assayed"], 0, 'S1 S2 S3 S4', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a CNA list that names a sample without calls': Bad({"case_lists/cases_cna.txt": CASES_CNA.replace("S3", "S3\tS4")}, ['own'], ["WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S4'; counted as not assayed"], 0, 'S1 S2 S3 S4', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a sample that the CNA list does not name': Bad({"case_lists/cases_cna.txt": CASES_CNA.replace("\tS3", "")}, ['own'], ["WARNING own/data_cna.txt: line 1: samples that the list of samples with CNA data does not name; found 'S3'; counted as not assayed"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'an empty case list': Bad({"case_lists/cases_cna.txt": CASES_CNA.replace("S1\tS2\tS3", "")}, ['own'], ['ERROR own/case_lists/cases_cna.txt: case_list_ids: names no sample; nothing of it was loaded; add tab-separated sample ids, or remove the file'], 1),
    'a sample twice in a case list': Bad({"case_lists/cases_cna.txt": CASES_CNA.replace("S3", "S3\tS2\tS3")}, ['own'], ["WARNING own/case_lists/cases_cna.txt: line 3: names samples twice; found 'S2', 'S3'; each counted once"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a panel matrix without a column of the profile': Bad({"data_gene_panel_matrix.txt": "SAMPLE_ID\tmutations\nS1\tIMPACT468\n"}, ['own'], ["WARNING own/data_gene_panel_matrix.txt: has no column for the profile gistic; found 'mutations'; panels are not used"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a panel nobody knows': Bad({"data_gene_panel_matrix.txt": "SAMPLE_ID\tgistic\nS1\tOURPANEL\nS2\tOURPANEL\nS3\tNA\n"}, ['own'], ["WARNING own: gene_panel: a gene panel whose genes are not known; found 'OURPANEL'; its samples are counted as not assayed; add its gene panel file to the study folder"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a panel file without genes': Bad({"data_gene_panel_matrix.txt": "SAMPLE_ID\tgistic\nS1\tOURPANEL\n", "data_gene_panel_own.txt": "stable_id: OURPANEL\ndescription: ours\n"}, ['own'], ['WARNING own/data_gene_panel_own.txt: gene_list: a required line is missing or blank; the panel is not used; add it', "WARNING own: gene_panel: a gene panel whose genes are not known; found 'OURPANEL'; its samples are counted as not assayed; add its gene panel file to the study folder"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a panel with an ambiguous gene': Bad({"data_gene_panel_matrix.txt": "SAMPLE_ID\tgistic\nS1\tOURPANEL\n", "data_gene_panel_own.txt": "stable_id: OURPANEL\ngene_list: MDM2\tHDMX\tEGFR\n"}, ['own'], ["WARNING own/data_gene_panel_own.txt: gene_list: the gene may be MDM2 or MDM4; found 'HDMX'; not counted as covered; use the current symbol"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1'),
    'a panel matrix without SAMPLE_ID': Bad({"data_gene_panel_matrix.txt": "SAMPLE\tgistic\nS1\tIMPACT468\n"}, ['own'], ["ERROR own/data_gene_panel_matrix.txt: line 1: SAMPLE_ID: needs this column; found 'SAMPLE', 'gistic'; nothing of it was loaded; add it"], 1),
    'a long profile without Value': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG.replace("Value", "Result")}, ['own'], ["ERROR own/data_cna.txt: line 1: Value: a long profile needs this column; found 'Hugo_Symbol', 'Sample_Id', 'Result'; nothing of it was loaded; add it"], 1),
    'a long profile without genes': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG.replace("Hugo_Symbol", "Genes")}, ['own'], ["ERROR own/data_cna.txt: line 1: Hugo_Symbol or Entrez_Gene_Id: a long profile needs this column; found 'Genes', 'Sample_Id', 'Value'; nothing of it was loaded; add it"], 1),
    'a long profile with two gene columns': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": "Hugo_Symbol\tGene\tSample_Id\tValue\nMDM2\tMDM2\tS1\t2\n"}, ['own'], ["ERROR own/data_cna.txt: line 1: two columns both mean gene; found 'Hugo_Symbol', 'Gene'; nothing of it was loaded; keep one"], 1),
    'a long profile without rows': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG.splitlines()[0] + "\n"}, ['own'], ['ERROR own/data_cna.txt: has a header and no rows; nothing of it was loaded; export it again'], 1),
    'a long profile with different calls': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "MDM2\tS1\t0\n"}, ['own'], ["WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S3'; counted as not assayed", "ERROR own/data_cna.txt: lines 2, 6: sample_id + gene: a sample has different calls of one gene; found 'S1 / MDM2'; 2 rows rejected; keep one"], 3, 'S1 S2 S3', 'MDM2 S2=0; MDM4 S1=0 S2=1', [('own/data_cna.txt', 2, 'sample_id + gene', 'S1 / MDM2', 'different_calls'), ('own/data_cna.txt', 6, 'sample_id + gene', 'S1 / MDM2', 'different_calls')]),
    'a long profile with bad calls': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "MDM2\tS3\t2.0\nMDM4\tS3\thigh\n"}, ['own'], ["ERROR own/data_cna.txt: lines 6, 7: call: is not a discrete call; found '2.0', 'high'; allowed: -2, -1.5, -1, 0, 1, 2, NA; 2 cells not loaded: counted as not assayed; correct the cells, or write NA"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1', [('own/data_cna.txt', 6, 'call', '2.0', 'not_a_call'), ('own/data_cna.txt', 7, 'call', 'high', 'not_a_call')]),
    'a long profile with the same call again': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "MDM2\tS1\t2\n"}, ['own'], ["WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S3'; counted as not assayed", "NOTE own/data_cna.txt: line 6: sample_id + gene: a sample has the same call of a gene again; found 'S1 / MDM2'; one copy was loaded"], 0, 'S1 S2 S3', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1'),
    'a long profile with an ambiguous gene': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "HDMX\tS3\t2\n"}, ['own'], ["ERROR own/data_cna.txt: line 6: gene: the gene may be MDM2 or MDM4; found 'HDMX'; 1 row rejected; give the Entrez id or the current symbol"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1', [('own/data_cna.txt', 6, 'gene', 'HDMX', 'ambiguous_gene')]),
    'a long profile with a short line': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "MDM2\tS3\n"}, ['own'], ["ERROR own/data_cna.txt: line 6: the line has not as many fields as the header; found '2 fields'; allowed: 3 fields; 1 row rejected; put cells that hold the separator in quotes", "WARNING own/case_lists/cases_cna.txt: line 3: samples with CNA data of which there are no calls; found 'S3'; counted as not assayed"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1', [('own/data_cna.txt', 6, '', '2 fields', 'ragged_line')]),
    'a long profile with a blank sample and a blank gene': Bad({"meta_cna.txt": META_LONG, "data_cna.txt": LONG + "MDM2\t\t2\n\tS3\t2\n"}, ['own'], ['ERROR own/data_cna.txt: line 6: sample_id: is blank; 1 row rejected; fill it in', 'ERROR own/data_cna.txt: line 7: gene: is blank; 1 row rejected; fill it in'], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0; MDM4 S1=0 S2=1', [('own/data_cna.txt', 6, 'sample_id', None, 'missing_value'), ('own/data_cna.txt', 7, 'gene', None, 'missing_value')]),
    'a GISTIC file without its cancer type': Bad({"own.txt": GISTIC}, ['own.txt'], ['ERROR own.txt: does not say which cancer its samples are; nothing of it was loaded; give `cancer_type = "SARC"` (a label, TCGA or OncoTree code) in hpd.toml'], 1),
    'two vials of one sample in a GISTIC file': Bad({"own.txt": GISTIC.replace("TCGA-AA-0002-01A", "TCGA-AA-0001-01B"), "hpd.toml": toml("own.txt", cancer_type="SARC")}, [], ["ERROR own.txt: line 1: sample columns with the same name; found 'TCGA-AA-0001-01'; none of them was loaded, the other samples were; keep one column per sample"], 3, 'TCGA-AA-0003-01', 'MDM2 TCGA-AA-0003-01=-1'),
    'a FoundationOne list without its samples': Bad({"own.csv": FMONE_LONG}, ['own.csv'], ['ERROR own.csv: lists altered samples only, so that nobody can say of how many; nothing of it was loaded; name a file with every assayed sample: `samples = "samples.csv"` in hpd.toml'], 1),
    'a FoundationOne list whose samples are not there': Bad({"own.csv": FMONE_LONG, "hpd.toml": toml("own.csv", samples="gone.csv")}, [], ['ERROR gone.csv: not found; nothing of it was loaded; check the path and its permissions'], 1),
    'a FoundationOne list whose samples have no name': Bad({"own.csv": FMONE_LONG, "s.csv": "subject\nS1\n", "hpd.toml": toml("own.csv", samples="s.csv")}, [], ["ERROR s.csv: line 1: sample_id: needs this column; found 'subject'; nothing of it was loaded; add it"], 1),
    'a FoundationOne list with a stranger, an odd type and a blank': Bad({"own.csv": FMONE_LONG + "S9,MDM2,amplification,amplification(9)\nS1,MDM2,odd,x\n,MDM2,gain,y\n", "s.csv": "sample_id\nS1\nS2\nS3\n", "hpd.toml": toml("own.csv", samples="s.csv")}, [], ['ERROR own.csv: line 6: sample_id: is blank; 1 row rejected; fill it in', "ERROR own.csv: line 5: type: is not a kind of alteration; found 'odd'; allowed: amplification, gain, equivocal, deletion, loss; 1 row rejected; correct it", "ERROR own.csv: line 4: sample_id: is not in the list of samples; found 'S9'; 1 row rejected; add it to the list"], 3, 'S1 S2 S3', 'MDM2 S1=2 S2=0 S3=0; MDM4 S1=0 S2=1 S3=0', [('own.csv', 4, 'sample_id', 'S9', 'unknown_sample'), ('own.csv', 5, 'type', 'odd', 'not_allowed'), ('own.csv', 6, 'sample_id', None, 'missing_value')]),
    'odd text of FoundationOne': Bad({"own.csv": "sample,MDM2_amp,MDM2_gain\nS1,amplification(42 exons 11 of 11),\nS2,high,\nS3,,gain(5)\n"}, ['own.csv'], ["ERROR own.csv: line 3: MDM2_amp: is no alteration as FoundationOne writes it; found 'high'; allowed: amplification(…), gain(…), loss(…), or blank; 1 cell not loaded: counted as not assayed; correct the cells"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=1', [('own.csv', 3, 'MDM2_amp', 'high', 'not_a_call')]),
    'a ragged line of FoundationOne': Bad({"own.csv": 'sample,MDM2_amp\nS1,"amplification(42, exons 11 of 11)"\nS2,amplification(42, exons 11 of 11)\nS3,\n'}, ['own.csv'], ["ERROR own.csv: line 3: the line has not as many fields as the header; found '3 fields'; allowed: 2 fields; 1 row rejected; put cells that hold the separator in quotes"], 3, 'S1 S3', 'MDM2 S1=2 S3=0', [('own.csv', 3, '', '3 fields', 'ragged_line')]),
    'a wide table with a column nobody knows': Bad({"own.csv": "sample_id,MDM2,mood\nS1,2,0\n"}, ['own.csv'], ["ERROR own.csv: line 1: a table of calls has no such column; found 'mood'; allowed: sample_id, patient_id, study_id, source, gene, entrez, call, cancer_type_reported, oncotree_code, sample_type, gene_panel_id, call_method or a gene symbol; nothing of it was loaded; rename or remove it"], 1),
    'a wide table with other genes': Bad({"own.csv": "sample_id,MDM2,RB1,C1orf112,TP53\nS1,2,0,1,x\n"}, ['own.csv'], ["NOTE own.csv: columns of genes that are not wanted; found 'RB1', 'C1orf112', 'TP53'; not read"], 0, 'S1', 'MDM2 S1=2'),
    'a wide table with two sample columns': Bad({"own.csv": "sample_id,sample,MDM2\nS1,S1,2\n"}, ['own.csv'], ["ERROR own.csv: line 1: two columns both mean sample_id; found 'sample_id', 'sample'; nothing of it was loaded; keep one"], 1),
    'a wide table with bad calls': Bad({"own.csv": "sample_id,MDM2,MDM4\nS1,2,0\nS2,amp,4\nS3,0,\n"}, ['own.csv'], ["ERROR own.csv: line 3: MDM2, MDM4: is not a discrete call; found 'amp', '4'; allowed: -2, -1.5, -1, 0, 1, 2, NA; 2 cells not loaded: counted as not assayed; correct the cells, or write NA"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=0; MDM4 S1=0', [('own.csv', 3, 'MDM2', 'amp', 'not_a_call'), ('own.csv', 3, 'MDM4', '4', 'not_a_call')]),
    'a wide table with a sample twice': Bad({"own.csv": "sample_id,MDM2\nS1,2\nS2,0\nS2,0\nS3,1\n"}, ['own.csv'], ["ERROR own.csv: lines 3, 4: study_id + sample_id: the same key stands on several lines; found 'own / S2'; 2 rows rejected; keep one of them"], 3, 'S1 S3', 'MDM2 S1=2 S3=1', [('own.csv', 3, 'study_id + sample_id', 'own / S2', 'duplicate_key'), ('own.csv', 4, 'study_id + sample_id', 'own / S2', 'duplicate_key')]),
    'a wide table without a sample': Bad({"own.csv": "sample_id,MDM2\nS1,2\n,2\n"}, ['own.csv'], ['ERROR own.csv: line 3: sample_id: is blank; 1 row rejected; fill it in'], 3, 'S1', 'MDM2 S1=2', [('own.csv', 3, 'sample_id', None, 'missing_value')]),
    'a wide table without rows': Bad({"own.csv": "sample_id,MDM2\n"}, ['own.csv'], ['ERROR own.csv: has a header and no rows; nothing of it was loaded; add rows, or leave it out'], 1),
    'a long table with a bad call': Bad({"own.csv": "sample_id,gene,call\nS1,MDM2,2\nS2,MDM2,amplified\nS3,MDM2,0\n"}, ['own.csv'], ["ERROR own.csv: line 3: call: is not a discrete call; found 'amplified'; allowed: -2, -1.5, -1, 0, 1, 2, NA; 1 cell not loaded: counted as not assayed; correct the cells, or write NA"], 3, 'S1 S2 S3', 'MDM2 S1=2 S3=0', [('own.csv', 3, 'call', 'amplified', 'not_a_call')]),
    'a long table with an ambiguous gene': Bad({"own.csv": "sample_id,gene,call\nS1,MDM2,2\nS2,HDMX,2\n"}, ['own.csv'], ["ERROR own.csv: line 3: gene: the gene may be MDM2 or MDM4; found 'HDMX'; 1 row rejected; give the Entrez id or the current symbol"], 3, 'S1 S2', 'MDM2 S1=2', [('own.csv', 3, 'gene', 'HDMX', 'ambiguous_gene')]),
    'a long table with a short line and a blank sample': Bad({"own.csv": "sample_id,gene,call\nS1,MDM2,2\nS2,MDM2\n,MDM2,0\n"}, ['own.csv'], ["ERROR own.csv: line 3: the line has not as many fields as the header; found '2 fields'; allowed: 3 fields; 1 row rejected; put cells that hold the separator in quotes", 'ERROR own.csv: line 4: sample_id: is blank; 1 row rejected; fill it in'], 3, 'S1', 'MDM2 S1=2', [('own.csv', 3, '', '2 fields', 'ragged_line'), ('own.csv', 4, 'sample_id', None, 'missing_value')]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of every test, and a warehouse of its own in it."""
    monkeypatch.setattr(cna_matrix, "MAX_RECORD_BYTES", 2 << 20)
    monkeypatch.setenv("HPD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", GALLERY)
def test_a_bad_delivery_gets_its_exact_messages(name: str, folder: Path) -> None:
    bad = GALLERY[name]
    bad.put(folder)
    result = CliRunner().invoke(main, ["validate"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert [line for line in result.stderr.splitlines() if line.startswith(LEVELS)] == bad.says
    assert result.exit_code == bad.status


class Loaded(NamedTuple):
    """What `hpd load` would have left."""

    samples: str
    calls: str
    rejected: list[tuple]
    rows: list[tuple]
    loads: list[tuple]
    problems: list[str]


def load(bad: Bad, folder: Path, db: duckdb.DuckDBPyConnection, origin: str = "published") -> Loaded:
    bad.put(folder, origin)
    specs = pipeline.specs_from([], Path("hpd.toml"))
    items, failed, notes = pipeline.discover(specs, load_settings())
    pipeline.run([], db)  # nothing of another delivery stays
    report = pipeline.run(items, db)

    def rows(sql: str) -> list[tuple]:
        return db.sql(sql).fetchall()

    calls = rows(
        "select gene, sample_id, call::float from raw.copy_number_calls"
        " where gene in ('MDM2', 'MDM4') and call is not null order by all"
    )
    by_gene = {gene: " ".join(f"{s}={call:g}" for g, s, call in calls if g == gene) for gene, *_ in calls}
    return Loaded(
        " ".join(sample for (sample,) in rows("select sample_id from raw.samples order by all")),
        "; ".join(f"{gene} {told}" for gene, told in by_gene.items()),
        rows("select source_file, source_line, column_name, value, rule from audit.rejected_rows order by all"),
        rows("select row_json from audit.rejected_rows order by source_line"),
        rows("select rows_read, rows_loaded, rows_rejected from audit.loads"),
        [*map(str, notes), *map(str, report.problems), *(str(e.problem) for e in [*failed, *report.failed])],
    )


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.fixture(scope="module")
def done() -> dict[str, Loaded]:
    """What was loaded before, by the name of the delivery."""
    return {}


@pytest.fixture
def loaded(name: str, folder: Path, db: duckdb.DuckDBPyConnection, done: dict[str, Loaded]) -> Loaded:
    """What a delivery of the gallery left; each is loaded once."""
    if name not in done:
        done[name] = load(GALLERY[name], folder, db)
    return done[name]


@pytest.mark.parametrize("name", GALLERY)
def test_the_rest_of_a_bad_delivery_is_loaded(name: str, loaded: Loaded) -> None:
    assert (loaded.samples, loaded.calls) == (GALLERY[name].samples, GALLERY[name].calls)


@pytest.mark.parametrize("name", GALLERY)
def test_every_finding_is_kept_with_file_line_column_value_and_rule(name: str, loaded: Loaded) -> None:
    assert loaded.rejected == GALLERY[name].rejected


@pytest.mark.parametrize("name", GALLERY)
def test_loading_says_what_validating_says(name: str, loaded: Loaded) -> None:
    assert loaded.problems == GALLERY[name].says


@pytest.mark.parametrize("name", GALLERY)
def test_rows_read_are_rows_loaded_and_rows_rejected(name: str, loaded: Loaded) -> None:
    assert [n_read for n_read, *_ in loaded.loads] == [n_loaded + n_bad for _, n_loaded, n_bad in loaded.loads]
    assert bool(loaded.loads) == bool(GALLERY[name].samples)


@pytest.mark.parametrize("name", ["a sample column of other values"])
def test_the_gene_of_a_cell_that_is_no_call_is_kept(name: str, loaded: Loaded) -> None:
    assert [json.loads(row) for (row,) in loaded.rows] == [{"gene": gene} for gene in ("MDM2", "MDM4", "EGFR", "MYC")]


def test_the_study_without_a_fault_says_nothing(folder: Path, db: duckdb.DuckDBPyConnection) -> None:
    found = load(Bad({}, ["own"], [], 0), folder, db)
    calls = "MDM2 S1=2 S2=0 S3=-1; MDM4 S1=0 S2=1"
    assert found == ("S1 S2 S3", calls, [], [], [(3, 3, 0), (10, 10, 0)], [])


# --- of own data, which is named by pseudonyms, nothing that is said names a sample or a patient ----------

OWN_ID = re.compile(r"\b([SP]\d|TCGA-\w\w-\w{4})\b")
TELLING = [name for name, bad in GALLERY.items() if OWN_ID.search(f"{bad.says} {bad.rejected}") or bad.rejected]


def own(name: str, folder: Path, db: duckdb.DuckDBPyConnection) -> Loaded:
    bad = GALLERY[name]
    if "hpd.toml" in bad.files:
        text = str(bad.files["hpd.toml"]).replace("published", "institutional")
        bad = bad._replace(files=bad.files | {"hpd.toml": text})
    return load(bad, folder, db, "institutional")


@pytest.mark.parametrize("name", TELLING)
def test_no_finding_names_a_sample_of_own_data(name: str, folder: Path, db: duckdb.DuckDBPyConnection) -> None:
    found = own(name, folder, db)
    assert OWN_ID.findall(f"{found.samples} {found.calls} {found.rejected} {found.rows} {found.problems}") == []
    published = [(file, line, rule) for file, line, _, _, rule in GALLERY[name].rejected]
    assert sorted((file, line, rule) for file, line, _, _, rule in found.rejected) == sorted(published)
    assert len(found.samples.split()) == len(GALLERY[name].samples.split())
    assert len(found.problems) == len(GALLERY[name].says)


def test_a_sample_column_of_own_data_is_told_by_its_place(folder: Path, db: duckdb.DuckDBPyConnection) -> None:
    found = own("a sample column of other values", folder, db)
    assert found.problems == [
        "ERROR own/data_cna.txt: lines 2, 3, 4 (1 more): column 4: is not a discrete call; found '3', '2.0', '' (1 more); "
        "allowed: -2, -1.5, -1, 0, 1, 2, NA; 4 cells not loaded: counted as not assayed; correct the cells, or write NA"
    ]
    assert [column for _, _, column, *_ in found.rejected] == ["column 4"] * 4
    assert [json.loads(row) for (row,) in found.rows] == [{"gene": gene} for gene in ("MDM2", "MDM4", "EGFR", "MYC")]


def test_a_row_of_own_data_that_is_no_sample_is_not_kept(folder: Path, db: duckdb.DuckDBPyConnection) -> None:
    found = own("a clinical line without a sample", folder, db)
    assert [json.loads(row) for (row,) in found.rows] == [{"PATIENT_ID": "(hidden)", "CANCER_TYPE": "(hidden)"}]
