"""The figures, as Vega-Lite: the page shows them live, `hpd report --figures` writes them as SVG and PNG.

A figure chooses its rows by parameters named as the columns they select (`gene_set`, `hpd_definition`, …), so that the
page switches by setting a parameter and both show the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure and the rows it shows.

    Attributes:
        draw: makes its specification from the transform that chooses its rows.
        reads: datasets; it has something to show when the first has rows.
        by: columns that must have the chosen value.
        needs: columns that must be known, and not false.
    """

    draw: Callable[[list[Spec]], Spec]
    reads: tuple[str, ...]
    by: tuple[str, ...]
    needs: tuple[str, ...] = ()


# vermilion, blue, green and so on: told apart by colour-blind eyes (Okabe and Ito 2008), and on white as on black
PALETTE = [RED := "#D55E00", BLUE := "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
SELECTED = {
    "is_simulated": False, "basis": "reported", "hpd_definition": "ANY_PUBLISHED", "gene_set": "MDM2|MDM4",
    "source_class": "tcga", "cancer_type_code": "NSCLC",
}  # fmt: skip
TEXT_PX = 165  # room for "209 / 1,302  15.8 % (10.2–23.6)"


def _rows_of(figure: Figure) -> list[Spec]:
    chosen = [f"datum.{column} === {column}" for column in figure.by]
    known = [f"isValid(datum.{column}) && datum.{column} !== false" for column in figure.needs]
    return [{"filter": " && ".join(chosen + known)}]


def _percent(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": "~%", "tickCount": 6}, **more}


def _rows(field: str) -> Spec:
    return {
        "field": field, "type": "nominal", "title": None, "sort": "ascending",
        "axis": {
            "labelExpr": "slice(datum.value, 5)",  # after the place
            "labelLimit": {"expr": "narrow ? 105 : 260"}, "ticks": False, "domain": False,
            "description": "one row each; its symbol says its name and its numbers",
        },
    }  # fmt: skip


def _beside(axis: Spec) -> Spec:
    """The axis, with room for a text at its right where there is any."""
    return {
        **axis,
        "scale": {"range": [0, {"expr": f"narrow ? width : width - {TEXT_PX}"}], "zero": True, "nice": True},
    }


def _text(estimate: str, low: str, high: str, n: str, of: str) -> Spec:
    said = (
        f"format(datum.{n}, ',') + ' / ' + format(datum.{of}, ',') + '\u2003' + format(datum.{estimate}, '.1%')"
        f" + ' (' + format(100 * datum.{low}, '.1f') + '–' + format(100 * datum.{high}, '.1f') + ')'"
    )
    return {"calculate": f"isValid(datum.{n}) ? {said} : ''", "as": "said"}


def _tooltip(*fields: tuple[str, str, str | None]) -> list[Spec]:
    return [
        {"field": field, "title": title, **({"format": form} if form else {})}
        | ({"type": "quantitative"} if form else {})
        for field, title, form in fields
    ]


def _heard(*fields: tuple[str, str, str | None]) -> Spec:
    """What a screen reader reads of a mark: the words of its tooltip, not the key that puts its row in order."""
    said = [
        f"'{title}: ' + (!isValid(datum.{field}) ? '–' : "
        + (f"format(datum.{field}, '{form}'))" if form else f"datum.{field})")
        for field, title, form in fields
    ]
    return {"calculate": " + '; ' + ".join(said), "as": "heard"}


HEARD = {"field": "heard", "type": "nominal"}
SHARE = ".1%"
COUNT = ","
HPD = [
    ("n_hpd", "HPD", COUNT), ("n_evaluable", "evaluable", COUNT), ("n_reports_pooled", "reports pooled", COUNT),
    ("pooled_incidence", "pooled incidence", SHARE), ("pooled_ci_low", "incidence, 95 % CI from", SHARE),
    ("pooled_ci_high", "incidence, 95 % CI to", SHARE),
]  # fmt: skip
AMPLIFIED = [
    ("n_amplified", "amplified", COUNT), ("n_assayed", "assayed", COUNT), ("amplified_fraction", "amplified fraction", SHARE),
    ("amplified_ci_low", "amplified, 95 % CI from", SHARE), ("amplified_ci_high", "amplified, 95 % CI to", SHARE),
]  # fmt: skip


def bubble(rows: list[Spec]) -> Spec:
    """Incidence against amplification, a bubble per cancer type, with both intervals and the regression of the mart."""
    x = _percent("amplified_fraction", "Amplified, of assayed")
    x["scale"] = {"zero": True}
    y = _percent("pooled_incidence", "Hyperprogression, pooled")
    counted = "datum.is_counted"
    line = {"data": {"name": "line"}, "transform": rows}
    return {
        "description": "Bubble plot: incidence of hyperprogression against the amplified fraction, per cancer type.",
        "height": 420,
        "layer": [
            {**line, "mark": {"type": "area", "opacity": 0.12, "color": BLUE, "aria": False},
             "encoding": {"x": x, "y": {**y, "field": "fitted_ci_low"}, "y2": {"field": "fitted_ci_high"}}},
            {**line, "mark": {"type": "line", "color": BLUE, "strokeDash": [5, 3], "aria": False},
             "encoding": {"x": x, "y": {**y, "field": "fitted_incidence"}}},
            {
                "data": {"name": "points"},
                # labels stand above and below in turn, so that neighbours do not cover each other; many would all the same
                "transform": [*rows, {"joinaggregate": [{"op": "count", "as": "n_points"}]},
                              {"window": [{"op": "row_number", "as": "nth"}], "sort": [{"field": "amplified_fraction"}]},
                              {"calculate": "datum.is_counted ? 'yes' : 'no: ' + datum.exclusion_reason", "as": "in_line"}],
                "encoding": {"x": x, "y": y},
                "layer": [
                    {"mark": {"type": "rule", "opacity": 0.35, "aria": False},
                     "encoding": {"x": {**x, "field": "amplified_ci_low"}, "x2": {"field": "amplified_ci_high"}}},
                    {"mark": {"type": "rule", "opacity": 0.35, "aria": False},
                     "encoding": {"y": {**y, "field": "pooled_ci_low"}, "y2": {"field": "pooled_ci_high"}}},
                    {
                        "mark": {"type": "circle", "opacity": 0.85, "stroke": BLUE, "strokeWidth": 1.5},
                        "encoding": {
                            "size": {"field": "n_evaluable", "type": "quantitative", "legend": None,
                                     "scale": {"range": [30, 900], "zero": True}},
                            "fill": {"condition": {"test": counted, "value": BLUE}, "value": None},
                            "tooltip": _tooltip(("cancer_type", "cancer", None), *HPD, *AMPLIFIED,
                                                ("in_line", "point of the line", None)),
                        },
                    },
                    *({"transform": [{"filter": f"datum.nth % 2 === {turn} && datum.n_points <= 20"}],
                       "mark": {"type": "text", "align": "left", "dx": 11, "dy": dy, "fontSize": 11, "aria": False},
                       "encoding": {"text": {"field": "cancer_type_code"}}} for turn, dy in ((0, -11), (1, 13))),
                ],
            },
        ],
    }  # fmt: skip


def _intervals(rows: list[Spec], row: str) -> Spec:
    """A line per row: estimate, confidence interval, prediction interval, and the numbers."""
    x = _beside(_percent("pooled_incidence", "Hyperprogression, pooled"))
    fields = [("cancer_type", "cancer", None), ("hpd_definition", "definition", None), *HPD,
              ("prediction", "prediction interval", None)]  # fmt: skip
    text = _text("pooled_incidence", "pooled_ci_low", "pooled_ci_high", "n_hpd", "n_evaluable")
    return {
        "height": {"step": 22},
        "data": {"name": "incidence"},
        "transform": [*rows, text, {"calculate": "isValid(datum.prediction_low) ? format(datum.prediction_low, '.1%') + ' to '"
                                                 " + format(datum.prediction_high, '.1%') : 'none'", "as": "prediction"},
                      _heard(*fields)],
        "encoding": {"y": _rows(row), "tooltip": _tooltip(*fields), "description": HEARD},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.6, "aria": False},
             "encoding": {"x": {**x, "field": "prediction_low"}, "x2": {"field": "prediction_high"}}},
            {"mark": {"type": "rule", "strokeWidth": 2, "color": BLUE, "aria": False},
             "encoding": {"x": {**x, "field": "pooled_ci_low"}, "x2": {"field": "pooled_ci_high"}}},
            {"mark": {"type": "point", "shape": "diamond", "filled": True, "size": 110, "color": BLUE, "opacity": 1},
             "encoding": {"x": x}},
            _numbers(),
        ],
    }  # fmt: skip


