"""The errors a user can cause; each message is one sentence that names the fix."""

from __future__ import annotations

import errno

OTHER_PLACE = "name a place where files can be written and read"
WAYS_OUT = {
    errno.ENOSPC: "make room there, or choose another outputs=DIR",
    errno.EDQUOT: "make room there, or choose another outputs=DIR",
    errno.ENOENT: "make the folder, or name one that is there",
}


class UsageError(Exception):
    """The command or its configuration is wrong (exit code 2)."""


class NoSuchOption(UsageError):
    """A key is set that the choice does not have."""


class RunError(Exception):
    """The run could not be carried out (exit code 1): data, files, device, divergence."""


class Diverged(RunError):
    """The parameters are no longer finite."""


def os_sentence(error: OSError) -> str:
    """What an error of the operating system says, with the file that it is about and a way out."""
    told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"{told}; {WAYS_OUT.get(error.errno, OTHER_PLACE)}"
