"""Which gene is meant? Entrez id first, then current symbol, then an alias that names one gene only."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
ENTREZ = re.compile(r"[1-9][0-9]{0,11}")


class AmbiguousGene(Exception):
    """The name is an alias of several genes, as HDMX is of MDM2 and of MDM4."""

    def __init__(self, symbols: list[str]) -> None:
        """`symbols` are the candidates."""
        super().__init__(" or ".join(filter(None, [", ".join(symbols[:-1]), symbols[-1]])))


@cache
def vocabulary() -> tuple[dict[str, int], dict[str, list[str]]]:
    """Symbol → Entrez id, and alias in upper case → symbols, of `genes.csv` (facts of NCBI Gene)."""
    ids, aliases = {}, {}
    with (FOLDER / "genes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ids[row["symbol"]] = int(row["entrez_gene_id"])
            for alias in filter(None, row["aliases"].split("|")):
                aliases.setdefault(alias.upper(), []).append(row["symbol"])
    return ids, aliases


@cache
def known_panels() -> dict[str, frozenset[str]]:
    """Panel → genes of the vocabulary it covers, of `gene_panels.csv` (public panels of cBioPortal's datahub)."""
    with (FOLDER / "gene_panels.csv").open(encoding="utf-8") as file:
        return {row["panel_id"]: frozenset(row["covered"].split("|")) for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Wanted:
    """The genes to load: `symbols`, or every gene (None)."""

    symbols: frozenset[str] | None

    @cached_property
    def _by_id(self) -> dict[str, str]:
        return {str(entrez): symbol for symbol, entrez in vocabulary()[0].items()}

    @cached_property
    def _names(self) -> frozenset[bytes]:
        """Every spelling, in upper case, under which a wanted gene may stand, and its Entrez id."""
        ids, aliases = vocabulary()
        symbols = self.symbols or frozenset()
        names = {s.upper() for s in symbols} | {str(ids[s]) for s in symbols if s in ids}
        names |= {alias for alias, named in aliases.items() if symbols.intersection(named)}
        return frozenset(name.encode() for name in names)

    def may_be(self, symbol: bytes, entrez: bytes) -> bool:
        """Whether a line with these bytes needs a closer look; quick, since most lines are not wanted."""
        if self.symbols is None:
            return True
        name = symbol.strip(b' \t\r\n"').partition(b"|")[0].strip().upper()
        return name in self._names or entrez.strip(b' \t\r\n"') in self._names

    def resolve(self, symbol: str, entrez: str) -> tuple[str, int | None] | None:
        """The gene (current symbol, Entrez id or None) that a line means; None when it is not wanted.

        Args:
            symbol: Hugo symbol as it stands, or blank; what follows a bar is not part of it.
            entrez: Entrez id as it stands, or blank; GISTIC writes negative ones, which mean nothing.

        Raises:
            AmbiguousGene: the name is an alias of several genes, or names another gene than the Entrez id.
        """
        ids, aliases = vocabulary()
        name = symbol.partition("|")[0].strip()
        number = int(entrez) if ENTREZ.fullmatch(entrez) else None
        if number is not None:
            found = self._by_id.get(str(number))
            if found is None and name in ids:
                raise AmbiguousGene([f"Entrez id {number}", f"symbol {name} (Entrez id {ids[name]})"])
            found = found or name or f"ENTREZ:{number}"
        elif name in ids or (self.symbols and name in self.symbols):
            found = name
        elif name.upper() in {s.upper() for s in ids}:
            found = next(s for s in ids if s.upper() == name.upper())
        else:
            named = aliases.get(name.upper(), [])
            if len(named) > 1:
                raise AmbiguousGene(sorted(named))
            found = named[0] if named else name
        if not found or (self.symbols is not None and found not in self.symbols):
            return None
        return found, number or ids.get(found)
