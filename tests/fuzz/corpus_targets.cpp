// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Collections, judgments, runs and training pairs. An input that starts with gzip's signature is read as a packed file.
#include <array>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/master_rows.hpp>
#include <bmae/corpus/nli.hpp>
#include <bmae/corpus/plain_text.hpp>
#include <bmae/corpus/recognize.hpp>
#include <bmae/corpus/scored_pairs.hpp>
#include <bmae/corpus/smart.hpp>
#include <bmae/corpus/training_rows.hpp>
#include <bmae/corpus/trec_sgml.hpp>
#include <bmae/corpus/tsv.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "../blank_tokenizer.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

std::filesystem::path file_of(std::string_view input) {
    bool const is_packed = input.starts_with("\x1f\x8b");
    return put(is_packed ? "input.gz" : "input", input);
}

/// The records of a reader, malformed ones left out, so that each line of an input is read.
template <class R>
void drain(R reader) {
    for (bmae::Record record; reader.next(record);) { record = {}; }
}

bmae::ReadOptions lenient(bmae::InvalidUtf8 utf8 = bmae::InvalidUtf8::reject) {
    return {.malformed = bmae::MalformedLine::skip, .invalid_utf8 = utf8};
}

/// Reads an input in each of several ways. It is accepted where one accepts it.
template <class Layouts, class Read>
void any_of(Layouts const& layouts, Read read) {
    std::exception_ptr refused;
    bool accepted = false;
    for (auto const layout : layouts) {
        try {
            read(layout);
            accepted = true;
        } catch (bmae::Error const&) { refused = std::current_exception(); }
    }
    if (!accepted) { std::rethrow_exception(refused); }
}

/// Twice: with malformed lines left out, then as a user reads, who gets the first error.
template <class Read>
void both(Read read) {
    try {
        read(lenient(bmae::InvalidUtf8::replace));
    } catch (bmae::Error const&) {}   // no record, or a table of another layout
    read(bmae::ReadOptions{});
}

void read_jsonl(std::string_view input) {
    both([&](bmae::ReadOptions options) { drain(bmae::JsonlReader(file_of(input), options, {"summary"})); });
}

void read_tsv(std::string_view input) {
    std::array const layouts{bmae::TsvColumns::id_url_title_text, bmae::TsvColumns::id_title_text, bmae::TsvColumns::id_text};
    any_of(layouts, [&](bmae::TsvColumns columns) {
        both([&](bmae::ReadOptions options) { drain(bmae::TsvReader(file_of(input), columns, options)); });
    });
}

void read_nli(std::string_view input) {
    both([&](bmae::ReadOptions options) { drain(bmae::NliReader(file_of(input), options)); });
}

void read_plain_text(std::string_view input) {
    using bmae::TextLayout;
    std::array const layouts{TextLayout::file, TextLayout::blank_lines, TextLayout::lines, TextLayout::doc_tags,
                             TextLayout::headings};
    any_of(layouts, [&](TextLayout layout) {
        both([&](bmae::ReadOptions options) { drain(bmae::PlainTextReader(file_of(input), layout, options)); });
    });
}

void read_trec(std::string_view input) {
    both([&](bmae::ReadOptions options) { drain(bmae::TrecSgmlReader(file_of(input), options)); });
}

void read_classic(std::string_view input) {
    using bmae::ClassicLayout;
    std::array const layouts{ClassicLayout::smart, ClassicLayout::lisa_documents, ClassicLayout::lisa_queries};
    any_of(layouts, [&](ClassicLayout layout) {
        both([&](bmae::ReadOptions options) { drain(bmae::ClassicReader(file_of(input), layout, options)); });
    });
}

void read_training_rows(std::string_view input) {
    auto const path = file_of(input);
    both([&](bmae::ReadOptions options) {
        bmae::TrainingRowReader reader(std::span(&path, 1), options);
        for (bmae::TrainingRow row; reader.next(row);) { row = {}; }
    });
}

void read_scored_pairs(std::string_view input) {
    auto const path = file_of(input);
    any_of(std::array{bmae::PairPurpose::negatives, bmae::PairPurpose::scores}, [&](bmae::PairPurpose purpose) {
        both([&](bmae::ReadOptions options) {
            bmae::ScoredPairReader reader(path, purpose, options);
            for (bmae::ScoredPair pair; reader.next(pair);) {}
        });
    });
}

void read_judged_pairs(std::string_view input) {
    auto const path = file_of(input);
    any_of(std::array{bmae::JudgmentLayout::beir, bmae::JudgmentLayout::msmarco}, [&](bmae::JudgmentLayout layout) {
        both([&](bmae::ReadOptions options) { static_cast<void>(bmae::read_judged_pairs(path, layout, options)); });
    });
}