def _numbers() -> Spec:
    return {
        "mark": {
            "type": "text",
            "align": "right",
            "fontSize": 11,
            "opacity": {"expr": "narrow ? 0 : 1"},
            "aria": False,
        },
        "encoding": {"x": {"value": "width"}, "text": {"field": "said"}},
    }


def overview(rows: list[Spec]) -> Spec:
    """Pooled incidence of each cancer type, with confidence and prediction interval."""
    return {
        "description": "Pooled incidence of hyperprogression per cancer type, with confidence and prediction interval.",
        **_intervals(rows, "cancer_row"),
    }


def by_definition(rows: list[Spec]) -> Spec:
    """Pooled incidence in one cancer type under each definition."""
    return {
        "description": "Pooled incidence of hyperprogression in one cancer type, under each definition.",
        **_intervals(rows, "definition_row"),
    }


def forest(rows: list[Spec]) -> Spec:
    """The reports of one cancer type, their pooled value as a diamond, the prediction interval as a dashed line."""
    x = _beside(_percent("incidence", "Hyperprogression, of evaluable patients"))
    fields = [
        ("label", "report", None), ("n_hpd", "HPD", COUNT), ("n_evaluable", "evaluable", COUNT),
        ("incidence", "incidence", SHARE), ("ci_low", "incidence, 95 % CI from", SHARE), ("ci_high", "incidence, 95 % CI to", SHARE),
    ]  # fmt: skip
    is_report = "datum.part === 'report'"
    return {
        "description": "Forest plot: the reports of one cancer type and their pooled incidence.",
        "height": {"step": 22},
        "data": {"name": "forest"},
        "transform": [*rows, _text("incidence", "ci_low", "ci_high", "n_hpd", "n_evaluable"), _heard(*fields)],
        "encoding": {"y": _rows("row"), "tooltip": _tooltip(*fields), "description": HEARD},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.6, "aria": False},
             "encoding": {"x": {**x, "field": "prediction_low"}, "x2": {"field": "prediction_high"}}},
            {"transform": [{"filter": is_report}], "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.8, "aria": False},
             "encoding": {"x": {**x, "field": "ci_low"}, "x2": {"field": "ci_high"}}},
            {"transform": [{"filter": is_report}], "mark": {"type": "square", "opacity": 1, "color": BLUE},
             "encoding": {
                 "x": x,
                 "size": {"field": "n_evaluable", "type": "quantitative", "legend": None,
                          "scale": {"range": [20, 220], "zero": True}}}},
            # the diamond of a forest plot: as wide as the interval, thickest at the estimate
            {"transform": [{"filter": f"!({is_report})"}, {"fold": ["ci_low", "incidence", "ci_high"], "as": ["at", "value"]},
                           {"calculate": "datum.at === 'incidence' ? 14 : 0.1", "as": "thickness"}],
             "mark": {"type": "trail", "color": RED, "opacity": 1},
             "encoding": {"x": {**x, "field": "value"}, "detail": {"field": "row"}, "order": {"field": "value"},
                          "size": {"field": "thickness", "type": "quantitative", "scale": None, "legend": None}}},
            _numbers(),
        ],
    }  # fmt: skip


