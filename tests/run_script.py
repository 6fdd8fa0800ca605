# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a Python test; where one of its packages is not installed, says so and leaves with 77, which ctest reads as skipped."""
import pathlib
import runpy
import sys

script = pathlib.Path(sys.argv[1]).resolve()
sys.argv = sys.argv[1:]
sys.path.insert(0, str(script.parent))
try:
    runpy.run_path(str(script), run_name="__main__")
except ModuleNotFoundError as error:
    print(f"skipped: {script.name} needs the Python package `{error.name}`, which is not installed")
    sys.exit(77)
