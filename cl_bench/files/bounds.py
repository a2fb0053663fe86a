"""Reading no more than there may be: a file can be a pipe, have no end, or unfold to gigabytes."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import stat
from pathlib import Path
from typing import IO

GZIP_ROOM = 2**16  # bytes by which an incompressible file may grow when it is gzipped


class TooLarge(OSError):
    """There is more than there may be."""


def check_regular(path: Path) -> None:
    """``ValueError`` if ``path`` is there and no regular file: a pipe or a device can hang."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a regular file")


def read_bounded(path: Path, largest: int) -> bytes:
    """The content of a regular file of at most ``largest`` bytes; else an ``OSError``."""
    try:
        check_regular(path)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    with path.open("rb") as file:
        return take(file, largest)


def gunzip_bounded(content: bytes, largest: int) -> bytes:
    """What is gzipped in ``content``, of at most ``largest`` bytes."""
    with gzip.open(io.BytesIO(content)) as file:
        return take(file, largest)


def take(file: IO[bytes] | gzip.GzipFile, largest: int) -> bytes:
    """All of ``file``; :class:`TooLarge` if that is more than ``largest`` bytes."""
    content = file.read(largest + 1)
    if len(content) > largest:
        raise TooLarge(errno.EFBIG, f"larger than the {largest:,} bytes that it may have")
    return content


def free_memory() -> int | None:
    """Bytes of memory that a process may still take, where the system says so."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def sha256_of(file: Path) -> str:
    """The checksum of a regular file's content; ``OSError`` for any other."""
    try:
        check_regular(file)
    except ValueError as error:
        raise OSError(f"{file}: {error}") from None
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
