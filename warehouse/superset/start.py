"""Superset on the published marts: sets it up, brings the dashboard, serves it on this machine only.

    HPD_SUPERSET_PASSWORD=… python warehouse/superset/start.py [--home DIR] [--port N]

The dashboard is brought anew at every start: changes to the charts of the bundle belong into copies of them.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import zipfile
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))  # so that it runs in an environment that has Superset and nothing of ours

from ingest.settings import load_settings  # noqa: E402

ADMIN, PASSWORD = "admin", "HPD_SUPERSET_PASSWORD"
PLACEHOLDER = "HPD_DUCKDB"


def bundle(database: Path) -> dict[str, str]:
    """The files of the dashboard bundle, reading `database`; keys are their paths in the bundle.

    Raises:
        ValueError: the path cannot stand in a database address.
    """
    path = str(database.absolute())
    if not path.isprintable() or set("?#%\"'\\") & set(path):
        raise ValueError(f"ERROR {path!r}: Superset cannot be given a path with ? # % quotes or backslashes")
    files = sorted((HERE / "bundle").rglob("*.yaml"))
    contents = {file.relative_to(HERE / "bundle").as_posix(): file.read_text("utf-8") for file in files}
    address = "databases/hpd.yaml"
    return contents | {address: contents[address].replace(f"duckdb:///{PLACEHOLDER}?", f"duckdb:///{path}?")}


def write_bundle(database: Path, target: Path) -> None:
    """The bundle as a ZIP, for the import page (Dashboards → Import) of another Superset."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in bundle(database).items():
            archive.writestr(f"hpd/{name}", text)


def prepare(home: Path, database: Path) -> None:
    """Make or bring up to date the Superset in `home`: its tables, its administrator, the dashboard.

    Args:
        home: its folder, made when it is not there; nobody else can read it.
        database: `hpd.duckdb`.

    Raises:
        ValueError: a password is needed and not given.
    """
    contents = bundle(database)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    key = home / "secret.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(48), "utf-8")
    os.environ |= {
        "HPD_SUPERSET_HOME": str(home),
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(HERE / "config.py"),
        "FLASK_APP": "superset.app:create_app()",
        "SCARF_ANALYTICS": "false",
    }
    password = os.environ.pop(PASSWORD, None)  # not for the processes that serve
    if password is None and not (home / "superset.db").exists():
        raise ValueError(f"ERROR give the password of the user '{ADMIN}' in the environment variable {PASSWORD}")

    # by name, as the type checker would take this folder for it
    create_app = import_module("superset.app").create_app
    with create_app().app_context():
        import_module("flask_migrate").upgrade()
    with create_app().app_context():  # anew: what it finds while it starts depends on the tables being there
        superset = import_module("superset")
        security_manager = superset.security_manager
        superset.appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        user = security_manager.find_user(ADMIN)
        if user is None:
            if not password:
                raise ValueError(f"ERROR give the password of the user '{ADMIN}' in {PASSWORD}")
            role = security_manager.find_role("Admin")
            user = security_manager.add_user(ADMIN, "hpd", "admin", "admin@localhost", role, password)
        elif password:
            security_manager.reset_password(user.id, password)
        import_module("flask").g.user = user
        # as assets, not as a dashboard: those are not brought up to date where they exist
        import_assets = import_module("superset.commands.importers.v1.assets").ImportAssetsCommand
        import_assets(contents | {"metadata.yaml": 'version: "1.0.0"\ntype: assets\n'}).run()


def main() -> None:
    """Arguments in, a running Superset out."""
    parser = argparse.ArgumentParser(description="Superset on the published marts of HPD_HOME, on this machine only.")
    parser.add_argument("--home", type=Path, help="Superset's own folder; default HPD_HOME/.superset")
    parser.add_argument("--port", type=int, default=8088)
    parser.add_argument("--bundle", type=Path, metavar="ZIP", help="only write the bundle, to import it elsewhere")
    given, settings = parser.parse_args(), load_settings()
    home = (given.home or settings.home / ".superset").absolute()
    try:
        if not settings.published_db.exists():
            raise ValueError(f"ERROR {str(settings.published_db)!r}: nothing is published yet; run `hpd refresh`")
        if given.bundle:
            try:
                write_bundle(settings.published_db, given.bundle)
            except OSError as error:
                said = f"cannot be written ({error.strerror}); name a ZIP in a folder that exists"
                raise ValueError(f"ERROR {str(given.bundle)!r}: {said}") from None
            return
        prepare(home, settings.published_db)
    except ModuleNotFoundError as error:
        sys.exit(f"ERROR {error.name} is not installed; pip install 'hpd-warehouse[superset]'")
    except ValueError as error:
        sys.exit(str(error))
    print(f"http://127.0.0.1:{given.port}/superset/dashboard/hyperprogression/ (user {ADMIN})", flush=True)
    command = (
        "-P",  # nothing of the folder one is in is imported, nor is it by gunicorn from another one
        "-m",
        "gunicorn",
        "--chdir",
        str(home),
        "--bind",
        f"127.0.0.1:{given.port}",
        "--workers",
        "2",
        "--timeout",
        "120",
        "--no-control-socket",
    )
    os.execv(sys.executable, [sys.executable, *command, "superset.app:create_app()"])


if __name__ == "__main__":
    main()
