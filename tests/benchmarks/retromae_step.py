# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Times our RetroMAE training step against PyTorch, turn by turn, and prints ratios with their spread.

usage: retromae_step.py --ours 'build/release/bench_retromae_step' [--workload base-8x128] [--precision fp32 bf16]
                        [--variants strong compiled packed] [--repeats 7] [--steps 1] [--threads 2] [--device cpu]
                        [--what run encode] [--json]

Both sides read the same file (batches and initial weights; see retromae_peer.py) and speak the same protocol, one line on stdin,
one JSON line on stdout: `run N` and `encode N` -> {"seconds": s, "tokens": t}, `loss` -> {"loss": l}, `quit`. Ours is started as
    COMMAND --batches FILE --precision fp32|bf16 --threads N --device cpu|cuda --serve
Lines that are no JSON object are passed to stderr. Losses of the untouched model must agree (1e-5 in fp32, 1e-3 in bf16, relative)
before anything is timed. Peers run one after another, each against ours in alternation, so that at most two models are in memory and
a busy machine slows both sides alike. The ratio is ours over peer in real tokens per second: above 1 we are faster.
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

import retromae_peer

PEER = pathlib.Path(__file__).resolve().parent / "retromae_peer.py"


class Side:
    """One process that runs steps on command."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **retromae_peer.ALLOCATOR, **(environment or {})})

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline()
            if not answer:
                raise SystemExit(f"{self.name} ended with status {self.process.wait()} on `{line}`")
            if answer.startswith("{"):
                values = json.loads(answer)
                if "ready" not in values:
                    return values
            else:
                sys.stderr.write(f"{self.name}: {answer}")

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.write("quit\n")
                self.process.stdin.close()
                self.process.wait(30)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


def measure(ours, peer, options, precision, what):
    """Alternates the two sides; returns their rates in tokens per second and what went before."""
    tolerance = 1e-5 if precision == "fp32" else 1e-3
    losses = [side.ask("loss")["loss"] for side in (ours, peer)]
    if not abs(losses[0] - losses[1]) <= tolerance * abs(losses[1]):
        raise SystemExit(f"{ours.name} and {peer.name} differ before the first step: loss {losses[0]} and {losses[1]}")
    for side in (ours, peer):
        side.ask(f"{what} {options.warmup}")
    rates = ([], [])
    for turn in range(options.repeats):
        order = ((0, ours), (1, peer)) if turn % 2 == 0 else ((1, peer), (0, ours))
        seconds, tokens = [0.0, 0.0], [0, 0]
        for which, side in order:
            answer = side.ask(f"{what} {options.steps}")
            seconds[which], tokens[which] = answer["seconds"], answer["tokens"]
        if tokens[0] != tokens[1]:
            raise SystemExit(f"the sides count tokens differently: {tokens[0]} and {tokens[1]} (real tokens of the encoder's view are meant)")
        for which in (0, 1):
            rates[which].append(tokens[which] / seconds[which])
    return rates, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="command of our side")
    parser.add_argument("--workload", nargs="+", choices=retromae_peer.WORKLOADS, default=["base-8x128"])
    parser.add_argument("--batches", help="file to use instead of the workload's own random batches")
    parser.add_argument("--variants", nargs="+", choices=retromae_peer.VARIANTS, default=["published", "strong", "compiled", "packed"])
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1, help="steps of one turn (default: %(default)d)")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--distinct", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--what", nargs="+", choices=("run", "encode"), default=["run"], help="training steps, or vectors without a graph")
    parser.add_argument("--json", action="store_true", help="one JSON object per comparison besides the table")
    options = parser.parse_args()
    table = []
    with tempfile.TemporaryDirectory() as scratch:
        for workload in options.workload:
            path = options.batches or os.path.join(scratch, "batches.safetensors")
            if not options.batches:
                retromae_peer.make_file(path, workload, options.distinct)
            for precision in options.precision:
                common = ["--batches", path, "--precision", precision, "--threads", str(options.threads), "--device", options.device, "--serve"]
                for variant, what in ((v, w) for v in options.variants for w in options.what):
                    ours = Side("ours", [*shlex.split(options.ours), *common])
                    peer = Side(variant, [sys.executable, str(PEER), "--variant", variant, "--workload", workload, *common])
                    try:
                        rates, losses = measure(ours, peer, options, precision, what)
                    finally:
                        ours.close()
                        peer.close()
                    ratios = [a / b for a, b in zip(*rates)]
                    row = {"workload": workload, "what": what, "precision": precision, "peer": variant, "ours": statistics.median(rates[0]),
                           "theirs": statistics.median(rates[1]), "ratio": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios),
                           "rates_ours": rates[0], "rates_theirs": rates[1], "losses": losses}
                    table.append(row)
                    if options.json:
                        print(json.dumps(row), flush=True)
    print(f"{'workload':<18} {'what':<7} {'precision':<9} {'peer':<16} {'ours tok/s':>11} {'peer tok/s':>11} {'ratio':>6}  spread of the ratio, {options.repeats} turns")
    for row in table:
        print(f"{row['workload']:<18} {row['what']:<7} {row['precision']:<9} {row['peer']:<16} {row['ours']:>11.1f} {row['theirs']:>11.1f} {row['ratio']:>6.2f}  "
              f"{row['lowest']:.2f} .. {row['highest']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
