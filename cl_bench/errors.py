"""The errors a user can cause; each message is one sentence that names the fix."""


class UsageError(Exception):
    """The command or its configuration is wrong (exit code 2)."""


class RunError(Exception):
    """The run could not be carried out (exit code 1): data, files, device, divergence."""


class Diverged(RunError):
    """The parameters are no longer finite."""
