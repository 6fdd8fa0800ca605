# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of tokenizers in the layouts in use, with added tokens of every kind and with files that contradict each other: ids equal to those of
transformers' AutoTokenizer, and kept by what bmae saves. Everything is made here, small and random.

    tokenizer_folders.py [DRIVER] [--texts N]
"""
# ctest:
import argparse
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast, RobertaTokenizer, XLMRobertaTokenizer

from subword_parity import byte_level, character_map, drive

transformers.logging.set_verbosity_error()
failures = 0
WORDS = ["covid", "Covid", "COVID", "covids", "xcovid", "New York", "new york", "stra\u00dfe", "caf\u00e9", "cafe\u0301", "the cat", "Cats", "sat", "foo", "foobar", "foo.",
         "[ENT]", "[ent]", "<e1>", "<E1>", "[MASK]", "<mask>", "</s>", "[UNK]", "ABC", "abc", "ABC1", " ", "  ", "\t", "\n", "\u00a0", ".", ",", "!", "\u6f22\u5b57", "42", "a1b",
         "\u00c9t\u00e9", "don't", "\u0301", "\ufb01", "x_y", "\u2581"]
ADDED = [AddedToken("[ENT]", special=True, normalized=False), AddedToken("covid", normalized=True), AddedToken("New York", normalized=False, lstrip=True),
         AddedToken("caf\u00e9", normalized=True, single_word=True), AddedToken("foo", single_word=True, normalized=False),
         AddedToken("<e1>", rstrip=True, normalized=False), AddedToken("ABC", single_word=True, normalized=True, rstrip=True), AddedToken("the", normalized=True)]


# Expressions of known tokenizers (GPT-2, cl100k, SMILES), and what they are made of.
PATTERNS = [(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", "isolated", False),
            (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "removed", True),
            (r"(\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?|\*|\$|\%[0-9]{2}|[0-9])", "isolated", False),
            (r"\s+", "removed", False), (r"\d", "isolated", False), (r"\d+", "contiguous", True), (r"\w+|[^\w\s]+", "removed", True),
            (r"[\p{P}\p{S}]", "merged_with_previous", False), (r"[^\w ]", "merged_with_next", False), (r"(?>[a-z]+?)[.,]|\p{L}\p{M}*+", "contiguous", False),
            (" {2,}|[\u4e00-\u9fff]", "isolated", False), (r"(?i:[sdmt]|ll|ve|re|k)", "merged_with_previous", True)]


def texts_of(count, seed=4):
    rng = random.Random(seed)
    return ["", " ", *WORDS] + ["".join(rng.choice(WORDS) + rng.choice(["", " ", " "]) for _ in range(rng.randrange(1, 12))) for _ in range(count)]


def ids_of(folder, texts):
    """bmae's ids, and what it warned of."""
    stdin = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    done = subprocess.run([DRIVER, "any", str(folder), "ids"], input=stdin, capture_output=True)
    if done.returncode:
        return None, done.stderr.decode()
    rows, at = [], 0
    for _ in texts:
        (count,) = struct.unpack_from("<I", done.stdout, at)
        rows.append(list(struct.unpack_from(f"<{count}i", done.stdout, at + 4)))
        at += 4 + 4 * count
    return rows, done.stderr.decode()


def compare(name, folder, texts, warns=(), quiet=True):
    """Ids of a folder, then those of what bmae saves of it, read by transformers and by bmae. warns: parts of the expected warnings."""
    global failures
    theirs = AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]
    ours, said = ids_of(folder, texts)
    wrong = [(t, a, b) for t, a, b in zip(texts, ours, theirs) if a != b] if ours is not None else [("", said, "read")]
    if any(part not in said for part in warns) or (quiet and not warns and said):
        wrong.append(("warnings", said, warns))
    with tempfile.TemporaryDirectory() as scratch:
        saved = pathlib.Path(scratch) / "saved"
        if ours is not None:
            subprocess.run([DRIVER, "any", str(folder), "save", str(saved)], check=True, capture_output=True)
            (saved / "config.json").write_bytes((folder / "config.json").read_bytes())
            again = AutoTokenizer.from_pretrained(saved)(texts)["input_ids"]
            wrong += [(t, "saved", a, b) for t, a, b in zip(texts, again, theirs) if a != b]
            read, said = ids_of(saved, texts)
            wrong += [(t, "read again", a, b) for t, a, b in zip(texts, read, theirs) if a != b] if read else [("read again", said, "")]
            if said:
                wrong.append(("warnings of the saved folder", said, ""))
    failures += len(wrong)
    print(f"{name}: {len(texts)} texts, {len(wrong)} differences", flush=True)
    for row in wrong[:3]:
        print("   ", *(ascii(str(part))[:400] for part in row), sep="\n      ")


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / {"vocab": "vocab.txt", "merges": "merges.txt", "vocabulary": "vocab.json"}.get(name, name + ".json")
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def letters():
    plain = [chr(c) for c in range(33, 127)] + ["\u00df", "\u00e9", "\u00c9", "\u6f22", "\ufb01"]
    return plain + ["##" + c for c in plain]


