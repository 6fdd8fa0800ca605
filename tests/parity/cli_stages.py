# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""Runs that build on others: a second stage that goes on with the first one's decoder, spans of whole documents, pairs of
natural-language inference, and generators that do not fit; what a run starts from, lacks and leaves behind."""
import json
import pathlib
import tempfile

import numpy
from safetensors.numpy import load_file

from cli_support import result, run, write_collection

MODEL = ["--config", "tiny", "--hidden", 32, "--layers", 2, "--learning-rate", "1e-3"]
SHAPE = [*MODEL, "--batch-tokens", 512]


def without_optimizer(arguments):
    """The same without options that only a run reads: a dumped step refuses them."""
    kept, rest = [], iter(arguments)
    for word in rest:
        if word in ("--learning-rate", "--warmup", "--schedule"):
            next(rest)
        else:
            kept.append(word)
    return kept


def dumped(work, name, *arguments):
    file = work / f"{name}.safetensors"
    arguments = without_optimizer(arguments)
    errors = run("pretrain", *arguments, "--dump-step", file).stderr
    return load_file(file), errors


def check_goes_on(work, first, second, arguments, own, shared, of_second=()):
    """The decoder of stage 1 is that of stage 2, under the name that stage 2 has for it; then back again."""
    trained = result("pretrain", "--preset", first, *SHAPE, *arguments, "--steps", 4, "--output", work / first)
    before = load_file(pathlib.Path(trained["checkpoint"]) / "model.safetensors")
    after, errors = dumped(work, second, "--preset", second, "--init", work / first, *arguments, *of_second)
    names = [name for name in before if name.startswith(own)]
    assert len(names) > 10, sorted(before)
    for name in names:
        assert numpy.array_equal(before[name], after[shared + name.removeprefix(own)]), name
    assert "fresh:" not in errors, errors
    assert numpy.array_equal(before["encoder.embeddings.word_embeddings.weight"], after["encoder.embeddings.word_embeddings.weight"])
    run("pretrain", "--preset", second, "--init", work / first, *arguments, *of_second, "--batch-tokens", 512, "--steps", 4, "--output", work / second)
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
        assert done["left_out"] == ({"lines without a gold label": 72, "neutral lines": 72} if name == "snli.jsonl" else {}), done
    for part in ("tokens", "queries", "query_ends"):
        assert (stores[0] / part).read_bytes() == (stores[1] / part).read_bytes(), part
    for preset in ("simcse-supervised", "sentmae-nli"):
        trained = result("pretrain", "--preset", preset, *SHAPE, "--data", stores[0], "--steps", 3, "--output", work / preset)
        assert trained["step"] == 3, trained
    (work / "bad.csv").write_text("sent0,sent1,hard_neg\na,b\n")
    refused = run("prepare", "--format", "nli", "--input", work / "bad.csv", "--tokenizer", work / "store", "--output", work / "none", status=2).stderr
    assert "bad.csv:2" in refused and "3 columns" in refused and "found 2" in refused, refused
    print("nli:", len(texts), "triplets from either form")


def check_init(work):
    """Towers and decoders that start as copies of the encoder copy that of --init; a momentum encoder and its queue go on."""
    before = load_file(work / "generator" / "step-2" / "model.safetensors")
    encoder = [name for name in before if name.startswith("encoder.")]
    shape = [*SHAPE, "--data", work / "store", "--warmup", 0, "--schedule", "constant"]
    # At the preset's .05 the own key wins by far against a queue of random vectors, and the loss is 0.
    moco = ["--preset", "contriever", *shape, "--set", "momentum=0.9", "--set", "temperature=20", "--steps", 1]
    errors = run("pretrain", *moco, "--set", "queue_size=16", "--init", work / "generator", "--output", work / "moco").stderr
    assert "goes on" not in errors, errors
    follower = load_file(work / "moco" / "step-1" / "state.safetensors")
    leader = load_file(work / "moco" / "step-1" / "model.safetensors")
    for name in encoder:   # it started as its equal and moved after the update
        assert numpy.allclose(follower["momentum." + name], .9 * before[name] + .1 * leader[name], atol=1e-6), name
    assert not all(numpy.allclose(leader[name], before[name], atol=1e-6) for name in encoder)
    errors = run("pretrain", *moco, "--set", "queue_size=16", "--init", work / "moco", "--output", work / "moco-on").stderr
    assert "; momentum goes on; terms.0 goes on" in errors, errors
    after = load_file(work / "moco-on" / "step-1" / "state.safetensors")
    leader = load_file(work / "moco-on" / "step-1" / "model.safetensors")
    for name in encoder:
        assert numpy.allclose(after["momentum." + name], .9 * follower["momentum." + name] + .1 * leader[name], atol=1e-6), name
    errors = run("pretrain", *moco, "--set", "queue_size=8", "--init", work / "moco", "--output", work / "moco-short").stderr
    assert "; momentum goes on" in errors and "terms.0" not in errors, errors

    towers, errors = dumped(work, "towers", "--preset", "laprador", *shape, "--init", work / "generator")
    assert "the second encoder starts as a copy" in errors and "fresh: second" not in errors, errors
    for name in encoder:
        assert numpy.array_equal(towers["second." + name], before[name]), name
    for preset, place in (("simlm", "passes.0.terms.1.decoder."), ("diffcse", "passes.0.terms.0.decoder.")):
        copied, _ = dumped(work, preset, "--preset", preset, *shape, "--init", work / "generator", "--generator", work / "generator")
        own = {name.removeprefix(place): value for name, value in copied.items() if name.startswith(place)}
        pairs = [(value, before["encoder." + name]) for name, value in own.items() if name.startswith("layer.")]
        assert len(pairs) >= 32 and all(numpy.array_equal(mine, theirs) for mine, theirs in pairs), (preset, sorted(own))
    print("init: momentum encoder, second encoder and copied decoders start as the encoder of the checkpoint")


def write_rows(path, count, asked=None, continued=True, sentences=6):
    """Documents of equal sentences; the first `asked` have two queries each."""
    words = ["bado", "kelu", "mira", "tofi", "rusa", "lopi"]
    sentence = lambda i: " ".join(words[(i + k) % len(words)] for k in range(7)).capitalize() + "."
    rows = [{"_id": f"d{i}", "title": "", "text": " ".join(sentence(i + k) for k in range(sentences))} for i in range(count)]
    for i, row in enumerate(rows):
        row["queries"] = [f"{words[i % 6]} {words[(i + 2) % 6]}", words[(i + 1) % 6]] if asked is None or i < asked else []
        row["continuation"] = sentence(i + 3) if continued else ""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def check_texts(work):
    """A composition whose texts are missing is refused by the task's name, with the way to make them; few of them are told."""
    def store(name, count=30, **options):
        write_rows(work / f"{name}.jsonl", count, **options)
        run("prepare", "--format", "jsonl", "--input", work / f"{name}.jsonl", "--tokenizer", work / "data.vocabulary", "--max-length", 24,
            "--output", work / name)
        return work / name

    write_rows(work / "words.jsonl", 6)
    run("prepare", "--format", "jsonl", "--input", work / "words.jsonl", "--build-vocabulary", 60, "--output", work / "data.vocabulary")
    whole, short, unasked = store("whole"), store("short", sentences=1), store("unasked", asked=0)
    for preset, data, words in (
            ("master", unasked, ["queries of the documents", "DOR (passes.0.terms.4.view, queries)", "none in 30 documents", "T5"]),
            ("master", store("unfinished", continued=False), ["continuations of the documents", "GOR (", "none in 30", "GPT-2"]),
            ("master", short, ["more than one passage", "NPR (", "none in 30", "--max-length"]),
            ("cot-mae", short, ["more than one passage", "partner_span", "none in 30"]),
            ("sentmae-marco-contrastive", short, ["more than one sentence", "other_sentence", "none in 30"]),
            ("ict", short, ["more than one sentence", "cloze_context", "none in 30"]),
            ("simcse-supervised", whole, ["contradictions of the documents", "opposed_text", "60 queries", "--format nli"]),
            ("sentmae-nli", unasked, ["queries of the documents", "paired_text", "none in 30"])):
        refused = run("pretrain", "--preset", preset, *SHAPE, "--data", data, "--steps", 1, "--output", work / "none", status=2).stderr
        assert all(word in refused for word in words), (preset, refused)
    assert not (work / "none").exists()

    master = ["pretrain", "--preset", "master", *MODEL, "--log-every", 1, "--json"]
    told = run(*master, "--data", store("rarely", count=150, asked=1), "--batch-examples", 50, "--steps", 3, "--output", work / "told")
    assert "DOR (passes.0.terms.4.view, queries) reads queries of the documents: only 1 of 150 (0.67 %)" in told.stderr, told.stderr
    assert "GOR" not in told.stderr, told.stderr
    names = ["mlm", "mkp", "cmp", "npr", "dor", "gor"]
    log = [json.loads(line) for line in (work / "told" / "log.jsonl").read_text().splitlines()]
    absent = {name: [line["terms"][t]["absent"] for line in log] for t, name in enumerate(names)}
    assert absent["mlm"] == absent["mkp"] == absent["cmp"] == [0, 0, 0], absent
    assert all(n >= 40 for n in absent["dor"]) and all(0 < n < 50 for n in absent["npr"] + absent["gor"]), absent
    last = json.loads(told.stdout.splitlines()[-1])["terms"]
    assert [term["absent"] for term in last] == [absent[name][-1] for name in names], last
    full = run(*master, "--data", whole, "--steps", 1, "--output", work / "full").stderr
    assert ": only " not in full, full
    check_dictionary(work, whole)
    print("texts: each task says what it lacks; those without a label are counted", absent)


