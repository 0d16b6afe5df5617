"""Each client, by the settings that the README gives, reads the published marts and can do nothing else.

A client that is not installed is skipped: `pip install --group clients`; Node: `npm install @duckdb/node-api`, and
its folder in NODE_PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import PROJECT, run_hpd

from ingest.settings import Settings
from warehouse.releases import release_in_service, switch

URI = "duckdb:///{path}?access_mode=read_only&enable_external_access=false&lock_configuration=true"
# for clients that open the link itself, which DuckDB then takes for a file outside, or that set something of their own
HARDEN = (
    "set temp_directory = ''",
    "set enable_external_access = false",
    "set disabled_filesystems = 'LocalFileSystem'",
    "set lock_configuration = true",
)
LUNG = (
    "select n_hpd, n_evaluable from hpd_incidence"
    " where cancer_type_code = 'NSCLC' and hpd_definition = 'ANY_PUBLISHED' and basis = 'reported' and not is_simulated"
)
ANSWER = (209, 1302)
REFUSED = ("select * from read_text('/etc/hostname')", "create table t as select 1", "set memory_limit = '1GB'")


def refused_by_lines(database: Path) -> tuple[str, ...]:
    """What the four lines refuse; a SQLAlchemy address leaves DuckDB the files of its own database."""
    file = database.resolve()
    return (*REFUSED, f"copy (select 1) to '{file}.wal'", f"from read_blob('{file}')")


@pytest.fixture
def database(warehouse: Path) -> Path:
    """A published database that nothing else in this process has open: its configuration is each client's own."""
    return warehouse / "hpd.duckdb"


@pytest.fixture
def engine(database: Path) -> Iterator:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("duckdb_engine")
    engine = sqlalchemy.create_engine(URI.format(path=database))
    yield engine
    engine.dispose()


def test_sqlalchemy(engine) -> None:
    with engine.connect() as connection:
        assert tuple(connection.exec_driver_sql(LUNG).fetchone()) == ANSWER
    for sql in REFUSED:
        with pytest.raises(Exception, match="disabled|read-only|locked"), engine.connect() as connection:
            connection.exec_driver_sql(sql).fetchall()