def bert_vocabulary():
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters(), "the", "cat", "new", "New", "York", "york", "sat", "foo", "##bar", "cafe", "caf\u00e9"]


def bert(work, texts):
    vocabulary = "".join(token + "\n" for token in bert_vocabulary())
    config = {"model_type": "bert"}
    for cased in (False, True):
        kind = "cased" if cased else "uncased"
        base = write(work / f"bert-{kind}", vocab=vocabulary, config=config, tokenizer_config={"do_lower_case": not cased, "tokenizer_class": "BertTokenizer"})
        compare(f"BERT {kind}, vocab.txt", base, texts)
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokenizer.add_tokens(ADDED)
        whole = work / f"bert-{kind}-whole"
        tokenizer.save_pretrained(whole)
        write(whole, config=config)
        compare(f"BERT {kind}, tokenizer.json and tokenizer_config.json", whole, texts)
        settings = json.loads((whole / "tokenizer_config.json").read_text())
        fast = json.loads((whole / "tokenizer.json").read_text())
        write(work / f"bert-{kind}-alone", tokenizer=fast, config=config, tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast"})
        compare(f"BERT {kind}, tokenizer.json alone", work / f"bert-{kind}-alone", texts)
        decoder = {str(entry["id"]): {key: entry[key] for key in entry if key != "id"} for entry in fast["added_tokens"]}
        write(work / f"bert-{kind}-decoder", vocab=vocabulary, config=config, tokenizer_config={**settings, "do_lower_case": not cased, "added_tokens_decoder": decoder})
        compare(f"BERT {kind}, vocab.txt and added_tokens_decoder", work / f"bert-{kind}-decoder", texts)
        old = {entry["content"]: entry["id"] for entry in fast["added_tokens"] if entry["id"] >= len(bert_vocabulary())}
        write(work / f"bert-{kind}-old", vocab=vocabulary, config=config, added_tokens=old, tokenizer_config={"do_lower_case": not cased},
              special_tokens_map={"mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False},
                                  "additional_special_tokens": ["[ENT]"]})
        compare(f"BERT {kind}, vocab.txt and added_tokens.json", work / f"bert-{kind}-old", texts)
    shifted = {content: place + 7 for content, place in old.items()}
    write(work / "bert-shifted", vocab=vocabulary, config=config, added_tokens=shifted, tokenizer_config={})
    compare("BERT, declared ids with a gap", work / "bert-shifted", texts, warns=["bert-shifted", "declares the id"])
    repeated = vocabulary + "cat\n\nsit \nzz"
    compare("BERT, repeated and blank lines", write(work / "bert-repeated", vocab=repeated, config=config, tokenizer_config={}), texts, warns=["repeats 'cat'"])


def contradictions(work, texts):
    tokenizer = AutoTokenizer.from_pretrained(work / "bert-uncased")
    tokenizer.save_pretrained(work / "base")
    fast = json.loads((work / "base" / "tokenizer.json").read_text())
    config = {"model_type": "bert"}

    def case(name, settings, change, warns=("tokenizer.json", "tokenizer_config.json"), **files):
        changed = json.loads(json.dumps(fast))
        change(changed)
        folder = work / ("contradiction-" + "".join(c if c.isalnum() else "-" for c in name))
        more = {} if settings is None else {"tokenizer_config": settings}
        compare(name, write(folder, tokenizer=changed, config=config, **more, **files), texts, warns=warns)

    def set_normalizer(**keys):
        return lambda root: root["normalizer"].update(keys)

    case("lower-casing told twice", {"do_lower_case": True}, set_normalizer(lowercase=False))
    case("lower-casing the other way", {"do_lower_case": False}, set_normalizer(lowercase=True))
    case("accents", {"do_lower_case": True, "strip_accents": False}, set_normalizer())
    case("Chinese characters", {"tokenize_chinese_chars": False}, set_normalizer())
    case("no tokenizer_config.json", None, set_normalizer(lowercase=False))
    case("another normalizer", {}, lambda root: root.update(normalizer={"type": "Lowercase"}))
    case("the general class", {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True}, set_normalizer(lowercase=False), warns=())
    case("special tokens", {"cls_token": "[MASK]"}, lambda root: None)
    case("two vocabularies", {}, lambda root: None, warns=("vocab.txt", "tokenizer.json"), vocab="".join(t + "\n" for t in reversed(bert_vocabulary())))
    case("names in two files", {"added_tokens_decoder": {"0": {"content": "[PAD]", "special": True, "normalized": False}}, "mask_token": "[MASK]"}, lambda root: None,
         warns=("special_tokens_map.json", "tokenizer_config.json"), special_tokens_map={"mask_token": "[UNK]"})


def chains(work, texts):
    forms = {
        "NFD, Lowercase, StripAccents": (normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]), pre_tokenizers.BertPreTokenizer()),
        "NFKC, Replace, Strip": (normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("'", " "), normalizers.Strip()]), pre_tokenizers.Whitespace()),
        "Prepend, Punctuation": (normalizers.Prepend("x "), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])),
        "Digits one by one": (None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(individual_digits=True)])),
        "Digits, Split": (normalizers.BertNormalizer(lowercase=False), pre_tokenizers.Sequence(
            [pre_tokenizers.Split("_", "removed"), pre_tokenizers.Split("'", "isolated"), pre_tokenizers.Whitespace(), pre_tokenizers.Digits()])),
        "Punctuation in runs": (normalizers.Lowercase(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])),
        "Punctuation before": (None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_next")])),
        "Replace": (normalizers.Sequence([normalizers.Replace(Regex(r"\s+"), " "), normalizers.Replace(Regex(r"[.!]{2,}|\d"), "0")]), pre_tokenizers.WhitespaceSplit()),
    }
    forms |= {f"Split {expression} {behavior}{' inverted' * invert}": (None, pre_tokenizers.Split(Regex(expression), behavior, invert))
              for expression, behavior, invert in PATTERNS}
    vocabulary = [*bert_vocabulary(), " ", "## "]   # so that each boundary shows in the ids
    for name, (normalizer, splitter) in forms.items():
        inner = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
        if normalizer is not None:
            inner.normalizer = normalizer
        inner.pre_tokenizer = splitter
        inner.decoder = decoders.WordPiece()
        inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
        for added in (False,) if name.startswith("Split ") else (False, True):
            if added:
                tokenizer.add_tokens(ADDED)
            folder = work / ("chain-" + "".join(c if c.isalnum() else "-" for c in name) + str(added))
            tokenizer.save_pretrained(folder)
            compare(f"chain {name}{', added tokens' if added else ''}", write(folder, config={"model_type": "bert"}), texts)
    described = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    for number, (part, step, says) in enumerate((("normalizer", {"type": "Nmt"}, "Nmt"), ("pre_tokenizer", {"type": "UnicodeScripts"}, "UnicodeScripts"),
                                                 ("pre_tokenizer", {**split, "pattern": {"Regex": r"(?<=a)b"}}, "(?<="),
                                                 ("pre_tokenizer", {**split, "pattern": {"Regex": r"\b\w+"}}, r"\b"),
                                                 ("normalizer", {"type": "Replace", "pattern": {"Regex": "^ "}, "content": ""}, "^"))):
        _, said = ids_of(write(work / f"refused-{number}", tokenizer={**described, part: step}, config={}), texts[:1])
        assert says in said and "tokenizer.json" in said, said