def check_dictionary(work, data):
    """Keyword masking by words from outside: counts that differ from the corpus draw other words."""
    arguments = ["--preset", "master-as-released", *SHAPE, "--data", data, "--set", "decoder_mask=0.2"]
    own, _ = dumped(work, "own-words", *arguments)
    run("prepare", "--format", "jsonl", "--input", work / "whole.jsonl", "--tokenizer", data, "--write-dictionary", work / "words.json",
        "--output", work / "counted")
    words = json.loads((work / "words.json").read_text())
    assert len(words) > 5 and min(words.values()) > 0, words
    rare = next(iter(sorted(words)))
    (work / "skewed.json").write_text(json.dumps({word: 1 if word == rare else 10 ** 9 for word in words}))
    skewed, errors = dumped(work, "skewed-words", *arguments, "--dictionary", work / "skewed.json")
    assert f"dictionary: {len(words)} words" in errors, errors
    view = "passes.0.terms.1.view.labels"
    assert own[view].shape == skewed[view].shape and not numpy.array_equal(own[view], skewed[view])
    assert numpy.array_equal(own["passes.0.view.labels"], skewed["passes.0.view.labels"])   # whole words are drawn as before
    for preset, words in (("master", ["document frequencies", "-as-released"]), ("retromae", ["word weights"])):
        refused = run("pretrain", "--preset", preset, *SHAPE, "--data", data, "--dictionary", work / "skewed.json", "--steps", 1, "--output",
                      work / "none", status=2).stderr
        assert all(word in refused for word in words), (preset, refused)


