# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares bmae::ByteLevelBpe and bmae::Unigram with HuggingFace `tokenizers`, id for id and text for text. Any difference is a failure.

    subword_parity.py [DRIVER] [--data DIR] [--full]

The tokenizers are trained here, on books and articles of the data folder, or on invented text where there is none. DRIVER is the built
subword_driver.cpp, by default the one in $BMAE_BIN. Without --full a slice is compared that takes seconds.
"""
# ctest:
import argparse
import gzip
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

DATA = pathlib.Path(os.environ.get("BMAE_DATA", pathlib.Path(__file__).resolve().parents[2] / "../shared/data"))
failures = 0


def drive(driver, kind, path, mode, records, *arguments, unit=1):
    stdin = b"".join(struct.pack("<I", len(r) // unit) + r for r in records)
    done = subprocess.run([driver, kind, str(path), mode, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"the driver failed in mode {mode} of {path}")
    at, rows = 0, []
    for _ in records:
        (count,) = struct.unpack_from("<I", done.stdout, at)
        width = 4 if mode == "ids" else 1
        rows.append(done.stdout[at + 4:at + 4 + count * width])
        at += 4 + count * width
    assert at == len(done.stdout)
    return rows


def compare(name, driver, kind, path, texts, peer):
    """Ids of all texts, then the text of their ids, with special tokens and without."""
    global failures
    theirs = [encoding.ids for encoding in peer.encode_batch(texts)]
    ours = [list(struct.unpack(f"<{len(row) // 4}i", row)) for row in drive(driver, kind, path, "ids", [t.encode() for t in texts])]
    wrong = [(t, a, b) for t, a, b in zip(texts, ours, theirs) if a != b]
    rng = random.Random(5)
    ids = theirs[:3000] + [[rng.randrange(peer.get_vocab_size()) for _ in range(rng.randrange(12))] for _ in range(1000)]
    records = [struct.pack(f"<{len(row)}i", *row) for row in ids]
    for skip in (True, False):
        decoded = drive(driver, kind, path, "decode", records, int(skip), unit=4)
        expected = [peer.decode(row, skip_special_tokens=skip).encode() for row in ids]
        wrong += [(row, a, b) for row, a, b in zip(ids, decoded, expected) if a != b]
    failures += len(wrong)
    print(f"{name}: {len(texts)} texts, {sum(map(len, theirs))} tokens, {len(wrong)} differences", flush=True)
    for text, a, b in wrong[:4]:
        print("   ", ascii(text)[:300], "\n      ours  ", str(a)[:300], "\n      theirs", str(b)[:300])


def real_texts(count):
    """Paragraphs of books and lines of articles."""
    texts = []
    for file in sorted((DATA / "books").glob("*.gz"))[:6] if (DATA / "books").is_dir() else []:
        texts += gzip.open(file, "rt", encoding="utf-8").read().split("\n\n")
    articles = [DATA / "wiki_short", DATA / "wiki_featured"]
    for file in sorted(file for folder in articles if folder.is_dir() for file in folder.rglob("*")):
        if file.is_file() and file.suffix in (".gz", ".txt", ".md", ".jsonl"):
            texts += (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8").read().split("\n")[:4000]
    if not texts:
        print(f"skipped: the books and articles of {DATA}, which is not there; invented text only")
        rng = random.Random(1)
        words = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(rng.randint(1, 4))) for _ in range(500)]
        texts = [" ".join(rng.choice(words) for _ in range(30)) + "." for _ in range(2000)]
    random.Random(2).shuffle(texts)
    return texts[:count]


def random_texts(count, seed=3):
    """Random Unicode, with what splits are made of in every order."""
    rng = random.Random(seed)
    pieces = ["'s", "'ll", "'S", "'", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u0085", "a", "Zz", "7", "\u0663", "\u00bd",
              "!", "...", "\u2581", "\u2581\u2581", "caf\u00e9", "cafe\u0301", "\u0e01\u0e33", "\u1112\u1161\u11ab", "\ud55c", "\u6f22\u5b57", "\uff21\uff12",
              "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\ufb01", "\u0130", "\u00df", "<mask>", "<s>", "</s>", "<extra_id_0>",
              "<|endoftext|>", "\u0915\u094d\u0937", "\x00", "\x07", "\ufeff", "\ufffd", "\u01c5", "\u2167", "\U00010330", "new token", "x\u0338"]

    def character():
        while True:
            code = rng.choice((rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x10000), rng.randrange(0x110000)))
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    return ["", " ", "  "] + ["".join(character() if rng.random() < .4 else rng.choice(pieces) for _ in range(rng.randrange(1, 20)))
                              for _ in range(count)]


def byte_level(texts, prefix, size=2000):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                             special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>"]))
    return tokenizer


def modern_bert(texts, size=2000):
    """A tokenizer of ModernBERT's form: NFC, marks of OLMo among the first ids, added runs of blanks, [MASK] with the blanks before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                             special_tokens=["|||IP_ADDRESS|||", "<|padding|>", "<|endoftext|>"]))
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    tokenizer.add_tokens([AddedToken("|||EMAIL_ADDRESS|||", normalized=True), AddedToken("caf\u00e9s", normalized=True)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, lstrip=name == "[MASK]") for name in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")])
    tokenizer.add_tokens([AddedToken(f"[unused{n}]", normalized=True) for n in range(4)])
    ids = {name: tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=list(ids.items()))
    return tokenizer


def composed_texts(count, seed=7):
    """What form C is made of: letters and marks in every order, Hangul in parts, excluded composites, compatibility forms."""
    rng = random.Random(seed)
    marks = [chr(c) for c in range(0x300, 0x20000) if unicodedata.combining(chr(c))]
    composed = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c)) and not 0xAC00 <= c <= 0xD7A3]
    jamo = [chr(c) for c in (*range(0x1100, 0x1114), *range(0x1160, 0x1177), *range(0x11A7, 0x11C4), 0xAC00, 0xAC01, 0xD55C)]
    odd = ["a", "e", "o", " ", "   ", "[MASK]", "\u09c7", "\u09be", "\u0dd9", "\u0dcf", "\u0ca0", "\u1100"]
    return ["".join(rng.choice(rng.choice((marks, composed, jamo, odd, odd))) for _ in range(rng.randrange(1, 12))) for _ in range(count)]


