// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/corpus/line_pairs.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/text/pair_store.hpp>

#include <blank_tokenizer.hpp>
#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(line_pairs)

namespace {

namespace fs = std::filesystem;
using bmae::build_pair_store;
using bmae::InputError;
using bmae::PairRow;
using bmae::PairStore;
using test::says;

test::BlankTokenizer const tokenizer(30'000);

std::vector<PairRow> lines_of(fs::path const& file, bmae::ReadOptions options = {}) {
    bmae::TrainingRowReader reader(std::span(&file, 1), options);
    std::vector<PairRow> rows;
    bmae::TrainingRow row;
    while (reader.next(row)) {
        if (auto* const pair = std::get_if<PairRow>(&row)) { rows.push_back(*pair); }
    }
    BOOST_TEST(!reader.next(row));   // it stays at the end
    return rows;
}

std::string text_of(PairStore const& store, std::uint32_t number, std::vector<std::string> const& known) {
    auto const tokens = store.all_texts()[number];
    for (std::string const& text : known) {
        auto const ids = tokenizer.encode(text);
        if (std::equal(tokens.begin(), tokens.end(), ids.begin(), ids.end())) { return text; }
    }
    return "?";
}

bmae::PairStoreReport build(fs::path const& output, fs::path const& file, bmae::PairStoreOptions const& options = {}) {
    return build_pair_store(output, tokenizer, std::span(&file, 1), options);
}

}  // namespace

BOOST_AUTO_TEST_CASE(lines_of_flag_embedding) {
    test::Scratch const scratch;
    auto const lines =
        lines_of(scratch.file("a.jsonl.gz",
                              "\n"
                              R"({"query": " wie groß? ", "pos": ["one", "two"], "neg": ["three"], "pos_scores": [1.5, null], )"
                              R"("neg_scores": [-2], "prompt": "p"})"
                              "\n"
                              R"({"query": "b", "pos": "one", "neg": [], "neg_scores": null})"
                              "\n"));
    BOOST_REQUIRE(lines.size() == 2U);
    BOOST_TEST(lines[0].query == "wie groß?");   // stripped as search strips
    BOOST_TEST(lines[0].query_id == "");
    BOOST_TEST(lines[0].prompt == "p");
    BOOST_REQUIRE(lines[0].positives.size() == 2U);
    BOOST_TEST(lines[0].positives[1].text == "two");
    BOOST_REQUIRE(lines[0].negatives.size() == 1U);
    BOOST_REQUIRE(lines[0].positive_scores.size() == 2U);
    BOOST_TEST(lines[0].positive_scores[0] == 1.5F);
    BOOST_TEST(std::isnan(lines[0].positive_scores[1]));
    BOOST_TEST(lines[0].negative_scores[0] == -2.0F);
    BOOST_TEST(lines[1].positives[0].text == "one");
    BOOST_TEST(lines[1].negatives.empty());
    BOOST_TEST(lines[1].negative_scores.empty());
}

BOOST_AUTO_TEST_CASE(lines_of_tevatron) {
    test::Scratch const scratch;
    auto const lines = lines_of(scratch.file(
        "a.jsonl", R"({"query_id": 7, "query": "q", "positive_passages": [{"docid": "1", "title": "T", "text": "x "}], )"
                   R"("negative_passages": [{"docid": 2, "title": null, "text": "y"}, {"text": "z"}]})"
                   "\n"
                   R"({"anchor": "a", "positive": "p", "negative": "n"})"
                   "\n"));
    BOOST_REQUIRE(lines.size() == 2U);
    BOOST_TEST(lines[0].query_id == "7");
    BOOST_TEST(lines[0].positives[0].id == "1");
    BOOST_TEST(lines[0].positives[0].joined() == "T x");
    BOOST_TEST(lines[0].negatives[0].id == "2");
    BOOST_TEST(lines[0].negatives[0].text == "y");
    BOOST_TEST(lines[0].negatives[1].id == "");
    BOOST_TEST(lines[1].query == "a");
    BOOST_TEST(lines[1].negatives[0].text == "n");
}

BOOST_AUTO_TEST_CASE(tables_with_and_without_a_header) {
    test::Scratch const scratch;
    auto const triplets = lines_of(scratch.file("t.tsv", "query\tpositive\tnegative\r\nq\tp\tn\r\n\r\nq2\tp2 \t n2\r\n"));
    BOOST_REQUIRE(triplets.size() == 2U);
    BOOST_TEST(triplets[0].query == "q");
    BOOST_TEST(triplets[1].positives[0].text == "p2");
    BOOST_TEST(triplets[1].negatives[0].text == "n2");
    auto const pairs = lines_of(scratch.file("p.tsv", "query of this\tpositive\n"));
    BOOST_REQUIRE(pairs.size() == 1U);   // no header: its first column is a text
    BOOST_TEST(pairs[0].negatives.empty());
}

BOOST_AUTO_TEST_CASE(malformed_lines_are_refused_by_name_or_skipped) {
    test::Scratch const scratch;
    std::string const good = R"({"query": "q", "pos": ["p"]})";
    auto const refuses = [&](std::string const& line, auto... parts) {
        fs::path const file = scratch.file("bad.jsonl", good + '\n' + line + '\n' + good + '\n');
        BOOST_CHECK_EXCEPTION(lines_of(file), InputError, says("bad.jsonl:2", parts...));
        BOOST_TEST(lines_of(file, {.malformed = bmae::MalformedLine::skip}).size() == 2U);
    };
    refuses("{\"query\": \"q\", \"pos\": [\"p\"]", "a JSON object");
    refuses("q\tp", "a JSON object");
    refuses(R"({"pos": ["p"]})", "a query: a string", "the keys 'pos'");
    refuses(R"({"query": 1, "pos": ["p"]})", "a query: a string", "a JSON number");
    refuses(R"({"query": "q", "positive_document_ids": [1]})", "positives: a key 'pos'", "positive_document_ids");
    refuses(R"({"qid": 1, "pos": 2})", "qid, pos and neg");
    refuses(R"({"query": "q", "pos": [1]})", "positives that are strings or objects with 'text'", "a JSON number");
    refuses(R"({"query": "q", "pos": ["p"], "neg": [{"docid": "1"}]})", "negatives with a string at 'text'");
    refuses(R"({"query": "q", "pos": [{"docid": 1.5, "text": "p"}]})", "'docid' is a string or an integer");
    refuses(R"({"query": "q", "query_id": [], "pos": ["p"]})", "a query id that is a string or an integer");
    refuses(R"({"query": "q", "pos": ["p"], "pos_scores": [1, 2]})", "as many scores at 'pos_scores' as texts, found 2 for 1");
    refuses(R"({"query": "q", "pos": ["p"], "pos_scores": ["1"]})", "finite numbers at 'pos_scores'");
    refuses(R"({"query": "q", "pos": ["p"], "neg_scores": [1]})", "as many scores at 'neg_scores' as texts, found 1 for 0");
    refuses(R"({"query": "q", "pos": ["p"], "pos_scores": [1e300]})", "finite numbers at 'pos_scores'");
    refuses("{\"query\": \"\xff\", \"pos\": [\"p\"]}", "UTF-8");

    auto const refuses_table = [&](std::string const& content, auto... parts) {
        BOOST_CHECK_EXCEPTION(lines_of(scratch.file("bad.tsv", content)), InputError, says("bad.tsv:", parts...));
    };
    refuses_table("q\n", ":1", "2 or 3 columns separated by tabs", "1 columns");
    refuses_table("a\tb\tc\td\n", ":1", "4 columns");
    refuses_table("a\tb\nc\td\te\n", ":2", "2 columns, as in the first line, found 3");
    refuses_table("1185869\t0\n", ":1", "expected texts in the columns, found the ids");
    refuses_table("one text\tanother\t0.83\nc\td\tx\n", ":2", "a finite number as label");
    refuses_table("[{\"query\": \"q\"}]\n", ":1", "positives: a key 'pos'");
    refuses_table("[{\"query\": \"q\", \"pos\": \"p\"},\n", ":1", "the end of the array, ']'");
    refuses_table("first,second\na,b\n", ":1", "or a header such as anchor,positive,negative");
    refuses_table("anchor,positive\n\"a,b\n", ":2", "a closing quote");
    refuses_table("anchor,positive\na,b,c\n", ":2", "2 columns, as in the first line, found 3");
}

BOOST_AUTO_TEST_CASE(equal_queries_and_texts_are_joined) {
    test::Scratch const scratch;
    std::vector<std::string> const known{"p one", "p two", "n one", "n two"};
    fs::path const file = scratch.file(
        "triples.tsv", "the query\tp one\tn one\nother\tp two\tp one\nthe query\tp one\tn two\nthe query\tp two\tp one\n");
    auto const report = build(scratch / "store", file);
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_REQUIRE(store.size() == 2U);
    BOOST_TEST(store.texts() == 4U);
    BOOST_TEST(store.query_id(0) == "triples.tsv:1");
    BOOST_TEST(store.query_id(1) == "triples.tsv:2");
    auto const example = store.example(0);
    BOOST_REQUIRE(example.positives.size() == 2U);
    BOOST_TEST(text_of(store, example.positives[0], known) == "p one");
    BOOST_TEST(text_of(store, example.positives[1], known) == "p two");
    BOOST_REQUIRE(example.negatives.size() == 2U);   // a positive of one line is no negative because of another
    BOOST_TEST(text_of(store, example.negatives[0], known) == "n one");
    BOOST_TEST(text_of(store, example.negatives[1], known) == "n two");
    BOOST_TEST(report.counts.joined_lines == 2U);
    BOOST_TEST(report.counts.relevant_negatives == 1U);
    BOOST_TEST(report.counts.repeated_positives == 1U);
    BOOST_TEST(report.counts.equal_texts == 4U);
    BOOST_TEST(report.sources.at(0) == "triples.tsv: table of query, positive, negative");
}

BOOST_AUTO_TEST_CASE(labels_of_similarity_make_each_pair_a_query_of_its_own) {
    test::Scratch const scratch;
    fs::path const file =
        scratch.file("sts.tsv", "a man runs\ta man walks\t3.2\na man runs\ta cat sleeps\t0\na man runs\ta man walks\t-1.5\n");
    bmae::PairStoreOptions const options{.labels = bmae::PairLabels::similarity};
    build(scratch / "store", file, options);
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(store.has_similarities());
    BOOST_REQUIRE(store.size() == 3U);
    BOOST_TEST(store.texts() == 2U);
    for (std::size_t i = 0; i < 3; ++i) {
        BOOST_REQUIRE(store.example(i).positives.size() == 1U);
        BOOST_TEST(store.example(i).negatives.empty());
        BOOST_TEST(store.example(i).positive_scores[0] == std::vector<float>({3.2F, 0, -1.5F})[i]);
    }
    BOOST_TEST(store.query_id(2) == "sts.tsv:3");
    BOOST_CHECK_EXCEPTION(build(scratch / "none", file), InputError, says("sts.tsv:1", "a label of 0 or 1", "scored-pairs"));
    fs::path const relevant = scratch.file("pairs.tsv", "the query\tits text\n");
    BOOST_CHECK_EXCEPTION(build(scratch / "none", relevant, options), InputError,
                          says("pairs.tsv:1", "two texts and how similar they are"));
    build(scratch / "limited", file, {.limit = 2, .labels = bmae::PairLabels::similarity});
    BOOST_TEST(PairStore::open(scratch / "limited").size() == 2U);
}

BOOST_AUTO_TEST_CASE(sources_are_the_files_in_order_and_equal_queries_of_two_stand_apart) {
    test::Scratch const scratch;
    std::vector<bmae::TrainingFile> const files{{.path = scratch.file("a.tsv", "one\tp\ntwo\tp\n")},
                                                {.path = scratch.file("b.tsv", "one\tr\n"), .weight = 2}};
    build_pair_store(scratch / "store", tokenizer, std::span<bmae::TrainingFile const>(files), {.keep_sources = true});
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_REQUIRE(store.size() == 4U);
    std::vector<std::size_t> sources;
    for (std::size_t i = 0; i < store.size(); ++i) { sources.push_back(store.source_of(i)); }
    BOOST_TEST(sources == std::vector<std::size_t>({0, 0, 1, 1}), boost::test_tools::per_element());
    std::vector<bmae::TrainingFile> const plain{{.path = files[0].path}, {.path = files[1].path}};
    build_pair_store(scratch / "joined", tokenizer, std::span<bmae::TrainingFile const>(plain));
    BOOST_TEST(PairStore::open(scratch / "joined").size() == 2U);   // as before: equal queries are one
}

BOOST_AUTO_TEST_CASE(a_query_id_tells_equal_queries_apart_and_has_one_text) {
    test::Scratch const scratch;
    std::string const line = R"({"query_id": "1", "query": "q", "pos": ["p"]})"
                             "\n";
    auto const report = build(scratch / "store", scratch.file("a", line + R"({"query_id": "2", "query": "q", "pos": ["r"]})"
                                                                          "\n"
                                                                          R"({"query_id": "1", "query": "q", "pos": ["s"]})"
                                                                          "\n"
                                                                          R"({"query": "1", "pos": ["s"]})"
                                                                          "\n"));
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_REQUIRE(store.size() == 3U);
    BOOST_TEST(store.query_id(0) == "1");
    BOOST_TEST(store.example(0).positives.size() == 2U);
    BOOST_TEST(store.query_id(2) == "a:4");
    BOOST_TEST(report.counts.joined_lines == 1U);
    fs::path const bad = scratch.file("bad", line + R"({"query_id": "1", "query": "another", "pos": ["p"]})"
                                                    "\n");
    BOOST_CHECK_EXCEPTION(build(scratch / "none", bad), InputError, says("bad:2", "one text of each query id"));
    BOOST_TEST(!fs::exists(scratch / "none"));
}

BOOST_AUTO_TEST_CASE(what_is_empty_is_counted) {
    test::Scratch const scratch;
    fs::path const file = scratch.file("a.jsonl", R"({"query": " ", "pos": ["p"]})"
                                                  "\n"
                                                  R"({"query": "q1", "pos": []})"
                                                  "\n"
                                                  R"({"query": "q2", "pos": [" "], "neg": ["n"]})"
                                                  "\n"
                                                  R"({"query": "q3", "pos": ["p", ""], "neg": ["", "n"], "neg_scores": [5, 4]})"
                                                  "\n"
                                                  R"({"query": "q4", "pos": ["p"], "topic": 1})"
                                                  "\n");
    auto const report = build(scratch / "store", file);
    BOOST_TEST(report.counts.queries == 2U);
    BOOST_TEST(report.counts.empty_queries == 1U);
    BOOST_TEST(report.counts.queries_without_positives == 2U);
    BOOST_TEST(report.counts.empty_texts == 3U);
    BOOST_TEST(report.reading.left_out.at("values of the key 'topic', which is not read") == 1U);
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    auto const example = store.example(0);
    BOOST_REQUIRE(example.negative_scores.size() == 1U);
    BOOST_TEST(example.negative_scores[0] == 4.0F);   // scores stay with their texts
    BOOST_TEST(std::isnan(example.positive_scores[0]));
    BOOST_CHECK_EXCEPTION(build(scratch / "none", scratch.file("void.jsonl", "\n")), InputError,
                          says("void.jsonl", "at least one row"));
    BOOST_TEST(!fs::exists(scratch / "none"));
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_no_byte) {
    test::Scratch const scratch;
    std::string table;
    bmae::Draw draw({.seed = 1});
    for (int i = 0; i < 5000; ++i) {
        auto const text = [&](std::uint64_t words) {
            std::string made = "w" + std::to_string(draw.below(40));
            while (words-- != 0) { made += " w" + std::to_string(draw.below(40)); }
            return made;
        };
        table += text(1) + '\t' + text(2) + '\t' + text(2) + '\n';
    }
    fs::path const file = scratch.file("t.tsv", table);
    for (unsigned const threads : {1U, 2U, 4U}) { build(scratch / std::to_string(threads), file, {.threads = threads}); }
    auto const store = PairStore::open(scratch / "1", bmae::Verify::full);
    BOOST_TEST(store.size() == store.statistics().queries);
    BOOST_TEST(store.statistics().joined_lines == 5000U - store.size());
    BOOST_TEST(store.statistics().joined_lines > 1000U);
    for (std::string const other : {"2", "4"}) {
        for (auto const& entry : fs::directory_iterator(scratch / "1")) {
            BOOST_TEST(
                (bmae::detail::read_file(entry.path()) == bmae::detail::read_file(scratch / other / entry.path().filename())));
        }
    }
    auto const first = build(scratch / "limited", file, {.limit = 10});
    BOOST_TEST(first.counts.queries == 10U);
    auto const limited = PairStore::open(scratch / "limited");
    for (std::size_t i = 0; i < 10; ++i) {   // all lines of the first ten queries
        BOOST_TEST(limited.query_id(i) == store.query_id(i));
        BOOST_TEST(limited.example(i).positives.size() == store.example(i).positives.size());
    }
}

BOOST_AUTO_TEST_CASE(samples_of_msmarco) {
    fs::path const folder = test::data_folder("msmarco");
    if (folder.empty()) { return; }
    test::Scratch const scratch;
    std::vector<fs::path> const files{folder / "finetune_sample.msmarco.jsonl", folder / "finetune_sample.nq.jsonl"};
    auto const report = build_pair_store(scratch / "store", tokenizer, std::span<fs::path const>(files));
    BOOST_TEST(report.counts.queries == 20U);   // these numbers are those of a plain count in Python
    BOOST_TEST(report.counts.positives == 20U);
    BOOST_TEST(report.counts.negatives == 1227U);
    BOOST_TEST(report.counts.repeated_negatives == 2U);
    BOOST_TEST(report.counts.texts == 1246U);
    BOOST_TEST(report.counts.scores == report.counts.positives + report.counts.negatives);
    BOOST_TEST(report.reading.left_out.empty());
    std::uint64_t prompted = 0;
    for (auto const& [prompt, count] : report.prompts) { prompted += count; }
    BOOST_TEST(prompted == 20U);
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(store.has_teacher_scores());
    BOOST_TEST(store.query_id(19) == "finetune_sample.nq.jsonl:10");
}

BOOST_AUTO_TEST_SUITE_END()