def check_towers(work):
    """LaPraDoR's second encoder is written beside the first, and exported by name."""
    arguments = ["pretrain", *SHAPE, "--data", work / "store"]
    trained = result(*arguments, "--preset", "laprador", "--steps", 2, "--output", work / "two")
    checkpoint = load_file(pathlib.Path(trained["checkpoint"]) / "model.safetensors")
    assert trained["pooling"] == "mean" and trained["pooling_note"] is None, trained
    weight = "encoder.layer.0.attention.self.query.weight"
    for key, prefix, tower in (("sentence_transformer", "", "first"), ("second_sentence_transformer", "second.", "second")):
        folder = pathlib.Path(trained[key])
        exported = result("export", "--model", work / "two", "--tower", tower, "--pooling", "mean", "--output", work / f"export-{tower}")
        assert exported["tower"] == tower, exported
        for place in (folder, work / f"export-{tower}"):
            assert numpy.array_equal(load_file(place / "model.safetensors")[weight], checkpoint[prefix + weight]), place
    assert not numpy.array_equal(checkpoint[weight], checkpoint["second." + weight])
    for model, words in ((work / "generator", "a second encoder"), (work / "two" / "model", "--tower second")):
        refused = run("export", "--model", model, "--tower", "second", "--pooling", "mean", "--output", work / "none", status=2).stderr
        assert words in refused, refused
    lexicon = run(*arguments, "--preset", "lexmae", "--steps", 1, "--output", work / "lexicon", "--json")
    said = json.loads(lexicon.stdout.splitlines()[-1])
    assert said["pooling"] == "cls" and "bottleneck lexicon" in said["pooling_note"], said
    assert said["pooling_note"] in lexicon.stderr, lexicon.stderr
    # A checkpoint says which bottleneck made its vectors: nobody needs to know it, and nobody gets [CLS] instead.
    encode = ["encode", "--input", work / "data" / "corpus.jsonl", "--model"]
    assert result(*encode, work / "two", "--output", work / "two.safetensors")["pooling"] == "mean"
    assert result("export", "--model", work / "two", "--output", work / "export-as-told")["pooling"] == "mean"
    contriever = result(*arguments, "--preset", "contriever", "--steps", 1, "--output", work / "contriever")
    assert contriever["pooling"] == "mean", contriever
    tuned = result("finetune", "--model", work / "contriever", "--data", work / "data", "--steps", 1, "--output", work / "contriever-tuned")
    pooling = json.loads((pathlib.Path(tuned["sentence_transformer"]) / "1_Pooling" / "config.json").read_text())
    assert pooling["pooling_mode_mean_tokens"] and not pooling["pooling_mode_cls_token"], pooling
    own = result(*encode, work / "contriever-tuned", "--output", work / "tuned-run.safetensors")
    saved = result(*encode, tuned["sentence_transformer"], "--output", work / "tuned-folder.safetensors")
    for key in ("pooling", "normalize", "max_length"):
        assert own[key] == saved[key], (key, own, saved)
    rows = [load_file(work / f"tuned-{name}.safetensors")["embeddings"] for name in ("run", "folder")]
    assert numpy.abs(rows[0] - rows[1]).max() <= 1e-6
    refused = run(*encode, work / "lexicon", "--output", work / "none.safetensors", status=2).stderr
    assert "bottleneck lexicon" in refused and "--pooling" in refused, refused


