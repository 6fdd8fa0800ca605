# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Places that cannot take an output: a full disk, a read-only file system, a path below a file, a folder that is not there.
Whoever named the place can mend that, so the status is 2 with a hint; it is told before the work where it can be known, nothing
half-made is left, and a trainer keeps its last checkpoint and goes on from it when there is room again."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from cli_support import ENVIRONMENT, PROGRAM, contents, run, write_collection

MOUNTS = "BMAE_TEST_MAY_MOUNT"


def refused(*arguments, says):
    done = run(*arguments, status=2)
    assert done.stdout == "", done.stdout
    for words in says:
        assert words in done.stderr, f"bmae {' '.join(map(str, arguments))}: expected '{words}' in\n{done.stderr}"
    return done.stderr


def commands(work, place):
    """Every command that writes, with an output below `place`."""
    data, store, trained, runs = work / "data", work / "store", work / "run", work / "run.trec"
    model = trained / "sentence-transformer"
    return {"prepare": ["--input", data / "corpus.jsonl", "--format", "jsonl", "--tokenizer", store, "--output", place / "store"],
            "pretrain": ["--config", "tiny", "--hidden", 32, "--data", store, "--steps", 2, "--output", place / "run"],
            "finetune": ["--model", model, "--data", data, "--steps", 2, "--output", place / "run"],
            "encode": ["--model", model, "--input", data / "corpus.jsonl", "--output", place / "x.safetensors"],
            "search": ["--method", "bm25", "--data", data, "--output", place / "run.trec"],
            "evaluate": ["--qrels", data / "qrels" / "test.tsv", "--run", runs, "--output", place / "table"],
            "export": ["--model", model, "--output", place / "export"]}


def standard_output(work):
    def fails(status, says, arguments, output):
        done = subprocess.run([str(PROGRAM), *map(str, arguments)], stdout=output, stderr=subprocess.PIPE, text=True,
                              env=ENVIRONMENT, check=False)
        assert done.returncode == status, (done.returncode, done.stderr)
        assert "standard output" in done.stderr and says in done.stderr, done.stderr

    evaluation = ["evaluate", "--qrels", work / "data" / "qrels" / "test.tsv", "--run", work / "run.trec"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in (["presets"], ["--help"], evaluation):
            fails(2, "disk is full", arguments, full)
    reading, writing = os.pipe()    # a closed pipe is no place that another one could take
    os.close(reading)
    fails(1, "incomplete", ["presets"], writing)
    os.close(writing)


def below_a_file(work):
    place = work / "file"
    place.write_text("mine")
    for name, arguments in commands(work, place).items():
        refused(name, *arguments, says=[str(place), "a file, not a folder"])
    assert place.read_text() == "mine"
    for name in ("encode", "search", "evaluate"):     # a file needs its folder; folders are made with those above
        refused(name, *commands(work, work / "absent")[name], says=["absent", "Check the path"])
    assert not (work / "absent").exists()
    long = work / ("n" * 300)
    for name, arguments in commands(work, long).items():
        refused(name, *arguments, says=["nnn", "File name too long"])


def mount(folder, *options, source="tmpfs"):
    subprocess.run(["mount", *options, source, str(folder)], check=True)


def read_only(work):
    place = work / "read-only"
    place.mkdir()
    mount(place, "-t", "tmpfs", "-o", "ro")
    for name, arguments in commands(work, place).items():
        said = refused(name, *arguments, says=[str(place), "read-only"])
        assert not re.search("training: [1-9]|encode: [1-9]|bm25: ", said), f"{name} has worked in vain:\n{said}"


def full_disk(work):
    place = work / "full"
    place.mkdir()
    mount(place, "-t", "tmpfs", "-o", "size=64k")
    with open(place / "filled", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            pass
    for name, arguments in commands(work, place).items():
        refused(name, *arguments, says=[str(place), "disk is full"])
        assert not [path.name for path in place.iterdir() if path.name not in ("filled", "run")], name
        shutil.rmtree(place / "run", ignore_errors=True)


def training_fills_the_disk(work):
    """Room for one checkpoint and a half: the second is refused, the first stays, and the run goes on when there is more."""
    place = work / "small"
    place.mkdir()
    train = ["pretrain", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--steps", 4, "--save-every", 1,
             "--keep-last", 1]
    run(*train, "--output", work / "roomy")
    size = sum(path.stat().st_size for path in (work / "roomy" / "step-4").rglob("*"))
    mount(place, "-t", "tmpfs", "-o", f"size={size * 3 // 2}")
    stays = f"the last checkpoint is kept: {place / 'run' / 'step-1'}"
    said = refused(*train, "--output", place / "run", says=["disk is full", "step-2", stays, "--resume"])
    assert said.index("is kept") < said.index("disk is full"), said
    assert sorted(path.name for path in (place / "run").glob("step-*")) == ["step-1"]
    before = contents(place / "run" / "step-1")
    refused(*train, "--output", place / "run", "--resume", says=["disk is full", "step-1"])      # still no room
    assert contents(place / "run" / "step-1") == before
    mount(place, "-o", f"remount,size={size * 8}", source="tmpfs")
    run(*train, "--output", place / "run", "--resume")
    ends = [(folder / "step-4" / "model.safetensors").read_bytes() for folder in (work / "roomy", place / "run")]
    assert ends[0] == ends[1], "the resumed run has learnt something else"


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    run("pretrain", "--config", "tiny", "--hidden", 32, "--data", work / "store", "--steps", 1, "--output", work / "run")
    run("search", "--method", "bm25", "--data", data, "--output", work / "run.trec")
    standard_output(work)
    below_a_file(work)
    if MOUNTS in os.environ:
        read_only(work)
        full_disk(work)
        training_fills_the_disk(work)


if __name__ == "__main__":
    # In a name space of its own, where mounts end with the process, however it ends; in one of a user's own where that is not root.
    for space in (["unshare", "--mount"], ["unshare", "--mount", "--user", "--map-root-user"]) if shutil.which("unshare") else ():
        trial = [*space, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if MOUNTS not in os.environ and subprocess.run(trial, capture_output=True, check=False).returncode == 0:
            os.environ[MOUNTS] = "1"
            os.execvp("unshare", [*space, sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        main(pathlib.Path(folder))
    if MOUNTS not in os.environ:
        print("skipped: read-only and full file systems, for want of the right to mount; standard output and paths were checked")
        sys.exit(77)
    print("every place that takes no output was refused with its hint")