def others(work, texts):
    training = ["the cat sat on the mat, foo bar covid caf\u00e9 in New York. " * 3] * 30
    plain = byte_level(training, False, size=400)
    (work / "pair").mkdir()
    plain.model.save(str(work / "pair"))
    config = {"model_type": "roberta"}
    # Of RoBERTa's forms: vocabulary and merges alone, then added tokens in three layouts.
    tokenizer = RobertaTokenizer(vocab=json.loads((work / "pair" / "vocab.json").read_text()),
                                 merges=[tuple(line.split(" ")) for line in (work / "pair" / "merges.txt").read_text().split("\n")[1:] if line],
                                 mask_token=AddedToken("<mask>", lstrip=True, special=True, normalized=False))
    tokenizer.add_tokens(ADDED)
    tokenizer.save_pretrained(work / "roberta")
    compare("RoBERTa, tokenizer.json and tokenizer_config.json", write(work / "roberta", config=config), texts)
    fast = json.loads((work / "roberta" / "tokenizer.json").read_text())
    compare("RoBERTa, tokenizer.json alone", write(work / "roberta-alone", tokenizer=fast, config=config), texts)
    size = len(json.loads((work / "pair" / "vocab.json").read_text()))
    old = {entry["content"]: entry["id"] for entry in fast["added_tokens"] if entry["id"] >= size}
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>",
             "mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}}
    compare("RoBERTa, vocab.json, merges.txt and added_tokens.json", write(work / "roberta-old", vocabulary=json.loads((work / "pair" / "vocab.json").read_text()), config=config, added_tokens=old, special_tokens_map=names,
                                                                           merges=(work / "pair" / "merges.txt").read_text()), texts)
    prefixed = json.loads(json.dumps(fast))
    prefixed["pre_tokenizer"]["add_prefix_space"] = True
    compare("RoBERTa, a prefix space told twice", write(work / "roberta-prefix", tokenizer=prefixed, config=config, tokenizer_config={"add_prefix_space": False}), texts,
            warns=["roberta-prefix", "pre_tokenizer"])

    pieces = Tokenizer(models.Unigram())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    pieces.train_from_iterator(training, trainers.UnigramTrainer(vocab_size=120, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]))
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [tuple(p) for p in json.loads(pieces.to_str())["model"]["vocab"][1:]] + [("<mask>", 0.0)]
    xlm = XLMRobertaTokenizer(vocab=vocabulary, _spm_precompiled_charsmap=character_map({"\ufb01": "fi", "\t": " ", "\n": " ", "\u00a0": " ", "e\u0301": "\u00e9"}),
                              mask_token=AddedToken("<mask>", lstrip=True))
    xlm.add_tokens(ADDED)
    xlm.save_pretrained(work / "xlm")
    config = {"model_type": "xlm-roberta"}
    compare("XLM-RoBERTa, tokenizer.json and tokenizer_config.json", write(work / "xlm", config=config), texts)
    fast = json.loads((work / "xlm" / "tokenizer.json").read_text())
    compare("XLM-RoBERTa, tokenizer.json alone", write(work / "xlm-alone", tokenizer=fast, config=config), texts)
    fast["normalizer"] = {"type": "Sequence", "normalizers": [fast["normalizer"], {"type": "Lowercase"}]}
    compare("XLM-RoBERTa, another normalizer", write(work / "xlm-other", tokenizer=fast, config=config), texts, warns=["xlm-other", "normalizer"])

    modern = byte_level(training, False, size=400)
    modern.normalizer = normalizers.NFC()
    modern.add_special_tokens([AddedToken(name, normalized=False, lstrip=name == "[MASK]") for name in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")])
    modern.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
                                                          special_tokens=[(name, modern.token_to_id(name)) for name in ("[CLS]", "[SEP]")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=modern, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
    tokenizer.add_tokens(ADDED)
    tokenizer.save_pretrained(work / "modern")
    config = {"model_type": "modernbert"}
    compare("ModernBERT, tokenizer.json and tokenizer_config.json", write(work / "modern", config=config), texts)
    fast = json.loads((work / "modern" / "tokenizer.json").read_text())
    compare("ModernBERT, tokenizer.json alone", write(work / "modern-alone", tokenizer=fast, config=config), texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver", nargs="?", default=str(pathlib.Path(os.environ.get("BMAE_BIN", ".")) / "subword_driver"))
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    global DRIVER
    DRIVER = options.driver
    texts = texts_of(options.texts)
    with tempfile.TemporaryDirectory() as scratch:
        for part in (bert, contradictions, chains, others):
            if options.only in part.__name__ or part is bert:
                part(pathlib.Path(scratch), texts)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
