"""Wide matrices of discrete copy-number calls: a line per gene, a column per sample, gigabytes of them.

Only the bytes before the first sample decide whether a line is wanted, so that default genes are read at the speed of
the disk in the memory of one line. Wanted lines are decoded in blocks, with numpy.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from ingest.errors import SHOWN, InputError, Problem
from ingest.sources.genes import AmbiguousGene, Wanted
from ingest.sources.part import REJECTED, Part
from ingest.table import MAX_RECORD_BYTES, share_read
from schemas import TABLES

BLOCK_CELLS = 2_000_000
MANY_BAD = 1000  # bad cells that are single faults, however many of all they are
NA, BAD = -100, -101
TAB, NEWLINE, MINUS, ZERO = 9, 10, 45, 48
CALLS = "-2, -1.5, -1, 0, 1, 2, NA"
_RARE = {b"-2": -4, b"-1.5": -3, b"-1": -2, b"0": 0, b"1": 2, b"2": 4, b"NA": NA}

# header name in lower case → what the column holds; they stand before the first sample, in any order
ID_COLUMNS = {
    "hugo_symbol": "symbol", "gene symbol": "symbol",
    "entrez_gene_id": "entrez", "locus id": "entrez", "gene id": "entrez",
    "cytoband": "cytoband",
}  # fmt: skip


@dataclass
class Matrix:
    """A matrix whose header is read.

    Attributes:
        roles: what the columns before the first sample hold: symbol, entrez, cytoband.
        samples: names of the sample columns, in order; a name may stand twice.
    """

    path: Path
    file: str
    header_line: int
    roles: list[str]
    samples: list[str]
    is_gzip: bool

    def open(self) -> BinaryIO:
        """The bytes of the file, unpacked."""
        return gzip.open(self.path, "rb") if self.is_gzip else self.path.open("rb", buffering=1 << 20)


def _lines(stream: BinaryIO, file: str) -> Iterator[bytes]:
    """The lines of a file; one that never ends must not fill the memory."""
    number = 0
    while raw := stream.readline(MAX_RECORD_BYTES):
        number += 1
        if len(raw) == MAX_RECORD_BYTES:
            raise InputError(Problem(file, "line_too_long", f"a line is longer than {MAX_RECORD_BYTES >> 20} MB", lines=[number],
                                     fix="export it with line ends"))  # fmt: skip
        yield raw


def open_matrix(path: Path, file: str) -> Matrix:
    """Read the header of a matrix; gzip is known by its content.

    Raises:
        InputError: it is missing, empty, not tab-separated, or names no gene column or no sample.
    """
    try:
        with path.open("rb") as probe:
            is_gzip = probe.read(2) == b"\x1f\x8b"
        matrix = Matrix(path, file, 0, [], [], is_gzip)
        with matrix.open() as stream:
            for raw in _lines(stream, file):
                matrix.header_line += 1
                if raw.strip() and not raw.startswith(b"#"):
                    break
            else:
                raise InputError(Problem(file, "empty_file", "is empty", fix="export it again"))
    except (OSError, EOFError, zlib.error) as error:
        what = "not found" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise InputError(Problem(file, "not_found", what, fix="check the path, or copy it again")) from None
    names = raw.decode("utf-8", "replace").rstrip("\r\n").removeprefix("\ufeff").split("\t")
    at = {"lines": [matrix.header_line]}
    if len(names) == 1:
        raise InputError(
            Problem(file, "not_tab_separated", "is not tab-separated", found=names, fix="save it with tabs", **at)
        )
    for name in names:
        if (role := ID_COLUMNS.get(name.strip().strip('"').lower())) is None:
            break
        matrix.roles.append(role)
    matrix.samples = [name.strip().strip('"') for name in names[len(matrix.roles) :]]
    late = [name for name in matrix.samples if name.lower() in ID_COLUMNS]
    if not {"symbol", "entrez"} & set(matrix.roles):
        raise InputError(Problem(file, "no_gene_column", "names no gene column before the samples", found=names[:SHOWN],
                                 n_found=len(names), allowed="Hugo_Symbol, Entrez_Gene_Id", fix="name it", **at))  # fmt: skip
    if late:
        raise InputError(Problem(file, "late_gene_column", "a gene column stands among the samples", found=late,
                                 fix="move it before the first sample", **at))  # fmt: skip
    if not matrix.samples:
        raise InputError(Problem(file, "no_samples", "names no sample", fix="add sample columns", **at))
    return matrix


def good_columns(matrix: Matrix) -> tuple[np.ndarray, list[Problem]]:
    """Places of the sample columns that can be used, and what is wrong with the others: no name, or a name twice."""
    counts: dict[str, int] = {}
    for name in matrix.samples:
        counts[name] = counts.get(name, 0) + 1
    problems = []
    twice = [name for name, n in counts.items() if n > 1 and name]
    if twice:
        problems.append(Problem(
            matrix.file, "sample_twice", "sample columns with the same name", lines=[matrix.header_line], found=twice[:SHOWN],
            n_found=len(twice), outcome="none of them was loaded, the other samples were", fix="keep one column per sample"))  # fmt: skip
    if "" in counts:
        problems.append(Problem(
            matrix.file, "unnamed_sample", "sample columns without a name", lines=[matrix.header_line],
            outcome="not loaded, the other samples were", fix="name them"))  # fmt: skip
    good = np.array([i for i, name in enumerate(matrix.samples) if name and counts[name] == 1], dtype=np.int64)
    return good, problems


@dataclass
class _Block:
    lines: list[int] = field(default_factory=list)
    genes: list[tuple[str, int | None]] = field(default_factory=list)
    cells: list[bytes] = field(default_factory=list)


def read_profiles(
    matrix: Matrix, columns: np.ndarray, study_id: str, wanted: Wanted, say: Callable[..., None]
) -> Iterator[Part]:
    """The wanted gene lines as rows of `raw.copy_number_profiles`, calls in the order of `columns`.

    A cell that is no call is null and a finding; a line with too few or too many cells, an ambiguous gene and a
    gene that stands twice with different calls are rejected; identical copies of a line collapse.
    """
    width, block, seen = len(matrix.roles), _Block(), {}
    at_symbol = matrix.roles.index("symbol") if "symbol" in matrix.roles else None
    at_entrez = matrix.roles.index("entrez") if "entrez" in matrix.roles else None
    per_block = max(1, BLOCK_CELLS // len(matrix.samples))
    refused, bad = _Refused(matrix.file), _BadCells()
    line = 0
    try:
        with matrix.open() as stream:
            for raw in _lines(stream, matrix.file):
                line += 1
                if line <= matrix.header_line:
                    continue
                if (
                    line % 1000 == 0
                ):  # far between: most lines are not wanted, and are passed over at the speed of the disk
                    say(f"{matrix.file}: line {line:,}", share_read(stream, matrix.path), 1.0)
                head = raw[:160].split(b"\t", width)
                symbol = head[at_symbol] if at_symbol is not None and at_symbol < len(head) else b""
                entrez = head[at_entrez] if at_entrez is not None and at_entrez < len(head) else b""
                if not wanted.may_be(symbol, entrez):
                    continue
                if len(head) <= width:  # an id longer than the bytes looked at, or a short line
                    head = raw.split(b"\t", width)
                names = [part.decode("utf-8", "replace").strip().strip('"') for part in head[:width]]
                name = names[at_symbol] if at_symbol is not None and at_symbol < len(names) else ""
                number = names[at_entrez] if at_entrez is not None and at_entrez < len(names) else ""
                if not any(names):
                    continue
                try:
                    gene = wanted.resolve(name, number)
                except AmbiguousGene as error:
                    refused.add(line, name or number, "ambiguous_gene", f"may be {error}", name)
                    continue
                if gene is None:
                    continue
                cells = raw[sum(map(len, head[:width])) + width :].rstrip(b"\r\n")
                if seen.setdefault(gene[0], (line, hash(cells))) == (line, hash(cells)):
                    block.lines.append(line)
                    block.genes.append(gene)
                    block.cells.append(cells)
                elif seen[gene[0]][1] == hash(cells):
                    refused.same(line, gene[0])
                else:
                    block.lines.append(line)  # rejected with its other copy once both are loaded
                    block.genes.append(gene)
                    block.cells.append(cells)
                if len(block.lines) >= per_block:
                    part = _decoded(block, matrix, columns, study_id, bad)
                    part.share = share_read(stream, matrix.path)
                    yield part
                    block = _Block()
    except (OSError, EOFError, zlib.error):
        raise InputError(
            Problem(matrix.file, "damaged", "cannot be read to its end", lines=[line], fix="copy it again")
        ) from None
    if block.lines:
        yield _decoded(block, matrix, columns, study_id, bad)
    if line == matrix.header_line:
        raise InputError(Problem(matrix.file, "no_rows", "has a header and no gene", fix="export it again"))
    yield from bad.parts(matrix.file)
    yield from refused.parts()
    missing = sorted((wanted.symbols or frozenset()) - seen.keys() - set(refused.symbols))
    if missing:
        yield Part.of_notes(matrix.file, [Problem(
            matrix.file, "gene_not_in_file", "has no line for wanted genes", found=missing[:SHOWN], n_found=len(missing),
            outcome="counted as not assayed", level="NOTE")])  # fmt: skip


class _Refused:
    """Gene lines that are not loaded, and copies that collapse."""

    def __init__(self, file: str) -> None:
        self.file, self.rows, self.problems, self.symbols = file, [], {}, []

    def add(self, line: int, value: str, rule: str, what: str, symbol: str) -> None:
        self.rows.append((line, "", value, rule, what, json.dumps({"gene": symbol})))
        self.symbols.append(symbol)
        problem = Problem(self.file, rule, f"the gene {what}", lines=[line], n_lines=1, found=[value], n_found=1,
                          outcome="rows rejected", fix="give the Entrez id or the current symbol")  # fmt: skip
        self._tell(f"{rule} {what}", problem)

    def same(self, line: int, symbol: str) -> None:
        self._tell("same", Problem(self.file, "gene_again", "a gene stands again with the same calls",
                                   lines=[line], n_lines=1, found=[symbol], n_found=1, outcome="one copy was loaded",
                                   level="NOTE"))  # fmt: skip

    def _tell(self, key: str, problem: Problem) -> None:
        self.problems[key].absorb(problem) if key in self.problems else self.problems.setdefault(key, problem)

    def parts(self) -> Iterator[Part]:
        table = TABLES["copy_number_profiles"]
        rows = pl.DataFrame(self.rows, REJECTED, orient="row")
        if self.problems:
            yield Part(table, self.file, rows.height, _profiles([], [], np.zeros((0, 0), np.int8), ""), rows,
                       list(self.problems.values()))  # fmt: skip


@dataclass
class _BadCells:
    """Cells of the whole file that are no calls: one message."""

    lines: list[int] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # sample → its column
    values: dict[str, None] = field(default_factory=dict)
    n_cells: int = 0

    def add(self, line: int, told: list[tuple[str, str]], places: dict[str, str]) -> None:
        self.lines.append(line)
        self.places.update(places)
        self.values.update(dict.fromkeys(value for _, value in told))
        self.n_cells += len(told)

    def parts(self, file: str) -> Iterator[Part]:
        samples, places, values, n = list(self.places), list(self.places.values()), list(self.values), self.n_cells
        more = f" ({len(samples) - SHOWN} more)" if len(samples) > SHOWN else ""
        if n:
            yield Part.of_notes(file, [Problem(
                file, "not_a_call", "is not a discrete call", ", ".join(samples[:SHOWN]) + more, self.lines[:SHOWN], len(self.lines),
                values[:SHOWN], len(values), allowed=CALLS, outcome=f"{n:,} {'cell' if n == 1 else 'cells'} not loaded: counted as not assayed",
                fix="correct the cells, or write NA", place=", ".join(places[:SHOWN]) + more)])  # fmt: skip


def _decoded(block: _Block, matrix: Matrix, columns: np.ndarray, study_id: str, bad: _BadCells) -> Part:
    table = TABLES["copy_number_profiles"]
    calls, is_whole = decode(block.cells, len(matrix.samples))
    lines, rejected, problems = np.array(block.lines), [], []
    whole = [i for i, ok in enumerate(is_whole) if ok]
    short = [i for i, ok in enumerate(is_whole) if not ok]
    for i in short:
        n_cells = block.cells[i].count(b"\t") + 1
        rejected.append((block.lines[i], "", f"{n_cells} cell{'' if n_cells == 1 else 's'}", "ragged_line", "has not as many cells as samples",
                         json.dumps({"gene": block.genes[i][0]})))  # fmt: skip
    if short:
        found = list(dict.fromkeys(row[2] for row in rejected))
        problems.append(Problem(
            matrix.file, "ragged_line", "the line has not as many cells as there are samples", lines=[block.lines[i] for i in short[:SHOWN]],
            n_lines=len(short), found=found[:SHOWN], n_found=len(found), allowed=f"{len(matrix.samples)} cell{'' if len(matrix.samples) == 1 else 's'}",
            outcome="rows rejected", fix="export the file again"))  # fmt: skip
    calls = calls[:, columns] if columns.size < calls.shape[1] else calls
    is_bad = calls == BAD
    if np.count_nonzero(is_bad) > max(MANY_BAD, calls.size // 2):
        cells = block.cells[whole[int(np.argmax(is_bad.any(axis=1)))]].split(b"\t")
        found = list(dict.fromkeys(cell.decode("utf-8", "replace") for cell in cells))
        raise InputError(Problem(
            matrix.file, "not_calls", "most cells are no discrete calls", lines=block.lines[:1], found=found[:SHOWN], n_found=len(found),
            allowed=CALLS, fix="give the discrete calls, not copy numbers or log2 ratios"))  # fmt: skip
    places: dict[str, str] = {}
    for g in np.flatnonzero(is_bad.any(axis=1)):
        line, symbol, cells = block.lines[whole[g]], block.genes[whole[g]][0], block.cells[whole[g]].split(b"\t")
        told = [(matrix.samples[c], cells[c].decode("utf-8", "replace")) for c in columns[is_bad[g]]]
        row = json.dumps({"gene": symbol})
        rejected += [(line, name, value, "not_a_call", "is not a discrete call", row) for name, value in told]
        here = {matrix.samples[c]: f"column {len(matrix.roles) + c + 1}" for c in columns[is_bad[g]]}
        bad.add(line, told, here)
        places |= here
    valid = _profiles([block.genes[i] for i in whole], lines[whole].tolist(), calls, study_id)
    return Part(
        table, matrix.file, len(block.lines), valid, pl.DataFrame(rejected, REJECTED, orient="row"), problems, places
    )


def _profiles(genes: list[tuple[str, int | None]], lines: list[int], calls: np.ndarray, study_id: str) -> pl.DataFrame:
    n, width = calls.shape
    flat = calls.ravel()
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(0, (n + 1) * width or 1, width or 1, dtype=np.int32)[: n + 1]),
        pa.array(flat, mask=flat <= NA),
    )
    schema = {"study_id": pl.String, "gene": pl.String, "entrez_gene_id": pl.Int64}
    rows = pl.DataFrame([(study_id, symbol, entrez) for symbol, entrez in genes], schema, orient="row")
    calls_column = pl.Series("calls", pl.from_arrow(lists), dtype=pl.List(pl.Int8))
    return rows.with_columns(calls_column, _line=pl.Series(lines, dtype=pl.Int64))


def decode(lines: list[bytes], n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells → calls.

    Args:
        lines: tab-separated cells of a gene, without line end.
        n_samples: how many cells each must have.

    Returns:
        int8 array (lines with the right number of cells x samples) of twice the call, -4 to 4, so that -1.5 is -3;
        NA for not called, BAD for what is no call. And which lines have the right number of cells.
    """
    body = np.frombuffer(b"\n".join([*lines, b""]), np.uint8)
    # one pass: bytes wrap, so that only tab and newline (9 and 10) are below 2; and half the memory of int64
    separators = np.flatnonzero((body - np.uint8(TAB)) < 2).astype(np.int32)
    counts = np.diff(np.concatenate(([-1], np.flatnonzero(body[separators] == NEWLINE))))
    is_whole = counts == n_samples
    starts = np.concatenate((np.zeros(1, np.int32), separators[:-1] + np.int32(1)))
    if not is_whole.all():
        keep = np.repeat(is_whole, counts)
        starts, separators = starts[keep], separators[keep]
    return _calls(body, starts, separators - starts).reshape(-1, n_samples), is_whole


def _calls(body: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    first = body[starts]
    digit = first - np.uint8(ZERO)  # wraps: only 0, 1 and 2 are below 3
    calls = np.where((lengths == 1) & (digit < 3), (digit << 1).view(np.int8), np.int8(BAD))
    at = np.flatnonzero(lengths == 2)
    lead, second = first[at], body[starts[at] + 1]
    is_loss = (lead == MINUS) & ((second == ZERO + 1) | (second == ZERO + 2))
    calls[at[is_loss]] = (second[is_loss] - ZERO).astype(np.int8) * -2
    calls[at[(lead == ord("N")) & (second == ord("A"))]] = NA
    # what is left is rare: -1.5, and calls with blanks around them
    for i in np.flatnonzero(calls == BAD):
        calls[i] = _RARE.get(body[starts[i] : starts[i] + lengths[i]].tobytes().strip(), BAD)
    return calls
