# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""What a training run shows: a bar that fits a terminal of 80 columns together with the loss, a rate that is of the steps themselves,
one total time, and the tokens that the encoder reads; and that commands without LibTorch do not load it."""
import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import tempfile
import termios

from cli_support import ENVIRONMENT, PROGRAM, result, run, write_collection

COLUMNS = 80


def on_terminal(*arguments):
    """The frames that the program draws on a terminal of 80 columns, and its standard output."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    shown = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:   # the other end is closed
            break
        if not piece:
            break
        shown += piece
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0, shown.decode()
    return re.split(r"\r\x1b\[K|\r?\n", shown.decode()), output


def seconds_of(text):
    minutes, seconds = re.fullmatch(r"(?:(\d+) min )?([\d.]+) s", text).groups()
    return 60 * int(minutes or 0) + float(seconds)


def check_bar(work, train):
    frames, output = on_terminal(*train, "--steps", 150, "--output", work / "shown", "--json")
    bars = [frame for frame in frames if frame.startswith("[")]
    assert len(bars) > 2, frames
    assert all(len(frame) < COLUMNS for frame in bars), max(bars, key=len)
    assert all(re.match(r"\[#*\.*\] training \d+ of 150 steps", bar) for bar in bars), bars
    assert any("loss " in bar for bar in bars) and any(" left" in bar for bar in bars), bars
    assert any(" steps/s" in bar for bar in bars), bars
    told = json.loads(output.splitlines()[-1])
    total = [frame for frame in frames if frame.startswith("training: 150 steps in ")]
    assert len(total) == 1 and abs(seconds_of(total[0].split(" in ")[1]) - told["seconds"]) < .2, (total, told["seconds"])


def check_tokens(work, train, prepared):
    """Of one epoch: every token of every passage, and the two around it."""
    told = result(*train, "--epochs", 1, "--output", work / "epoch")
    last = json.loads((work / "epoch" / "log.jsonl").read_text().splitlines()[-1])
    assert last["tokens"] == prepared["tokens"] + 2 * prepared["passages"], (last, prepared)
    assert 0 < last["tokens"] / told["tokens_per_second"] <= told["seconds"], told


def check_start(work):
    """bmae alone does without LibTorch; what needs it runs in bmae-torch, whose threads wait briefly for each other unless told otherwise."""
    libraries = subprocess.run(["ldd", str(PROGRAM)], capture_output=True, text=True).stdout
    assert "torch" not in libraries, libraries
    alone = work / "alone" / "bmae"
    alone.parent.mkdir()
    alone.write_bytes(PROGRAM.read_bytes())
    alone.chmod(0o755)
    done = subprocess.run([str(alone), "presets"], capture_output=True, text=True)
    assert done.returncode == 1 and "belongs beside bmae" in done.stderr, done
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for given, expected in (({}, "spin count 1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "9"}, "spin count 9")):
        done = subprocess.run([str(PROGRAM), "doctor", "--json"], capture_output=True, text=True, env=environment | given)
        assert json.loads(done.stdout.splitlines()[-1])["openmp waiting"] == expected, (given, done.stdout)


def main(work):
    data = write_collection(work / "data")
    prepared = result("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    train = ["pretrain", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--batch-tokens", 1024, "--log-every", 1]
    check_bar(work, train)
    check_tokens(work, train, prepared)
    check_start(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
