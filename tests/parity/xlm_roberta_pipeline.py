# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest: --texts 400 --random 1000 --steps 12
"""XLM-RoBERTa and CamemBERT through the whole program, each a tiny model with random weights and a unigram tokenizer in the form of its family,
trained here: ids as `tokenizers` gives them, presets that are killed and resumed to the same bits, fine-tuning, search, a longer table of
positions; sentence-transformers and transformers load what comes out and give the same vectors.

usage: xlm_roberta_pipeline.py [--texts N] [--random N] [--steps N] [--family NAME]     --texts 0: all of books and articles; --random 10000 and
--steps 200 are the long form
"""
import argparse
import gzip
import json
import pathlib
import tempfile

import numpy
import torch
import transformers
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (AutoModel, AutoModelForMaskedLM, AutoTokenizer, CamembertConfig, CamembertForMaskedLM, CamembertTokenizer, XLMRobertaConfig,
                          XLMRobertaForMaskedLM, XLMRobertaTokenizer)

from cli_support import result, run, write_collection
from subword_parity import DATA, character_map, random_texts, real_texts

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
CHARACTERS = {"\uff21": "A", "\uff12": "2", "\ufb01": "fi", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "\u200b": " ", "\x07": "", "e\u0301": "\u00e9",
              "\u00bd": "1/2", "\ufeff": "", "\u2167": "VIII", "\u0663": "3", "\uff01": "!", "\ufffd": " "}
UNSPACED = ["\u6f22\u5b57\u304b\u306a\u4ea4\u3058\u308a\u6587\u3092\u8aad\u3080\u3002" * 3, "\u0e44\u0e17\u0e22\u0e40\u0e02\u0e35\u0e22\u0e19\u0e15\u0e34\u0e14\u0e01\u0e31\u0e19" * 3]
PRESETS = ("retromae", "dupmae", "master-as-released", "simlm")


class XlmRoberta:
    name, first_names, first, last = "xlm-roberta", ["<s>", "<pad>", "</s>", "<unk>"], 0, 2
    tokenizer, config, model, bare = XLMRobertaTokenizer, XLMRobertaConfig, XLMRobertaForMaskedLM, "XLMRobertaModel"


class Camembert:
    name, first_names, first, last = "camembert", ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"], 5, 6
    tokenizer, config, model, bare = CamembertTokenizer, CamembertConfig, CamembertForMaskedLM, "CamembertModel"


def pieces_of(texts, size):
    """Pieces of SentencePiece's form with their log probabilities, without special tokens."""
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=size, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]))
    return json.loads(inner.to_str())["model"]["vocab"][1:]


