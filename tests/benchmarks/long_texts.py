# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens per second and peak memory of a RetroMAE step of BERT-base by the length of the texts, beside PyTorch and an earlier version.

usage: long_texts.py --ours build/release/bin/benchmark_retromae_step [--before OTHER/benchmark_retromae_step]
                     [--lengths 128 512 2048 8192] [--tokens 8192] [--precision bf16] [--turns 3] [--no-peer] [--processor-time]

A batch has --tokens tokens in texts of one length, at least one text. Each turn of a side is a process of its own, one step to warm up and
then --steps measured ones, so one model is in memory at a time; turns alternate. The peer is the `strong` variant of retromae_peer.py:
PyTorch with scaled_dot_product_attention. On a CPU that operator stores [L, L] weights where weights are dropped, which at 8,192 tokens does
not fit into the memory of most machines; so `ours` and `PyTorch` do not drop attention weights. `ours, dropout` and `before` drop .1 of
them and are compared with each other; --with-dropout gives the peer the same.

Memory is the peak of the resident set less 16 bytes per parameter (weights, gradients and two moments in fp32), in GB of 10^9 bytes: it
includes the program and its libraries. --processor-time divides by the processor time of the process instead of by the clock: with
--threads 1 a busy machine then changes little.
"""

import argparse
import os
import pathlib
import shlex
import statistics
import sys
import tempfile

import retromae_peer
from retromae_step import PEER, Side


def peak(process):
    """Bytes of the largest resident set of a process so far."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this kernel does not report the peak of the resident set")


def processor_seconds(process):
    """Processor time of a process so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def turn(name, command, parameters, options):
    """(tokens per second, peak memory above the parameters) of a fresh process."""
    side = Side(name, command, {"OMP_NUM_THREADS": str(options.threads)})
    try:
        side.ask("run 1")
        before = processor_seconds(side.process)
        answer = side.ask(f"run {options.steps}")
        seconds = processor_seconds(side.process) - before if options.processor_time else answer["seconds"]
        return answer["tokens"] / seconds, peak(side.process) - 16 * parameters
    finally:
        side.close()


def sides_of(options, length, path):
    """Name -> command of the sides that run at this length."""
    common = ["--batches", path, "--precision", options.precision, "--threads", str(options.threads), "--serve"]
    ours, undropped = shlex.split(options.ours), ["--attention-dropout", "0"]
    sides = {"ours": [*ours, *common, *undropped], "ours, dropout": [*ours, *common]}
    if options.before and length in options.before_lengths:
        sides["before, dropout"] = [*shlex.split(options.before), *common]
    if not options.no_peer:
        peer = [sys.executable, str(PEER), "--variant", "strong", *common]   # the file has shape and texts
        sides["PyTorch"] = peer + undropped
        if options.with_dropout:
            sides["PyTorch, dropout"] = peer
    return sides


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="command of our side")
    parser.add_argument("--before", help="command of an earlier version of our side")
    parser.add_argument("--before-lengths", type=int, nargs="+", default=[128, 512], help="where it runs too (default: %(default)s)")
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512, 2048, 8192])
    parser.add_argument("--tokens", type=int, default=8192, help="of a batch (default: %(default)d)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1, help="measured steps of a turn (default: %(default)d)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true", help="rates by processor time, for a busy machine")
    parser.add_argument("--no-peer", action="store_true", help="without PyTorch")
    parser.add_argument("--with-dropout", action="store_true", help="PyTorch also with dropout of attention weights")
    options = parser.parse_args()
    print(f"{'length':>6}  {'side':<17} {'tokens/s':>9} {'peak GB':>8}   ratio of ours, spread   ({options.precision}, {options.turns} turns)")
    with tempfile.TemporaryDirectory() as scratch:
        for length in options.lengths:
            path = os.path.join(scratch, "batches.safetensors")
            retromae_peer.WORKLOADS["long"] = ("base", max(options.tokens // length, 1), length, length)
            retromae_peer.make_file(path, "long", 1)
            parameters = sum(t.numel() for t in retromae_peer.read_file(path)[1].values())
            sides = sides_of(options, length, path)
            found = {name: [] for name in sides}
            for k in range(options.turns):
                for name in list(sides)[:: 1 if k % 2 == 0 else -1]:
                    found[name].append(turn(name, sides[name], parameters, options))
            for name, turns in found.items():
                own = found["ours, dropout" if name.endswith("dropout") else "ours"]
                ratios = [a[0] / b[0] for a, b in zip(own, turns)]
                note = "" if name.startswith("ours") else f"{statistics.median(ratios):.2f}  {min(ratios):.2f} .. {max(ratios):.2f}"
                print(f"{length:>6}  {name:<17} {statistics.median(t[0] for t in turns):>9.1f} {max(t[1] for t in turns) / 1e9:>8.2f}   {note}",
                      flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
