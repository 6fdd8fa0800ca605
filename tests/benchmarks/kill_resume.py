# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Kills a training run at random moments and compares where it ends with a run that was left alone.

usage: kill_resume.py path/to/test_training [KILLS=200]

The work is done by a test of test_training that kills 20 times by default; here it kills as often as is asked for.
"""
import os
import subprocess
import sys
import time


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__.strip())
        return 2
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    start = time.monotonic()
    done = subprocess.run(
        [sys.argv[1], "--run_test=trainer/killed_at_any_moment_it_ends_with_the_same_parameters", "--log_level=message"],
        env={**os.environ, "BMAE_TRAINER_TEST_KILLS": str(kills)}, check=False)
    verdict = "all bit-equal, no unreadable checkpoint" if done.returncode == 0 else "FAILED"
    print(f"{kills} kills, {time.monotonic() - start:.0f} s: {verdict}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
