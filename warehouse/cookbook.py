"""The questions that come up again, as SQL: the folder `analyses` of the dbt project, asked of the published database.

dbt checks that what they name exists; the published tables have the same plain names, so that nothing of dbt is needed
to ask them.
"""

from __future__ import annotations

import re

from ingest.errors import UsageError, printable
from ingest.settings import Settings

_REF = re.compile(r"\{\{ ref\('(\w+)'\) \}\}")


def recipes(settings: Settings) -> dict[str, str]:
    """Name → SQL of every recipe: a comment, whose first line is the question, and one query."""
    paths = sorted((settings.dbt_project / "analyses").glob("*.sql"))
    return {path.stem: _REF.sub(r"\1", path.read_text("utf-8")) for path in paths}


def recipe(settings: Settings, name: str) -> str:
    """The SQL of one recipe.

    Raises:
        UsageError: there is none of that name.
    """
    known = recipes(settings)
    if name not in known:
        raise UsageError(f"ERROR there is no recipe '{printable(name)}'; allowed: {', '.join(known)}")
    return known[name]


def comment(sql: str) -> list[str]:
    """The lines of the comment above a query: question, how to read the answer, caveat."""
    lines = sql.splitlines()
    n_lines = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    return [line.removeprefix("--").removeprefix(" ") for line in lines[:n_lines]]
