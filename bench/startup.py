"""Start-up of ``cl-bench --help``, ``ls`` and TAB against a bare Hydra app."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import median_seconds

BARE = """
import hydra
@hydra.main(version_base="1.3", config_path={path!r}, config_name="config")
def main(cfg): print(cfg)
main()
"""


def main(repeats: int = 11) -> None:
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text("seed: 0\n")
        app = Path(folder, "app.py")
        app.write_text(BARE.format(path=folder))
        ours = [sys.executable, "-m", "cl_bench"]
        tab = {"COMP_LINE": "cl-bench method=", "COMP_POINT": "16"}
        cases = {
            "bare Hydra app, run": ([sys.executable, str(app)], {}),
            "bare Hydra app, --help": ([sys.executable, str(app), "--help"], {}),
            "cl-bench --help": ([*ours, "--help"], {}),
            "cl-bench ls": ([*ours, "ls"], {}),
            "cl-bench method=<TAB>": ([*ours, "-sc", "query=bash"], tab),
        }
        base = None
        for name, (command, extra) in cases.items():
            env = {**os.environ, "PYTHONPATH": str(root), **extra}
            seconds = median_seconds(
                lambda c=command, e=env: subprocess.run(
                    c, cwd=folder, env=e, check=True, capture_output=True
                ),
                repeats,
            )
            base = base or seconds
            print(f"  {name:24} {1000 * seconds:6.0f} ms   {seconds / base:.2f} x bare")


if __name__ == "__main__":
    main()