def cluster_texts(count, seed=8):
    """Where grapheme clusters end: marks, joiners, conjuncts, Hangul in parts, pictographs, what older versions of Unicode do not know."""
    rng = random.Random(seed)
    pieces = ["\u0915", "\u094d", "\u0937", "\u200c", "\u200d", "\u0301", "\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u00a9", "\u00ae", "\u203c", "e\u0301",
              "\u0600", "\u0903", "\U0001f1e9", "\ufe0f", "\u1ad0", "\u1acf", "\U000107a5", "\U0001f468", "\u20e3", "7", "\r", "\x01", "\u0e33", "\U00016d63", "\uff21"]
    return ["".join(rng.choice(pieces) for _ in range(rng.randrange(1, 9))) for _ in range(count)]


def check_byte_level(driver, work, training, texts):
    modern = modern_bert(training)
    modern.save(str(work / "modern.json"))
    compare("ModernBERT's form", driver, "bpe", work / "modern.json", texts + random_texts(10000, seed=9) + composed_texts(10000), modern)

    plain = byte_level(training, False)
    plain.save(str(work / "gpt2.json"))
    compare("GPT-2's form", driver, "bpe", work / "gpt2.json", texts, plain)

    roberta = byte_level(training, True)
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    roberta.add_tokens([AddedToken("new token", rstrip=True), AddedToken("<|end", normalized=True)])
    ids = {name: roberta.token_to_id(name) for name in ("<s>", "</s>")}
    roberta.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]), add_prefix_space=True)
    roberta.save(str(work / "roberta.json"))
    compare("RoBERTa's form", driver, "bpe", work / "roberta.json", texts, roberta)

    folder = work / "pair"   # vocab.json, merges.txt
    folder.mkdir()
    plain.model.save(str(folder))
    peer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    peer.pre_tokenizer, peer.decoder = plain.pre_tokenizer, plain.decoder
    peer.add_special_tokens(["<|endoftext|>"])
    compare("vocab.json and merges.txt", driver, "bpe", folder, texts, peer)

    described = json.loads(plain.to_str())
    described["model"].update(ignore_merges=True, merges=[" ".join(m) for m in described["model"]["merges"] if len("".join(m)) != 4])
    described["pre_tokenizer"]["use_regex"] = True
    (work / "ignore.json").write_text(json.dumps(described))
    compare("whole words first", driver, "bpe", work / "ignore.json", texts, Tokenizer.from_str(json.dumps(described)))
    described["model"]["ignore_merges"] = False
    described["pre_tokenizer"]["use_regex"] = False
    described["model"]["vocab"] = {t: i for i, t in enumerate(t for t in described["model"]["vocab"] if t != "\u0100")}   # a byte is missing
    described["added_tokens"] = []
    (work / "long.json").write_text(json.dumps(described))
    compare("no words, a byte missing", driver, "bpe", work / "long.json", texts, Tokenizer.from_str(json.dumps(described)))


