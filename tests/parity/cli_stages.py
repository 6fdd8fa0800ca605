# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Runs that build on others: a second stage that goes on with the first one's decoder, spans of whole documents, pairs of
natural-language inference, and generators that do not fit."""
import json
import pathlib
import tempfile

import numpy
from safetensors.numpy import load_file

from cli_support import result, run, write_collection

SHAPE = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--batch-tokens", 512, "--learning-rate", "1e-3"]


def dumped(work, name, *arguments):
    file = work / f"{name}.safetensors"
    errors = run("pretrain", *arguments, "--dump-step", file).stderr
    return load_file(file), errors


def check_goes_on(work, first, second, arguments, own, shared):
    """The decoder of stage 1 is that of stage 2, under the name that stage 2 has for it; then back again."""
    trained = result("pretrain", "--preset", first, *SHAPE, *arguments, "--steps", 4, "--output", work / first)
    before = load_file(pathlib.Path(trained["checkpoint"]) / "model.safetensors")
    after, errors = dumped(work, second, "--preset", second, "--init", work / first, *arguments)
    names = [name for name in before if name.startswith(own)]
    assert len(names) > 10, sorted(before)
    for name in names:
        assert numpy.array_equal(before[name], after[shared + name.removeprefix(own)]), name
    assert "fresh:" not in errors, errors
    assert numpy.array_equal(before["encoder.embeddings.word_embeddings.weight"], after["encoder.embeddings.word_embeddings.weight"])
    run("pretrain", "--preset", second, "--init", work / first, *arguments, "--batch-tokens", 512, "--steps", 4, "--output", work / second)
    again, errors = dumped(work, f"{first}-again", "--preset", first, "--init", work / second, *arguments)
    latest = load_file(work / second / "step-4" / "model.safetensors")
    for name in names:
        assert numpy.array_equal(latest[shared + name.removeprefix(own)], again[name]), name
    assert "fresh:" not in errors, errors
    print(f"{first} -> {second}: {len(names)} parameters of the decoder go on, and back")


def check_whole_documents(work, data):
    """coCondenser reads two spans of one document, whose one passage is all of it."""
    run("prepare", "--input", data, "--format", "beir", "--tokenizer", work / "store", "--blocks", "whole_document", "--max-length", 64,
        "--output", work / "documents")
    arguments = ["pretrain", "--preset", "cocondenser", *SHAPE, "--data", work / "documents", "--max-length", 32]
    assert result(*arguments, "--set", "span_tokens=12", "--steps", 2, "--output", work / "spans")["step"] == 2
    refused = run(*arguments, "--steps", 2, "--set", "span_tokens=500", "--output", work / "none", status=2).stderr
    assert "documents of more than 500 tokens" in refused and "span_tokens" in refused, refused


def check_windows(work):
    """Too long a text is cut at a place that is drawn once: what is to be recovered is of the window that is read."""
    tokens = numpy.fromfile(work / "documents" / "tokens", numpy.int32)
    starts = numpy.fromfile(work / "documents" / "documents", numpy.uint64).reshape(-1, 7)[:, 0].astype(int)
    documents = [tokens[begin:end].tolist() for begin, end in zip(starts, starts[1:])]
    room = 8
    windows = {tuple(text[i:i + room]) for text in documents for i in range(len(text) - room + 1)}
    heads = {tuple(text[:room]) for text in documents}
    step, _ = dumped(work, "windows", "--preset", "condenser", *SHAPE, "--data", work / "documents", "--max-length", room + 2)
    ids, labels, offsets = (step[f"passes.0.view.{name}"] for name in ("original_ids", "labels", "offsets"))
    texts = {tuple(ids[begin + 1:end - 1].tolist()) for begin, end in zip(offsets, offsets[1:])}
    assert len(texts) > 20 and texts <= windows and not texts <= heads
    hidden = labels != -100
    assert hidden.any() and numpy.array_equal(labels[hidden], ids[hidden])


def check_generators(work):
    """What cannot fill masks is refused before anything is trained."""
    arguments = ["pretrain", "--preset", "simlm", *SHAPE, "--data", work / "store", "--steps", 1]
    run("pretrain", "--preset", "mlm", *SHAPE, "--data", work / "store", "--steps", 2, "--output", work / "generator")
    for name in (work / "generator" / "model", work / "generator", work / "generator" / "step-2"):
        run(*arguments, "--generator", name, "--output", work / f"filled-{name.name}")
    refused = run(*arguments, "--generator", work / "generator" / "sentence-transformer", "--output", work / "none", status=2).stderr
    assert "a language-model head" in refused and "BertForMaskedLM" in refused, refused
    short = work / "short.json"
    short.write_text((work / "generator" / "model" / "config.json").read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 24'))
    run("pretrain", "--preset", "mlm", "--config", short, "--data", work / "store", "--max-length", 24, "--steps", 1, "--output", work / "few")
    refused = run(*arguments, "--generator", work / "few", "--output", work / "none", status=2).stderr
    assert "views of 64 tokens" in refused and "positions for 24" in refused, refused
    run(*arguments, "--generator", work / "few", "--max-length", 24, "--output", work / "fits")
    run("prepare", "--input", work / "data", "--format", "beir", "--build-vocabulary", 290, "--max-length", 64, "--output", work / "other")
    run("pretrain", "--preset", "mlm", *SHAPE, "--data", work / "other", "--steps", 1, "--output", work / "foreign")
    refused = run(*arguments, "--generator", work / "foreign", "--output", work / "none", status=2).stderr
    assert "a generator with the tokenizer of" in refused and "--preset mlm" in refused, refused
    assert not (work / "none").exists()


def check_inference(work):
    """SNLI's lines and SimCSE's table become the same pairs and triplets, which the presets read."""
    rows, table = [], ["sent0,sent1,hard_neg"]
    texts = [json.loads(line)["text"].split(". ") for line in (work / "data" / "corpus.jsonl").read_text().splitlines()]
    for i, (premise, hypothesis) in enumerate(texts):
        against = texts[(i + 30) % len(texts)][0]
        rows += [("entailment", premise, hypothesis), ("neutral", premise, against), ("contradiction", premise, against), ("-", premise, hypothesis)]
        table.append(f'{premise},"{hypothesis}",{against}')
    (work / "snli.jsonl").write_text("".join(json.dumps({"gold_label": a, "sentence1": b, "sentence2": c}) + "\n" for a, b, c in rows))
    (work / "nli.csv").write_text("\n".join(table) + "\n")
    stores = []
    for name in ("snli.jsonl", "nli.csv"):
        stores.append(work / f"{name}.tokens")
        done = result("prepare", "--format", "nli", "--input", work / name, "--tokenizer", work / "store", "--max-length", 32, "--output", stores[-1])
        assert (done["documents"], done["passages"], done["queries"], done["blocks"]) == (len(texts), len(texts), 2 * len(texts), "whole_document"), done
        assert done.get("left_out", {}) == ({"lines without a gold label": 72, "neutral lines": 72} if name == "snli.jsonl" else {}), done
    for part in ("tokens", "queries", "query_ends"):
        assert (stores[0] / part).read_bytes() == (stores[1] / part).read_bytes(), part
    for preset in ("simcse-supervised", "sentmae-nli"):
        trained = result("pretrain", "--preset", preset, *SHAPE, "--data", stores[0], "--steps", 3, "--output", work / preset)
        assert trained["step"] == 3, trained
    (work / "bad.csv").write_text("sent0,sent1,hard_neg\na,b\n")
    refused = run("prepare", "--format", "nli", "--input", work / "bad.csv", "--tokenizer", work / "store", "--output", work / "none", status=2).stderr
    assert "bad.csv:2" in refused and "3 columns" in refused and "found 2" in refused, refused
    print("nli:", len(texts), "triplets from either form")


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    arguments = ["--data", work / "store", "--max-length", 48]
    check_goes_on(work, "retromae", "sentmae-marco-contrastive", arguments, "passes.0.terms.1.decoder.", "shared.enhanced.")
    check_whole_documents(work, data)
    check_windows(work)
    documents = ["--data", work / "documents", "--max-length", 32]
    check_goes_on(work, "condenser", "cocondenser", [*documents, "--set", "span_tokens=12"], "passes.0.terms.1.decoder.", "shared.tap.")
    check_generators(work)
    check_inference(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
