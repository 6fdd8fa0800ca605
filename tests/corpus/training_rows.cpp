// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Tests of corpus/training_rows.hpp, training_json.hpp, training_table.hpp, training_row.hpp and training_writer.hpp: the field's files are
// read, and what is written is read back.
#include <bmae/corpus/training_rows.hpp>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/training_json.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/corpus/training_table.hpp>
#include <bmae/corpus/training_writer.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(training_rows)

namespace {

namespace fs = std::filesystem;
using bmae::InputError;
using test::says;

std::string shown(bmae::TrainingRow const& row) {
    std::ostringstream text;
    auto const list = [&](char const* name, auto const& texts, auto const& of) {
        text << ' ' << name;
        for (auto const& one : texts) { text << " [" << of(one) << ']'; }
    };
    auto const id = [](std::string const& name) { return name; };
    auto const joined = [](bmae::PairText const& one) { return (one.id.empty() ? "" : one.id + "=") + one.joined(); };
    if (auto const* const pair = std::get_if<bmae::PairRow>(&row)) {
        text << pair->query_id << '|' << pair->prompt << '|' << pair->query;
        list("+", pair->positives, joined);
        list("-", pair->negatives, joined);
    } else if (auto const* const labeled = std::get_if<bmae::LabeledPair>(&row)) {
        text << labeled->first << '~' << labeled->second << ' ' << labeled->label;
    } else {
        auto const& ids = std::get<bmae::IdRow>(row);
        text << '#' << ids.query_id;
        list("+", ids.positives, id);
        list("-", ids.negatives, id);
    }
    return text.str();
}

struct Read {
    std::vector<std::string> rows = {};
    std::vector<std::string> layouts = {};
    bmae::ReadReport report = {};
};

Read read(fs::path const& file, bmae::ReadOptions options = {}) {
    bmae::TrainingRowReader reader(std::span(&file, 1), options);
    Read result;
    for (bmae::TrainingRow row; reader.next(row);) { result.rows.push_back(shown(row)); }
    result.layouts = reader.layouts();
    result.report = reader.report();
    return result;
}

void check_rows(fs::path const& file, std::vector<std::string> const& expected, std::string const& layout) {
    Read const found = read(file);
    BOOST_TEST(found.rows == expected, boost::test_tools::per_element());
    BOOST_TEST(found.layouts.at(0) == file.filename().string() + ": " + layout);
    BOOST_TEST(found.report.records == expected.size());
}

}  // namespace

BOOST_AUTO_TEST_CASE(json_lines_of_the_field) {
    test::Scratch const scratch;
    check_rows(
        scratch.file(
            "all.jsonl",
            R"({"query": "q", "pos": ["a"], "neg": ["b", "c"], "prompt": "p: ", "type": "normal"})"
            "\n"
            R"({"query_id": 9007199254740993, "query": "q", "positive_passages": [{"docid": "d", "title": "T", "text": "x"}], "negative_passages": []})"
            "\n\n"
            R"({"anchor": "q", "positive": "a", "negative_1": "b", "negative_2": "c"})"
            "\n"
            R"({"sentence1": "one", "sentence2": "two", "label": 1})"
            "\n"
            R"({"sentence1": "one", "sentence2": "two", "score": 0.8})"
            "\n"
            R"({"sentence1": "one", "sentence2": "two"})"
            "\n"
            R"({"qid": 1, "pos": [3, 4], "neg": {"bm25": [5, 6], "dense": [7]}})"
            "\n"
            R"({"question": "q", "answers": ["x"], "positive_ctxs": [{"title": "T", "text": "a", "passage_id": "1"}], "negative_ctxs": [], "hard_negative_ctxs": [{"title": "", "text": "b"}]})"
            "\n"),
        {"|p: |q + [a] - [b] [c]", "9007199254740993||q + [d=T x] -", "||q + [a] - [b] [c]", "one~two 1", "one~two 0.8",
         "||one + [two] -", "#1 + [3] [4] - [5] [7] [6]", "||q + [1=T a] - [b]"},
        "JSON Lines");
}

BOOST_AUTO_TEST_CASE(an_array_over_lines) {
    test::Scratch const scratch;
    std::string const first =
        R"({"question": "q [1]}", "positive_ctxs": [{"title": "T", "text": "a \" {"}], "hard_negative_ctxs": []})";
    std::string const second = R"({"question": "r", "positive_ctxs": [{"text": "b"}]})";
    std::vector<std::string> const expected{"||q [1]} + [T a \" {] -", "||r + [b] -"};
    check_rows(scratch.file("one.json", "[" + first + ", " + second + "]"), expected, "JSON array");
    check_rows(scratch.file("two.json.gz", "[\n" + first + ",\n\n" + second + "\n]\n"), expected, "JSON array");
    std::string spread = "[\n    {\n";   // as the authors' files are indented
    spread +=
        R"(        "question": "q",)"
        "\n        \"positive_ctxs\": [\n            {\n                \"text\": \"a\"\n            }\n        ]\n    }\n]\n";
    check_rows(scratch.file("three.json", spread), {"||q + [a] -"}, "JSON array");
    BOOST_CHECK_EXCEPTION(read(scratch.file("cut.json", "[" + first + ",\n")), InputError,
                          says("cut.json:1", "the end of the array"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("bad.json", "[\n" + first + ",\n{\"question\": 1}]\n")), InputError,
                          says("bad.json:3", "a query: a string"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("stray.json", "[\n" + first + ",\n7]\n")), InputError,
                          says("stray.json:3", "objects in the array", "'7]'"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("text.json", "[\"a\"]")), InputError, says("text.json:1", "objects in the array"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("nested.json", "[[" + first + "]]")), InputError,
                          says("nested.json:1", "a JSON array"));
    Read const kept =
        read(scratch.file("skip.json", "[{\"question\": 1},\n" + first + "]"), {.malformed = bmae::MalformedLine::skip});
    BOOST_TEST(kept.rows.size() == 1U);
    BOOST_TEST(kept.report.skipped == 1U);
}

