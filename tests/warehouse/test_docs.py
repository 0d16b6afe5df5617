"""The page that `hpd docs` writes, and what it is made of: nothing is without words or origin, every recipe is asked."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, run_hpd

from ingest.errors import BuildError
from ingest.settings import Settings
from warehouse.connection import open_build
from warehouse.cookbook import comment, recipes
from warehouse.docs import write_docs
from warehouse.lock import writer_lock

RECIPES = recipes(Settings(PROJECT))


@pytest.fixture(scope="module")
def documented(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HPD_HOME of a warehouse with its page, which was written while somebody read the one before."""
    home = Path(shutil.copytree(published, tmp_path_factory.mktemp("docs") / "hôme", symlinks=True))
    page = home / "docs.html"
    page.write_text("the page before")
    with page.open() as reader:
        done = run_hpd("docs", home=home, env={"DBT_SEND_ANONYMOUS_USAGE_STATS": "true"})
        assert reader.read() == "the page before"
    assert done.stdout == f"wrote {page}\n"
    return home


@pytest.fixture(scope="module")
def manifest(documented: Path) -> dict:
    return json.loads((documented / "dbt" / "target" / "manifest.json").read_text("utf-8"))


def described(manifest: dict) -> dict[str, dict]:
    """Everything of the project that a reader of the page can open, by its id."""
    nodes = {k: n for k, n in manifest["nodes"].items() if n["resource_type"] in ("model", "seed", "analysis")}
    return nodes | manifest["sources"] | manifest["exposures"]


