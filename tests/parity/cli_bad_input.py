# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Wrong usage and bad files: every command ends with status 2 and a message that names what was expected, and nothing that was
there is changed. What is odd and not wrong (line ends of Windows, a byte order mark, a line of 10 MB) gives the results of the plain
file. Places that take no output: cli_output_places.py."""
import gzip
import json
import os
import pathlib
import shutil
import tempfile

from cli_support import contents, result, run, write_collection

cases = 0
faults = []


def refused(*arguments, says=(), stdin="", status=2):
    """The command must fail, say all these words on standard error, and print no result. Faults are collected for the end."""
    global cases
    cases += 1
    try:
        done = run(*arguments, status=status, stdin=stdin)
        for words in [says] if isinstance(says, str) else says:
            assert words in done.stderr, f"bmae {' '.join(map(str, arguments))}: expected '{words}' in\n{done.stderr}"
        assert "terminate called" not in done.stderr and "Exception raised" not in done.stderr, done.stderr
        assert done.stdout == "", done.stdout
        return done
    except AssertionError as fault:
        faults.append(str(fault))
        return None


def usage():
    refused(says="subcommand")
    refused("fly", says=["fly"])
    refused("rank", says=["rank", "rerank"])
    for command in ("tokenize", "prepare", "diagnose", "pairs", "pretrain", "finetune", "glue", "encode", "search", "evaluate", "similarity", "transfer", "export", "generate", "inspect", "doctor", "presets", "options", "rerank", "fuse", "mine"):
        shown = run(command, "--help").stdout
        assert "Example:" in shown and f"bmae {command}" in shown and "--json" in shown, shown
        refused(command, "--no-such-option", says=["no-such-option", f"bmae {command}"])
    assert run("--version").stdout.startswith("bmae ")


def texts(work, data, store):
    refused("tokenize", "--tokenizer", work / "absent", says=["absent", "found nothing"])
    (work / "empty.txt").write_text("")
    refused("tokenize", "--tokenizer", work / "empty.txt", says="empty.txt")
    (work / "binary.txt").write_bytes(bytes(range(256)) * 8)
    refused("tokenize", "--tokenizer", work / "binary.txt", says="binary.txt")
    refused("tokenize", "--tokenizer", store, "--max-length", 2, says="--max-length of at least 3", stdin="a\n")

    def prepare(*more, **keywords):
        refused("prepare", "--output", work / "out", *more, **keywords)
        assert not (work / "out").exists()

    one = ["--input", data / "corpus.jsonl", "--format", "jsonl"]
    prepare(*one, says="either --tokenizer or --build-vocabulary")
    prepare(*one, "--tokenizer", store, "--build-vocabulary", 100, says="found both")
    prepare("--input", data / "corpus.jsonl", "--format", "parquet", "--tokenizer", store, says=["text, beir, msmarco, jsonl", "parquet"])
    prepare("--input", data / "corpus.jsonl", "--format", "master", "--build-vocabulary", 100, says=["--tokenizer with --format master"])
    prepare("--input", data / "corpus.jsonl", "--format", "master", "--tokenizer", store, says=["corpus.jsonl:1", "a list of token ids under 'text'"])
    prepare(*one, "--tokenizer", store, "--blocks", "square", says=["whole_sentences", "square"])
    prepare(*one, "--tokenizer", store, "--max-length", 2, says="max-length")
    prepare("--input", work / "absent", "--tokenizer", store, says=["absent", "found nothing"])
    prepare("--input", work / "binary.txt", "--tokenizer", store, says="binary.txt:")
    prepare("--input", data / "corpus.jsonl", "--layout", "doc-tags", "--tokenizer", store, says="corpus.jsonl:1")
    whole = (data / "corpus.jsonl").read_text()
    (work / "cut.jsonl").write_text(whole[:len(whole) // 2])
    prepare("--input", work / "cut.jsonl", "--format", "jsonl", "--tokenizer", store, says=["cut.jsonl:", "JSON"])
    (work / "cut.jsonl.gz").write_bytes(gzip.compress(whole.encode())[:-40])
    prepare("--input", work / "cut.jsonl.gz", "--format", "jsonl", "--tokenizer", store, says="cut.jsonl.gz")
    (work / "twice.jsonl").write_text(whole + whole.splitlines()[0] + "\n")
    prepare("--input", work / "twice.jsonl", "--format", "jsonl", "--tokenizer", store, says=["twice.jsonl:73", "every id once"])
    refused("prepare", *one, "--tokenizer", store, "--output", store, says=["new or empty output folder", "Nothing is overwritten"])
    refused("prepare", *one, "--tokenizer", store, "--output", data / "corpus.jsonl", says="corpus.jsonl")
    skipped = json.loads(run("prepare", "--input", work / "cut.jsonl", "--format", "jsonl", "--tokenizer", store, "--skip-malformed",
                             "--output", work / "skipped", "--json").stdout.splitlines()[-1])
    assert skipped["skipped"] == 1 and 0 < skipped["documents"] < 72, skipped


def pretraining(work, data, store, run_folder):
    shape = ["--config", "tiny", "--hidden", "32", "--data", store, "--batch-tokens", "256"]

    def pretrain(*more, **keywords):
        refused("pretrain", *more, "--output", work / "out", **keywords)
        assert not (work / "out").exists()

    pretrain(*shape, says="--steps, --epochs, --minutes")
    refused("pretrain", *shape, "--steps", 2, says="--output")
    pretrain(*shape, "--steps", 2, "--epochs", 1, says=["excludes", "--epochs"])
    pretrain(*shape, "--steps", 2, "--preset", "retromea", says=["retromea", "Known: mlm, mlm-flops, retromae"])
    pretrain(*shape, "--steps", 2, "--set", "mask=0.3", says=["\"mask\"", "encoder_mask"])
    pretrain(*shape, "--steps", 2, "--set", "encoder_mask", says="NAME=VALUE")
    pretrain(*shape, "--steps", 2, "--set", "encoder_mask=lots", says=["a finite number for encoder_mask", "lots"])
    pretrain(*shape, "--steps", 2, "--precision", "fp8", says=["fp32 or bf16", "fp8"])
    pretrain(*shape, "--steps", 2, "--schedule", "square", says="constant, linear or cosine")
    pretrain(*shape, "--steps", 2, "--device", "tpu", says="cpu, cuda or cuda:N")
    pretrain(*shape, "--steps", 2, "--device", "cuda", says="no CUDA device")
    pretrain(*shape, "--steps", 2, "--max-length", 4000, says="512")
    pretrain(*shape, "--steps", 2, "--heads", 5, says="num_attention_heads")
    pretrain(*shape, "--steps", "many", says="many")
    pretrain(*shape, "--steps", 2, "--preset", "ict", "--gradient-cache", says=["--accumulate of at least 2 with --gradient-cache", "--accumulate is the number"])
    pretrain(*shape, "--steps", 2, "--gradient-cache", "--accumulate", 2, says=["compares the texts of a batch", "leave --gradient-cache out"])
    pretrain(*shape, "--steps", 2, "--preset", "contriever", "--gradient-cache", "--accumulate", 2, says="leave --gradient-cache out")
    pretrain(*shape, "--steps", 2, "--preset", "laprador", "--set", "alternate=-1", says="alternate of at least 0")
    pretrain(*shape, "--steps", 2, "--preset", "retromae-basic", "--set", "row_pool=8", says=["has an effect", "row_pool"])
    pretrain(*shape, "--steps", 2, "--preset", "master-shared-decoder", "--set", "passes.0.terms.2.decoder.layers=3",
             says=["shared.basic", "decoder.layers"])
    pretrain(*shape[2:], "--steps", 2, says="--config")
    pretrain("--data", store, "--steps", 2, says="either --model or --config")
    pretrain("--config", "huge", "--data", store, "--steps", 2, says=["base, small, mini, tiny", "huge"])
    pretrain("--config", "tiny", "--data", data, "--steps", 2, says="manifest.json")
    pretrain("--config", "tiny", "--data", work / "absent", "--steps", 2, says="absent")
    damaged = shutil.copytree(store, work / "damaged")
    os.truncate(damaged / "tokens", 100)
    pretrain("--config", "tiny", "--data", damaged, "--steps", 2, says=["tokens", "100"])
    (damaged / "manifest.json").write_text("{}")
    pretrain("--config", "tiny", "--data", damaged, "--steps", 2, says="manifest.json")
    other = work / "other"
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 200, "--output", other)
    pretrain("--config", "tiny", "--data", store, "--tokenizer", other, "--steps", 2, says=["a store made with the tokenizer of", "another"])
    pretrain("--model", run_folder / "model", "--data", other, "--steps", 2, says=["a store made with the tokenizer of", "another"])
    pretrain("--model", store, "--data", store, "--steps", 2, says="config.json")
    pretrain(*shape, "--init", store, "--steps", 2, says="--init")
    pretrain("--config", "tiny", "--data", store, "--init", run_folder, "--steps", 2, "--hidden", 16, says="as in this model")

    # A run that is there is neither written over nor resumed as another one.
    again = ["pretrain", *shape, "--output", run_folder]
    refused(*again, "--steps", 2, says=["new or empty", "--resume"])
    refused(*again, "--steps", 3, "--resume", "--preset", "retromae-basic", says="retromae-basic")
    refused(*again, "--steps", 3, "--resume", "--learning-rate", 1, says="learning_rate")
    refused("pretrain", *shape, "--steps", 2, "--output", data, says="new or empty")
    refused("pretrain", *shape, "--dump-step", data / "corpus.jsonl", says="corpus.jsonl")
    refused("pretrain", *shape, "--dump-step", work / "absent" / "x.safetensors", says="absent")


def write_nan(path, ending):
    """Puts one NaN into the tensor whose name ends so, and returns the name."""
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    name = next(name for name in header if name.endswith(ending))
    assert header[name]["dtype"] == "F32"
    begin = start + header[name]["data_offsets"][0]
    content[begin:begin + 4] = b"\0\0\xc0\x7f"
    path.write_bytes(content)
    return name


def models(work, data, run_folder):
    model = run_folder / "model"
    tune = ["finetune", "--data", data, "--output", work / "out", "--steps", 2]
    refused(*tune, "--model", model, "--stage", "rerankers", says=["rerankers", "Known: retriever"])
    refused(*tune, "--model", model, "--preset", "retromae", says=["retromae", "Known: retriever", "pretrain"])
    refused(*tune, "--model", work / "absent", says="absent")
    refused(*tune, "--model", model, "--split", "dev", says=["dev", "test, train"])
    refused(*tune, "--model", model, "--pooling", "min", says=["--pooling as one of cls, mean", "min"])
    refused(*tune, "--model", model, "--pooling", "top_two", says=["cls or mean", "sentence-transformers", "top_two"])
    refused(*tune, "--model", model, "--temperature", 0, says="temperature")
    refused(*tune, "--model", model, "--contrast", "five_block", says=["five_block", "four_block"])
    refused(*tune, "--model", model, "--negatives", data / "corpus.jsonl", says="corpus.jsonl:1")
    (work / "foreign.tsv").write_text("q0\td0\n")
    refused(*tune, "--model", model, "--negatives", work / "foreign.tsv", says=["foreign.tsv", "hard negatives"])
    assert not (work / "out").exists()
    cut = run(*tune[:3], "--output", work / "cut", "--steps", 1, "--model", model, "--passage-length", 999).stderr
    assert "passage_length: texts are cut to 512 tokens" in cut, cut

    encode = ["encode", "--input", data / "corpus.jsonl", "--output", work / "x.safetensors"]
    refused(*encode, "--model", model, says="--pooling")
    refused(*encode, "--model", work / "binary.txt", says="a file")
    refused(*encode, "--model", data, says="config.json")
    (work / "gpt2-model").mkdir()
    (work / "gpt2-model" / "config.json").write_text('{"model_type": "gpt2"}')
    refused(*encode, "--model", work / "gpt2-model", "--pooling", "cls", says=["bert, roberta, electra, distilbert, xlm-roberta", "gpt2"])
    for near in ("xlm-roberta-xl", "deberta-v2", "mpnet"):
        (work / "gpt2-model" / "config.json").write_text(json.dumps({"model_type": near}))
        refused(*encode, "--model", work / "gpt2-model", "--pooling", "cls", says=["xlm-roberta", "camembert", f'"{near}"'])
    refused(*encode[:-1], work / "x.bin", "--model", model, says=".safetensors")
    refused(*encode[:2], work / "empty.txt", *encode[3:], "--model", model, "--pooling", "cls", says="at least one text")
    refused(*encode, "--model", model, "--pooling", "cls", "--max-length", 999, says="512")
    diverged = shutil.copytree(model, work / "diverged")
    name = write_nan(diverged / "model.safetensors", "layer.0.attention.self.query.bias")
    for command in ([*encode, "--pooling", "cls"], tune):
        refused(*command, "--model", diverged, says=["diverged", "finite weights", name.removeprefix("bert.")])
    broken = shutil.copytree(model, work / "broken")
    weights = broken / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 100)
    refused(*encode, "--model", broken, "--pooling", "cls", says="model.safetensors")
    weights.write_bytes(b"")
    refused(*encode, "--model", broken, "--pooling", "cls", says="model.safetensors")
    weights.unlink()
    (broken / "pytorch_model.bin").write_bytes(b"PK")
    refused(*encode, "--model", broken, "--pooling", "cls", says=["pytorch_model.bin", "zip archive"])
    damaged = shutil.copytree(next(run_folder.glob("step-*")), work / "step-2")
    os.truncate(damaged / "model.safetensors", 1000)
    refused(*encode, "--model", damaged, "--pooling", "cls", says=["undamaged checkpoint", "model.safetensors"])
    laid_out = shutil.copytree(run_folder / "sentence-transformer", work / "laid-out")
    (laid_out / "1_Pooling" / "config.json").unlink()
    refused(*encode, "--model", laid_out, says="Pooling")
    assert not (work / "x.safetensors").exists() and not (work / "x.ids").exists()

    refused("export", "--model", model, "--output", work / "out", says="--pooling")
    refused("export", "--model", model, "--output", work / "out", "--format", "onnx", says="huggingface")
    refused("export", "--model", model, "--pooling", "cls", "--output", model, says="new or empty")
    assert not (work / "out").exists()


def searching(work, data, run_folder):
    search = ["search", "--data", data]
    file = work / "run.trec"
    refused(*search, "--method", "bm25", says="--output")
    refused(*search, "--method", "spares", "--output", file, says="dense, bm25, hybrid, sparse, dense-lexical or maxsim")
    refused(*search, "--output", file, says="--model")
    refused(*search, "--method", "bm25", "--output", file, "--split", "dev", says="test, train")
    refused(*search, "--method", "bm25", "--output", file, "--b", 2, says="--b as a number, 0 to 1")
    refused(*search, "--method", "bm25", "--output", file, "--top-k", 0, says="top-k")
    refused("search", "--data", work / "absent", "--method", "bm25", "--output", file, says="absent")
    refused(*search, "--method", "bm25", "--output", data / "corpus.jsonl", says="corpus.jsonl")
    model = run_folder / "sentence-transformer"
    (work / "few.jsonl").write_text("\n".join((data / "corpus.jsonl").read_text().splitlines()[:5]) + "\n")
    run("encode", "--model", model, "--input", work / "few.jsonl", "--output", work / "few.safetensors")
    refused(*search, "--model", model, "--embeddings", work / "few.safetensors", "--output", file, says="each of the 72 texts")
    (work / "few.ids").write_text("a\n")
    refused(*search, "--model", model, "--embeddings", work / "few.safetensors", "--output", file, says="the ids that were written with")
    refused(*search, "--model", model, "--embeddings", model / "model.safetensors", "--output", file, says="embeddings")
    assert not file.exists()

    run(*search, "--method", "bm25", "--output", file)
    qrels = data / "qrels" / "test.tsv"
    refused("evaluate", "--qrels", qrels, "--run", work / "absent", says="absent")
    refused("evaluate", "--qrels", file, "--run", file, says="run.trec:1")
    refused("evaluate", "--qrels", qrels, "--run", work / "binary.txt", says="binary.txt")
    refused("evaluate", "--qrels", qrels, "--run", work / "empty.txt", says="empty.txt")
    refused("evaluate", "--qrels", data / "qrels" / "train.tsv", "--run", file, says="same queries")
    refused("evaluate", "--qrels", qrels, "--run", file, "--profile", "trec8", says="trec9, trec10")
    refused("evaluate", "--qrels", qrels, "--run", file, "--measures", "ndgc@10", says=["ndgc@10", "ndcg"])
    refused("evaluate", "--qrels", qrels, "--run", file, "--output", qrels, says="test.tsv")
    for path in (work / "absent", work / "binary.txt", work / "empty.txt", data):
        refused("inspect", path, says=path.name)
    refused("evaluate", "--qrels", qrels, "--run", file, "--output", "/dev/full", says="/dev/full")


def odd_lines(content):
    """Other bytes of the same lines."""
    return {"crlf": content.replace(b"\n", b"\r\n"), "bom": b"\xef\xbb\xbf" + content, "no-end": content.rstrip(b"\n")}


def broken_files(path):
    """The ways in which a file may be damaged: each changes it in place, gives the path to name and what must be said of it."""
    content = path.read_bytes()
    path.write_bytes(bytes(range(256)) * 16)
    yield path, [path.name + ":1", "a NUL byte", "binary"]
    path.write_bytes(b"")
    yield path, ["expected at least one", "found"]
    path.unlink()
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(content)[:-20])
    yield packed, [packed.name, "a whole gzip file", "download it again"]
    packed.unlink()
    path.write_bytes(content)


def files(work, data, store, run_folder):
    """Each command against each of its files, odd, oversized and broken."""
    model = run_folder / "sentence-transformer"
    copy = shutil.copytree(data, work / "copy")
    run_file = work / "good.trec"
    run("search", "--data", data, "--method", "bm25", "--output", run_file)
    copied_run = shutil.copy(run_file, work / "copied.trec")
    fresh = iter(range(10 ** 6))

    def command(name, path=None):
        output = work / f"files-{next(fresh)}"
        return {"prepare": ["--input", path, "--format", "jsonl", "--tokenizer", store, "--output", output],
                "encode": ["--input", path, "--model", model, "--output", f"{output}.safetensors"],
                "search": ["--data", copy, "--method", "bm25", "--output", f"{output}.trec"],
                "finetune": ["--data", copy, "--model", model, "--steps", 1, "--batch-examples", 4, "--output", output],
                "evaluate": ["--qrels", copy / "qrels" / "test.tsv", "--run", copied_run]}[name], output

    readers = {copy / "corpus.jsonl": ("prepare", "encode", "search", "finetune"), copy / "queries.jsonl": ("search", "finetune"),
               copy / "qrels" / "train.tsv": ("finetune",), copy / "qrels" / "test.tsv": ("search", "evaluate"),
               copied_run: ("evaluate",)}

    def product(name):
        """What the command makes, as bytes."""
        arguments, output = command(name, copy / "corpus.jsonl")
        shown = run(name, *arguments)
        if name == "evaluate":
            return shown.stdout
        if name in ("prepare", "finetune"):
            wanted = ("tokens", "texts", "passages") if name == "prepare" else ("model.safetensors",)
            return {path.name: path.read_bytes() for path in sorted(output.rglob("*")) if path.name in wanted}
        return output.with_suffix(".trec" if name == "search" else ".safetensors").read_bytes()

    plain = {name: product(name) for names in readers.values() for name in names}
    assert all(plain.values()), {name: len(made) for name, made in plain.items()}
    for path, names in readers.items():
        content = path.read_bytes()
        for kind, bytes_ in odd_lines(content).items():
            path.write_bytes(bytes_)
            for name in names:
                assert product(name) == plain[name], f"{name} reads {path.name} ({kind}) otherwise than the plain file"
        path.write_bytes(content)
        for named, says in broken_files(path):
            for name in names:
                arguments, output = command(name, named)
                if name == "evaluate":
                    arguments = ["--qrels", named if "qrels" in str(path) else data / "qrels" / "test.tsv",
                                 "--run", named if path == copied_run else run_file]
                refused(name, *arguments, says=says)
                assert not list(work.glob(output.name + "*")), f"{name} has left something of {named.name}"

    corpus = (copy / "corpus.jsonl").read_text()
    (copy / "corpus.jsonl").write_text(corpus + json.dumps({"_id": "big", "text": "word " * 2_100_000}) + "\n")
    for name in readers[copy / "corpus.jsonl"]:
        arguments, _ = command(name, copy / "corpus.jsonl")
        made = result(name, *arguments)
        assert made.get("documents", made.get("texts", made.get("passages"))) >= 73, made
    (copy / "corpus.jsonl").write_text(corpus)
    with open(copied_run, "a") as file:
        file.write("q Q0 " + "x" * 10_000_000 + " 1 1 t\n")
    assert run("evaluate", *command("evaluate")[0]).stdout == plain["evaluate"]

    # The same id twice, and ids that a run cannot hold: told before the search and not after it.
    for name, first in (("corpus.jsonl", "d0-0"), ("queries.jsonl", "qtest0-0")):
        text = (copy / name).read_text()
        (copy / name).write_text(text + next(line for line in text.splitlines(True) if first in line))
        for reader in readers[copy / name]:
            refused(reader, *command(reader, copy / name)[0], says=[name, "every id once", first])
        (copy / name).write_text(text.replace(first, first.replace("-", " ")))
        if name == "queries.jsonl":
            judged = (copy / "qrels" / "test.tsv").read_text()
            (copy / "qrels" / "test.tsv").write_text(judged.replace(first, first.replace("-", " ")))
        done = refused("search", *command("search")[0], says=[name + ":", "an id without blanks", "rename the id"])
        assert done is None or "bm25: " not in done.stderr, f"searched before the ids were looked at:\n{done.stderr}"
        (copy / name).write_text(text)
    twice = work / "twice.trec"
    twice.write_text(run_file.read_text() + run_file.read_text().splitlines(True)[0])
    refused("evaluate", "--qrels", data / "qrels" / "test.tsv", "--run", twice, says=["twice.trec:", "every document once per query"])
    judged = (data / "qrels" / "test.tsv").read_text()
    (work / "twice.tsv").write_text(judged + judged.splitlines(True)[1].replace("\t1\n", "\t2\n"))
    refused("evaluate", "--qrels", work / "twice.tsv", "--run", run_file, says="twice.tsv:")


def main(work):
    data = write_collection(work / "data")
    store = work / "store"
    run_folder = work / "run"
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", store)
    run("pretrain", "--config", "tiny", "--hidden", 32, "--data", store, "--batch-tokens", 256, "--steps", 2, "--output", run_folder)
    (run_folder / "log.jsonl").touch()
    before = [contents(folder) for folder in (data, store, run_folder)]
    usage()
    texts(work, data, store)
    pretraining(work, data, store, run_folder)
    models(work, data, run_folder)
    searching(work, data, run_folder)
    files(work, data, store, run_folder)
    assert before == [contents(folder) for folder in (data, store, run_folder)], "a refused command has changed something"
    leftovers = [path.name for path in work.rglob("*") if ".tmp" in path.name or ".partial" in path.name]
    assert not leftovers, leftovers
    assert not faults, f"{len(faults)} of {cases}:\n\n" + "\n".join(faults)
    print(cases, "commands were refused as they should be")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