def check_vectors(work):
    """Poolings of two layers and bf16 vectors are for bmae's own search."""
    model = work / "generator" / "model"
    encode = ["encode", "--model", model, "--input", work / "data" / "corpus.jsonl"]
    vectors = {}
    for name, words in {"mean": ["mean"], "first_last": ["first_last"], "top_two": ["top_two"], "bf16": ["mean", "--precision", "bf16"]}.items():
        done = result(*encode, "--pooling", *words, "--output", work / f"{name}.safetensors")
        assert (done["pooling"], done["precision"]) == (words[0], "bf16" if name == "bf16" else "fp32"), done
        vectors[name] = load_file(work / f"{name}.safetensors")["embeddings"]
    assert len({rows.tobytes() for rows in vectors.values()}) == 3
    assert numpy.array_equal(vectors["first_last"], vectors["top_two"])   # in a model of two layers
    unit = lambda rows: rows / numpy.linalg.norm(rows, axis=1, keepdims=True)
    cosines = (unit(vectors["mean"]) * unit(vectors["bf16"])).sum(1)
    assert vectors["bf16"].dtype == numpy.float32 and cosines.min() > .999, cosines.min()
    hits = [result("search", "--model", model, "--pooling", "mean", "--precision", precision, "--data", work / "data", "--output",
                   work / f"{precision}.trec")["hits"] for precision in ("fp32", "bf16")]
    assert hits[0] == hits[1] > 0, hits
    refused = run(*encode, "--pooling", "median", "--output", work / "none.safetensors", status=2).stderr
    assert "cls, mean, first_last, top_two" in refused, refused
    run(*encode, "--pooling", "cls", "--precision", "fp8", "--output", work / "none.safetensors", status=2)
    refused = run("export", "--model", model, "--pooling", "top_two", "--output", work / "none", status=2).stderr
    assert "sentence-transformers" in refused and "found top_two" in refused, refused
    refused = run("finetune", "--model", model, "--pooling", "first_last", "--data", work / "data", "--steps", 1, "--output", work / "none",
                  status=2).stderr
    assert "found first_last" in refused, refused
    assert not (work / "none").exists()


def check_last_query(work):
    """The last batch of an epoch may be one query, which has nothing to be told apart from."""
    tune = ["finetune", "--model", work / "generator" / "model", "--data", work / "data", "--pooling", "cls"]
    tuned = result(*tune, "--limit", 17, "--batch-examples", 16, "--epochs", 2, "--output", work / "tuned")
    assert (tuned["step"], tuned["terms"][0]["labels"], tuned["terms"][0]["absent"]) == (4, 32, 2), tuned
    refused = run(*tune, "--limit", 1, "--epochs", 1, "--output", work / "none", status=2).stderr
    assert "at least two candidate passages" in refused and "--passages-per-query 2" in refused, refused
    refused = run(*tune, "--limit", 17, "--batch-examples", 1, "--epochs", 1, "--output", work / "alone", status=2).stderr
    assert "batches of one text" in refused and "--batch-examples" in refused, refused
    again = [*tune, "--limit", 17, "--batch-examples", 16, "--epochs", 3, "--output", work / "tuned", "--resume"]
    for words, expected in ((["--temperature", 2], ["temperature 1.0 as in the checkpoint", "found 2.0"]),
                            (["--contrast", "four_block"], ['contrast "info_nce" as in the checkpoint', 'found "four_block"'])):
        refused = run(*again, *words, status=2).stderr
        assert all(word in refused for word in expected) and "hidden_size" not in refused, refused
    assert result(*again)["step"] == 6


def main(work):
    data = write_collection(work / "data")
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--max-length", 64, "--output", work / "store")
    arguments = ["--data", work / "store", "--max-length", 48]
    check_goes_on(work, "retromae", "sentmae-marco-contrastive", arguments, "passes.0.terms.1.decoder.", "shared.enhanced.")
    check_whole_documents(work, data)
    check_windows(work)
    documents = ["--data", work / "documents", "--max-length", 32]
    check_goes_on(work, "condenser", "cocondenser", documents, "passes.0.terms.1.decoder.", "shared.tap.", ["--set", "span_tokens=12"])
    check_generators(work)
    check_inference(work)
    check_init(work)
    check_texts(work)
    check_towers(work)
    check_vectors(work)
    check_last_query(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
