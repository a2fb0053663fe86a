"""The dataset cache: one folder per dataset, every file checked by the sha256 of its content."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cl_bench.datasets.sources import DAMAGED, LARGEST, SourceError
from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.bounds import GZIP_ROOM, gunzip_bounded, read_bounded

log = logging.getLogger("cl_bench")

# A source is asked for files, name -> the bytes that it may have at most, and returns their
# content or raises SourceError.
Source = tuple[str, Callable[[dict[str, int]], dict[str, bytes]]]


def cache_dir() -> Path:
    """``CL_BENCH_DATA`` if set, else the platform's user cache directory."""
    if chosen := os.environ.get("CL_BENCH_DATA"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("cl-bench"))


def fetch(
    name: str,
    sha256: dict[str, str],
    sources: list[Source],
    by_hand: str,
    sizes: dict[str, int] | None = None,
) -> dict:
    """The verified content of every file in ``sha256`` (name -> checksum of its plain content).

    ``sizes`` are the bytes of each: no more is read, however much there is.

    Tried in order: the cache, then each source under a file lock. Returns
    ``{"files": {name: bytes}, "origin": str}``; raises :class:`RunError` with what was tried.
    """
    folder, sizes = cache_dir() / name, sizes or dict.fromkeys(sha256, LARGEST)

    def cached(locked: bool = False) -> dict[str, bytes | None]:
        return {
            file: _cached(folder / file, digest, sizes[file], locked)
            for file, digest in sha256.items()
        }

    files = cached()
    if all(content is not None for content in files.values()):
        return {"files": files, "origin": "cache"}
    tried: list[str] = []
    with _locked(folder):
        # another process may have filled the cache while this one waited for the lock
        files = cached(locked=True)
        origin = "cache"
        for label, source in sources:
            missing = {file: sizes[file] for file, content in files.items() if content is None}
            if not missing:
                break
            try:
                found = source(missing)
                for file, content in found.items():
                    _verify(file, content, sha256[file])
            except SourceError as error:
                log.info("%s: %s: %s", name, label, error)
                tried.append(f"{label}: {error}")
                continue
            for file, content in found.items():
                _store(folder / file, content)
                files[file] = content
            origin = label
            log.info("%s: fetched from %s", name, label)
    if any(content is None for content in files.values()):
        steps = "\n".join(f"  - {line}" for line in tried)
        raise RunError(
            f"{name} is not in {folder} and could not be fetched. Tried:\n{steps}\n{by_hand}"
        )
    return {"files": files, "origin": origin}


def _cached(path: Path, digest: str, size: int, locked: bool) -> bytes | None:
    """A file of the cache, plain or ``.gz``, if its content is right.

    A wrong one is set aside if ``locked``: without the lock another process may have replaced it
    with a good one since it was read. It is None then, for the caller to try again with the lock.
    """
    for candidate in (path, path.with_name(path.name + ".gz")):
        try:
            if candidate.suffix == ".gz":
                content = gunzip_bounded(read_bounded(candidate, size + GZIP_ROOM), size)
            else:
                content = read_bounded(candidate, size)
            _verify(candidate.name, content, digest)
            return content
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (SourceError, *DAMAGED):
            if not locked:
                return None
            _set_aside(candidate)
        except OSError as error:
            raise RunError(f"cannot read {candidate}: {error.strerror}") from None
    return None


def _verify(file: str, content: bytes, digest: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise SourceError(f"{file} has sha256 {found[:12]}…, expected {digest[:12]}…")


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt{number}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        raise RunError(f"{path} is damaged and cannot be moved away: {error.strerror}") from None
    log.warning("%s is damaged; set aside as %s and fetched again", path, aside.name)


def _store(path: Path, content: bytes) -> None:
    try:
        write_atomic(path, content)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}; set CL_BENCH_DATA to a writable folder"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        lock.acquire(timeout=600)
    except filelock.Timeout:
        raise RunError(f"another process has been fetching into {folder} for 10 minutes") from None
    except OSError as error:
        raise RunError(
            f"cannot write to {folder}: {error.strerror}; set CL_BENCH_DATA to a writable folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
