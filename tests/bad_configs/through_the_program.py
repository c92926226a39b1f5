"""Runs `posthorn check-config` on every folder beside this file: the expected words on standard error, exit code 78."""

import os
import pathlib
import subprocess
import sys

program = sys.argv[1]
failures = 0
folders = sorted(path for path in pathlib.Path(__file__).parent.iterdir() if (path / "expected").exists())
for folder in folders:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTHORN_")}
    if (folder / "environment").exists():
        environment |= dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())
    run = subprocess.run([program, "check-config", "--config", "posthorn.toml"], cwd=folder, env=environment, text=True,
                         capture_output=True, timeout=60)
    mistakes = "".join(line + "\n" for line in run.stderr.splitlines()
                       if not line.startswith(("warning: ", "posthorn: ")))
    expected = (folder / "expected").read_text()
    if run.returncode != 78 or mistakes != expected or run.stdout:
        failures += 1
        print(f"--- {folder.name}: exit {run.returncode}\nexpected:\n{expected}got:\n{run.stderr}{run.stdout}")
print(f"{len(folders)} configurations, {failures} not answered as expected")
sys.exit(1 if failures or len(folders) < 30 else 0)
