"""One run: discover → read → parse → validate → load. Inputs that did not change are not read again."""

from __future__ import annotations

import csv
import hashlib
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ingest.errors import InputError, Problem, UsageError, printable
from ingest.settings import PROJECT, Settings, hpd_version
from ingest.sources import folder_kind

if TYPE_CHECKING:
    import duckdb

    from ingest.privacy import Pseudonyms
    from ingest.sources.part import Part

BUNDLED = "bundled"
HASH_BLOCK_BYTES = 1 << 26  # 0.05 s of work: a file of several takes long enough to be told
ORIGINS = ("published", "institutional", "simulated")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz")
CONFIG_KEYS = (
    "path",
    "name",
    "origin",
    "table",
    "sheet",
    "genes",
    "study_id",
    "study_group",
    "source",
    "cancer_type",
    "samples",
    "trial_id",
    "reader",
    "ttf_event",
    "date_format",
    "treatment_starts",
    "repeats",
    "map",
    "units",
    "values",
    "only",
)
TABLES_OF_OPTIONS = ("map", "units", "values", "only")  # the others are text


@dataclass(frozen=True)
class Spec:
    """An input as the user named it, on the command line or in hpd.toml; the options are those of its kind."""

    path: str
    name: str
    origin: str = "institutional"
    table: str | None = None
    sheet: str | None = None
    genes: str = "default"
    study_id: str | None = None
    study_group: str | None = None
    source: str | None = None
    cancer_type: str | None = None
    samples: str | None = None
    trial_id: str | None = None
    reader: str | None = None
    ttf_event: str | None = None
    date_format: str | None = None
    treatment_starts: str | None = None
    repeats: str | None = None
    map: dict | None = None
    units: dict | None = None
    values: dict | None = None
    only: dict | None = None
    base: Path = Path()


@dataclass(frozen=True)
class Item:
    """What is loaded as one: a file, or the folder of a study. `file` is its name in messages and rows;
    `item_id` stands for content, name and options.

    Attributes:
        files: path within the item (blank for a file), sha256 and size of each of its files.
        genes: symbols of the genes to load from genomic data; None: all.
    """

    number: int
    spec: Spec
    path: Path
    file: str
    files: tuple[tuple[str, str, int], ...]
    genes: frozenset[str] | None
    item_id: str


@dataclass
class Report:
    """What a run did, for people and for the exit status."""

    n_files: int = 0
    loaded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    failed: list[InputError] = field(default_factory=list)


def specs_from(named: Iterable[str], config: Path | None, genes: str = "default") -> list[Spec]:
    """The inputs of a run: those named (`genes` = all or default); else those of hpd.toml; else the bundled evidence.

    Raises:
        UsageError: hpd.toml is missing (when named), malformed, or says something unknown.
    """
    named = list(dict.fromkeys(named))
    if named:
        return [_bundled() if n == BUNDLED else Spec(path=n, name=n, genes=genes) for n in named]
    if config is None and not Path("hpd.toml").exists():
        return [_bundled()]
    path = config or Path("hpd.toml")
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"ERROR {path}: not found") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"ERROR {path}: cannot be read: {printable(error, 120)}") from None
    entries = settings.pop("inputs", None)
    is_tables = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if settings or not entries or not is_tables:
        raise UsageError(f"ERROR {path}: holds no [[inputs]] (or something beside them); allowed: [[inputs]] tables "
                         f"with {', '.join(CONFIG_KEYS)}")  # fmt: skip
    return [_configured(entry, path) for entry in entries]


def _bundled() -> Spec:
    return Spec(path=BUNDLED, name=BUNDLED, origin="published")


