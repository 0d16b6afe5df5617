"""One run: discover → read → parse → validate → load. Inputs that did not change are not read again."""

from __future__ import annotations

import hashlib
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import InputError, Problem, UsageError, printable
from ingest.settings import PROJECT, Settings, hpd_version

if TYPE_CHECKING:
    import duckdb

BUNDLED = "bundled"
ORIGINS = ("published", "institutional", "simulated")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz")
CONFIG_KEYS = ("path", "name", "origin", "table", "sheet")


@dataclass(frozen=True)
class Spec:
    """An input as the user named it, on the command line or in hpd.toml."""

    path: str
    name: str
    origin: str = "institutional"
    table: str | None = None
    sheet: str | None = None
    base: Path = Path()


@dataclass(frozen=True)
class Item:
    """One file to load. `file` is its name in messages and rows; `load_id` stands for content, name and options."""

    number: int
    spec: Spec
    path: Path
    file: str
    sha256: str
    n_bytes: int
    load_id: str


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
    problems: list[Problem] = field(default_factory=list)
    failed: list[InputError] = field(default_factory=list)


def specs_from(named: Iterable[str], config: Path | None) -> list[Spec]:
    """The inputs of a run: those named; else those of hpd.toml; else the bundled evidence.

    Raises:
        UsageError: hpd.toml is missing (when named), malformed, or says something unknown.
    """
    named = list(dict.fromkeys(named))
    if named:
        return [_bundled() if n == BUNDLED else Spec(path=n, name=n) for n in named]
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
    from schemas import TABLES  # a refresh with nothing to do must not import pandera

    unknown = [key for key in entry if key not in CONFIG_KEYS]
    if unknown or "path" not in entry:
        raise UsageError(f"ERROR {config}: an [[inputs]] table has {f'the unknown key {unknown[0]!r}' if unknown else 'no path'}; "
                         f"allowed: {', '.join(CONFIG_KEYS)}")  # fmt: skip
    for key, value in entry.items():
        if not isinstance(value, str):
            raise UsageError(f"ERROR {config}: {key} = {value!r}; allowed: text in quotes")
    if entry["path"] == BUNDLED:
        return _bundled()
    for key, allowed in (("origin", ORIGINS), ("table", TABLES)):
        if key in entry and entry[key] not in allowed:
            raise UsageError(f"ERROR {config}: {key} = {entry[key]!r}; allowed: {', '.join(allowed)}")
    return Spec(**({"name": entry["path"]} | entry), base=config.parent)


def discover(specs: Iterable[Spec], settings: Settings) -> tuple[list[Item], list[InputError], list[Problem]]:
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
                    items.append(_item(len(items) + 1, spec, path, f"{file}[{spec.sheet}]" if spec.sheet else file))
        except InputError as error:
            failed.append(error)
        except OSError as error:
            failed.append(InputError(Problem(
                spec.path, "unreadable", f"cannot be opened ({error.strerror})", fix="check the path and its permissions")))  # fmt: skip
    return items, failed, notes


def _files(spec: Spec, settings: Settings, notes: list[Problem]) -> list[tuple[Path, str]]:
    root = settings.bundled if spec.path == BUNDLED else spec.base / Path(spec.path).expanduser()
    if not root.is_dir():
        return [(root, spec.path)]
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


def _item(number: int, spec: Spec, path: Path, file: str) -> Item:
    try:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        n_bytes = path.stat().st_size
    except OSError as error:
        what = {FileNotFoundError: "not found", IsADirectoryError: "is a folder"}.get(
            type(error), f"cannot be opened ({error.strerror})"
        )
        raise InputError(Problem(file, "not_found", what, fix="check the path and its permissions")) from None
    told = "\0".join([content, file, spec.name, spec.origin, spec.table or "", spec.sheet or "", rules_version()])
    return Item(number, spec, path, file, content, n_bytes, hashlib.sha256(told.encode()).hexdigest()[:16])


@cache
def rules_version() -> str:
    """Checksum of the code that decides what a row is: when it changes, inputs are read again."""
    files = sorted(path for folder in ("ingest", "schemas") for path in (PROJECT / folder).rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def run(
    items: list[Item], connection: duckdb.DuckDBPyConnection, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Load what changed, remove what is no longer named; one transaction per file.

    A file that cannot be read leaves its earlier rows as they were; it is listed in `failed`.
    """
    from ingest.load import ensure_tables, loaded_ids, number_inputs, remove_load, transaction

    ensure_tables(connection)
    before = loaded_ids(connection)
    report = Report(n_files=len(items))
    for item in items:
        if before.get(item.file) == item.load_id:
            report.unchanged.append(item.file)
            continue
        try:
            with transaction(connection):
                if item.file in before:
                    remove_load(connection, before[item.file])
                _load(item, connection, report, say)
        except InputError as error:
            report.failed.append(error)
    named = {item.file for item in items}
    with transaction(connection):
        for file in sorted(before.keys() - named):
            remove_load(connection, before[file])
            report.removed.append(file)
        number_inputs(connection, [(item.number, item.load_id) for item in items])
    return report


def _load(item: Item, connection: duckdb.DuckDBPyConnection, report: Report, say: Callable[[str], None]) -> None:
    import duckdb
    import pandera
    import polars

    from ingest.load import Loader
    from ingest.sources.flat import open_flat, read_flat

    started = time.monotonic()
    table, opened = open_flat(item.path, item.file, item.spec.table, item.spec.sheet)
    loader = Loader(connection, table, item.load_id, item.file, item.spec.origin)
    problems: dict[tuple[str, str], Problem] = {}
    for part in read_flat(table, opened):
        loader.add(part.valid, part.rejected, part.rows_read)
        for problem in part.problems:
            key = (problem.rule, problem.column)
            problems[key].absorb(problem) if key in problems else problems.setdefault(key, problem)
        rate = loader.result.rows_read / max(time.monotonic() - started, 1e-6)
        say(f"{item.file}: {loader.result.rows_read:,} rows, {rate:,.0f}/s")
    if duplicate := loader.reject_duplicate_keys():
        problems[duplicate.rule, duplicate.column] = duplicate
    versions = f"hpd-warehouse {hpd_version()}, duckdb {duckdb.__version__}, polars {polars.__version__}, pandera {pandera.__version__}"
    result = loader.finish({
        "input_number": item.number, "input_name": item.spec.name, "sha256": item.sha256, "n_bytes": item.n_bytes,
        "seconds": round(time.monotonic() - started, 3), "versions": versions})  # fmt: skip
    n_values = loader.n_values()
    for key, problem in problems.items():
        problem.n_found = n_values[key]
        if problem.outcome:
            problem.outcome = f"{problem.n_lines:,} {'row' if problem.n_lines == 1 else 'rows'} rejected"
    report.problems += [*opened.notes, *problems.values()]
    report.loaded.append(f"{item.file}: {table.name}, {result.rows_loaded:,} of {result.rows_read:,} rows"
                         + (f", {result.rows_rejected:,} rejected" if result.rows_rejected else ""))  # fmt: skip
    report.rows_read += result.rows_read
    report.rows_loaded += result.rows_loaded
    report.rows_rejected += result.rows_rejected
