# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""A RoBERTa folder with a byte-level BPE tokenizer through the whole program, and one with a unigram tokenizer: ids as `tokenizers` gives
them, a store that holds the tokens of the whole text, pre-training, export, fine-tuning, search; sentence-transformers and
transformers load what comes out and give the same vectors. Then the tokenizers that an encoder cannot use."""
import json
import pathlib
import struct
import sys
import tempfile

import numpy
import torch
import transformers
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

from cli_support import result, run, write_collection

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
ODD = ["it's  two   spaces, we'll see", " leads with a blank", "caf\u00e9 \u6f22\u5b57 \U0001f600!", "a <mask> b", "tab\tand </s> within", "", "42nd street"]


def byte_level(texts, prefix=False):
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=prefix), decoders.ByteLevel()
    inner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, show_progress=False, special_tokens=SPECIAL,
                                                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    inner.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=prefix)
    return inner


def unigram(texts):
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    inner.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=300, show_progress=False, unk_token="<unk>", special_tokens=SPECIAL))
    inner.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return inner


def write_roberta(folder, inner):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", unk_token="<unk>",
                                        pad_token="<pad>", mask_token=AddedToken("<mask>", lstrip=True), model_max_length=62)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model = RobertaForMaskedLM(RobertaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                             max_position_embeddings=64, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=.1)
    model.save_pretrained(folder)
    return inner


def ids_of(tokenizer, texts, *more):
    lines = run("tokenize", "--tokenizer", tokenizer, *more, stdin="".join(text + "\n" for text in texts)).stdout.split("\n")[:-1]
    return [list(map(int, line.split())) for line in lines]


def check_ids(folder, inner, texts):
    expected = [encoding.ids for encoding in inner.encode_batch(texts)]
    for path in (folder, folder / "tokenizer.json"):
        assert ids_of(path, texts) == expected, path
    assert ids_of(folder, texts, "--no-special-tokens") == [ids[1:-1] for ids in expected]
    print(f"{len(texts)} texts, {sum(map(len, expected))} ids equal to tokenizers'")


def check_store(store, inner, texts, kind, mark):
    """Sentences are tokenized one by one, and give what their document gives as a whole."""
    tokens = struct.unpack(f"<{(store / 'tokens').stat().st_size // 4}i", (store / "tokens").read_bytes())
    expected = [i for text in texts for i in inner.encode(text, add_special_tokens=False).ids]
    assert list(tokens) == expected
    manifest = json.loads((store / "manifest.json").read_text())["tokenizer"]
    assert manifest["kind"] == kind and manifest["special_ids"] == {"pad": 1, "unk": 3, "cls": 0, "sep": 2, "mask": len(inner.get_vocab()) - 1}
    words = (store / "continues_word").read_bytes()
    vocabulary = {i: token for token, i in inner.get_vocab().items()}
    for i, token in vocabulary.items():
        assert words[i] == (not token.startswith(mark) and token not in [*SPECIAL, "<mask>"]), token
    shown = result("inspect", store)
    assert shown["tokenizer"] == kind and texts[0].startswith(shown["first_passage"][:40]), shown


def check_folder(folder, inner, texts, data, work, name):
    """What was exported is read alike here and there."""
    peer = AutoTokenizer.from_pretrained(folder)
    assert [peer(text)["input_ids"] for text in texts] == [encoding.ids for encoding in inner.encode_batch(texts)], folder
    assert (peer.pad_token_id, peer.mask_token, peer.model_max_length) == (1, "<mask>", 62), peer
    assert type(AutoModel.from_pretrained(folder)).__name__ == "RobertaModel"
    encoder = SentenceTransformer(str(folder), device="cpu")
    assert encoder.max_seq_length == 48, encoder.max_seq_length
    run("encode", "--model", folder, "--input", data / "corpus.jsonl", "--output", work / f"{name}.safetensors")
    rows = load_file(work / f"{name}.safetensors")["embeddings"]
    read = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    theirs = encoder.encode([f"{text['title']} {text['text']}" for text in read], batch_size=8)
    error = float(numpy.abs(theirs - rows).max())
    print(f"{name}: largest difference to sentence-transformers {error:.1e}, largest value {numpy.abs(theirs).max():.2f}")
    assert error <= 2e-5


def main(work):
    data = write_collection(work / "data")
    corpus = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    texts = [document["text"] for document in corpus]
    documents = [document["title"] + " " + document["text"] for document in corpus]   # as every command reads them
    inner = write_roberta(work / "roberta", byte_level(texts))
    check_ids(work / "roberta", inner, texts + ODD)
    check_ids(work / "prefixed", write_roberta(work / "prefixed", byte_level(texts, prefix=True)), texts + ODD)

    prepared = result("prepare", "--input", data, "--format", "beir", "--tokenizer", work / "roberta", "--max-length", 48, "--output", work / "store")
    assert prepared["documents"] == len(texts) and prepared["unknown_tokens"] == 0 and prepared["tokenizer"] == "byte_level_bpe", prepared
    check_store(work / "store", inner, documents, "byte_level_bpe", "\u0120")

    small = ["--data", work / "store", "--steps", 8, "--batch-tokens", 512, "--learning-rate", "1e-3"]
    trained = result("pretrain", "--preset", "retromae", "--init", work / "roberta", *small, "--output", work / "run")
    assert trained["step"] == 8, trained
    config = json.loads((work / "run" / "model" / "config.json").read_text())
    assert config["model_type"] == "roberta" and config["pad_token_id"] == 1, config
    check_folder(work / "run" / "sentence-transformer", inner, texts + ODD, data, work, "pretrained")
    run("export", "--model", work / "run", "--pooling", "mean", "--normalize", "--max-length", 48, "--output", work / "exported")
    check_folder(work / "exported", inner, texts + ODD, data, work, "exported")
    run("export", "--model", work / "run", "--format", "huggingface", "--output", work / "huggingface")
    model, info = RobertaForMaskedLM.from_pretrained(work / "huggingface", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    run("pretrain", "--preset", "mlm", "--model", work / "huggingface", *small, "--output", work / "again")   # and back again

    tuned = result("finetune", "--model", work / "run", "--data", data, "--epochs", 2, "--query-length", 16, "--passage-length", 48, "--batch-examples", 8,
                   "--normalize", "--temperature", "0.05", "--output", work / "tuned")
    assert tuned["queries"] == 24, tuned
    check_folder(work / "tuned" / "sentence-transformer", inner, texts + ODD, data, work, "tuned")
    found = result("search", "--model", work / "tuned" / "sentence-transformer", "--data", data, "--embeddings", work / "tuned.safetensors", "--output",
                   work / "run.trec")
    assert found["queries"] == 24, found

    # The same with a unigram tokenizer, in short.
    pieces = write_roberta(work / "unigram", unigram(texts))
    check_ids(work / "unigram", pieces, texts + ODD)
    run("prepare", "--input", data, "--format", "beir", "--tokenizer", work / "unigram", "--max-length", 48, "--output", work / "pieces")
    check_store(work / "pieces", pieces, documents, "unigram", "\u2581")
    run("pretrain", "--model", work / "unigram", "--data", work / "pieces", "--steps", 2, "--batch-tokens", 512, "--output", work / "unigram-run")
    check_folder(work / "unigram-run" / "sentence-transformer", pieces, texts + ODD, data, work, "unigram")

    # Another tokenizer than the store's is refused, and so is one without the tokens that an encoder needs.
    refused = run("pretrain", "--preset", "mlm", "--model", work / "prefixed", *small, "--output", work / "wrong", status=2)
    assert "the tokenizer of" in refused.stderr and "byte_level_bpe" in refused.stderr, refused.stderr
    run("prepare", "--input", data, "--format", "beir", "--build-vocabulary", 300, "--output", work / "words")
    refused = run("pretrain", "--preset", "mlm", "--model", work / "roberta", "--data", work / "words", "--steps", 1, "--output", work / "wrong", status=2)
    assert "byte_level_bpe" in refused.stderr and "wordpiece" in refused.stderr, refused.stderr
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    bare.save(str(work / "bare.json"))
    refused = run("prepare", "--input", data, "--format", "beir", "--tokenizer", work / "bare.json", "--output", work / "wrong", status=2)
    assert "one token before and one after a text" in refused.stderr and "0 before and 0 behind" in refused.stderr, refused.stderr
    refused = run("prepare", "--input", data, "--format", "beir", "--tokenizer", work / "roberta", "--write-dictionary", work / "words.json",
                  "--output", work / "wrong", status=2)
    assert "WordPiece tokenizer" in refused.stderr, refused.stderr
    assert not (work / "wrong").exists()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
