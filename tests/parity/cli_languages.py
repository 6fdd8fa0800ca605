# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""BM25 of the program in languages beyond English: Chinese, Japanese, Korean and Thai are found by words inside of a phrase, composed and
decomposed accents meet, German stems, stop words of a file, pieces of a tokenizer as terms; an index on disk gives the same runs; what is not
known is refused."""
import json
import pathlib
import tempfile
import unicodedata

from cli_support import run

# Of each language two documents and a query that occurs inside of the first one alone.
LANGUAGES = {
    "zh": (["北京大学的图书馆藏书很多。", "上海的天气今天很好。"], "图书馆"),
    "ja": (["図書館で本を借りました。", "今日は天気がいいです。"], "図書館"),
    "ko": (["도서관에서책을빌렸습니다.", "오늘은날씨가좋습니다."], "도서관"),
    "th": (["ฉันยืมหนังสือจากห้องสมุดเมื่อวานนี้", "วันนี้อากาศดีมาก"], "ห้องสมุด"),
}


def write(folder, documents, query):
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(documents)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": query}, ensure_ascii=False) + "\n")
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td0\t1\n")
    return folder


def found(folder, work, *options):
    """The documents of the only query, best first, by search and by an index on disk."""
    places = [work / f"{folder.name}-{len(list(work.iterdir()))}.trec" for _ in range(1)] * 2
    run("search", "--method", "bm25", "--data", folder, "--output", places[0], *options)
    plain = places[0].read_text()
    index = places[0].with_suffix(".index")
    run("index", "--method", "bm25", "--data", folder, "--output", index, *options)
    again = places[0].with_suffix(".again")
    run("search", "--index", index, "--queries", folder / "queries.jsonl", "--output", again)
    assert again.read_text() == plain, (plain, again.read_text())
    return [line.split()[2] for line in plain.splitlines()]


def main():
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        for language, (documents, query) in LANGUAGES.items():
            folder = write(work / language, documents, query)
            assert found(folder, work) == ["d0"], language
            assert found(folder, work, "--language", language) == ["d0"], language
            print(f"{language}: {query} is found inside of a phrase")
        said = run("search", "--method", "bm25", "--data", work / "th", "--query", "ห้องสมุด").stderr
        assert "of the language th" in said, said

        accents = write(work / "accents", [unicodedata.normalize("NFD", "Le résumé déçu"), "Autre chose"], unicodedata.normalize("NFC", "résumé"))
        assert found(accents, work) == ["d0"]
        german = write(work / "german", ["Die Häuser der Stadt", "Das Wetter ist schön"], "Haus")
        assert found(german, work, "--language", "de") == []
        stemmed = write(work / "stemmed", ["Die Katzen der Stadt", "Das Wetter ist schön"], "Katze")
        assert found(stemmed, work, "--language", "de", "--stem") == ["d0"]
        (work / "words.txt").write_text("die | article\nder\ndas\nist\n")
        stopped = write(work / "stopped", ["Die Stadt", "Das Wetter"], "die")
        assert found(stopped, work, "--language", "de") == ["d0"]
        assert found(stopped, work, "--language", "de", "--stopwords", work / "words.txt") == []
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "library", "##books", "weather", "is", "good"]
        (work / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        pieces = write(work / "pieces", ["librarybooks", "weather is good"], "library")
        assert found(pieces, work) == []
        assert found(pieces, work, "--terms", "tokenizer", "--tokenizer", work / "vocab.txt") == ["d0"]

        for options, says in ((["--language", "xx"], "one of the languages"), (["--stopwords", "none.txt"], "a file with a word per line"),
                              (["--terms", "letters"], "--terms words or tokenizer"), (["--terms", "tokenizer"], "--tokenizer"),
                              (["--terms", "tokenizer", "--tokenizer", work / "vocab.txt", "--stem"], "--stem"),
                              (["--language", "zh", "--stem"], "Snowball")):
            said = run("search", "--method", "bm25", "--data", work / "zh", "--output", work / "none.trec", *options, status=2).stderr
            assert says in said, (options, said)
    print("languages: accents, stems, stop words, pieces; index and search agree")


if __name__ == "__main__":
    main()