def _configured(entry: dict, config: Path) -> Spec:
    from schemas import FLAT_TABLES  # a refresh with nothing to do must not import pandera

    unknown = [key for key in entry if key not in CONFIG_KEYS]
    if unknown or "path" not in entry:
        raise UsageError(f"ERROR {config}: an [[inputs]] table has {f'the unknown key {unknown[0]!r}' if unknown else 'no path'}; "
                         f"allowed: {', '.join(CONFIG_KEYS)}")  # fmt: skip
    for key, value in entry.items():
        if key in TABLES_OF_OPTIONS:
            if not isinstance(value, dict):
                raise UsageError(f"ERROR {config}: {key} = {value!r}; allowed: a table, [inputs.{key}]")
        elif not isinstance(value, str):
            raise UsageError(f"ERROR {config}: {key} = {value!r}; allowed: text in quotes")
    if entry["path"] == BUNDLED:
        return _bundled()
    choices = {
        "origin": ORIGINS, "table": FLAT_TABLES, "genes": ("default", "all"), "repeats": ("agree", "first"),
        "ttf_event": ("last_dose", "off_treatment", "progression", "death"),
    }  # fmt: skip
    for key, allowed in choices.items():
        if key in entry and entry[key] not in allowed:
            raise UsageError(f"ERROR {config}: {key} = {entry[key]!r}; allowed: {', '.join(allowed)}")
    return Spec(**({"name": entry["path"]} | entry), base=config.parent)


def discover(
    specs: Iterable[Spec], settings: Settings, say: Callable[..., None] = lambda *_: None
) -> tuple[list[Item], list[InputError], list[Problem]]:
    """Every file of the inputs, hashed, in order; what could not be found; and notes on what was passed over."""
    items: list[Item] = []
    failed: list[InputError] = []
    notes: list[Problem] = []
    seen: set[tuple[Path, str | None]] = set()
    for spec in specs:
        try:
            for path, file in _files(spec, settings, notes):
                if (path.resolve(), spec.sheet) not in seen:
                    seen.add((path.resolve(), spec.sheet))
                    # sheets of one workbook are loads of their own
                    name = f"{file}[{spec.sheet}]" if spec.sheet else file
                    if any(item.file == name for item in items):
                        raise InputError(
                            Problem(name, "same_name", "two inputs have this name", fix=f"name the folder ./{name}")
                        )
                    items.append(_item(len(items) + 1, spec, path, name, _gene_symbols(spec, settings), say))
        except InputError as error:
            failed.append(error)
        except (OSError, RuntimeError, ValueError) as error:  # also: no such user after ~, links in a circle, NUL
            said = getattr(error, "strerror", None) or printable(error)
            failed.append(InputError(Problem(
                spec.path, "unreadable", f"cannot be opened ({said})", fix="check the path and its permissions")))  # fmt: skip
    return items, failed, notes


def _gene_symbols(spec: Spec, settings: Settings) -> frozenset[str] | None:
    """The genes to load: those of the configured gene sets (a seed of the dbt project), unless all are asked for."""
    if spec.genes == "all":
        return None
    with (settings.dbt_project / "seeds" / "gene_sets.csv").open(encoding="utf-8") as file:
        return frozenset(gene for row in csv.DictReader(file) for gene in row["genes"].split("|"))


def _files(spec: Spec, settings: Settings, notes: list[Problem]) -> list[tuple[Path, str]]:
    root = settings.bundled if spec.path == BUNDLED else spec.base / Path(spec.path).expanduser()
    if not root.is_dir() or folder_kind(root):
        return [(root, spec.path.rstrip("/"))]
    found, other = [], []
    for path in sorted(root.iterdir()):
        file = f"{spec.path.rstrip('/')}/{path.name}"
        if path.name.startswith(".") or path.is_dir():
            continue
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(Problem(file, "leaves_folder", "is a link that leaves the folder of the input",
                                     fix="copy the file into the folder, or name it as an input"))  # fmt: skip
        if path.name.lower().endswith(TABLE_SUFFIXES):
            found.append((path, file))
        else:
            other.append(path.name)
    if not found:
        raise InputError(Problem(spec.path, "empty_folder", "holds no table",
                                 allowed="CSV, TSV, XLSX or Parquet files"))  # fmt: skip
    if other and spec.path != BUNDLED:
        notes.append(Problem(spec.path, "passed_over", "files that are no tables were passed over", level="NOTE",
                             found=other, n_found=len(other)))  # fmt: skip
    return found