def amplification(rows: list[Spec]) -> Spec:
    """Amplified fraction of each cancer type in which incidence is pooled, by source."""
    x = _percent("amplified_fraction", "Amplified, of assayed")
    colour = {
        "field": "source",
        "type": "nominal",
        "scale": {"range": PALETTE},
        "legend": {"orient": "top", "title": None},
    }
    fields = [("cancer_type", "cancer", None), ("source", "source", None), ("unit", "counts", None), *AMPLIFIED]
    return {
        "description": "Amplified fraction per cancer type and source, with its interval.",
        "height": {"step": 30, "for": "position"},
        "data": {"name": "amplification"},
        "transform": [*rows, _heard(*fields)],
        "encoding": {
            "y": _rows("row"), "yOffset": {"field": "source", "type": "nominal", "scale": {"paddingOuter": 0.3}},
            "tooltip": _tooltip(*fields), "description": HEARD,
        },
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2, "aria": False},
             "encoding": {"x": {**x, "field": "amplified_ci_low"}, "x2": {"field": "amplified_ci_high"},
                          "stroke": {**colour, "legend": None}}},
            {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
             "encoding": {"x": x, "color": colour,
                          "shape": {**colour, "scale": {}}}},
        ],
    }  # fmt: skip


def by_year(rows: list[Spec]) -> Spec:
    """How the pooled incidence of one cancer type moved as reports came in."""
    x = {"field": "up_to_year", "type": "quantitative", "title": "Reports up to", "scale": {"zero": False, "padding": 20},
         "axis": {"format": "d", "tickMinStep": 1, "grid": False}}  # fmt: skip
    y = _percent("pooled_incidence", "Hyperprogression, pooled")
    return {
        "description": "Pooled incidence of hyperprogression in one cancer type, with the reports up to each year.",
        "height": 220,
        "data": {"name": "by_year"},
        "transform": rows,
        "encoding": {"x": x, "tooltip": _tooltip(("up_to_year", "up to", "d"), *HPD)},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2, "color": BLUE, "opacity": 0.6, "aria": False},
             "encoding": {"y": {**y, "field": "pooled_ci_low"}, "y2": {"field": "pooled_ci_high"}}},
            {"mark": {"type": "line", "color": BLUE, "aria": False}, "encoding": {"y": y}},
            {"mark": {"type": "point", "filled": True, "size": 70, "color": BLUE, "opacity": 1}, "encoding": {"y": y}},
        ],
    }  # fmt: skip


