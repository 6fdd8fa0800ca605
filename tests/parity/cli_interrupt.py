# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Ctrl-C while `prepare` and `encode` work: they end with status 130, say what to do and leave nothing behind, and the same
command given again ends well. (Training that is interrupted is a matter of cli_pipeline.py.)"""
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from cli_support import ENVIRONMENT, PROGRAM, contents, invented_words, run, write_collection


def catches_interrupts(process):
    """Whether the program has taken SIGINT over: bit 1 of the mask that the kernel shows."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return False
    mask = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(mask) and bool(int(mask[0], 16) & 1 << (signal.SIGINT - 1))


def interrupted(arguments, seconds):
    """Interrupts the command so many seconds after it has taken the signal over, and gives back its exit status."""
    process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], env=ENVIRONMENT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not catches_interrupts(process):
        time.sleep(.001)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130), (process.returncode, errors)
    if process.returncode == 130:
        assert "nothing was written" in errors and "same command" in errors, errors
        assert output == "", output
    return process.returncode


def check(name, folder, arguments):
    """Interrupts later and later, each time in an empty folder; then lets the command end."""
    (folder / "at").mkdir(parents=True)
    output = folder / "at" / f"cut.{name}"
    seen = []
    for delay in (0, .02, .1, .3, 1):
        seen.append(interrupted([*arguments, "--output", output], delay))
        if seen[-1] == 0:   # it had ended
            break
        assert not list((folder / "at").iterdir()), (seen, list((folder / "at").iterdir()))
    print(f"{arguments[0]}: {seen}")
    assert seen[0] == 130, f"{arguments[0]} was not interrupted"
    if seen[-1] != 0:
        run(*arguments, "--output", output)
    run(*arguments, "--output", folder / f"whole.{name}")
    return folder / f"whole.{name}", output


def main(work):
    rng = random.Random(1)
    words = invented_words(rng, 5000)
    lines = [" ".join(rng.choices(words, k=60)) + "." for _ in range(5000)]
    (work / "articles.txt").write_text("\n\n".join(rng.choice(lines) for _ in range(30000)))
    whole, cut = check("tokens", work / "prepare", ["prepare", "--input", work / "articles.txt", "--build-vocabulary", 2000,
                                                    "--max-length", 128])
    assert contents(whole) == contents(cut)

    write_collection(work / "data")
    run("prepare", "--input", work / "data", "--format", "beir", "--build-vocabulary", 300, "--output", work / "store")
    run("pretrain", "--config", "tiny", "--hidden", 64, "--data", work / "store", "--max-length", 128, "--batch-tokens", 512,
        "--steps", 1, "--output", work / "run")
    (work / "texts.jsonl").write_text("".join(json.dumps({"_id": str(i), "text": rng.choice(lines)}) + "\n" for i in range(1500)))
    whole, cut = check("safetensors", work / "encode", ["encode", "--model", work / "run/sentence-transformer", "--input",
                                                        work / "texts.jsonl"])
    assert whole.with_suffix(".ids").read_bytes() == cut.with_suffix(".ids").read_bytes()
    assert whole.read_bytes() == cut.read_bytes()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