def _item(
    number: int, spec: Spec, path: Path, file: str, genes: frozenset[str] | None, say: Callable[..., None]
) -> Item:
    names = {n: path / n for n in folder_kind(path).study_files(path, file)} if path.is_dir() else {"": path}
    for beside in (spec.samples, spec.treatment_starts):
        if beside is not None and not path.is_dir():
            names[beside] = spec.base / beside
    files = []
    for name, found in names.items():
        shown = _shown(path, file, name)
        try:
            if found.exists() and not found.is_file():
                raise InputError(
                    Problem(shown, "not_a_file", "is not a file that can be read again", fix="name a file")
                )
            n_bytes = found.stat().st_size
            files.append(
                (name, _sha256(found, n_bytes, lambda done, shown=shown: say(f"{shown}: checksum", done, 1.0)), n_bytes)
            )
        except OSError as error:
            what = "not found" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error.strerror})"
            raise InputError(Problem(shown, "not_found", what, fix="check the path and its permissions")) from None
    options = [str(getattr(spec, key) or "") for key in CONFIG_KEYS if key != "path"]
    told = [file, *options, *map(str, files), ",".join(sorted(genes or {"all"})), rules_version()]
    item_id = hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
    return Item(number, spec, path, file, tuple(files), genes, item_id)


def _sha256(path: Path, n_bytes: int, say: Callable[[float], None]) -> str:
    """Checksum of a file; of one that takes long, block by block, the share that is done."""
    with path.open("rb", buffering=0) as stream:
        if n_bytes <= HASH_BLOCK_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK_BYTES))
        while n_read := stream.readinto(block):
            digest.update(block[:n_read])
            say(min(stream.tell() / n_bytes, 1.0))
        return digest.hexdigest()


def _shown(path: Path, file: str, name: str) -> str:
    """A file of an item in messages and rows: a file of a study stands in its folder, a list of samples beside it."""
    return f"{file}/{name}" if path.is_dir() else name or file


