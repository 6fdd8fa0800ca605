# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""bmae vocabulary and bmae merge on random folders of transformers and sentence-transformers: sizes, rows and averages equal to numpy,
texts without new words read as before, everything loads in both libraries."""
import json
import pathlib
import tempfile

import numpy
import safetensors.numpy
import sentence_transformers
import torch
import transformers

from cli_support import result, run

WORDS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "heart", "car", "##dio", "##logy", "a", "##b", "c", "never", "##used", "of", "protein"]
TEXTS = ["the heart of a protein", "cardiology of the heart", "a c ab cardio cardio"]
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"


def make_model(folder, seed):
    """BERT with a head, as a folder of sentence-transformers: vocab.txt of 18 tokens, 20 rows."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(vocab_size=len(WORDS) + 2, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
                                     max_position_embeddings=24)
    folder.mkdir(parents=True)
    model = transformers.BertForMaskedLM(config)
    with torch.no_grad():
        model.cls.predictions.bias.normal_()
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 24}')
    (folder / "modules.json").write_text(json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 8, "pooling_mode_mean_tokens": true}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20, "do_lower_case": false}')
    return folder


def tensors(folder):
    return safetensors.numpy.load_file(folder / "model.safetensors")


def vectors(folder):
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)


def pieces(folder, text):
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    ids = tokenizer(text)["input_ids"]
    assert ids == [int(i) for i in run("tokenize", "--tokenizer", folder, stdin=text + "\n").stdout.split()], text
    return tokenizer.convert_ids_to_tokens(ids)


def check_extend(work, model):
    (work / "words.txt").write_text("cardiology\nCardio\nheart\nnot one word\n\u00fc\n")
    told = result("vocabulary", "extend", "--model", model, "--words", work / "words.txt", "--output", work / "more")
    assert (told["tokens_before"], told["tokens_after"]) == (len(WORDS), len(WORDS) + 2), told
    before, after = tensors(model), tensors(work / "more")
    rows = before[EMBEDDINGS].astype(numpy.float64)
    expected = numpy.concatenate([rows[:len(WORDS)], [rows[[8, 9, 10]].mean(0)], [rows[[8, 9]].mean(0)]]).astype(numpy.float32)
    assert numpy.array_equal(after[EMBEDDINGS], expected)
    assert after["cls.predictions.bias"].shape == (len(WORDS) + 2,)
    for name in before.keys() - set(told["changed_tensors"]):
        assert numpy.array_equal(before[name], after[name]), name
    loaded = transformers.BertForMaskedLM.from_pretrained(str(work / "more"))
    assert loaded.config.vocab_size == len(WORDS) + 2
    assert torch.equal(loaded.get_output_embeddings().weight, loaded.get_input_embeddings().weight)
    assert pieces(work / "more", TEXTS[0]) == pieces(model, TEXTS[0])
    assert pieces(work / "more", TEXTS[1])[1] == "cardiology"
    assert numpy.array_equal(vectors(work / "more")[0], vectors(model)[0])
    corpus = work / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(TEXTS)))
    told = result("vocabulary", "extend", "--model", model, "--corpus", corpus, "--most", 1, "--least", 2, "--output", work / "frequent")
    assert told["tokens_after"] == len(WORDS) + 1
    assert (work / "frequent" / "vocab.txt").read_text().splitlines()[-1] == "cardio"
    return corpus


def check_trim(work, model, corpus):
    told = result("vocabulary", "trim", "--model", model, "--corpus", corpus, "--output", work / "less")
    kept = [word for word in WORDS if word not in ("[unused0]", "never", "##used")]
    assert (work / "less" / "vocab.txt").read_text().splitlines() == kept
    assert told["bytes_after"] < told["bytes_before"]
    before, after = tensors(model)[EMBEDDINGS], tensors(work / "less")[EMBEDDINGS]
    assert numpy.array_equal(after, before[[WORDS.index(word) for word in kept]])
    for text in TEXTS:
        assert pieces(work / "less", text) == pieces(model, text)
    assert numpy.abs(vectors(work / "less") - vectors(model)).max() <= 1e-6
    config = json.loads((work / "less" / "config.json").read_text())
    assert config["vocab_size"] == len(kept)
    loaded = transformers.BertForMaskedLM.from_pretrained(str(work / "less"))
    assert loaded.get_output_embeddings().bias.shape == (len(kept),)


def check_merge(work, model, other):
    told = result("merge", f"{model}:0.6", f"{other}:0.4", "--output", work / "mixed")
    a, b, mixed = tensors(model), tensors(other), tensors(work / "mixed")
    assert mixed.keys() == a.keys() and told["tensors"] + told["equal_tensors"] == len(a)
    for name, value in mixed.items():
        expected = (0.6 * a[name].astype(numpy.float64) + 0.4 * b[name].astype(numpy.float64)).astype(a[name].dtype)
        assert numpy.array_equal(value, expected), name
    vectors(work / "mixed")
    for arguments, says in (([f"{model}:0.6", f"{other}:0.6"], "whose sum is 1"), ([f"{model}:1"], "at least two models"),
                            ([f"{model}:0.6", "x"], "FOLDER:WEIGHT"), ([f"{model}:0.6", f"{work / 'less'}:0.4"], '"vocab_size"')):
        assert says in run("merge", *arguments, "--output", work / "none", status=2).stderr, says
    assert not (work / "none").exists()


def main():
    with tempfile.TemporaryDirectory(prefix="bmae-surgery-") as name:
        work = pathlib.Path(name)
        model, other = make_model(work / "a", 1), make_model(work / "b", 2)
        corpus = check_extend(work, model)
        print("extended: rows equal to numpy, both libraries load it, texts without the words keep their pieces and vectors")
        check_trim(work, model, corpus)
        print("trimmed: rows, pieces and vectors of the corpus stay")
        check_merge(work, model, other)
        print("merged: equal to numpy bit for bit, others refused by what differs")


main()
