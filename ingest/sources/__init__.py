"""Kinds of input, one module each: `recognise` knows its kind by content, `read` turns it into schema-shaped rows.

A new kind is a new module and one name in its list of kinds.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.pipeline import Item

# in the order they are tried; imported when needed, start-up is counted
FOLDER_KINDS = ("cbioportal", "cdisc")  # each with `study_files`: which files of the folder are read
FILE_KINDS = ("gistic", "fmone", "calls", "mapped", "flat")


def folder_kind(path: Path) -> ModuleType | None:
    """The module that reads a folder as a whole; None: it is a folder of files that are read one by one."""
    for name in FOLDER_KINDS:
        module = import_module(f"ingest.sources.{name}")
        if module.recognise(path):
            return module
    return None


def reader_of(item: Item) -> ModuleType:
    """The module that reads an item; the last kind takes what no other recognises."""
    if item.path.is_dir():
        module = folder_kind(item.path)
        assert module is not None  # a folder is an item only because a module took it
        return module
    if item.spec.map is not None:
        return import_module("ingest.sources.mapped")
    for name in FILE_KINDS:
        module = import_module(f"ingest.sources.{name}")
        if module.recognise(item.path):
            return module
    return module