def test_the_page_is_one_file_that_asks_the_network_for_nothing(documented: Path) -> None:
    page = (documented / "docs.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "hpd_amplification_by_cancer" in page
    # dbt's page can count its readers, and has a script for that, which is fetched only if told to
    assert re.findall(r"""(?:src|href)=\\?["']?(?:https?:)?//([a-z0-9]+)""", page) == ["d1fc8wv8zag5ca"]
    assert re.findall(r'"send_anonymous_usage_stats": (\w+)', page) == ["false"]
    assert (documented / "docs.html").stat().st_mode & 0o777 == 0o644
    assert [p.name for p in documented.iterdir() if p.name.startswith(".docs")] == []


def test_the_page_names_no_folder_of_this_machine(documented: Path) -> None:
    page = (documented / "docs.html").read_text("utf-8")
    for folder in (documented, documented.resolve(), PROJECT, Path.home()):
        assert json.dumps(str(folder))[1:-1] not in page
    assert "target/compiled/hpd_warehouse/models/marts/" in page


def test_the_page_says_what_the_layers_forbid_and_what_the_words_mean(documented: Path) -> None:
    overview = json.loads((documented / "dbt" / "target" / "manifest.json").read_text("utf-8"))["docs"][
        "doc.hpd_warehouse.__overview__"
    ]["block_contents"]
    assert json.dumps(overview)[1:-1] in (documented / "docs.html").read_text("utf-8")
    for layer in ("`raw`", "`staging`", "`vocabulary`", "`cleaned`", "`statistics`", "marts (`main`)"):
        (row,) = re.findall(rf"^\| {re.escape(layer)} \|(.+)\|(.+)\|$", overview, re.M)
        assert all(len(cell.split()) > 2 for cell in row)
    glossary = re.findall(r"^\| (.+?) \| .{20,} \|$", overview.partition("## Glossary")[2], re.M)
    told = " ".join(glossary)
    for word in (
        "HPD", "TTF", "TGR", "TGK", "amplification", "gain", "assayed", "all samples", "pooled", "prediction interval",
        "I²", "τ²", "basis", "institutional", "evaluable", "suppressed", "cohort", "release",
    ):  # fmt: skip
        assert word in told, word
    assert len(glossary) == len(set(glossary))


def test_everything_is_described(manifest: dict) -> None:
    found = described(manifest)
    assert {node["resource_type"] for node in found.values()} == {"model", "seed", "analysis", "source", "exposure"}
    bare = [name for name, node in found.items() if not node["description"].strip()]
    bare += [
        f"{name}.{column}"
        for name, node in found.items()
        for column, facts in node.get("columns", {}).items()
        if not facts["description"].strip()
    ]
    assert bare == []


def test_every_column_that_exists_is_described(documented: Path, manifest: dict) -> None:
    catalog = json.loads((documented / "dbt" / "target" / "catalog.json").read_text("utf-8"))
    tables, found = catalog["nodes"] | catalog["sources"], described(manifest)
    expected = {name for name, node in found.items() if node["resource_type"] in ("model", "seed", "source")}
    assert tables.keys() == expected
    assert [n for n, table in tables.items() if table["columns"].keys() ^ found[n]["columns"].keys()] == []


def test_every_table_is_made_from_a_file_and_every_exposure_from_marts(manifest: dict) -> None:
    parents, nodes = manifest["parent_map"], manifest["nodes"]

    def origins(name: str) -> set[str]:
        above = parents[name]
        return {name} if not above else set().union(*map(origins, above))

    seeds_only = {"reference_study_printed", "data_dictionary"}  # of the vocabularies, and of dbt's own words
    marts = {name: node for name, node in nodes.items() if node["resource_type"] == "model" and "marts" in node["fqn"]}
    assert len(marts) > 10
    for name, node in nodes.items():
        if node["resource_type"] == "model" and node["name"] not in seeds_only:
            kinds = {origin.partition(".")[0] for origin in origins(name)}
            assert kinds <= {"source", "seed"}, name
            assert "source" in kinds or node["schema"] == "cleaned", name
        if name in marts and node["name"] not in seeds_only:
            assert any(origin.startswith("source.") for origin in origins(name)), name
    for name, exposure in manifest["exposures"].items():
        assert exposure["depends_on"]["nodes"], name
        assert set(exposure["depends_on"]["nodes"]) <= marts.keys(), name
    used = {mart for exposure in manifest["exposures"].values() for mart in exposure["depends_on"]["nodes"]}
    assert used == marts.keys()


def depends_on(manifest: dict, exposure: str) -> set[str]:
    nodes = manifest["exposures"][f"exposure.hpd_warehouse.{exposure}"]["depends_on"]["nodes"]
    return {name.rpartition(".")[2] for name in nodes}


def test_the_exposures_depend_on_what_is_read(manifest: dict) -> None:
    datasets = (PROJECT / "warehouse" / "superset" / "bundle" / "datasets").rglob("*.yaml")
    assert depends_on(manifest, "superset_dashboard") == {
        yaml.safe_load(path.read_text("utf-8"))["table_name"] for path in datasets
    }
    marts = {node["name"] for node in manifest["nodes"].values() if "marts" in node["fqn"]}
    asked_by_the_report = re.findall(
        r"(?:from|join) (\w+)", (PROJECT / "warehouse/report/datasets.py").read_text("utf-8")
    )
    assert depends_on(manifest, "hpd_report") == marts & set(asked_by_the_report)
    analyses = [node for node in manifest["nodes"].values() if node["resource_type"] == "analysis"]
    asked = {name.rpartition(".")[2] for node in analyses for name in node["depends_on"]["nodes"]}
    assert asked
    assert depends_on(manifest, "cookbook") == asked | {"hpd_incidence", "reference_study"}


def test_the_page_changes_neither_the_build_nor_the_release(documented: Path, published: Path) -> None:
    assert (documented / "hpd.duckdb").readlink() == (published / "hpd.duckdb").readlink()
    with open_build(Settings(documented), read_only=True) as connection:
        assert connection.sql("select fingerprint is not null and is_loaded from audit.build").fetchall() == [(True,)]


def test_before_anything_is_loaded_the_message_says_what_to_run(tmp_path: Path) -> None:
    done = run_hpd("docs", home=tmp_path / "home", status=1)
    assert done.stderr == f"ERROR {tmp_path}/home/build.duckdb: nothing is loaded yet; run `hpd refresh`\n"


def test_nobody_writes_a_page_while_another_command_writes(documented: Path) -> None:
    with writer_lock(Settings(documented), "refresh"):
        done = run_hpd("docs", home=documented, status=1)
    assert "`hpd refresh` (process" in done.stderr
    assert "--wait SECONDS" in done.stderr


def test_a_project_that_dbt_cannot_read_is_told_in_its_words_and_the_page_stays(
    documented: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(PROJECT / "dbt_project", tmp_path / "dbt_project"))
    (project / "analyses" / "broken.sql").write_text("from {{ ref('no_such_mart') }}")
    settings, page = replace(Settings(documented), dbt_project=project), tmp_path / "docs.html"
    page.write_text("the page before")
    with writer_lock(settings, "docs") as lock, pytest.raises(BuildError) as error:
        write_docs(settings, page, lock)
    assert "ERROR dbt could not make the documentation (exit status 2); what was there stays; its log is" in str(
        error.value
    )
    assert "no_such_mart" in str(error.value)
    assert "Traceback" not in str(error.value)
    assert page.read_text() == "the page before"


def test_a_folder_is_no_page(documented: Path, tmp_path: Path) -> None:
    done = run_hpd("docs", tmp_path, home=documented, status=2)
    assert done.stderr == f"ERROR {tmp_path}: is a folder; name the file, e.g. {tmp_path}/docs.html\n"


# --- the cookbook -------------------------------------------------------------------------------------

N_ROWS = {
    "amplification_across_sources": 28,
    "definitions_compared": 11,
    "hpd_among_amplified": 6,
    "incidence_beside_amplification": 10,
    "next_report": 9,
    "reports_not_pooled": 40,
}


def test_every_recipe_has_a_question_a_way_to_read_it_and_a_caveat() -> None:
    assert RECIPES.keys() == N_ROWS.keys()
    for sql in RECIPES.values():
        question, *rest = comment(sql)
        assert question.endswith("?")
        assert rest[0].startswith("Read: ")
        assert any(line.startswith("Caveat: ") for line in rest)


@pytest.mark.parametrize("name", N_ROWS)
def test_a_recipe_finds_rows_under_the_columns_that_are_described(name: str, marts, manifest: dict) -> None:
    found = marts.sql(RECIPES[name])
    rows = found.fetchall()
    assert len(rows) == N_ROWS[name]
    assert list(manifest["nodes"][f"analysis.hpd_warehouse.{name}"]["columns"]) == found.columns


@pytest.mark.parametrize("name", N_ROWS)
def test_a_recipe_is_the_query_that_dbt_compiles(name: str, documented: Path, marts) -> None:
    folder = documented / "dbt" / "target" / "compiled" / "hpd_warehouse" / "analyses"
    compiled = (folder / f"{name}.sql").read_text("utf-8").replace('"build"."main".', "main.")
    assert "build" not in compiled
    assert marts.sql(compiled).fetchall() == marts.sql(RECIPES[name]).fetchall()


def test_the_recipes_say_what_the_marts_say(marts) -> None:
    def answer(name: str, sql: str) -> list[tuple]:
        return marts.sql(
            f"select {sql.partition(' where ')[0]} from ({RECIPES[name]}) where {sql.partition(' where ')[2]}"
        ).fetchall()

    nsclc = "cancer_type = 'Non-small cell lung cancer'"
    assert answer(
        "incidence_beside_amplification", f"n_hpd, n_evaluable, tcga_n_amplified, tcga_n_assayed where {nsclc}"
    ) == [(209, 1302, 53, 1017)]
    # the 406 French patients: 18.5 %, 13.8 % or 5.4 %
    assert answer("definitions_compared", "n_hpd, n_evaluable where cohort_id = 'FERRARA_2018'") == [
        (75, 406), (56, 406), (22, 406)
    ]  # fmt: skip
    assert answer(
        "next_report",
        f"prediction_low < pooled_ci_low, prediction_high > pooled_ci_high where hpd_definition = 'ANY_PUBLISHED' and {nsclc}",
    ) == [(True, True)]
    assert answer(
        "amplification_across_sources", "is_apart, n_amplified, n_assayed where cancer_type = 'Hepatobiliary cancer'"
    ) == [(True, 11, 182)]
    assert answer(
        "hpd_among_amplified",
        "n_altered_with_outcome, n_altered, n_unaltered_with_outcome, n_unaltered, odds_ratio where is_complete",
    ) == [(9, 20, 131, 231, 0.63)]
    assert marts.sql(
        f"select count(*) from ({RECIPES['reports_not_pooled']}) where pool_exclusion_reason is null"
    ).fetchall() == [(0,)]


def test_definitions_are_compared_in_the_same_patients_only(marts) -> None:
    def cohorts(fewer: str) -> set[str]:
        reports = f"(select * replace ((n_evaluable * {fewer})::bigint as n_evaluable) from hpd_reports)"
        sql = RECIPES["definitions_compared"].replace("from hpd_reports", f"from {reports}")
        assert sql != RECIPES["definitions_compared"]
        return {cohort for (cohort,) in marts.sql(f"select distinct cohort_id from ({sql})").fetchall()}

    assert cohorts("1") == {"DJUNADI_2024", "FERRARA_2018", "KIM_CG_2019", "YUMITA_2023"}
    # PLA and Matos are overlaps; a definition that could judge much fewer of the patients is no comparison either
    assert "YUMITA_2023" in cohorts("case report_id when 'HCC_ATEZBEV_2023_4X' then 0.9 else 1 end")
    assert "YUMITA_2023" not in cohorts("case report_id when 'HCC_ATEZBEV_2023_4X' then 0.7 else 1 end")


def test_the_cookbook_lists_its_questions_and_answers_them(published: Path) -> None:
    listed = run_hpd("cookbook", home=published).stdout
    assert len(listed.splitlines()) == len(RECIPES)
    assert "next_report" in listed
    assert "What would the next trial find?" in listed
    answer = run_hpd("cookbook", "next_report", home=published).stdout
    assert answer.startswith("What would the next trial find?\nRead: ")
    assert "Gastric cancer" in answer
    assert run_hpd("cookbook", "--format", "csv", "next_report", home=published).stdout.startswith(
        "cancer_type,hpd_def"
    )


def test_a_recipe_as_sql_can_be_asked_as_it_is(published: Path) -> None:
    sql = run_hpd("cookbook", "--format", "sql", "hpd_among_amplified", home=published).stdout
    assert "IMVIGOR210" in run_hpd("query", "-", home=published, stdin=sql).stdout


def test_an_unknown_recipe_names_those_there_are(published: Path) -> None:
    done = run_hpd("cookbook", "nothing", home=published, status=2)
    assert done.stderr == f"ERROR there is no recipe 'nothing'; allowed: {', '.join(RECIPES)}\n"


def test_the_list_needs_no_release_and_an_answer_does(tmp_path: Path) -> None:
    assert "next_report" in run_hpd("cookbook", home=tmp_path / "home").stdout
    done = run_hpd("cookbook", "next_report", home=tmp_path / "home", status=1)
    assert "nothing is published yet; run `hpd refresh`" in done.stderr
