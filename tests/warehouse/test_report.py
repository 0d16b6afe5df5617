"""The report, as a browser without a network shows it, and the figures: every number in them is a number of a mart."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import run_hpd
from playwright.sync_api import Browser, Page, sync_playwright

from ingest.errors import HpdError, PublishError
from ingest.settings import Settings
from warehouse.connection import connect
from warehouse.releases import release_in_service, rollback
from warehouse.report.page import write_page, write_report
from warehouse.whole_file import write_whole

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MEGABYTE = 1_000_000
needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


# --- a browser, and what the page says in it ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Shown:
    """A report in a browser, and everything that it complains about or asks for."""

    def __init__(self, page: Page, file: Path, choice: str = "") -> None:
        self.page, self.complaints = page, []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.complaints.append(f"request: {request.url[:300]}"))
        page.goto(f"{file.as_uri()}{choice}")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        assert self.complaints.pop(0) == f"request: {file.as_uri()}"

    @property
    def chosen(self) -> dict:
        return json.loads(self.page.get_attribute("body", "data-ready"))

    def choose(self, key: str, value: str) -> None:
        """Click a radio button or choose from a list, and wait until everything is drawn."""
        wanted = {"true": True, "false": False}.get(value, value)
        if self.page.locator(f"select#{key}").count():
            self.page.select_option(f"select#{key}", value)
        else:
            radio = self.page.locator(f'input[name="{key}"][value="{value}"]')
            self.page.click(f'label[for="{radio.get_attribute("id")}"]')
        self.page.wait_for_function(
            "([key, value]) => JSON.parse(document.body.dataset.ready)[key] === value", arg=[key, wanted]
        )

    def cells(self, table: str) -> list[list[tuple[str, list, str]]]:
        """All rows of a table, page by page: of each cell the columns of the mart, its values, and its text."""
        rows, place = [], self.page.locator(f'[data-table="{table}"]')
        while True:
            rows += place.locator("tbody").evaluate(
                "body => [...body.rows].map(row => [...row.cells].filter(cell => cell.dataset.columns)"
                ".map(cell => [cell.dataset.columns, JSON.parse(cell.dataset.values), cell.textContent]))"
            )
            following = place.get_by_role("button", name="Next rows")
            if not following.count() or following.is_disabled():
                return [row for row in rows if row]
            following.click()

    def values(self, table: str) -> list[tuple]:
        return [tuple(value for _, values, _ in row for value in values) for row in self.cells(table)]

    def columns(self, table: str) -> list[str]:
        return [name for names, _, _ in self.cells(table)[0] for name in names.split()]

    def marks(self, figure: str, kind: str) -> list[str]:
        """What a screen reader reads of the symbols of a figure."""
        return self.page.eval_on_selector_all(
            f'[data-figure="{figure}"] svg [aria-roledescription="{kind}"][aria-label]',
            "marks => marks.map(mark => mark.getAttribute('aria-label'))",
        )


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Shown]]:
    contexts = []

    def show(file: Path, choice: str = "", **options: object) -> Shown:
        contexts.append(browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **options}))
        return Shown(contexts[-1].new_page(), file, choice)

    yield show
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(published: Path) -> Path:
    """The page that the refresh wrote."""
    return (published / "report.html").resolve()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of the published evidence, and of simulated trials, patients and genes."""
    folder = tmp_path_factory.mktemp("simulated")
    run_hpd("simulate", "--patients", 300, "--seed", 5, "--samples", 300, "--out", folder / "sim", home=folder / "home")
    config = folder / "sim" / "hpd.toml"
    config.write_text(f'{config.read_text()}\n[[inputs]]\npath = "bundled"\n')
    run_hpd("refresh", "--config", config, home=folder / "home")
    return folder / "home"


def rows_of(home: Path, sql: str, *values: object) -> list[tuple]:
    with connect(home / "hpd.duckdb") as connection:
        return [tuple(map(told, row)) for row in connection.execute(sql, values or None).fetchall()]


def told(value: object) -> object:
    """A value of DuckDB as the page is told it."""
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    return value


# --- what the page is ---


