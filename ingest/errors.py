"""What can go wrong, said once: file, lines, column, values found, values allowed, outcome, way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 3  # lines and values named before "(n more)"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(value: object, limit: int = 60) -> str:
    """`value` as one short line that no terminal obeys: control and direction characters are spelled out."""
    text = str(value)[: limit * 4].encode("utf-8", "backslashreplace").decode()  # a file name may hold any byte
    text = _UNPRINTABLE.sub(lambda m: m.group().encode("unicode_escape").decode(), text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _some(items: Iterable[str], total: int) -> str:
    shown = list(items)[:SHOWN]
    more = total - len(shown)
    return ", ".join(shown) + (f" ({more:,} more)" if more > 0 else "")


@dataclass
class Problem:
    """One finding about one input, however many cells share it.

    Attributes:
        rule: short name, the key of `audit.rejected_rows.rule`.
        lines: line numbers in the file, 1 = its first line; the first few only.
        n_lines: how many lines there are in all.
        found: the values met, as text, without repeats; the first few only.
        outcome: what happened to the rows.
        place: the columns, where their names are samples, in words that name none.
    """

    file: str
    rule: str
    what: str
    column: str = ""
    lines: list[int] = field(default_factory=list)
    n_lines: int = 0
    found: list[str] = field(default_factory=list)
    n_found: int = 0
    allowed: str = ""
    outcome: str = ""
    fix: str = ""
    level: str = "ERROR"
    place: str = ""

    def __str__(self) -> str:
        """The one-line message of this problem."""
        where = []
        if self.lines:
            n = max(self.n_lines, len(self.lines))
            where.append(f"{'line' if n == 1 else 'lines'} {_some(map(str, self.lines), n)}")
        if self.column:
            where.append(printable(self.column))
        says = [self.what]
        if self.found:
            values = [f"'{printable(v)}'" for v in self.found]
            says.append(f"found {_some(values, max(self.n_found, len(values)))}")
        if self.allowed:
            says.append(f"allowed: {self.allowed}")
        if self.outcome:
            says.append(self.outcome)
        if self.fix:
            says.append(self.fix)
        return f"{self.level} {': '.join([printable(self.file, 200), *where, '; '.join(says)])}"

    def absorb(self, other: Problem) -> None:
        """Add the lines and values of the same finding met further down the file."""
        self.lines = (self.lines + other.lines)[:SHOWN]
        self.n_lines += other.n_lines
        new = [v for v in other.found if v not in self.found]
        self.n_found += other.n_found - (len(other.found) - len(new))
        self.found = (self.found + new)[:SHOWN]


class HpdError(Exception):
    """Something the user can act on; printed without a traceback. `exit_status` is the command's."""

    exit_status = 1


class UsageError(HpdError):
    """The command was asked for something that does not exist."""

    exit_status = 2


class InputError(HpdError):
    """An input that cannot be read at all; nothing of it is loaded and what was loaded before stays."""

    def __init__(self, problem: Problem) -> None:
        """Carries the problem whose text is the message."""
        problem.outcome = problem.outcome or "nothing of it was loaded"
        super().__init__(str(problem))
        self.problem = problem


class BusyError(HpdError):
    """Another command is writing to this warehouse."""


class BuildError(HpdError):
    """dbt could not build the marts, or a test of theirs failed; the release in service stays."""


class PublishError(HpdError):
    """The marts were built and could not be published; the release in service stays."""