def character_map(pairs):
    """SentencePiece's form of a character map: a double array over the UTF-8 of the keys, and the replacements."""
    trie, texts = {}, b""
    for key, to in pairs.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[-1] = len(texts)
        texts += to.encode() + b"\0"
    units, used = [0] * 256, {0}

    def place(node, at):
        labels = sorted(max(label, 0) for label in node)   # a value stands under the label 0
        offset = 1
        while any((at ^ offset ^ label) in used or (at ^ offset ^ label) == 0 for label in labels) or offset >= 1 << 21:
            offset += 1
        for label in labels:
            slot = at ^ offset ^ label
            used.add(slot)
            units.extend([0] * (slot + 1 - len(units)))
            units[slot] = label
        units[at] |= offset << 10 | (1 << 8 if -1 in node else 0)
        for label, child in node.items():
            slot = at ^ offset ^ max(label, 0)
            if label < 0:
                units[slot] = child | 1 << 31
            else:
                place(child, slot)

    place(trie, 0)
    packed = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(packed)) + packed + texts


def check_unigram(driver, work, training, texts):
    pairs = {"\uff21": "A", "\uff12": "2", "\ufb01": "fi", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "\u200b": " ", "\x07": "", "e\u0301": "\u00e9",
             "\u0130": "i", "\u00bd": "1/2", "\ufeff": "", "a": "a", "\u00a9": "(c)", "\u0301": "'", "\u0915": "ka", "\u0937": "ssa", "\u1161": "A", "\u11a8": "k", "\uac01": "gag", "\u203c": "!!", "\u2167": "VIII", "\u0663": "3", "\uff01": "!", "\ufffd": " "}
    charsmap = normalizers.Precompiled(character_map(pairs))
    forms = {
        "T5's form": (charsmap, [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        "no normalizer": (None, [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        "strip and join": (normalizers.Sequence([charsmap, normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")]),
                           [pre_tokenizers.Metaspace()]),
        "first": (normalizers.NFC(), [pre_tokenizers.Metaspace(prepend_scheme="first")]),
        "NFKC": (normalizers.NFKC(), [pre_tokenizers.Metaspace()]),
        "NFKD": (normalizers.NFKD(), [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
        "NFD": (normalizers.NFD(), [pre_tokenizers.Metaspace()]),
        "never, not split": (normalizers.Replace("a", "bb"), [pre_tokenizers.Metaspace(prepend_scheme="never", split=False)]),
    }
    for name, (normalizer, splitters) in forms.items():
        tokenizer = Tokenizer(models.Unigram())
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitters) if len(splitters) > 1 else splitters[0]
        metaspace = splitters[-1]
        tokenizer.decoder = decoders.Metaspace(prepend_scheme=metaspace.prepend_scheme)
        cut = training if metaspace.split else [t[:80] for t in training]
        tokenizer.train_from_iterator(cut, trainers.UnigramTrainer(vocab_size=1500, show_progress=False, unk_token="<unk>",
                                                                   special_tokens=["<pad>", "</s>", "<unk>"]))
        tokenizer.add_special_tokens(["<extra_id_0>"])
        tokenizer.add_tokens([AddedToken("new token", normalized=True)])
        tokenizer.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)])
        path = work / f"unigram-{len(name)}.json"
        tokenizer.save(str(path))
        compare(f"unigram, {name}", driver, "unigram", path, texts, tokenizer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver", nargs="?", default=str(pathlib.Path(os.environ.get("BMAE_BIN", ".")) / "subword_driver"))
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    global DATA
    DATA = options.data or DATA
    training = real_texts(1500)
    texts = real_texts(200000 if options.full else 2000) + random_texts(100000 if options.full else 4000)
    with tempfile.TemporaryDirectory() as scratch:
        check_byte_level(options.driver, pathlib.Path(scratch), training, texts)
        check_unigram(options.driver, pathlib.Path(scratch), training[:500], texts + cluster_texts(4000))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
