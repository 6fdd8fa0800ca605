# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Rates of the RetroMAE training step beside other busy processes, by how OpenMP's threads wait for each other.

usage: busy_machine.py --ours 'build/release/bin/benchmark_retromae_step' [--workload mini-32x128] [--precision fp32]
                       [--others 2] [--threads 2] [--repeats 5] [--steps 2] [--variant strong]

Threads that spin at a barrier use the time that the thread they wait for needs. Each side runs with one thread, with `--threads` threads
that wait as OpenMP does by default, with OMP_WAIT_POLICY=PASSIVE, and with GOMP_SPINCOUNT=1000 (which the program `bmae` sets unless told
otherwise); ours and the peer's take turns. `--others` processes compute all the while; 0 measures the idle machine. Rates are medians in real tokens per second.
"""
import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import retromae_peer
from retromae_step import PEER, Side

WAITS = {"one thread": {}, "default": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}, "spin 1000": {"GOMP_SPINCOUNT": "1000"}}


def sides(options, path):
    common = ["--batches", path, "--precision", options.precision, "--serve"]
    peer = [sys.executable, str(PEER), "--variant", options.variant, "--workload", options.workload]
    for name, command in (("ours", shlex.split(options.ours)), (options.variant, peer)):
        for wait, environment in WAITS.items():
            threads = 1 if wait == "one thread" else options.threads
            yield name, wait, Side(f"{name}, {wait}", [*command, *common, "--threads", str(threads)], environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="command of our side")
    parser.add_argument("--workload", choices=retromae_peer.WORKLOADS, default="mini-32x128")
    parser.add_argument("--variant", choices=retromae_peer.VARIANTS, default="strong")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--others", type=int, default=2, help="busy processes beside the step (default: %(default)d)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps of one turn (default: %(default)d)")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "batches.safetensors")
        retromae_peer.make_file(path, options.workload, 4)
        running = list(sides(options, path))
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.others)]
        rates = [[] for _ in running]
        try:
            for _, _, side in running:
                side.ask("run 1")
            for turn in range(options.repeats):
                order = range(len(running)) if turn % 2 == 0 else reversed(range(len(running)))
                for which in order:
                    answer = running[which][2].ask(f"run {options.steps}")
                    rates[which].append(answer["tokens"] / answer["seconds"])
        finally:
            for other in others:
                other.kill()
            for _, _, side in running:
                side.close()
    medians = {(name, wait): statistics.median(rate) for (name, wait, _), rate in zip(running, rates)}
    print(f"{options.workload}, {options.precision}, {options.others} other processes, load {os.getloadavg()[0]:.1f}")
    print(f"{'side':<10} {'waiting':<11} {'tok/s':>9} {'to one thread':>13}  spread")
    for (name, wait, _), rate in zip(running, rates):
        median = medians[name, wait]
        print(f"{name:<10} {wait:<11} {median:>9.1f} {median / medians[name, 'one thread']:>13.2f}  {min(rate):.1f} .. {max(rate):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
