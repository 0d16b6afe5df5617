"""The figures as files for a paper: SVG with its font inside, and PNG at 300 dots per inch."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from ingest.errors import UsageError, printable
from warehouse.report.figures import FIGURES, SELECTED, spec
from warehouse.whole_file import write_whole

FONT = "Source Sans Pro"
WIDTH = 640
DPI = 300


# a choice, where it is looked up, and the choices before it within which it must be there; as the page has them
WITHIN = {
    "basis": ("incidence", ("is_simulated",)),
    "hpd_definition": ("incidence", ("is_simulated", "basis")),
    "cancer_type_code": ("incidence", ("is_simulated", "basis", "hpd_definition")),
    "gene_set": ("amplification", ("is_simulated",)),
    "source_class": ("amplification", ("is_simulated",)),
}


def chosen(frames: dict[str, pl.DataFrame], is_simulated: bool = False, **wanted: str | None) -> dict[str, Any]:
    """The parameters of the figures: those wanted, else those of the question of the reference study.

    What nobody asked for gives way as on the page: to what is there and has most reports behind it.

    Raises:
        UsageError: the marts hold no such gene set, definition, source or cancer type, or not with the other choices.
    """
    origins = frames["incidence"]["is_simulated"]
    found = {**SELECTED, "is_simulated": is_simulated or (len(origins) > 0 and bool(origins.all()))}
    weights = frames["incidence"].filter(is_simulated=found["is_simulated"])
    for key, (name, within) in WITHIN.items():
        there = frames[name].filter(pl.col(column) == found[column] for column in within)
        allowed = sorted(there[key].unique().to_list())
        if (value := wanted.get(key)) is not None:
            if value not in allowed:
                elsewhere = " with the other choices" if value in frames[name][key] else ""
                raise UsageError(
                    f"ERROR {key}: there is no '{printable(value)}' in this release{elsewhere}; allowed: {', '.join(allowed)}"
                )
            found[key] = value
        elif allowed and found[key] not in allowed:
            behind = dict(weights.group_by(key).agg(pl.max("n_reports_pooled")).rows()) if name == "incidence" else {}
            found[key] = max(allowed, key=lambda value: behind.get(value, 0))
    return found


def write_figures(frames: dict[str, pl.DataFrame], folder: Path, selected: dict[str, Any]) -> dict[str, int]:
    """Write every figure that has something to show to `folder`, as NAME.svg and NAME.png.

    Args:
        frames: datasets of the report.
        folder: made if it is not there; figures of these names are replaced, anything else is left alone.
        selected: parameters, as `chosen` gives them.

    Returns:
        Name → rows it shows; 0: nothing, and it was not written.
    """
    import vl_convert
    from font_source_sans_pro import font_directory

    vl_convert.register_font_directory(font_directory)
    folder.mkdir(parents=True, exist_ok=True)
    n_rows = {}
    for name, figure in FIGURES.items():
        rows = frames[figure.reads[0]]
        shown = rows.filter(
            *(pl.col(column) == selected[column] for column in figure.by),
            *(pl.col(c) if rows.schema[c] == pl.Boolean else pl.col(c).is_not_null() for c in figure.needs),
        )
        n_rows[name] = shown.height
        if shown.is_empty():
            continue
        drawn = spec(name, "#222", FONT, selected) | {"width": WIDTH, "background": "white"}
        drawn["title"] = {
            "text": _title(figure.by, selected),
            "anchor": "start",
            "fontSize": 12,
            "fontWeight": "normal",
        }
        drawn["datasets"] = {read: frames[read].to_dicts() for read in figure.reads}
        svg = vl_convert.vegalite_to_svg(drawn)
        write_whole(folder / f"{name}.svg", _with_font(svg).encode())
        # a pixel of an SVG is 1/96 inch, here it is taken for 1/72
        write_whole(folder / f"{name}.png", vl_convert.svg_to_png(svg, scale=72 / 96, ppi=DPI))
    return n_rows


def _title(by: tuple[str, ...], selected: dict[str, Any]) -> str:
    """What the rows of a figure were chosen by: a figure goes about without the words beside it."""
    words = {
        "cancer_type_code": selected["cancer_type_code"],
        "hpd_definition": f"hyperprogression: {selected['hpd_definition']}",
        "basis": {"reported": "as reported", "computed": "computed from patients"}[selected["basis"]],
        "gene_set": f"amplified: {selected['gene_set']}",
        "source_class": {"tcga": "TCGA"}.get(selected["source_class"], selected["source_class"]),
    }
    told = "; ".join(words[column] for column in words if column in by)
    return f"SIMULATED DATA; {told}" if selected["is_simulated"] else told


def _with_font(svg: str) -> str:
    """The SVG with the letters it uses inside (SIL Open Font License), so that it looks the same everywhere."""
    from font_source_sans_pro import font_files_ttf
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    letters = "".join(re.findall(r">([^<]*)<", svg))
    options = Options(flavor="woff", hinting=False, layout_features=["kern"], notdef_outline=True)
    with TTFont(font_files_ttf["SourceSansPro"], recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(text=letters + "&<>")
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(packed := BytesIO())
    data = base64.b64encode(packed.getvalue()).decode()
    face = f"@font-face{{font-family:'{FONT}';src:url(data:font/woff;base64,{data}) format('woff')}}"
    head, rest = svg.split(">", 1)
    return f"{head}><style>{face}</style>{rest}"
