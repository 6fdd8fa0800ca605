# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of one head of width 64 over one text on one thread: ours beside PyTorch's scaled_dot_product_attention.

usage: attention.py --ours build/release/bin/benchmark_attention [--lengths 512 1024 2048 8192] [--turns 3]

Nothing is masked or dropped: only then PyTorch has a fused kernel on a CPU. Processor time in milliseconds of forward and backward pass,
the best of the turns, which alternate; the ratio is theirs over ours.
"""

import argparse
import subprocess
import time

import torch
import torch.nn.functional as F

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def theirs(length, kind, repeats):
    """(forward, backward) in milliseconds, the best of `repeats`."""
    query, key, value = (torch.randn(1, length, 1, 64).to(TYPES[kind]).transpose(1, 2).requires_grad_() for _ in range(3))
    gradient = torch.randn(1, 1, length, 64).to(TYPES[kind])
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        start = time.process_time()
        output = F.scaled_dot_product_attention(query, key, value)
        middle = time.process_time()
        output.backward(gradient)
        best = [min(best[0], middle - start), min(best[1], time.process_time() - middle)]
    return [1e3 * seconds for seconds in best]


def ours(command, length, kind, repeats):
    """The same; the way that a text of this length takes."""
    lines = subprocess.run([command, str(repeats), str(length), "0"], check=True, capture_output=True, text=True).stdout.splitlines()
    row = next(line.split() for line in lines if line.split()[1] == kind)
    columns = row[4:6] if length <= 512 else row[6:8]
    return [float(column) for column in columns]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="path of benchmark_attention")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 8192])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("length  type  ours: forward  backward   PyTorch: forward  backward   ratio")
    for length in options.lengths:
        for kind in TYPES:
            best = [[float("inf")] * 2, [float("inf")] * 2]
            for _ in range(options.turns):
                for side, times in enumerate((ours(options.ours, length, kind, 3), theirs(length, kind, 3))):
                    best[side] = [min(pair) for pair in zip(best[side], times)]
            print(f"{length:>6}  {kind:<4}  {best[0][0]:>13.2f} {best[0][1]:>9.2f}  {best[1][0]:>16.2f} {best[1][1]:>9.2f}   "
                  f"{sum(best[1]) / sum(best[0]):>5.2f}", flush=True)


if __name__ == "__main__":
    main()
