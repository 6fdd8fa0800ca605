# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compares bmae::WordPiece with HuggingFace `tokenizers`, id for id and offset for offset. Any difference is a failure.

    tokenizer_parity.py [DRIVER] [--data DIR] [--full] [--only NAME]

DRIVER is the built tests/parity/tokenizer_driver.cpp, by default the one in $BMAE_BIN. Without --full a slice is compared that
takes seconds; with it all books and all articles, 100,000 random byte strings and every scalar value under five settings of the
normalizer, with a vocabulary in which every scalar value is a token.
"""
# ctest:
import argparse
import glob
import gzip
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, normalizers

DATA = pathlib.Path(os.environ.get("BMAE_DATA", pathlib.Path(__file__).resolve().parents[2] / "../shared/data"))
failures = 0


def drive(driver, tokenizer, mode, records, *arguments, unit=1):
    stdin = b"".join(struct.pack("<I", len(r) // unit) + r for r in records)
    done = subprocess.run([driver, str(tokenizer), mode, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"the driver failed in mode {mode}")
    return done.stdout


def read_rows(output, width, count):
    words = memoryview(output).cast("I")
    at = 0
    for _ in range(count):
        n = words[at]
        at += 1
        if n == 0xFFFFFFFF:
            yield None
            continue
        yield words[at:at + n * width].tolist()
        at += n * width
    assert at == len(words)


def report(name, total, differing):
    global failures
    failures += len(differing)
    print(f"{name}: {len(differing)} of {total} differ", flush=True)
    for text, ours, theirs in differing[:5]:
        print("   ", ascii(text)[:300], "\n      ours  ", str(ours)[:300], "\n      theirs", str(theirs)[:300])


def reference(file):
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def compare_ids(name, driver, file, texts, raw=None, batch=20000):
    """texts: str; raw: the bytes for the driver where they are not simply the UTF-8 of the text."""
    peer = reference(file)
    differing, total = [], 0
    for start in range(0, len(texts), batch):
        part = texts[start:start + batch]
        records = raw[start:start + batch] if raw else [t.encode() for t in part]
        output = drive(driver, file, "ids", records)
        for text, ours, theirs in zip(part, read_rows(output, 1, len(part)), peer.encode_batch_fast(part, add_special_tokens=False)):
            total += 1
            if ours != theirs.ids:
                differing.append((text, ours, theirs.ids))
    report(name, total, differing)


def keeps_its_order(text):
    """Whether no character but nonspacing marks may change places: elsewhere the reference's offsets tell the place after the
    exchange and not where a character came from."""
    nfd, strip = normalizers.NFD(), normalizers.BertNormalizer(False, False, True, False)
    moves = lambda c: nfd.normalize_str("\u0345" + c) != "\u0345" + c or nfd.normalize_str(c + "\u0334") != c + "\u0334"
    return not any(moves(c) and strip.normalize_str(c) for c in set(nfd.normalize_str(text)))


def compare_offsets(name, driver, file, texts):
    peer = reference(file)
    texts = [t for t in texts if keeps_its_order(t)]
    output = drive(driver, file, "offsets", [t.encode() for t in texts])
    differing = []
    for text, ours, theirs in zip(texts, read_rows(output, 3, len(texts)), peer.encode_batch(texts, add_special_tokens=False)):
        ends, at = [0], 0
        for c in text:
            at += len(c.encode())
            ends.append(at)
        expected = [x for i, (b, e) in zip(theirs.ids, theirs.offsets) for x in (i, ends[b], ends[e])]
        if ours != expected:
            differing.append((text, ours, expected))
    report(name, len(texts), differing)


def variants(folder, file):
    """tokenizer.json files like `file` with other normalizer settings."""
    base = json.loads(file.read_text())
    for name, changes in (("cased", dict(lowercase=False)), ("cased-stripped", dict(lowercase=False, strip_accents=True)),
                          ("lower-accents", dict(strip_accents=False)),
                          ("raw", dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False))):
        base["normalizer"] = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                              "lowercase": True, **changes}
        path = pathlib.Path(folder) / f"{name}.json"
        path.write_text(json.dumps(base, ensure_ascii=False))
        yield name, path


def open_vocabulary(folder):
    """A vocabulary in which every scalar value is a token, so that no [UNK] hides a difference."""
    base = json.loads((DATA / "vocab/bert-base-uncased/tokenizer.json").read_text())
    vocabulary = base["model"]["vocab"]
    for code in range(1, 0x110000):
        if not 0xD800 <= code < 0xE000:
            for token in (chr(code), "##" + chr(code)):
                vocabulary.setdefault(token, len(vocabulary))
    path = pathlib.Path(folder) / "open.json"
    path.write_text(json.dumps(base, ensure_ascii=False))
    return path


def scalars():
    return [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def random_texts(count, seed):
    """Strings of troublesome characters: marks of all orders, Hangul, CJK, controls, special tokens, long words."""
    draw = random.Random(seed)
    pools = ["abcXYZ019", " \t\n\r\u00a0\u2003\u3000", ".,!?'\"#$+<=>^|~`[]", "éÀñçÅİıßſΣσςЙй", "\u0301\u0302\u0323\u0327\u0345\u0334\u05b0",
             "가힣한각각", "你好漢字豈更\u2f800\U0002f800\u3400", "\x00\x01\x1f\x7f\x85\u200b\u200d\ufeff\ufffd\u00ad",
             "\u302e\u302f\U0001d165\U0001d16d\U0001d15e\u1baa\ua953\u08d4\u08e3\u1dfb\U0001e94a", "“”‘’—…–", "😀👍🏽👨\u200d👩"]
    words = ["[MASK]", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[mask]", "a" * 100, "a" * 101, "é" * 100, "é" * 101, "##ing", "unaffable",
             "e\u0301" * 60, "\u302e\u1baa" * 4]
    for _ in range(count):
        parts = []
        for _ in range(draw.randrange(1, 20)):
            kind = draw.random()
            if kind < 0.05:
                parts.append(draw.choice(words))
            elif kind < 0.15:
                code = draw.randrange(0x110000)
                parts.append("" if 0xD800 <= code < 0xE000 else chr(code))
            else:
                pool = draw.choice(pools)
                parts.append("".join(draw.choice(pool) for _ in range(draw.randrange(1, 5))))
        yield "".join(parts)


def random_bytes(count, seed):
    draw = random.Random(seed)
    for i in range(count):
        size = draw.randrange(0, 64)
        if i % 3 == 0:
            yield draw.randbytes(size)
        elif i % 3 == 1:   # valid text with broken bytes
            text = bytearray("naïve “text” 한국 [MASK] 你好 über".encode())
            for _ in range(draw.randrange(1, 5)):
                text[draw.randrange(len(text))] = draw.randrange(256)
            yield bytes(text[:draw.randrange(len(text) + 1)])
        else:
            yield bytes(draw.choice(b"ab \xc3\xa9\xe2\x80\x99\xf0\x9f\x98\x80\xed\xa0\x80\xff\xc0\x80.") for _ in range(size))


def lines_of(pattern, limit):
    taken = 0
    for name in sorted(glob.glob(str(DATA / pattern))):
        with gzip.open(name, "rt", encoding="utf-8", newline="\n") as file:
            for line in file:
                if limit and taken >= limit:
                    return
                taken += 1
                yield line


def compare_pairs(driver, file, count, seed):
    draw = random.Random(seed)
    peer = reference(file)
    text = lambda: " ".join(draw.choice(["a", "unaffable", "ok", "[MASK]", "你"]) for _ in range(draw.randrange(0, 12)))
    for strategy, name in enumerate(("longest_first", "only_first", "only_second")):
        for length in (3, 4, 5, 6, 9, 16, 33):
            peer.enable_truncation(length, strategy=name)
            pairs = [(text(), text()) for _ in range(count)]
            output = drive(driver, file, "pair", [t.encode() for pair in pairs for t in pair], length, strategy)
            differing = []
            for pair, ours in zip(pairs, read_rows(output, 2, count)):
                try:
                    theirs = peer.encode(*pair)
                    theirs = [x for i, t in zip(theirs.ids, theirs.type_ids) for x in (i, t)]
                except Exception:   # HuggingFace raises plain Exception where nothing may be cut
                    theirs = None
                if ours != theirs:
                    differing.append((pair, ours, theirs))
            report(f"pairs, {name}, {length} tokens", count, differing)


def compare_decoding(driver, file, texts, seed):
    peer = reference(file)
    draw = random.Random(seed)
    rows = [peer.encode(t).ids for t in texts] + [[draw.randrange(peer.get_vocab_size()) for _ in range(20)] for _ in range(300)]
    for skip in (1, 0):
        output = drive(driver, file, "decode", [struct.pack(f"<{len(r)}i", *r) for r in rows], skip, unit=4)
        at, differing = 0, []
        for row in rows:
            n, = struct.unpack_from("<I", output, at)
            ours = output[at + 4:at + 4 + n].decode()
            at += 4 + n
            theirs = peer.decode(row, skip_special_tokens=bool(skip))
            if ours != theirs:
                differing.append((row, ours, theirs))
        report(f"decoding, skip_special_tokens={bool(skip)}", len(rows), differing)


def compare_saved(driver, texts):
    """Saves from vocab.txt alone, then loads with tokenizers and, where it is installed, transformers."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "saved"
        drive(driver, DATA / "vocab/bert-base-uncased/vocab.txt", "save", [], out)
        compare_ids("saved and loaded by tokenizers", driver, out / "tokenizer.json", texts)
        (out / "tokenizer.json").rename(pathlib.Path(folder) / "tokenizer.json")
        records = [t.encode() for t in texts]
        rows = list(read_rows(drive(driver, out, "ids", records), 1, len(texts)))
        (pathlib.Path(folder) / "tokenizer.json").rename(out / "tokenizer.json")
        try:
            from transformers import AutoTokenizer
        except ModuleNotFoundError:
            print("skipped: loading by transformers, which is not installed")
            return
        (out / "config.json").write_text('{"model_type": "bert"}')
        peer = AutoTokenizer.from_pretrained(out)
        theirs = peer(texts, add_special_tokens=False)["input_ids"]
        report("saved and loaded by transformers", len(texts), [(t, a, b) for t, a, b in zip(texts, rows, theirs) if a != b])
        settings = (peer.model_max_length, peer.mask_token_id, peer.pad_token_id, peer.cls_token_id, peer.sep_token_id, peer.unk_token_id)
        report("special tokens in transformers", 1, [] if settings == (512, 103, 0, 101, 102, 100) else [("settings", None, settings)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", nargs="?", default=str(pathlib.Path(os.environ.get("BMAE_BIN", ".")) / "tokenizer_driver"))
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", help="run only the parts whose name holds this text")
    options = parser.parse_args()
    global DATA
    DATA = options.data or DATA
    file = DATA / "vocab/bert-base-uncased/tokenizer.json"
    if not file.exists():
        print(f"skipped: {file} is not there")
        sys.exit(77)
    full, driver = options.full, options.driver
    wanted = lambda name: options.only is None or options.only in name
    tricky = list(random_texts(30000 if full else 3000, 1))
    with tempfile.TemporaryDirectory() as folder:
        if wanted("scalars"):
            every = scalars() if full else [c for c in scalars() if ord(c) < 0x3400 or 0xA000 <= ord(c) < 0xA800 or 0xF900 <= ord(c) < 0x12000]
            sweep = every + [f"a{c}b" for c in every]
            uncased = open_vocabulary(folder) if full else file
            for name, path in [("uncased", uncased), *variants(folder, uncased)]:
                compare_ids(f"every scalar value, {name}", driver, path, sweep, batch=250000)
        if wanted("tricky"):
            for name, path in [("uncased", file), *variants(folder, file)]:
                compare_ids(f"tricky strings, {name}", driver, path, tricky)
        if wanted("bytes"):
            raw = list(random_bytes(100000 if full else 10000, 2))
            compare_ids("random bytes", driver, file, [r.decode(errors="replace") for r in raw], raw)
        if wanted("offsets"):
            compare_offsets("offsets of tricky strings", driver, file, tricky)
            compare_offsets("offsets of articles", driver, file, list(lines_of("wiki_featured/*.gz", 20000 if full else 1000)))
        if wanted("pairs"):
            compare_pairs(driver, file, 300 if full else 100, 3)
        if wanted("decoding"):
            compare_decoding(driver, file, list(lines_of("books/*.gz", 2000 if full else 300)), 4)
        if wanted("saved"):
            compare_saved(driver, tricky[:2000])
        if wanted("corpora"):
            compare_ids("books", driver, file, list(lines_of("books/*.gz", 0 if full else 2000)))
            compare_ids("articles", driver, file, list(lines_of("wiki_featured/*.gz", 0 if full else 2000)))
    print("equal" if failures == 0 else f"{failures} differences")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
