"""Kinds of input, one module each: `recognise` knows its kind by content, `read` turns it into schema-shaped rows.

A new kind is a new module and one name in KINDS.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.pipeline import Item

KINDS = (
    "cbioportal",
    "gistic",
    "fmone",
    "calls",
    "flat",
)  # in the order they are tried; imported when needed, start-up is counted


def reader_of(item: Item) -> ModuleType:
    """The module that reads an item; the last kind takes what no other recognises."""
    for name in KINDS:
        module = import_module(f"ingest.sources.{name}")
        if module.recognise(item.path):
            return module
    return module
