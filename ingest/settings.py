"""Where things are: one frozen answer, read from the environment once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ingest.errors import UsageError, printable

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Paths of one warehouse.

    Attributes:
        home: folder of the private build database and of the published releases (`HPD_HOME`).
        dbt_project: folder of the dbt project.
        bundled: folder of the published evidence, the default input.
    """

    home: Path
    dbt_project: Path = PROJECT / "dbt_project"
    bundled: Path = PROJECT / "ingest" / "bundled"

    @property
    def is_default(self) -> bool:
        """Whether this is the project's own warehouse, which simulated data never enter."""
        return self.home == PROJECT / "warehouse"

    @property
    def build_db(self) -> Path:
        """The private database that ingest and dbt write."""
        return self.home / "build.duckdb"

    @property
    def published_db(self) -> Path:
        """What BI opens: a symbolic link to the release in service."""
        return self.home / "hpd.duckdb"

    @property
    def report(self) -> Path:
        """What people open: a symbolic link to the report of the release in service."""
        return self.home / "report.html"

    @property
    def releases(self) -> Path:
        """Folder of the immutable releases."""
        return self.home / "releases"

    @property
    def landing(self) -> Path:
        """Where Spark reads the raw tables, unless another folder is named."""
        return self.home / "landing"

    @property
    def rolled_back(self) -> Path:
        """Remembers which builds were taken out of service by hand."""
        return self.home / ".rolled_back.json"

    @property
    def lock_file(self) -> Path:
        """Held while something writes; never a database file, whose lock a second handle would drop."""
        return self.home / ".lock"

    @property
    def dbt_work(self) -> Path:
        """dbt's target and log folders, so that an installed project folder may be read-only."""
        return self.home / "dbt"


def load_settings() -> Settings:
    """Settings from the environment: `HPD_HOME`, else the project's own `warehouse/` folder.

    Raises:
        UsageError: `HPD_HOME` begins with the home folder of somebody who is not there.
    """
    home = os.environ.get("HPD_HOME")
    try:
        return Settings(home=Path(home).expanduser().absolute() if home else PROJECT / "warehouse")
    except RuntimeError:
        raise UsageError(
            f"ERROR HPD_HOME={printable(home, 200)}: there is no such home folder; write the path out"
        ) from None


def hpd_version() -> str:
    """The installed version, or 'source' when run from a checkout that was never installed."""
    try:
        return version("hpd-warehouse")
    except PackageNotFoundError:
        return "source"