@cache
def rules_version() -> str:
    """Checksum of the code that decides what a row is: when it changes, inputs are read again."""
    files = sorted(path for folder in ("ingest", "schemas") for path in (PROJECT / folder).rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def run(
    items: list[Item],
    connection: duckdb.DuckDBPyConnection,
    say: Callable[..., None] = lambda *_: None,
    home: Path | None = None,
) -> Report:
    """Load what changed, remove what is no longer named; one transaction per file.

    A file that cannot be read leaves its earlier rows as they were; it is listed in `failed`. `home`: folder of the key
    of the pseudonyms; None: a key of this run only, whose pseudonyms match nothing.
    """
    from ingest.load import ensure_tables, forget_pseudonyms, loaded_ids, number_inputs, remove_item, transaction
    from ingest.privacy import Pseudonyms

    ensure_tables(connection)
    pseudonyms = Pseudonyms(home)
    if any(item.spec.origin != "published" for item in items):
        forget_pseudonyms(connection, pseudonyms.key_id)
    before = loaded_ids(connection)
    report = Report(n_files=len(items))
    for item in items:
        if before.get(item.file) == item.item_id:
            report.unchanged.append(item.file)
            continue
        try:
            with transaction(connection):
                if item.file in before:
                    remove_item(connection, item.file)
                load_item(item, connection, report, say, pseudonyms)
        except InputError as error:
            report.failed.append(error)
    named = {item.file for item in items}
    with transaction(connection):
        for file in sorted(before.keys() - named):
            remove_item(connection, file)
            report.removed.append(file)
        number_inputs(connection, [(item.number, item.item_id) for item in items])
    return report


def _parts(reader: ModuleType, item: Item, say: Callable[..., None]) -> Iterator[Part]:
    """The parts of an item; what is wrong with an own genomic file is told without the names of its samples."""
    from ingest.privacy import hide_samples, without_samples

    if item.spec.origin == "published" or not getattr(reader, "NAMES_SAMPLES", False):
        yield from reader.read(item, say)
        return
    try:
        for part in reader.read(item, say):
            hide_samples(part)
            yield part
    except InputError as error:
        raise InputError(without_samples(error.problem)) from None


def load_item(
    item: Item,
    connection: duckdb.DuckDBPyConnection,
    report: Report,
    say: Callable[..., None],
    pseudonyms: Pseudonyms,
) -> None:
    """Read, check and load one item; call it inside a transaction.

    Raises:
        InputError: it cannot be read.
    """
    import duckdb
    import pandera
    import polars as pl

    from ingest.load import Loader
    from ingest.sources import reader_of

    started = time.monotonic()
    loaders: dict[tuple[str, str], Loader] = {}
    problems: dict[tuple[str, str, str, str], Problem] = {}
    n_rows = 0
    reader = reader_of(item)
    report.kinds[item.file] = reader.KIND
    say(item.file, 0.0, 1.0)
    for part in _parts(reader, item, say):
        if part.table is not None:
            loader = loaders.get((part.file, part.table.name))
            if loader is None:
                load_id = item.item_id if not loaders else f"{item.item_id}-{len(loaders) + 1}"
                loader = Loader(connection, part.table, load_id, part.file, item.spec.origin, pseudonyms)
                loaders[part.file, part.table.name] = loader
            if part.table.name == "samples":
                part.valid = part.valid.with_columns(trial_id=pl.lit(item.spec.trial_id, pl.String))
            loader.add(part.valid, part.rejected, part.rows_read, part.unusable)
            n_rows += part.rows_read
        for problem in part.problems:
            key = (problem.file, problem.rule, problem.column, problem.what)
            problems[key].absorb(problem) if key in problems else problems.setdefault(key, problem)
        say(f"{item.file}: {n_rows:,} rows, {n_rows / max(time.monotonic() - started, 1e-6):,.0f}/s", part.share, 1.0)
    versions = f"hpd-warehouse {hpd_version()}, duckdb {duckdb.__version__}, polars {pl.__version__}, pandera {pandera.__version__}"
    checksums = {_shown(item.path, item.file, name): (sha256, size) for name, sha256, size in item.files}
    for loader in loaders.values():
        if duplicate := loader.reject_duplicate_keys():
            problems[duplicate.file, duplicate.rule, duplicate.column, duplicate.what] = duplicate
        sha256, n_bytes = checksums[loader.file]
        result = loader.finish({
            "item_file": item.file, "item_id": item.item_id, "input_number": item.number,
            "input_name": item.spec.name, "sha256": sha256, "n_bytes": n_bytes,
            "seconds": round(time.monotonic() - started, 3), "versions": versions})  # fmt: skip
        for rule_and_column, n_found in loader.n_values().items():
            same = [p for p in problems.values() if (p.file, p.rule, p.column) == (loader.file, *rule_and_column)]
            if len(same) == 1:
                same[0].n_found = n_found
        report.loaded.append(f"{loader.file}: {loader.table.name}, {result.rows_loaded:,} of {result.rows_read:,} rows"
                             + (f", {result.rows_rejected:,} rejected" if result.rows_rejected else ""))  # fmt: skip
        report.rows_read += result.rows_read
        report.rows_loaded += result.rows_loaded
        report.rows_rejected += result.rows_rejected
    for problem in problems.values():
        if problem.outcome == "rows rejected":
            problem.outcome = f"{problem.n_lines:,} {'row' if problem.n_lines == 1 else 'rows'} rejected"
    report.problems += problems.values()