def ttf(rows: list[Spec]) -> Spec:
    """How many patients of all trials are hyperprogressors, by the days within which treatment must have failed."""
    event = {
        "field": "ttf_event",
        "type": "nominal",
        "scale": {"range": PALETTE},
        "legend": {"orient": "top", "title": None},
    }
    return {
        "description": "Incidence by the days within which treatment must have failed, per kind of failure.",
        "height": 260,
        "data": {"name": "ttf"},
        "transform": rows,
        "encoding": {
            "x": {"field": "ttf_cut_days", "type": "quantitative", "title": "Treatment failed within, days",
                  "scale": {"zero": False}},
            "y": _percent("hpd_incidence", "Hyperprogression, of evaluable patients"),
            "tooltip": _tooltip(("ttf_event", "failure is", None), ("ttf_cut_days", "days", "~f"),
                                ("n_hpd", "HPD", COUNT), ("n_evaluable", "evaluable", COUNT),
                                ("hpd_incidence", "incidence", SHARE)),
        },
        "layer": [
            {"mark": {"type": "line", "aria": False}, "encoding": {"stroke": {**event, "legend": None}}},
            {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 60},
             "encoding": {"color": event, "shape": {**event, "scale": {}}}},
        ],
    }  # fmt: skip


FIGURES = {
    "bubble": Figure(bubble, ("points", "line"), ("is_simulated", "basis", "hpd_definition", "gene_set", "source_class")),
    "overview": Figure(overview, ("incidence",), ("is_simulated", "basis", "hpd_definition"), ("pooled_incidence",)),
    "forest": Figure(forest, ("forest",), ("is_simulated", "basis", "hpd_definition", "cancer_type_code"), ("incidence",)),
    "amplification": Figure(amplification, ("amplification",), ("is_simulated", "gene_set"), ("is_drawn", "amplified_fraction")),
    "by_definition": Figure(by_definition, ("incidence",), ("is_simulated", "basis", "cancer_type_code"), ("pooled_incidence",)),
    "by_year": Figure(by_year, ("by_year",), ("is_simulated", "hpd_definition", "cancer_type_code"), ("pooled_incidence",)),
    "ttf": Figure(ttf, ("ttf",), ("is_simulated", "hpd_definition"), ("is_all_trials", "hpd_incidence")),
}  # fmt: skip


def spec(name: str, ink: str, font: str, selected: Spec | None = None) -> Spec:
    """The Vega-Lite specification of a figure, without its data.

    Args:
        name: one of `FIGURES`.
        ink: colour of text, axes and rules.
        font: CSS font family.
        selected: values of the parameters; default the question of the reference study.

    Returns:
        A specification that reads the datasets of its `Figure`, by name.
    """
    chosen = {**SELECTED, **(selected or {})}
    axis = {
        "labelColor": ink, "titleColor": ink, "domainColor": ink, "tickColor": ink, "gridColor": ink, "gridOpacity": 0.12,
        "domainOpacity": 0.4, "tickOpacity": 0.4, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal",
    }  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
        "params": [{"name": key, "value": value} for key, value in {**chosen, "narrow": False}.items()],
        "config": {
            "font": font,
            "axis": axis,
            "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12},
            "text": {"color": ink},
            "rule": {"color": ink},
            "view": {"stroke": None},
        },
        **FIGURES[name].draw(_rows_of(FIGURES[name])),
    }
