"""The report: one HTML file with everything in it, that opens from disk and asks no server for anything."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from ingest.errors import HpdError, PublishError, printable
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.releases import point_to_report, unsealed
from warehouse.report.datasets import read
from warehouse.report.figures import FIGURES, SELECTED, spec
from warehouse.whole_file import write_whole

HERE = Path(__file__).parent
# the font of the page; figures must name it too, to know how wide their labels are
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'


def write_report(settings: Settings) -> Path:
    """Write the report of the release in service beside it, and have `report.html` of the warehouse point there.

    Raises:
        HpdError: nothing is published, or it was written by another version.
        PublishError: it cannot be written; the release is in service all the same.
    """
    file = settings.published_db.resolve().with_name(settings.report.name)
    text = _page_of(settings.published_db)
    try:
        with unsealed(file.parent):
            write_whole(file, text)
    except OSError as error:
        raise _unwritten(file, error) from None
    point_to_report(settings)
    return file


def write_page(database: Path, file: Path) -> None:
    """Write the report on a published database to `file`, whole or not at all.

    Raises:
        HpdError: the database cannot be read, or lacks a mart, as it was written by another version.
        PublishError: the file cannot be written.
    """
    text = _page_of(database)
    try:
        write_whole(file, text)
    except OSError as error:
        raise _unwritten(file, error) from None


def _page_of(database: Path) -> bytes:
    with connect(database) as connection:
        try:
            return page(connection).encode()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            said = printable(str(error).partition("\n")[0], 200)
            raise HpdError(
                f"ERROR {printable(database, 200)}: is of another version ({said}); run `hpd refresh`"
            ) from None


def _unwritten(file: Path, error: OSError) -> PublishError:
    return PublishError(
        f"ERROR {printable(file, 200)}: the report could not be written ({error.strerror}); "
        "the release in service stays; `hpd report FILE` writes it elsewhere"
    )


def page(connection: duckdb.DuckDBPyConnection) -> str:
    """The report on the release that `connection` has open, as HTML.

    The datasets and the Vega bundle are packed (gzip, base64); the headline and the first table are there without
    JavaScript too.

    Raises:
        duckdb.Error: a mart is missing: the release is of another version.
    """
    import vl_convert

    frames = read(connection)
    (release,) = frames["release"].to_dicts()
    figures = {name: _live(name) for name in FIGURES}
    n_inputs = frames["inputs"].height
    parts = {
        "css": (HERE / "page.css").read_text("utf-8").replace("FONT", FONT),
        "js": (HERE / "page.js").read_text("utf-8"),
        "data": _packed(json.dumps(_columns(frames), ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
        "vega": _packed(vl_convert.javascript_bundle()),
        # in a script of JSON only "<" can end the script
        "specs": json.dumps({"figures": figures, "selected": SELECTED}).replace("<", "\\u003c"),
        "release": html.escape(release["release_id"]),
        "built": f"{release['built_at']:%Y-%m-%d %H:%M}",
        "inputs": f"{n_inputs} file{'' if n_inputs == 1 else 's'}",
        "finding": html.escape(_finding(frames["association"])),
        "main": _first_table(frames["main"]),
    }
    before, *pieces = (HERE / "page.html").read_text("utf-8").split("{{")
    written = [before]
    for piece in pieces:  # in one pass: what is filled in is not looked at again
        name, _, rest = piece.partition("}}")
        written += [parts[name], rest]
    return "".join(written)


def _live(name: str) -> dict[str, Any]:
    """A figure as the page needs it: the specification, its datasets, and how high a row is; the page counts the rows."""
    drawn, figure = spec(name, "currentColor", FONT), FIGURES[name]
    live = {"spec": drawn, "reads": figure.reads, "by": figure.by, "needs": figure.needs}
    if isinstance(drawn["height"], dict):
        live |= {"step": drawn["height"]["step"], "row": drawn["encoding"]["y"]["field"]}
        drawn["height"] = 100
    return live


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _columns(frames: dict[str, pl.DataFrame]) -> dict[str, dict[str, list]]:
    return {
        name: {column: [_json(value) for value in values] for column, values in frame.to_dict(as_series=False).items()}
        for name, frame in frames.items()
    }


def _json(value: Any) -> Any:
    """JSON knows no infinity, no time, and nothing that is no number."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value


def _selected(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.filter(*(pl.col(column) == SELECTED[column] for column in columns))


def _finding(association: pl.DataFrame) -> str:
    chosen = _selected(association, "is_simulated", "basis", "hpd_definition", "gene_set", "source_class")
    found = chosen.filter(pl.col("left_out_cancer_type_code") == "NONE")["finding"]
    return found[0] if len(found) else "No cancer type has both sides known under this choice."


def _first_table(main: pl.DataFrame) -> str:
    """The main mart for the question of the reference study, for who opens the page without JavaScript."""
    rows = _selected(main, "is_simulated", "basis", "hpd_definition", "gene_set").filter(pl.col("n_reports_pooled") > 0)
    heads = ("cancer", "HPD / evaluable", "pooled (95 % CI)", "TCGA amplified / assayed", "TCGA (95 % CI)")

    def share(row: dict, *columns: str) -> str:
        value, low, high = (row[column] for column in columns)
        return "–" if value is None else f"{value:.1%} ({100 * low:.1f}–{100 * high:.1f})"

    def of(n: int | None, all_: int | None) -> str:
        return "–" if n is None or all_ is None else f"{n:,} / {all_:,}"

    cells = [
        (
            row["cancer_type"], of(row["n_hpd"], row["n_evaluable"]),
            share(row, "pooled_incidence", "pooled_ci_low", "pooled_ci_high"),
            of(row["tcga_n_amplified"], row["tcga_n_assayed"]),
            share(row, "tcga_amplified_fraction", "tcga_amplified_ci_low", "tcga_amplified_ci_high"),
        )
        for row in rows.to_dicts()
    ]  # fmt: skip
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