def write_model(folder, family, texts):
    """A folder as that of the published models; gives back its tokenizer."""
    vocabulary = [(name, 0.0) for name in family.first_names] + [tuple(piece) for piece in pieces_of(texts + UNSPACED * 20, 500)] + [("<mask>", 0.0)]
    charsmap = character_map(CHARACTERS)
    tokenizer = family.tokenizer(vocab=vocabulary, _spm_precompiled_charsmap=charsmap, mask_token=AddedToken("<mask>", lstrip=True), model_max_length=62)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model = family.model(family.config(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                       max_position_embeddings=64, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=family.first,
                                       eos_token_id=family.last))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=.1)
    model.save_pretrained(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def all_texts(count, random_count):
    """Paragraphs of books and of the featured articles, and random Unicode; one line each, as the program reads them."""
    texts = real_texts(count or 10 ** 9)
    for file in sorted((DATA / "wiki_featured").rglob("*.gz")) if (DATA / "wiki_featured").is_dir() else []:
        texts += gzip.open(file, "rt", encoding="utf-8").read().split("\n")[:count or None]
    lines = [" ".join(text.split("\n")).replace("\r", " ") for text in texts] + random_texts(random_count)
    return [text for text in lines if not set(text) & set("\n\r\x00") and text.encode("utf-8", "ignore").decode() == text] + UNSPACED


def check_ids(folder, inner, texts):
    """By blocks: the encodings of all books and articles at once take more memory than most machines have."""
    wrong = []
    for first in range(0, len(texts), 10000):
        block = texts[first:first + 10000]
        lines = run("tokenize", "--tokenizer", folder, stdin="".join(text + "\n" for text in block), timeout=1200).stdout.split("\n")[:-1]
        wrong += [text for text, line, encoding in zip(block, lines, inner.encode_batch(block), strict=True)
                  if list(map(int, line.split())) != encoding.ids]
    print(f"{len(texts)} texts, {len(wrong)} differences", flush=True)
    assert not wrong, ascii(wrong[:3])


def check_words(store, inner):
    """A piece begins a word where it has the mark of a space, and where its script has none."""
    words = (store / "continues_word").read_bytes()
    manifest = json.loads((store / "manifest.json").read_text())["tokenizer"]
    special = manifest["special_ids"]
    assert manifest["kind"] == "unigram" and special["pad"] == 1 and special["unk"] == 3, manifest
    names = {i: token for token, i in inner.get_vocab().items()}
    assert names[special["cls"]] == "<s>" and names[special["sep"]] == "</s>" and names[special["mask"]] == "<mask>", manifest
    for i, token in names.items():
        unspaced = "\u0e00" <= token[0] <= "\u0eff" or "\u3040" <= token[0] <= "\u9fff"
        if not token.startswith("<"):
            assert words[i] == (not token.startswith("\u2581") and not unspaced), (token, words[i])


def check_folder(folder, family, inner, texts, data, work, length=48):
    """What was exported is read alike here and there."""
    peer = AutoTokenizer.from_pretrained(folder)
    assert [peer(text)["input_ids"] for text in texts] == [encoding.ids for encoding in inner.encode_batch(texts)], folder
    assert (peer.pad_token_id, peer.mask_token) == (1, "<mask>"), peer
    assert type(AutoModel.from_pretrained(folder)).__name__ == family.bare
    assert json.loads((folder / "config.json").read_text())["model_type"] == family.name
    encoder = SentenceTransformer(str(folder), device="cpu")
    assert encoder.max_seq_length == length, encoder.max_seq_length
    vectors = work / f"{family.name}-{len(list(work.iterdir()))}.safetensors"
    run("encode", "--model", folder, "--input", data / "corpus.jsonl", "--output", vectors)
    read = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    theirs = encoder.encode([f"{text['title']} {text['text']}" for text in read], batch_size=8)
    error = float(numpy.abs(theirs - load_file(vectors)["embeddings"]).max())
    print(f"{family.name}, {folder.parent.name}/{folder.name}: largest difference to sentence-transformers {error:.1e}", flush=True)
    assert error <= 2e-5
    return vectors


def check_presets(work, model, store, steps, presets=PRESETS):
    """Every preset of the list over this encoder: stopped in the middle and resumed, its result has the bits of a run that was left alone."""
    generator = result("pretrain", "--preset", "mlm", "--model", model, "--data", store, "--steps", 1, "--batch-tokens", 512, "--output", work / "generator")
    for preset in presets:
        arguments = ["pretrain", "--preset", preset, "--model", model, "--data", store, "--batch-tokens", 512, "--learning-rate", "1e-3", "--steps", steps]
        if preset == "simlm":
            arguments += ["--generator", generator["model"]]
        if preset == "master-as-released":   # the corpus has no queries and continuations
            arguments += ["--set", "passes.0.terms.2.weight=0", "--set", "passes.0.terms.3.weight=0"]
        whole, parts = work / f"{preset}-whole", work / f"{preset}-parts"
        trained = result(*arguments, "--save-every", steps // 2, "--keep-last", 9, "--output", whole, timeout=3600)
        assert trained["step"] == steps, trained
        parts.mkdir()
        (whole / f"step-{steps // 2}").rename(parts / f"step-{steps // 2}")   # what a killed run leaves
        resumed = result(*arguments, "--save-every", steps // 2, "--keep-last", 9, "--resume", "--output", parts, timeout=3600)
        assert resumed["resumed_from"] == steps // 2, resumed
        for name in ("model/model.safetensors", "sentence-transformer/model.safetensors"):
            assert (parts / name).read_bytes() == (whole / name).read_bytes(), (preset, name)
        print(f"{preset}: {steps} steps, resumed to the same bits", flush=True)
    return work / "retromae-whole"


def check_family(family, work, data, texts, steps):
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    model = work / "model"
    inner = write_model(model, family, [document["text"] for document in corpus])
    check_ids(model, inner, texts)
    few = texts[:20] + UNSPACED
    run("prepare", "--input", data, "--format", "beir", "--tokenizer", model, "--max-length", 48, "--output", work / "store")
    check_words(work / "store", inner)
    trained = check_presets(work, model, work / "store", steps)
    config = json.loads((trained / "model" / "config.json").read_text())
    assert config["architectures"] == [family.model.__name__] and config["pad_token_id"] == 1, config
    check_folder(trained / "sentence-transformer", family, inner, few, data, work)
    run("export", "--model", trained, "--pooling", "mean", "--normalize", "--max-length", 48, "--output", work / "exported")
    check_folder(work / "exported", family, inner, few, data, work)
    run("export", "--model", trained, "--format", "huggingface", "--output", work / "huggingface")
    loaded, info = AutoModelForMaskedLM.from_pretrained(work / "huggingface", output_loading_info=True)
    assert type(loaded) is family.model and not info["missing_keys"] and not info["unexpected_keys"], info

    tuned = result("finetune", "--model", trained, "--data", data, "--epochs", 1, "--query-length", 16, "--passage-length", 48, "--batch-examples", 8,
                   "--normalize", "--temperature", "0.05", "--output", work / "tuned")
    vectors = check_folder(pathlib.Path(tuned["sentence_transformer"]), family, inner, few, data, work)
    found = result("search", "--model", work / "tuned" / "sentence-transformer", "--data", data, "--embeddings", vectors, "--output", work / "run.trec")
    assert found["queries"] == 24, found
    for preset, key in (("splade", "sparse_encoder"), ("colbert", "token_encoder")):
        tuned = result("finetune", "--preset", preset, "--model", trained, "--data", data, "--steps", 2, "--batch-examples", 4, "--set", "passages=2",
                       *(["--passage-length", 48, "--query-length", 16]), "--output", work / preset)
        assert AutoModel.from_pretrained(tuned[key]).config.model_type == family.name

    # A longer table: texts that fitted before have their vectors, longer ones are read.
    longer = result("pretrain", "--model", model, "--positions", 200, "--data", work / "store", "--steps", 2, "--batch-tokens", 512, "--output",
                    work / "longer")
    config = json.loads((pathlib.Path(longer["model"]) / "config.json").read_text())
    assert config["max_position_embeddings"] == 202 and config["bmae_positions_repeated_from"] == 62, config
    assert AutoModel.from_pretrained(longer["model"]).embeddings.position_embeddings.weight.shape[0] == 202
    refused = run("pretrain", "--model", model, "--positions", 62, "--data", work / "store", "--steps", 1, "--output", work / "wrong", status=2)
    assert "more positions than the 62 of the model" in refused.stderr, refused.stderr
    (model / "tokenizer.json").rename(model / "kept")
    (model / "sentencepiece.bpe.model").write_bytes(b"not read")
    refused = run("tokenize", "--tokenizer", model, stdin="text\n", status=2)
    assert "sentencepiece.bpe.model alone" in refused.stderr and "save_pretrained" in refused.stderr, refused.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--family")
    options = parser.parse_args()
    texts = all_texts(options.texts, options.random)
    for family in (XlmRoberta, Camembert):
        if options.family in (None, family.name):
            with tempfile.TemporaryDirectory() as folder:
                work = pathlib.Path(folder)
                check_family(family, work, write_collection(work / "data"), texts, options.steps)


if __name__ == "__main__":
    main()
