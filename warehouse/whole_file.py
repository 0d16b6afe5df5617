"""A file is whole or not there: written beside its place, and put there by one rename."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, readable by all; what was there stays until the new file is whole.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.chmod(0o644)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
