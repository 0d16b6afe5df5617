"""What `hpd` alone says: what is in service, and what to do next. Looks at no input: that is for `hpd status`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.errors import printable
from ingest.settings import Settings, hpd_version
from warehouse.releases import in_service, releases

FIRST = {
    "hpd refresh": "the published evidence → marts → answer",
    "hpd refresh bundled my/trials.csv": "your own trials beside it",
    "hpd template trials": "the columns of an own file, explained",
    "hpd --help": "every command",
}
NEXT = {
    "hpd cookbook": "questions ready to ask",
    'hpd query "from hpd_incidence"': "your own",
    "hpd status": "whether the inputs have changed since",
    "hpd refresh": "take in what changed, and print the answer",
    "hpd --help": "every command",
}
AGAIN = {
    "hpd status": "what is loaded, and which releases are kept",
    "hpd refresh": "make the next release",
    "hpd --help": "every command",
}
PAGES = {"report": "report.html", "documentation": "docs.html"}


def standing(settings: Settings, now: datetime | None = None) -> str:
    """Where one stands, in a few lines.

    Args:
        settings: where the warehouse is.
        now: UTC; default the present.
    """
    lines = [f"hpd-warehouse {hpd_version()}, in {printable(settings.home, 200)}"]
    release = in_service(settings)
    if release is None:
        if releases(settings):
            told, commands = "the release in service cannot be read", {"hpd rollback": "the one before it", **AGAIN}
        elif settings.build_db.exists():
            told, commands = "something was loaded; nothing is published yet", AGAIN
        else:
            told, commands = "nothing is here yet", FIRST
        return "\n".join([*lines, told, "", *_listed(commands)])
    age = _age((now or datetime.now(UTC)).replace(tzinfo=None) - release["built_at"])
    findings = f"{release['rows_rejected']:,} rejected, {_n(release['n_findings'], 'finding')} in all"
    look = ': hpd query "from data_quality"' if release["n_findings"] else ""
    lines += [
        f"in service: release {release['release_id']}, made {age}",
        f"from {_n(release['n_inputs'], 'file')}: {release['rows_loaded']:,} rows loaded, {findings}{look}",
        f"  database       {printable(settings.published_db, 200)}",
    ]
    for name, file in PAGES.items():
        if (settings.home / file).exists():
            lines.append(f"  {name:<13}  {printable(settings.home / file, 200)}")
    return "\n".join([*lines, "", *_listed(NEXT)])


def _listed(commands: dict[str, str]) -> list[str]:
    width = max(map(len, commands))
    return [f"  {command:<{width}}  {told}" for command, told in commands.items()]


def _age(age: timedelta) -> str:
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if (n := int(age.total_seconds() // unit)) >= 1:
            return f"{_n(n, name)} ago"
    return "just now"


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