void read_beir(std::string_view input) {
    std::filesystem::path const folder = scratch() / "beir";
    put("beir/corpus.jsonl", input);
    put("beir/queries.jsonl", R"({"_id": "q1", "text": "a question"})"
                              "\n");
    put("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");
    auto const collection = bmae::BeirCollection::open(folder, lenient());
    static_cast<void>(collection.judged_pairs("test"));
    static_cast<void>(collection.texts());
}

void read_master_rows(std::string_view input) {
    auto const path = file_of(input);
    test::BlankTokenizer const tokenizer;
    both([&](bmae::ReadOptions options) {
        bmae::MasterRowReader reader(path, tokenizer.traits(), options);
        for (bmae::MasterRow row; reader.next(row);) {
            static_cast<void>(bmae::to_tokenized_document(std::exchange(row, {}), tokenizer.traits()));
        }
    });
}

void read_judgments(std::string_view input) {
    auto const path = file_of(input);
    static_cast<void>(bmae::read_qrels(path, {.comments = true, .first_of_duplicates = true}));
    static_cast<void>(bmae::read_qrels(path));
}

void read_ranking(std::string_view input) { static_cast<void>(bmae::read_run(file_of(input)).hit_count()); }

void recognize(std::string_view input) { static_cast<void>(bmae::recognize_format(file_of(input))); }

}  // namespace

std::vector<Target> corpus_targets() {
    std::string const jsonl = R"({"_id": "d1", "title": "T", "text": "A text.", "queries": ["q"], "summary": null})"
                              "\n"
                              R"({"id": 7, "contents": "caf\u00e9 \ud83d\ude00", "continuation": "more"})"
                              "\n";
    std::string const nli = R"({"gold_label": "entailment", "sentence1": "A", "sentence2": "B"})"
                            "\n";
    std::string const table = "sent0,sent1,hard_neg\nA man,\"a \"\"person\"\"\nwalks\",no\nb,c,d\n";
    std::string const pairs =
        R"({"query": "a", "pos": ["b"], "neg": [{"docid": "3", "title": "t", "text": "c"}], "pos_scores": [1.5], "neg_scores": [null]})"
        "\n";
    return {
        {"jsonl", read_jsonl, {jsonl, packed(jsonl)}},
        {"tsv", read_tsv, {"1\tone text\n2\ttwo\twith a tab\n", "1\thttp://x\ttitle\ttext\n"}},
        {"nli", read_nli, {nli, table, packed(table)}},
        {"plain_text",
         read_plain_text,
         {"<doc id=\"1\" url=\"\" title=\"A &amp; B\">\nText.\n\nMore.\n</doc>\n",
          " = Head = \n text \n\n = = Sub = = \n more\n"}},
        {"trec_sgml", read_trec, {"<DOC>\n<DOCNO> 1 </DOCNO>\n<TITLE>T</TITLE>\n<TEXT>\nA &lt; b\n</TEXT>\n</DOC>\n"}},
        {"classic",
         read_classic,
         {".I 1\n.T\nTitle\n.W\ntext of\ntwo lines\n.I 2\n.W\nmore\n", "Document 1\nTITLE\n\nText\n****\n",
          "1\nWhat is it? #\n"}},
        {"training_rows", read_training_rows, {pairs, "query\tpositive\tnegative\na\tb\tc\n"}},
        {"scored_pairs",
         read_scored_pairs,
         {"q1 Q0 d1 1 3.5 tag\nq1 Q0 d2 2 2.5 tag\n",
          R"({"qid": "1", "neg": {"bm25": ["2", 3]}})"
          "\n",
          "q\td\t0.5\n"}},
        {"judged_pairs", read_judged_pairs, {"query-id\tcorpus-id\tscore\nq1\t\"d \"\"1\"\"\"\t1\n", "1 0 2 1\n"}},
        {"beir", read_beir, {jsonl}},
        {"master_rows",
         read_master_rows,
         {R"({"text": [5, 6, 3, 7], "queries": [[8], [9, 10]], "next": [[11]]})"
          "\n"}},
        {"qrels", read_judgments, {"q1 0 d1 1\nq1 0 d2 0\n", "query-id\tcorpus-id\tscore\nq1\td1\t2\n", packed("q1 0 d1 1\n")}},
        {"run", read_ranking, {"q1 Q0 d1 1 3.5 tag\nq1 Q0 d2 2 -1e3 tag\nq2 Q0 d1 1 0 tag\n"}},
        {"recognize", recognize, {jsonl, table, "1\ttext\n"}},
    };
}

}  // namespace fuzz