def test_sqlalchemy_spills_nothing_when_told_so(database: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("duckdb_engine")
    engine = sqlalchemy.create_engine(URI.format(path=database) + "&memory_limit=60MB&temp_directory=/dev/null")
    big = "select i, hash(i) as h, i || repeat('x', 40) as s from range(3000000) t(i) order by h"
    with pytest.raises(Exception, match="/dev/null"), engine.connect() as connection:
        connection.exec_driver_sql(f"create temp table big as {big}")
    engine.dispose()


@pytest.mark.filterwarnings("ignore:duckdb-engine doesn't yet support reflection on indices")
def test_sqlalchemy_shows_tables_columns_and_comments(engine) -> None:
    import sqlalchemy

    found = sqlalchemy.inspect(engine)
    assert {"hpd_incidence", "hpd_reports", "data_dictionary"} <= set(found.get_table_names())
    columns = {column["name"]: column for column in found.get_columns("hpd_incidence")}
    assert columns["n_hpd"]["comment"]
    assert found.get_table_comment("hpd_incidence")["text"].startswith("Grain: ")
    table = sqlalchemy.Table("hpd_incidence", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        query = sqlalchemy.select(sqlalchemy.func.count()).where(table.c.cancer_type_code == "NSCLC")
        assert connection.execute(query).scalar_one() > 0


def test_a_held_connection_keeps_its_release_and_a_new_one_sees_the_new(warehouse: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("duckdb_engine")
    settings = Settings(warehouse)
    old = release_in_service(settings)
    new = f"2999{old[4:]}"
    shutil.copytree(warehouse / "releases" / old, warehouse / "releases" / new)
    file = warehouse / "releases" / new / "hpd.duckdb"
    for path, mode in ((file.parent, 0o755), (file, 0o600)):
        path.chmod(mode)
    with duckdb.connect(str(file)) as connection:
        connection.execute("update release set release_id = 'new'")
    engine = sqlalchemy.create_engine(URI.format(path=warehouse / "hpd.duckdb"), poolclass=sqlalchemy.pool.NullPool)
    sql = "select release_id from release"
    with engine.connect() as held:
        assert held.exec_driver_sql(sql).scalar_one() == old
        switch(settings, new)
        assert held.exec_driver_sql(sql).scalar_one() == old
    with engine.connect() as again:
        assert again.exec_driver_sql(sql).scalar_one() == "new"


def test_adbc(database: Path) -> None:
    dbapi = pytest.importorskip("adbc_driver_manager.dbapi")
    pytest.importorskip("pyarrow")
    options = {"path": str(database), "access_mode": "READ_ONLY"}
    options |= {"driver": _library(), "entrypoint": "duckdb_adbc_init"}
    with dbapi.connect(db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        for sql in HARDEN:
            cursor.execute(sql)
        cursor.execute(LUNG)
        assert cursor.fetchall() == [ANSWER]
        for sql in refused_by_lines(database):
            with pytest.raises(dbapi.Error, match="disabled|read-only|locked"):
                cursor.execute(sql)
                cursor.fetchall()


def _library() -> str:
    import _duckdb

    return _duckdb.__file__


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ibis, about DuckDB
def test_ibis(database: Path) -> None:
    ibis = pytest.importorskip("ibis")
    backend = pytest.importorskip("ibis.backends.duckdb")
    assert backend
    connection = ibis.duckdb.connect(database, read_only=True)
    for sql in HARDEN:
        connection.raw_sql(sql)
    marts = connection.table("hpd_incidence")
    lung = marts.filter(
        marts.cancer_type_code == "NSCLC",
        marts.hpd_definition == "ANY_PUBLISHED",
        marts.basis == "reported",
        ~marts.is_simulated,
    )
    assert lung.select("n_hpd", "n_evaluable").to_pyarrow().to_pylist() == [{"n_hpd": 209, "n_evaluable": 1302}]
    for sql in refused_by_lines(database):
        with pytest.raises(duckdb.Error):
            connection.raw_sql(sql).fetchall()
    connection.disconnect()


def test_duckdb_cli(database: Path) -> None:
    pytest.importorskip("duckdb_cli")
    program = shutil.which("duckdb", path=str(Path(sys.executable).parent))
    assert program

    def ask(sql: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [program, "-readonly", "-no-init", "-csv", "-cmd", "; ".join(HARDEN), str(database), sql],
            capture_output=True,
            text=True,
        )

    assert ask(LUNG).stdout.splitlines() == ["n_hpd,n_evaluable", "209,1302"]
    for sql in refused_by_lines(database):
        done = ask(sql)
        assert done.returncode != 0 or "Error" in done.stderr, sql


NODE = """
const { DuckDBInstance } = require('@duckdb/node-api');
(async () => {
    const [path, harden, ...queries] = JSON.parse(process.argv[1]);
    const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' });
    const connection = await instance.connect();
    for (const sql of harden) await connection.run(sql);
    const answers = [];
    for (const sql of queries) {
        try {
            const reader = await connection.runAndReadAll(sql);
            answers.push(reader.getRowsJson());
        } catch (error) {
            answers.push(error.message);
        }
    }
    console.log(JSON.stringify(answers));
})();
"""


def test_node(database: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if subprocess.run([node, "-e", "require.resolve('@duckdb/node-api')"], capture_output=True).returncode:
        pytest.skip("@duckdb/node-api is not installed (npm install @duckdb/node-api; NODE_PATH)")
    asked = json.dumps([str(database), HARDEN, LUNG, *refused_by_lines(database)])
    done = subprocess.run([node, "-e", NODE, asked], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer, *refused = json.loads(done.stdout)
    assert answer == [[str(n) for n in ANSWER]]
    assert all(isinstance(said, str) for said in refused), refused


def test_harlequin(database: Path, tmp_path: Path) -> None:
    harlequin = pytest.importorskip("harlequin_duckdb")
    (tmp_path / "hpd.sql").write_text("".join(f"{sql};\n" for sql in HARDEN))
    connection = harlequin.DuckDbAdapter(
        conn_str=(str(database),), read_only=True, init_path=str(tmp_path / "hpd.sql")
    ).connect()
    cursor = connection.execute(LUNG)
    assert cursor.fetchall().to_pylist() == [{"n_hpd": 209, "n_evaluable": 1302}]
    for sql in refused_by_lines(database):
        with pytest.raises(Exception, match="disabled|read-only|locked"):
            connection.execute(sql).fetchall()
    connection.close()


# ── Superset ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bundle_that_cannot_be_written_is_told(published: Path, tmp_path: Path) -> None:
    start, zips = PROJECT / "warehouse" / "superset" / "start.py", [tmp_path / "hpd.zip", tmp_path / "no" / "hpd.zip"]
    written, refused = (
        subprocess.run(
            [sys.executable, start, "--bundle", path],
            env={**os.environ, "HPD_HOME": str(published)}, capture_output=True, text=True,
        )
        for path in zips
    )  # fmt: skip
    assert (written.returncode, zips[0].exists()) == (0, True)
    assert refused.returncode == 1
    assert refused.stderr == f"ERROR '{zips[1]}': cannot be written (No such file or directory); name a ZIP in a folder that exists\n"  # fmt: skip


@pytest.mark.slow
def test_superset_answers_every_chart_while_a_refresh_runs(warehouse: Path, tmp_path: Path) -> None:
    pytest.importorskip("superset")
    pytest.importorskip("duckdb_engine")
    import socket
    import time

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "own.csv").write_text(
        "report_id,cancer_type_reported,hpd_definition,n_evaluable,n_hpd\nOWN,NSCLC,FERRARA_DTGR50,100,50\n"
    )
    environment = {**os.environ, "HPD_HOME": str(warehouse), "HPD_SUPERSET_PASSWORD": "a password of the test"}
    start = [sys.executable, str(PROJECT / "warehouse" / "superset" / "start.py"), "--port", str(port)]
    log = (tmp_path / "superset.log").open("w")
    server = subprocess.Popen(start, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    refresh = None
    try:
        superset = _Superset(port)
        for _ in range(240):
            assert server.poll() is None, (tmp_path / "superset.log").read_text()[-3000:]
            if superset.is_up():
                break
            time.sleep(1)
        superset.log_in("admin", environment["HPD_SUPERSET_PASSWORD"])
        charts = superset.get("/api/v1/dashboard/hyperprogression/charts")["result"]
        assert len(charts) == 5
        before = superset.rows(charts)
        refresh = subprocess.Popen(
            [sys.executable, "-m", "ingest.cli", "refresh", "bundled", "own.csv"],
            env={**environment, "PYTHONPATH": str(PROJECT)}, cwd=tmp_path, stdout=log, stderr=log,
        )  # fmt: skip
        n_during = 0
        while refresh.poll() is None:
            assert superset.rows(charts).keys() == before.keys()
            n_during += 1
        assert refresh.returncode == 0, (tmp_path / "superset.log").read_text()[-3000:]
        assert n_during > 0
        after = superset.rows(charts)
        assert all(before.values())
        pooled = "Pooled incidence with its 95 % interval"
        assert before[pooled] != after[pooled], "a chart still shows the release before"
        for sql in REFUSED:
            assert superset.run(sql)["status"] != "success", sql
        assert run_hpd("status", home=warehouse).returncode == 0
        # a browser asks by the settings of a chart, the API by its saved query: both must do
        assert _complaints_of_the_dashboard(superset.address, environment["HPD_SUPERSET_PASSWORD"]) == []
    finally:
        for process in (server, refresh):
            if process is not None:
                process.terminate()
                process.wait(30)
        log.close()


def _complaints_of_the_dashboard(address: str, password: str) -> list[str]:
    """What the dashboard shows instead of charts, in a browser."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return []
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        # high, as charts are asked for when they come into view; our own questions are no business of its policy
        page = browser.new_page(viewport={"width": 1500, "height": 3000}, bypass_csp=True)
        page.goto(f"{address}/login/", timeout=120_000)
        page.fill("#username", "admin")
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/superset/welcome/**", timeout=60_000)
        page.goto(f"{address}/superset/dashboard/hyperprogression/?standalone=1", timeout=120_000)
        page.wait_for_function(
            "document.querySelectorAll('.chart-slice').length === 5"
            " && !document.querySelector('.chart-slice .loading, [data-test=\"loading-indicator\"]')", timeout=120_000
        )  # fmt: skip
        return page.eval_on_selector_all('[role="alert"]', "all => all.map(one => one.textContent)")


class _Superset:
    """Its API, as a logged-in user."""

    def __init__(self, port: int) -> None:
        import http.cookiejar
        import urllib.request

        self.address, self.headers = f"http://127.0.0.1:{port}", {}
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.open = urllib.request.build_opener(cookies).open

    def ask(self, path: str, body: dict | None = None) -> dict:
        import urllib.error
        import urllib.request

        data = None if body is None else json.dumps(body).encode()
        headers = self.headers | ({} if body is None else {"Content-Type": "application/json"})
        try:
            with self.open(urllib.request.Request(self.address + path, data, headers), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return {"status": error.code, "said": error.read().decode()}

    def get(self, path: str) -> dict:
        answer = self.ask(path)
        assert "said" not in answer, answer
        return answer

    def is_up(self) -> bool:
        try:
            with self.open(f"{self.address}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def log_in(self, user: str, password: str) -> None:
        who = {"username": user, "password": password, "provider": "db", "refresh": False}
        self.headers = {"Authorization": f"Bearer {self.ask('/api/v1/security/login', who)['access_token']}"}
        self.headers |= {"X-CSRFToken": self.get("/api/v1/security/csrf_token/")["result"], "Referer": self.address}

    def rows(self, charts: list[dict]) -> dict[str, list]:
        """The rows of every chart, by its name."""
        return {chart["slice_name"]: self._rows(chart["id"]) for chart in charts}

    def _rows(self, chart: int) -> list:
        (result,) = self.get(f"/api/v1/chart/{chart}/data/")["result"]
        assert result["status"] == "success", result
        return result["data"]

    def run(self, sql: str) -> dict:
        (database,) = self.get("/api/v1/database/")["result"]
        return self.ask("/api/v1/sqllab/execute/", {"database_id": database["id"], "sql": sql, "runAsync": False})
