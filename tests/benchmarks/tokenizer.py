# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""One thread of bmae::WordPiece against one thread of HuggingFace `tokenizers` (encode_batch_fast), on the same lines.

    tokenizer.py PROGRAM TOKENIZER.json FILE[.gz]... [--repeats 7] [--peer-only]

PROGRAM is the built tokenizer.cpp. The two take turns, one process each; the ratio is of medians, and of pairs with its spread.
"""
import argparse
import gzip
import os
import statistics
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402  reads the environment


def lines_of(files):
    for name in files:
        with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8", newline="\n") as file:
            yield from (line.removesuffix("\n").removesuffix("\r") for line in file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("tokenizer")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peer-only", action="store_true")
    options = parser.parse_args()
    lines = list(lines_of(options.files))
    megabytes = sum(len(line.encode()) for line in lines) / 1e6
    peer = Tokenizer.from_file(options.tokenizer)
    peer.no_truncation()
    peer.no_padding()
    ours = None
    if not options.peer_only:
        ours = subprocess.Popen([options.program, options.tokenizer, *options.files, "--ask"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, bufsize=1)

    def run_ours():
        ours.stdin.write("go\n")
        ours.stdin.flush()
        seconds, tokens = ours.stdout.readline().split()
        return float(seconds), int(tokens)

    def run_peer():
        start = time.perf_counter()
        encodings = peer.encode_batch_fast(lines, add_special_tokens=False)
        return time.perf_counter() - start, encodings

    theirs_seconds, our_seconds = [], []
    for repeat in range(options.repeats + 1):   # the first round warms up
        seconds, encodings = run_peer()
        tokens = sum(len(e) for e in encodings)
        del encodings
        if repeat:
            theirs_seconds.append(seconds)
        if ours:
            seconds, our_tokens = run_ours()
            assert our_tokens == tokens, (our_tokens, tokens)
            if repeat:
                our_seconds.append(seconds)
    print(f"{len(lines)} lines, {megabytes:.1f} MB, {tokens} tokens, {options.repeats} repeats")
    for name, seconds in (("tokenizers", theirs_seconds), ("bmae", our_seconds)):
        if seconds:
            median = statistics.median(seconds)
            print(f"{name:10s} median {megabytes / median:7.1f} MB/s {tokens / median / 1e6:6.2f} Mtokens/s"
                  f"  ({megabytes / max(seconds):.1f} to {megabytes / min(seconds):.1f} MB/s)")
    if our_seconds:
        pairs = sorted(t / o for t, o in zip(theirs_seconds, our_seconds))
        print(f"ratio of medians {statistics.median(theirs_seconds) / statistics.median(our_seconds):.1f}, of pairs {pairs[0]:.1f} to {pairs[-1]:.1f}")


if __name__ == "__main__":
    main()