def test_the_page_is_one_small_file_that_names_no_other(report: Path) -> None:
    text = report.read_text("utf-8")
    assert len(text.encode()) < 2 * MEGABYTE
    assert "default-src 'none'" in text
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=""", text) == []
    assert set(re.findall(r'href="([^"#]+)"', text)) == {"https://doi.org/10.1200/JCO.2019.37.15_suppl.2557"}


def test_the_finding_and_the_first_table_are_there_without_javascript(report: Path, published: Path) -> None:
    text = report.read_text("utf-8")
    ((finding,),) = rows_of(
        published,
        "select finding from hpd_amplification_association where hpd_definition = 'ANY_PUBLISHED' and basis = 'reported'"
        " and gene_set = 'MDM2|MDM4' and source_class = 'tcga' and left_out_cancer_type_code = 'NONE'",
    )
    assert finding in text
    assert (
        "<td>Sarcoma</td><td>15 / 129</td><td>11.6% (6.7–18.5)</td><td>56 / 257</td><td>21.8% (17.2–27.2)</td>" in text
    )


def test_a_refresh_leaves_the_page_beside_its_release_for_whoever_may_read_the_release(published: Path) -> None:
    link = published / "report.html"
    assert link.readlink().parent == (published / "hpd.duckdb").readlink().parent
    assert stat.S_IMODE(link.stat().st_mode) == 0o644


@needs_a_browser
def test_every_control_works_without_a_network_and_without_a_complaint(show, report: Path, published: Path) -> None:
    shown = show(report)
    clicked = 0
    for key in ("gene_set", "source_class", "hpd_definition", "cancer_type_code"):
        options = shown.page.eval_on_selector_all(
            f'input[name="{key}"], select#{key} option', "all => all.map(one => one.value)"
        )
        assert len(options) > 1, key
        first = shown.chosen[key]
        for option in [*options, first]:
            shown.choose(key, option)
            clicked += 1
            chosen = shown.chosen
            finding = rows_of(
                published,
                "select finding from hpd_amplification_association where hpd_definition = ? and basis = ? and gene_set = ?"
                " and source_class = ? and left_out_cancer_type_code = 'NONE' and not is_simulated",
                *(chosen[c] for c in ("hpd_definition", "basis", "gene_set", "source_class")),
            )
            said = finding[0][0] if finding else "No cancer type has both sides known under this choice."
            assert shown.page.text_content("#finding") == said
            ((n,),) = rows_of(
                published,
                "select count(*) from hpd_pool_members where hpd_definition = ? and basis = ? and cancer_type_code = ?",
                *(chosen[c] for c in ("hpd_definition", "basis", "cancer_type_code")),
            )
            assert len(shown.marks("forest", "square") if n else []) == n, chosen
    assert clicked > 60
    for table in shown.page.query_selector_all("[data-table]"):
        name = table.get_attribute("data-table")
        if not table.is_visible():  # nothing of its kind is loaded
            continue
        for button in table.query_selector_all("th button"):
            button.click()
        assert table.query_selector('th[aria-sort="ascending"]'), name
    assert shown.complaints == []


# --- its numbers ---

WHERE = {
    "main": ("hpd_amplification_by_cancer", "has_hpd", ("is_simulated", "basis", "hpd_definition", "gene_set")),
    "reports": ("hpd_reports", "true", ("is_simulated", "cancer_type_code")),
    "methods": ("hpd_incidence_methods", "true", ("is_simulated", "basis", "hpd_definition", "cancer_type_code")),
    "definitions": ("hpd_incidence", "true", ("is_simulated", "basis", "cancer_type_code")),
    "amplification": ("amplification_by_cancer", "true", ("is_simulated", "gene_set")),
    "association": ("hpd_amplification_association", "true",
                    ("is_simulated", "basis", "hpd_definition", "gene_set", "source_class")),
    "by_year": ("hpd_incidence_by_year", "true", ("is_simulated", "hpd_definition", "cancer_type_code")),
    "two_by_two": ("(select *, n_altered_with_outcome + n_altered_without_outcome as n_altered, n_unaltered_with_outcome"
                   " + n_unaltered_without_outcome as n_unaltered from hpd_by_amplification_status)", "true", ("is_simulated",)),
    "two_by_two_pooled": ("hpd_by_amplification_pooled", "true", ("is_simulated",)),
    "agreement": ("hpd_by_definition", "is_chosen_reader and hpd_definition < other_definition", ("is_simulated",)),
    "ttf": ("ttf_sensitivity", "true", ("is_simulated", "hpd_definition")),
    "evaluability": ("hpd_evaluability", "true", ("is_simulated", "hpd_definition")),
    "attrition": ("attrition", "true", ()),
    "reference": ("reference_study", "true", ()),
    "quality": ("data_quality", "true", ()),
    "inputs": ("release_inputs", "true", ()),
    "dictionary": ("data_dictionary", "true", ()),
}  # fmt: skip
OF_PATIENTS = {"two_by_two_pooled", "agreement", "ttf", "evaluability"}  # shown where patients are loaded


def compare(shown: Shown, home: Path) -> set[str]:
    """Every table is what its mart says, row by row; the names of those that had rows."""
    chosen, full = shown.chosen, set()
    for table in shown.page.eval_on_selector_all("[data-table]", "all => all.map(one => one.dataset.table)"):
        if not shown.page.locator(f'[data-table="{table}"]').is_visible():
            continue
        found = shown.values(table)
        mart, condition, by = WHERE[table]
        if not found:
            ((n,),) = rows_of(
                home, f"select count(*) from {mart} where {condition}" + "".join(f" and {c} = ?" for c in by),
                *(chosen[c] for c in by),
            )  # fmt: skip
            assert n == 0 or (table == "reports" and chosen["hpd_definition"] != "ANY_PUBLISHED"), table
            continue
        if table == "reports" and chosen["hpd_definition"] != "ANY_PUBLISHED":
            condition += f" and hpd_definition = '{chosen['hpd_definition']}'"
        expected = rows_of(
            home,
            f"select {', '.join(shown.columns(table))} from {mart} where {condition}"
            + "".join(f" and {c} = ?" for c in by),
            *(chosen[c] for c in by),
        )
        assert sorted(found, key=str) == sorted(expected, key=str), table
        full.add(table)
    return full


@needs_a_browser
def test_every_number_in_every_table_is_the_one_of_the_mart(show, report: Path, published: Path) -> None:
    shown = show(report)
    full = compare(shown, published)
    assert full == WHERE.keys() - OF_PATIENTS
    shown.choose("gene_set", "EGFR")
    shown.choose("source_class", "institutional")
    shown.choose("cancer_type_code", "HCC")
    shown.choose("hpd_definition", "CHAMPIAT_TGR2")
    assert {"main", "reports", "amplification", "association"} <= compare(shown, published)


@needs_a_browser
def test_the_same_holds_for_patients_and_simulated_data_never_meet_real_ones(show, simulated: Path) -> None:
    shown = show((simulated / "report.html").resolve())
    assert shown.page.is_hidden("#simulated")
    compare(shown, simulated)
    shown.choose("is_simulated", "true")
    assert shown.page.is_visible("#simulated")
    shown.choose("basis", "computed")
    for place in ('[data-table="reports"]', '[data-figure="by_year"]', '[data-table="by_year"]'):
        assert shown.page.is_hidden(place)  # reports are not computed from patients
    shown.choose("hpd_definition", "KATO_2017")
    assert " from 5 trials, " in shown.page.text_content("#heterogeneity")
    assert "report" not in shown.page.text_content("#heterogeneity").partition("Small-study test")[0]
    full = compare(shown, simulated)
    assert full >= {"main", "definitions", "agreement", "ttf", "evaluability", "two_by_two", "two_by_two_pooled"}
    assert len(shown.marks("ttf", "point")) > 10
    assert len(shown.marks("forest", "square")) == 5
    ((cancer, definition),) = rows_of(
        simulated,
        "select cancer_type_code, hpd_definition from hpd_incidence where is_simulated and basis = 'computed' and i2 is null"
        " and n_reports_pooled > 1 order by n_reports_pooled desc, cancer_type_code, hpd_definition limit 1",
    )
    shown.choose("hpd_definition", definition)
    shown.choose("cancer_type_code", cancer)
    labels = shown.page.locator('[data-figure="forest"] .role-axis-label text').all_text_contents()
    assert "Pooled" in labels  # no event anywhere: there is no scatter to speak of
    assert all(labels)
    shown.choose("is_simulated", "false")
    assert shown.page.locator('[data-figure="by_year"] svg').bounding_box()["width"] > 500
    assert " reports, " in shown.page.text_content("#heterogeneity")
    assert shown.complaints == []


def shown_as(names: str, values: list, text: str) -> bool:
    """Whether a text is its values, rounded; written without a look at how the page does it."""
    if text in ("–", "suppressed"):
        return values[0] is None
    numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace(",", ""))]
    known = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not known:
        return True  # words
    if "<" in text:
        return known[0] < 0.001
    scale = 100 if "%" in text else 1
    return len(numbers) == len(known) and all(
        abs(number - scale * value) <= (0.0500001 if scale == 100 else 0.0050001 * abs(value) + 1e-9)
        for number, value in zip(numbers, known, strict=True)
    )


@needs_a_browser
def test_every_text_is_its_value_rounded(show, report: Path) -> None:
    shown = show(report)
    n = 0
    for table in ("main", "reports", "methods", "definitions", "amplification", "association", "by_year", "two_by_two"):
        for row in shown.cells(table):
            for names, values, text in row:
                if all(not isinstance(value, str) for value in values):
                    assert shown_as(names, values, text), (table, names, values, text)
                    n += 1
    assert n > 500


@needs_a_browser
def test_the_symbols_of_the_figures_stand_where_the_marts_say(show, report: Path, published: Path) -> None:
    shown = show(report)
    points = rows_of(
        published,
        "select amplified_fraction, pooled_incidence, cancer_type, n_hpd, n_evaluable, n_amplified, n_assayed"
        " from hpd_amplification_points where gene_set = 'MDM2|MDM4' and hpd_definition = 'ANY_PUBLISHED'"
        " and basis = 'reported' and source_class = 'tcga'",
    )
    marks = shown.marks("bubble", "circle")
    assert len(marks) == len(points) == 8
    for x, y, cancer, *counts in points:
        (mark,) = [mark for mark in marks if f"cancer: {cancer};" in mark]
        percents = [float(number) for number in re.findall(r": ([\d.]+)%", mark)[:2]]
        assert percents == pytest.approx([100 * x, 100 * y], abs=1e-4)
        for n in counts:
            assert f": {n:,};" in mark
    # the line is that of the mart: its ends are where the fitted values are, in the scale of the axes
    ends = rows_of(
        published,
        "select fitted_incidence from hpd_amplification_line where gene_set = 'MDM2|MDM4' and basis = 'reported'"
        " and hpd_definition = 'ANY_PUBLISHED' and source_class = 'tcga' and step_number in (0, 20) order by step_number",
    )
    heights = shown.page.evaluate("""() => {
        const figure = document.querySelector('[data-figure="bubble"]');
        const line = figure.querySelector('.mark-line path').getBoundingClientRect();
        const circles = [...figure.querySelectorAll('[aria-roledescription="circle"]')].map(circle => {
            const box = circle.getBoundingClientRect();
            return [parseFloat(circle.getAttribute('aria-label').match(/pooled: ([0-9.]+)%/)[1]), box.top + box.height / 2];
        });
        return { line: [line.top, line.bottom], circles };
    }""")
    (low, at_low), (high, at_high) = min(heights["circles"]), max(heights["circles"])
    as_percent = [low + (at - at_low) * (high - low) / (at_high - at_low) for at in heights["line"]]
    assert as_percent == pytest.approx([100 * value for (value,) in ends], abs=0.3)


@needs_a_browser
def test_a_screen_reader_hears_names_and_not_the_keys_that_sort_the_rows(show, report: Path) -> None:
    shown = show(report)
    heard = {}
    for figure, kind in (
        ("overview", "point"),
        ("by_definition", "point"),
        ("forest", "square"),
        ("amplification", "point"),
    ):
        heard[figure] = shown.marks(figure, kind)
        assert heard[figure], figure
    said = shown.page.eval_on_selector_all("svg [aria-label]", "all => all.map(one => one.getAttribute('aria-label'))")
    assert [text for text in said if re.search(r"\b0\d{4}", text)] == []
    assert any(
        text.startswith("cancer: Sarcoma; ") and "; HPD: 15; evaluable: 129; " in text for text in heard["overview"]
    )


# --- using it ---


@needs_a_browser
def test_a_table_sorts_filters_and_downloads_what_it_shows(show, report: Path, published: Path) -> None:
    shown = show(report)
    place = shown.page.locator('[data-table="amplification"]')
    place.get_by_role("button", name="amplified / assayed").click()
    place.get_by_role("button", name="amplified / assayed").click()
    counts = [row[2] for row in rows_of(
        published, "select cancer_type, source, n_amplified from amplification_by_cancer where gene_set = 'MDM2|MDM4'"
        " order by n_amplified desc")]  # fmt: skip
    assert [row[5][1][0] for row in shown.cells("amplification")] == counts
    place.get_by_role("searchbox").fill("melanoma")
    assert place.locator(".count").text_content() == "2 rows with “melanoma”"
    with shown.page.expect_download() as waiting:
        place.get_by_role("button", name="Download as CSV").click()
    assert waiting.value.suggested_filename == "amplification.csv"
    lines = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8-sig"))))
    expected = rows_of(
        published, "select cancer_type, n_amplified, amplified_fraction from amplification_by_cancer"
        " where gene_set = 'MDM2|MDM4' and cancer_type ilike '%melanoma%' order by n_amplified desc")  # fmt: skip
    assert [
        (line["cancer_type"], int(line["n_amplified"]), float(line["amplified_fraction"])) for line in lines
    ] == expected


@needs_a_browser
def test_a_filter_finds_a_number_with_or_without_its_comma(show, report: Path) -> None:
    place = show(report).page.locator('[data-table="main"]')
    for typed in ("1302", "1,302"):
        place.get_by_role("searchbox").fill(typed)
        assert place.locator(".count").text_content() == f"1 row with “{typed}”"


@needs_a_browser
def test_a_download_of_no_rows_has_its_header_all_the_same(show, report: Path) -> None:
    shown = show(report)
    place = shown.page.locator('[data-table="definitions"]')
    lines = []
    for typed in ("", "no such definition"):
        place.get_by_role("searchbox").fill(typed)
        with shown.page.expect_download() as waiting:
            place.get_by_role("button", name="Download as CSV").click()
        lines.append(Path(waiting.value.path()).read_text("utf-8-sig").splitlines())
    full, empty = lines
    assert len(full) > 1
    assert empty == full[:1]


@needs_a_browser
def test_a_report_says_whether_the_inhibitor_was_given_alone(show, report: Path, published: Path) -> None:
    shown = show(report)
    shown.choose("cancer_type_code", "SARCOMA")
    columns = ("report_id", "has_anti_pd1_pdl1", "is_combination")
    found = {tuple(value for names, values, _ in row if names in columns for value in values)
             for row in shown.cells("reports")}  # fmt: skip
    expected = rows_of(published, f"select {', '.join(columns)} from hpd_reports where cancer_type_code = 'SARCOMA'")
    assert found == set(expected)
    assert len({combined for _, _, combined in expected}) > 1


@needs_a_browser
def test_it_is_used_by_keyboard_alone(show, report: Path) -> None:
    shown = show(report)
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.textContent") == "To the findings"
    shown.page.keyboard.press("Tab")
    shown.page.keyboard.press("ArrowRight")
    shown.page.wait_for_function("JSON.parse(document.body.dataset.ready).gene_set === 'MDM4'")
    assert shown.page.evaluate("document.activeElement.value") == "MDM4"


@needs_a_browser
def test_the_skip_link_and_a_place_on_the_page_leave_the_choices_alone(show, report: Path) -> None:
    shown = show(report, "#gene_set=MDM2&toString=x")
    chosen, address = shown.chosen, shown.page.url
    assert chosen["gene_set"] == "MDM2"
    shown.page.keyboard.press("Tab")
    shown.page.keyboard.press("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "findings"
    assert (shown.chosen, shown.page.url) == (chosen, address)
    shown.page.evaluate("location.hash = '#h-quality'")
    shown.choose("cancer_type_code", "MELANOMA")
    assert shown.chosen == {**chosen, "cancer_type_code": "MELANOMA"}
    assert shown.complaints == []


@needs_a_browser
def test_the_address_of_a_view_leads_back_to_it(show, report: Path) -> None:
    shown = show(report)
    shown.choose("gene_set", "MDM2")
    shown.choose("cancer_type_code", "MELANOMA")
    again = show(report, shown.page.evaluate("location.hash"))
    assert again.chosen == shown.chosen
    assert again.page.text_content("h3 .cancer") == "Melanoma"


@needs_a_browser
def test_what_an_address_names_and_the_release_lacks_is_told_until_something_is_chosen(show, report: Path) -> None:
    shown = show(report, "#gene_set=BRAF&cancer_type_code=LUNG")
    assert shown.page.text_content("#missing") == (
        "Gene set: BRAF is not in this release; shown: MDM2|MDM4."
        " Cancer type: LUNG is not in this release; shown: Non-small cell lung cancer."
    )
    shown.choose("gene_set", "MDM2")
    assert shown.page.is_hidden("#missing")
    shown.choose("hpd_definition", "SEED_JU_2019")  # lung cancer gives way, but by a click
    assert shown.chosen["cancer_type_code"] != "NSCLC"
    assert shown.page.is_hidden("#missing")
    shown = show(report, "#hpd_definition=SEED_JU_2019&cancer_type_code=NSCLC&source_class=blood")
    assert shown.page.text_content("#missing") == (
        "Cancer type: NSCLC is not in this release with the other choices; shown: Sarcoma (not pooled)."
        " Amplification in: blood is not in this release; shown: TCGA."
    )
    assert show(report, "#hpd_definition=SEED_JU_2019").page.is_hidden("#missing")


@needs_a_browser
def test_a_row_of_the_overview_leads_to_its_reports(show, report: Path) -> None:
    shown = show(report)
    shown.page.locator('[data-figure="overview"] [aria-label*="cancer: Hepatocellular"]').first.click()
    shown.page.wait_for_function("JSON.parse(document.body.dataset.ready).cancer_type_code === 'HCC'")
    shown.page.locator('[data-figure="overview"] .role-axis-label text').get_by_text("Melanoma", exact=True).click()
    shown.page.wait_for_function("JSON.parse(document.body.dataset.ready).cancer_type_code === 'MELANOMA'")


@needs_a_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nobody_is_kept_out_and_nothing_runs_over_the_edge(show, report: Path, width: int, theme: str) -> None:
    shown = show(report, viewport={"width": width, "height": 900}, color_scheme=theme)
    found = Axe().run(shown.page).response
    assert [(one["id"], one["impact"]) for one in found["violations"] if one["impact"] in ("serious", "critical")] == []
    assert len(found["passes"]) > 20
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.complaints == []


@needs_a_browser
def test_a_figure_that_had_nothing_to_draw_comes_back_as_wide_as_the_window_is_then(show, report: Path) -> None:
    shown = show(report)
    shown.choose("hpd_definition", "SEED_JU_2019")
    assert shown.page.is_hidden('[data-figure="bubble"] .plot')
    shown.page.set_viewport_size({"width": 700, "height": 900})
    shown.choose("hpd_definition", "ANY_PUBLISHED")
    for figure in ("bubble", "overview", "forest", "by_year"):
        assert 500 < shown.page.locator(f'[data-figure="{figure}"] svg').bounding_box()["width"] <= 700, figure


@needs_a_browser
def test_the_words_of_a_column_are_those_of_its_own_mart(show, simulated: Path) -> None:
    shown = show((simulated / "report.html").resolve(), "#is_simulated=true&basis=computed&hpd_definition=KATO_2017")
    n = 0
    for table, (mart, _, _) in WHERE.items():
        if mart.startswith(("(", "release_inputs")):
            continue
        described = dict(
            rows_of(simulated, "select column_name, description from data_dictionary where mart = ?", mart)
        )
        buttons = shown.page.locator(f'[data-table="{table}"] th button').all()
        titles = [button.get_attribute("title") for button in buttons]
        if rows := shown.cells(table):
            expected = [described[names.split()[0]] for names, _, _ in rows[0]]
            assert titles == expected, table
            n += len(titles)
    assert n > 80


@needs_a_browser
def test_what_is_printed_is_whole_or_says_what_is_left_out(show, report: Path) -> None:
    shown = show(report)
    place = shown.page.locator('[data-table="amplification"]')
    assert place.locator("tbody tr").count() == 20
    shown.page.emulate_media(media="print")
    shown.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert place.locator("tbody tr").count() == 41
    assert place.locator(".count").is_visible()
    assert shown.page.locator('[data-table="dictionary"] .count').text_content().endswith(" rows")
    shown.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert place.locator("tbody tr").count() == 20


# --- ugly data ---


def changed(published: Path, folder: Path, *statements: str) -> Path:
    """A copy of the published database in which something else stands."""
    path = folder / "hpd.duckdb"
    shutil.copy(published / "hpd.duckdb", path)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


@needs_a_browser
def test_labels_are_text_whatever_they_hold(show, published: Path, tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{data}} \"'\u2028=1+1"
    database = changed(
        published, tmp_path,
        f"create or replace table hpd_incidence as select * replace ($${bad}$$ as cancer_type) from hpd_incidence",
        "create or replace table hpd_amplification_by_cancer as"
        f" select * replace ($${bad}$$ as cancer_type) from hpd_amplification_by_cancer",
        f"create or replace table hpd_reports as select * replace ($${bad}$$ as report_id, 'javascript:alert(3)' as source_url,"
        " null as doi) from hpd_reports",
        f"create or replace table hpd_amplification_points as select * replace ($${bad}$$ as cancer_type_code)"
        " from hpd_amplification_points",
        f"create or replace table hpd_amplification_association as select * replace ($${bad}$$ as finding)"
        " from hpd_amplification_association",
    )  # fmt: skip
    write_page(database, tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    assert shown.page.text_content("#finding") == bad
    assert bad in {row[0] for row in shown.values("main")}
    assert shown.page.locator('a[href^="javascript"]').count() == 0
    with shown.page.expect_download() as waiting:
        shown.page.locator('[data-table="reports"]').get_by_role("button", name="Download as CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8-sig"))))
    assert {line["report_id"] for line in lines} == {bad}
    assert shown.complaints == []


@needs_a_browser
def test_what_is_suppressed_says_so_and_what_is_merely_unknown_does_not(show, published: Path, tmp_path: Path) -> None:
    nobody = "case when cancer_type_code = 'NPC' then null else {0} end as {0}".format
    counts = ", ".join(map(nobody, ("n_hpd", "n_evaluable", "pooled_incidence", "pooled_ci_low", "pooled_ci_high")))
    database = changed(
        published, tmp_path,
        *(f"create or replace table {table} as select * replace ({counts}, cancer_type_code = 'NPC' as is_suppressed) from {table}"
          for table in ("hpd_incidence", "hpd_amplification_by_cancer")),
    )  # fmt: skip
    write_page(database, tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    (row,) = [row for row in shown.cells("main") if row[0][1] == ["Nasopharyngeal carcinoma"]]
    said = {names.split()[0]: text for names, _, text in row}
    assert (said["pooled_incidence"], said["n_hpd"]) == ("suppressed", "suppressed")
    assert (said["tcga_n_amplified"], said["prediction_low"]) == ("–", "–")
    shown.choose("cancer_type_code", "NPC")
    assert shown.page.text_content("#heterogeneity") == "Suppressed: too few patients to be shown."
    assert (
        "Nasopharyngeal carcinoma (suppressed)"
        in shown.page.locator("select#cancer_type_code option").all_text_contents()
    )


@needs_a_browser
def test_five_thousand_reports_of_sixty_cancers_are_still_a_small_and_usable_page(
    show, published: Path, tmp_path: Path
) -> None:
    def many(table: str, n: int, **replaced: str) -> str:
        values = ", ".join(f"{sql} as {column}" for column, sql in replaced.items())
        return (f"create or replace table {table} as select one.* replace ({values}) from range({n}) as r(i),"
                f" (from {table} where not is_simulated limit 1) as one")  # fmt: skip

    of_sixty = {"cancer_type_code": "'C' || i % 60", "cancer_type": "'Cancer type ' || i % 60"}
    definition = "case when i // 60 % 10 = 0 then 'ANY_PUBLISHED' else 'DEFINITION_' || i // 60 % 10 end"
    pooled = {
        "hpd_definition": definition, "basis": "'reported'", "n_reports_pooled": "i % 90 + 2", "n_hpd": "100 + i % 71",
        "n_evaluable": "500 + i % 97", "pooled_incidence": "round(0.1 + random() / 10, 7)",
        "pooled_ci_low": "round(random() / 10, 7)", "pooled_ci_high": "round(0.2 + random() / 10, 7)",
        "prediction_low": "round(random() / 20, 7)", "prediction_high": "round(0.3 + random() / 10, 7)",
        "tau2": "round(random(), 7)", "i2": "round(100 * random(), 5)",
    }  # fmt: skip
    one = {
        "hpd_incidence": "random()",
        "hpd_ci_low": "random() / 2",
        "hpd_ci_high": "random()",
        "n_hpd": "i % 50",
        "n_evaluable": "50 + i % 307",
    }
    reported = {"basis": "'reported'"} | one
    database = changed(
        published, tmp_path, "select setseed(0.5)",
        many("hpd_reports", 5000, **of_sixty, **one, report_id="'REPORT_' || i", first_author="'Author ' || i % 997",
             hpd_definition=definition, publication_year="2010 + i % 16"),
        many("hpd_pool_members", 5000, **of_sixty, **reported, report_id="'REPORT_' || i", label="'Author ' || i % 997 || ' 2020'",
             hpd_definition="'ANY_PUBLISHED'"),
        many("hpd_incidence", 600, **of_sixty, **pooled),
        many("hpd_incidence_methods", 6000, **of_sixty, **pooled, method="'way ' || i // 600"),
        many("hpd_incidence_by_year", 4000, **of_sixty, **{c: sql for c, sql in pooled.items() if c != "basis"},
             up_to_year="2010 + i // 600"),
        many("hpd_amplification_by_cancer", 1800, **of_sixty, hpd_definition=definition, basis="'reported'", has_hpd="true",
             gene_set="['MDM2', 'MDM4', 'MDM2|MDM4'][i // 600 + 1]", pooled_incidence="random()", tcga_amplified_fraction="null"),
        many("hpd_amplification_points", 3600, **of_sixty, hpd_definition=definition, basis="'reported'",
             gene_set="['MDM2', 'MDM4', 'MDM2|MDM4'][i // 600 % 3 + 1]", source_class="['tcga', 'institutional'][i // 1800 + 1]",
             pooled_incidence="random()", amplified_fraction="random() / 5", is_counted="true", exclusion_reason="null::varchar"),
    )  # fmt: skip
    write_page(database, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 2 * MEGABYTE
    shown = show(tmp_path / "report.html")
    assert len(shown.marks("overview", "point")) == len(shown.marks("bubble", "circle")) == 60
    shown.choose("cancer_type_code", "C7")
    assert shown.page.locator('[data-table="reports"] .count').text_content() == "rows 1–20 of 84"
    assert shown.page.text_content("h3 .cancer") == "Cancer type 7"
    assert len(shown.marks("forest", "square")) == 84
    assert shown.complaints == []


@needs_a_browser
def test_a_warehouse_in_which_nothing_is_known_has_a_page_too(show, published: Path, tmp_path: Path) -> None:
    with connect(published / "hpd.duckdb") as connection:
        tables = connection.sql(
            "select table_name from duckdb_tables() where schema_name = 'main' and table_name not like 'release%'"
        ).fetchall()
    assert len(tables) > 15
    database = changed(published, tmp_path, *(f"truncate {table}" for (table,) in tables))
    write_page(database, tmp_path / "report.html")
    shown = show(tmp_path / "report.html")
    assert shown.page.text_content("#finding") == "No cancer type has both sides known under this choice."
    assert shown.page.locator(".empty:visible").count() >= 5
    assert shown.complaints == []


# --- when it is written, and when it cannot be ---


def test_a_release_of_another_version_is_told(published: Path, tmp_path: Path) -> None:
    database = changed(published, tmp_path, "drop table hpd_pool_members")
    with pytest.raises(HpdError, match=r"is of another version \(Catalog Error: .*hpd_pool_members.*run `hpd refresh`"):
        write_page(database, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_leaves_the_earlier_one(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "no such folder" / "report.html"
    with pytest.raises(PublishError, match="the report could not be written"):
        write_page(published / "hpd.duckdb", page)
    (tmp_path / "report.html").write_text("earlier")

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(PublishError, match="the report could not be written"):
        write_page(published / "hpd.duckdb", tmp_path / "report.html")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "earlier")]


def test_a_file_is_not_written_through_a_link_that_somebody_put_beside_it(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / ".report.html.part").symlink_to(theirs)
    write_whole(tmp_path / "report.html", b"ours")
    assert (theirs.read_text(), (tmp_path / "report.html").read_text()) == ("theirs", "ours")
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644


def test_a_folder_in_the_place_of_the_page_is_told_and_the_release_is_in_service(warehouse: Path) -> None:
    settings = Settings(warehouse)
    settings.report.unlink()
    settings.report.mkdir()
    before = release_in_service(settings)
    said = run_hpd("publish", home=warehouse, status=1).stderr
    now = release_in_service(settings)
    assert now != before
    assert f"ERROR {settings.report}: cannot be replaced by the report (Is a directory); release {now} is in service all the same" in said  # fmt: skip
    settings.report.rmdir()
    run_hpd("rollback", now, home=warehouse)
    assert settings.report.readlink().parent.name == now


def test_the_page_goes_back_with_its_release(warehouse: Path) -> None:
    settings = Settings(warehouse)
    (first,) = (path.name for path in settings.releases.iterdir())
    later = "20991231T000000-1a2b3c4d"
    shutil.copytree(settings.releases / first, settings.releases / later)
    rollback(settings, later)
    assert settings.report.readlink().parent.name == later
    (settings.releases / first / "report.html").unlink()
    rollback(settings, first)
    assert not settings.report.is_symlink()  # rather none than that of another release
    write_report(settings)
    assert settings.report.readlink().parent.name == first


def test_a_page_that_is_not_there_is_written_by_the_next_refresh(warehouse: Path) -> None:
    settings = Settings(warehouse)
    settings.report.resolve().unlink()
    settings.report.unlink()
    said = run_hpd("refresh", "bundled", home=warehouse).stderr
    assert "nothing changed" in said
    assert f"report: {settings.report}" in said
    assert "<h1>" in settings.report.read_text("utf-8")


# --- the command, and figures ---


def test_the_command_writes_the_page_where_it_is_told(published: Path, tmp_path: Path) -> None:
    assert run_hpd("report", home=published, cwd=tmp_path).stdout == "wrote hpd-report.html\n"
    assert (tmp_path / "hpd-report.html").read_bytes() == (published / "report.html").read_bytes()


def test_figures_are_svg_with_its_font_inside_and_png_for_print(published: Path, tmp_path: Path) -> None:
    done = run_hpd("report", "--figures", "figures", "--cancer", "HCC", home=published, cwd=tmp_path)
    assert "ttf: nothing to show, not written" in done.stdout
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    names = {"bubble", "overview", "forest", "amplification", "by_definition", "by_year"}
    assert written == {f"{name}.{form}" for name in names for form in ("svg", "png")}
    forest = (tmp_path / "figures" / "forest.svg").read_text("utf-8")
    for n_hpd, n_evaluable, incidence, low, high in rows_of(
        published,
        "select n_hpd, n_evaluable, hpd_incidence, hpd_ci_low, hpd_ci_high from hpd_pool_members"
        " where cancer_type_code = 'HCC' and hpd_definition = 'ANY_PUBLISHED'",
    ):
        said = f"{n_hpd:,} / {n_evaluable:,}\u2003{incidence:.1%} ({100 * low:.1f}–{100 * high:.1f})"
        assert said in forest
    assert "font/woff;base64," in forest
    assert "HCC; hyperprogression: ANY_PUBLISHED; as reported" in forest
    head = (tmp_path / "figures" / "forest.png").read_bytes()[:200]
    assert int.from_bytes(head[16:20]) == 2000  # 640 CSS pixels at 300 dots per inch
    assert b"pHYs" + (11811).to_bytes(4) in head


def test_a_figure_of_simulated_data_says_so(simulated: Path, tmp_path: Path) -> None:
    run_hpd("report", "--figures", "figures", "--simulated", "--basis", "computed", "--definition", "KATO_2017", "--source",
            "institutional", home=simulated, cwd=tmp_path)  # fmt: skip
    for name in ("bubble", "overview", "forest", "ttf"):
        assert "SIMULATED DATA; " in (tmp_path / "figures" / f"{name}.svg").read_text("utf-8"), name


def test_figures_of_patients_are_of_a_definition_that_was_computed(simulated: Path, tmp_path: Path) -> None:
    args = ("report", "--figures", "figures", "--simulated", "--basis", "computed")
    done = run_hpd(*args, "--source", "institutional", home=simulated, cwd=tmp_path)
    for name in ("bubble", "overview", "forest", "by_definition"):
        assert f"{name}.svg and .png: " in done.stdout
    ((first,),) = rows_of(
        simulated,
        "select hpd_definition from hpd_incidence where is_simulated and basis = 'computed'"
        " order by n_reports_pooled desc, hpd_definition limit 1",
    )
    assert f"hyperprogression: {first}; computed from patients" in (tmp_path / "figures" / "overview.svg").read_text()
    done = run_hpd(*args, "--definition", "ANY_PUBLISHED", home=simulated, cwd=tmp_path, status=2)
    assert f"there is no 'ANY_PUBLISHED' in this release with the other choices; allowed: {first}, " in done.stderr


@needs_a_browser
def test_a_prediction_interval_of_few_reports_is_shown_with_a_warning(show, report: Path) -> None:
    shown = show(report)
    n_warned = 0
    for cancer in shown.page.eval_on_selector_all("select#cancer_type_code option", "all => all.map(one => one.value)"):
        shown.choose("cancer_type_code", cancer)
        said = shown.page.text_content("#heterogeneity")
        n = int((re.search(r"from (\d+) reports?, ", said) or [0, 0])[1])
        assert ("this interval may be much too narrow" in said) == (2 <= n <= 4 and "prediction interval" in said)
        n_warned += "too narrow" in said
    assert n_warned > 1


def test_a_figure_of_what_is_not_there_names_what_is(published: Path, tmp_path: Path) -> None:
    done = run_hpd("report", "--figures", tmp_path / "f", "--cancer", "LUNG", home=published, status=2)
    assert "there is no 'LUNG' in this release; allowed: ACRAL_MUCOSAL_MELANOMA, " in done.stderr
    assert run_hpd("report", "--cancer", "HCC", home=published, status=2).stderr.startswith(
        "ERROR the page holds every choice"
    )
