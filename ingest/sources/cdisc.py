"""A folder of CDISC data: SDTM domains (TR, TU, RS, DM, EX, DS) or ADaM data sets (ADTR, ADRS, ADSL, ADTTE).

Formats: https://www.cdisc.org/standards/foundational/sdtmig and /adam; files are CSV (gzipped or not) or SAS transport
files. The columns of a file say what it holds, never its name. Domains that are not about scans and treatment are not
read, and of the others only the columns that are needed: no names, birth dates or sites.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import SHOWN, InputError, Problem

if TYPE_CHECKING:
    from ingest.pipeline import Item
    from ingest.sources.part import Part
    from ingest.table import Table

KIND = "CDISC folder"

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
HEAD_BYTES = 64 << 10
SDTM = {"TRTESTCD": "TR", "TUTESTCD": "TU", "RSTESTCD": "RS", "EXTRT": "EX", "DSDECOD": "DS"}
TESTCD = re.compile(r"^[A-Z]{2}TESTCD$")
PARAMETERS = "a data set of parameters"  # ADTR, ADRS or another: only its PARAMCD can tell


def recognise(path: Path) -> bool:
    """A folder in which a file has the columns of a domain."""
    return path.is_dir() and any(role_of(header_of(file)) for file in _files(path))


@dataclass
class Folder:
    """Which file holds which domain; names within the folder."""

    domains: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def study_files(path: Path, file: str) -> list[str]:
    """The files that are read, as names within the folder.

    Raises:
        InputError: a domain is there twice, or one that is needed is not there, or a link leaves the folder.
    """
    return list(open_folder(path, file).domains.values())


def open_folder(path: Path, file: str) -> Folder:
    """Find the domains by the heads of the files. Raises: as `study_files`."""
    found: dict[str, list[str]] = {}
    folder = Folder()
    for each in sorted(path.iterdir()):
        if each.name.startswith(".") or each.is_dir():
            continue
        if not each.resolve().is_relative_to(path.resolve()):
            raise InputError(Problem(f"{file}/{each.name}", "leaves_folder", "is a link that leaves the folder of the study",
                                     fix="copy the file into the folder"))  # fmt: skip
        role = role_of(header_of(each))
        if role is None:
            folder.others.append(each.name)
        else:
            found.setdefault(role, []).append(each.name)
    # scans and responses are taken from SDTM, where it is there: it is nearer to what was measured
    for name in found.pop(PARAMETERS, []):
        role = None if {"TR", "RS"} <= found.keys() else _parameters_of(path / name, f"{file}/{name}")
        if role is None or {"ADTR": "TR", "ADRS": "RS"}[role] in found:
            folder.others.append(name)
        else:
            found.setdefault(role, []).append(name)
    for role, names in found.items():
        if len(names) > 1:
            raise InputError(Problem(file, "domain_twice", f"two files hold {role}", found=names[:SHOWN], n_found=len(names),
                                     fix="leave one of them in the folder"))  # fmt: skip
    folder.domains = {role: names[0] for role, names in sorted(found.items())}
    for wanted, what in (
        (("TR", "ADTR"), "no tumour measurements"), (("DM", "EX", "ADSL"), "nothing that says when treatment began"),
    ):  # fmt: skip
        if not folder.domains.keys() & set(wanted):
            raise InputError(Problem(file, "missing_domain", f"holds {what}", found=list(folder.domains)[:SHOWN], n_found=len(folder.domains),
                                     allowed=f"a file with the columns of {' or '.join(wanted)}", fix="add it to the folder"))  # fmt: skip
    return folder


def role_of(header: list[str]) -> str | None:
    """The domain with these columns; None: none that is read."""
    columns = {name.strip().upper() for name in header}
    if not {"STUDYID", "USUBJID"} <= columns or {"RDOMAIN", "QNAM"} <= columns:  # the latter: supplemental qualifiers
        return None
    tests = {name for name in columns if TESTCD.match(name)}
    is_analysis = bool(columns & {"PARAMCD", "TRTSDT"})
    role = None
    if "CNSR" in columns and "PARAMCD" in columns:
        role = "ADTTE"
    elif "PARAMCD" in columns:
        is_near = columns & {"AVAL", "AVALC"} and columns & {"ADT", "ADY"} and not tests - SDTM.keys()
        role = PARAMETERS if is_near else None
    elif not is_analysis and columns & SDTM.keys():
        role = next(role for column, role in SDTM.items() if column in columns)
    # what is numbered within a subject: events, drugs, laboratory values
    elif not tests and not any(name.endswith("SEQ") for name in columns):
        role = "ADSL" if is_analysis else "DM" if columns & {"RFSTDTC", "RFXSTDTC"} else None
    return role


def header_of(path: Path) -> list[str]:
    """Column names of a CSV or transport file; empty when it is none."""
    try:
        if not path.is_file():
            return []
        with path.open("rb") as stream:
            magic = stream.read(24)
        if magic.startswith(b"HEADER RECORD*******LIB"):
            from ingest.sources.xport import columns_of

            return columns_of(path)
        if not path.name.lower().endswith(TEXT_SUFFIXES):
            return []
        with (gzip.open if magic.startswith(b"\x1f\x8b") else open)(path, "rb") as stream:
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return []
    lines = (line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip() and line[:1] != "#")
    first = next(lines, "")
    return next(csv.reader([first], delimiter="\t" if "\t" in first else ","), [])


def open_data_set(path: Path, file: str, wanted: list[str], dates: tuple[str, ...] = ()) -> Table:
    """A CSV or transport file; of the latter only the columns in `wanted`, and those in `dates` as ISO 8601.

    Raises:
        InputError: it cannot be read.
    """
    from ingest.sources import xport
    from ingest.table import open_table

    return xport.open_xport(path, file, wanted, dates) if xport.is_xport(path) else open_table(path, file)


def _files(path: Path) -> list[Path]:
    inside = path.resolve()
    return [p for p in sorted(path.iterdir()) if p.name[:1] != "." and p.resolve().is_relative_to(inside)]


def _parameters_of(path: Path, file: str) -> str | None:
    """ADTR has sums of diameters (SDIAM), ADRS overall responses (OVR)."""
    opened = open_data_set(path, file, ["PARAMCD"])
    name = next(c for c in opened.header if c.upper() == "PARAMCD")
    for block in opened.blocks:
        held = set(block.rows[name].unique())
        for code, role in (("SDIAM", "ADTR"), ("OVR", "ADRS")):
            if code in held:
                return role
    return None


def read(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """Treated patients, then their scans.

    Raises:
        InputError: a file cannot be read or lacks a column; or the option `reader` names somebody who read no scan.
    """
    from ingest.clinical import with_reader

    yield from with_reader(_parts(item, say), item)


def _parts(item: Item, say: Callable[..., None]) -> Iterator[Part]:
    from ingest.sources.cdisc_domains import read_domain, responses_of, subjects_of
    from ingest.sources.cdisc_patients import patients_part
    from ingest.sources.cdisc_scans import scans_part
    from ingest.sources.part import Part

    folder = open_folder(item.path, item.file)
    said: list[Problem] = []
    if folder.others:
        said.append(Problem(item.file, "passed_over", "files that are not needed were passed over", found=folder.others[:SHOWN],
                            n_found=len(folder.others), level="NOTE"))  # fmt: skip
    files = {role: f"{item.file}/{name}" for role, name in folder.domains.items()}
    frames = {}
    for role, name in folder.domains.items():
        frames[role], parts = read_domain(item.path / name, files[role], role)
        say(f"{files[role]}: {frames[role].height:,} rows")
        yield from parts
    subjects = subjects_of(frames)
    responses = responses_of(frames, subjects, files, said)
    yield patients_part(item, frames, subjects, responses, files, said)
    yield scans_part(item, frames, subjects, responses, files, said)
    yield Part.of_notes(item.file, said)