BOOST_AUTO_TEST_CASE(tables) {
    test::Scratch const scratch;
    check_rows(scratch.file("a.csv", "anchor,positive,negative\n\"a, b\",\"say \"\"x\"\"\nand y\",n\nc,d,\n"),
               {"||a, b + [say \"x\"\nand y] - [n]", "||c + [d] -"}, "CSV table of query, positive, negative, with a header");
    check_rows(scratch.file("b.csv.gz", "sentence1,sentence2,score\none,two,0.5\n"), {"one~two 0.5"},
               "CSV table of query, positive, label, with a header");
    check_rows(scratch.file("c.tsv", "query\tpositive\tnegative_1\tnegative_2\nq\ta\tb\tc\n"), {"||q + [a] - [b] [c]"},
               "table of query, positive, negative, negative, with a header");
    check_rows(scratch.file("d.tsv", "a text\tanother\t1\nc\td\t0\n"), {"a text~another 1", "c~d 0"},
               "table of query, positive, label");
    check_rows(scratch.file("e.tsv", "1185869\t0\t5\n7\t8\t9\n"), {"#1185869 + [0] - [5]", "#7 + [8] - [9]"},
               "table of query, positive, negative by their ids");   // qidpidtriples of MS MARCO
    BOOST_CHECK_EXCEPTION(read(scratch.file("f.tsv", "1\t0\t5\n7\tx\t9\n")), InputError, says("f.tsv:2", "three ids"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("g.csv", "anchor,answers\nq,a\n")), InputError, says("g.csv:1", "or a header"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("h.csv", "anchor,positive\n\"q\" x,a\n")), InputError,
                          says("h.csv:2", "after a closing quote"));
    BOOST_CHECK_EXCEPTION(read(scratch.file("i.csv", "anchor,positive\n\"q,a\nb,c\n"), {.max_line_bytes = 5}), InputError,
                          says("i.csv:"));
}

BOOST_AUTO_TEST_CASE(settings_that_bmae_lacks_are_refused_by_name) {
    test::Scratch const scratch;
    auto const refuses = [&](std::string const& row, auto... parts) {
        BOOST_CHECK_EXCEPTION(read(scratch.file("a.jsonl", row)), InputError, says("a.jsonl:1", parts...));
    };
    refuses(R"({"query": "q", "pos": ["a"], "type": "symmetric_sts"})", "a row of type 'normal'", "symmetric_sts");
    refuses(R"({"query": "q", "pos": ["a"], "prompt": 1})", "a string at 'prompt'");
    refuses(R"({"gold_label": "neutral", "sentence1": "a", "sentence2": "b"})", "SNLI", "--format nli");
    refuses(R"({"sentence1": "a", "sentence2": "b", "label": "yes"})", "a finite number as label");
    refuses(R"({"qid": 1, "pos": [1.5]})", "qid, pos and neg");
    refuses(R"({"qid": 1, "pos": [2], "neg": {"bm25": 3}})", "qid, pos and neg");
    refuses(R"({"_id": "d", "title": "t", "text": "x"})", "a query: a string");
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
    test::Scratch const scratch;
    bmae::PairRow const whole{.query_id = "7",
                              .prompt = "p: ",
                              .query = "q",
                              .positives = {{.id = "1", .title = "T", .text = "a\tb"}, {.text = "c"}},
                              .negatives = {{.id = "3", .text = "d"}},
                              .positive_scores = {1.5F, std::nanf("")},
                              .negative_scores = {-2}};
    bmae::PairRow const bare{.query = "r", .positives = {{.text = "e"}}};
    auto const written = [&](bmae::TrainingFormat format, std::string const& name) {
        bmae::TrainingRowWriter writer(scratch / name, format);
        writer.write(whole);
        writer.write(bare);
        writer.commit();
        BOOST_TEST(writer.rows() == 2U);
        BOOST_TEST(writer.left_out().contains("scores of a teacher") == (format != bmae::TrainingFormat::flag_embedding));
        return read(scratch / name).rows;
    };
    auto const check_equal = [](std::vector<std::string> const& found, std::vector<std::string> const& expected) {
        BOOST_TEST(found == expected, boost::test_tools::per_element());
    };
    using enum bmae::TrainingFormat;
    check_equal(written(flag_embedding, "f.jsonl"), {"7|p: |q + [T a\tb] [c] - [d]", "||r + [e] -"});
    check_equal(written(tevatron, "t.jsonl.gz"), {"7||p: q + [1=T a\tb] [0-p1=c] - [3=d]", "1||r + [1-p0=e] -"});
    check_equal(written(sentence_transformers, "s.jsonl"), {"||p: q + [T a\tb] - [d]", "||p: q + [c] - [d]", "||r + [e] -"});
    check_equal(written(triples, "t.tsv"), {"||p: q + [T a b] - [d]", "||p: q + [c] - [d]"});
    check_equal(written(dpr, "d.json"), {"7||p: q + [1=T a\tb] [c] - [3=d]", "||r + [e] -"});
    bmae::TrainingRowWriter none(scratch / "none.json", dpr);
    none.commit();
    BOOST_TEST(read(scratch / "none.json").rows.empty());
}

BOOST_AUTO_TEST_SUITE_END()
