from __future__ import annotations

import subprocess
import sys

import pytest

from cl_bench.run.environment import peak_rss_bytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mark of a process is Linux's")
def test_the_peak_is_the_own_process_s_not_its_parent_s():
    code = "from cl_bench.run.environment import peak_rss_bytes; print(peak_rss_bytes())"
    command = [sys.executable, "-c", code]
    ballast = bytearray(b"x") * 2**28  # a child that inherits the mark through exec has it too
    child = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert child < len(ballast) <= peak_rss_bytes()
