// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/corpus/beir_pairs.hpp>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/beir_folder.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/text/pair_store.hpp>

#include <blank_tokenizer.hpp>
#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(beir_pairs)

namespace {

namespace fs = std::filesystem;
using bmae::build_pair_store;
using bmae::InputError;
using bmae::PairStore;
using test::says;

test::BlankTokenizer const tokenizer(30'000);

/// Five documents of which two are equal and one is empty, three queries with judgments and one without.
fs::path collection(test::Scratch const& scratch, std::string const& more_judgments = {}) {
    scratch.file("c/corpus.jsonl", R"({"_id": "d1", "title": "Ähre", "text": "golden wheat "})"
                                   "\n"
                                   R"({"_id": "d2", "title": "", "text": "red apple"})"
                                   "\n"
                                   R"({"_id": "d3", "title": "Ähre", "text": "golden wheat"})"
                                   "\n"
                                   R"({"_id": "d4", "title": "", "text": "  "})"
                                   "\n"
                                   R"({"_id": "d5", "title": "blue", "text": "sky"})"
                                   "\n");
    scratch.file("c/queries.jsonl", R"({"_id": "q1", "text": "what is wheat"})"
                                    "\n"
                                    R"({"_id": "q2", "text": "which apple"})"
                                    "\n"
                                    R"({"_id": "q3", "text": "sky"})"
                                    "\n"
                                    R"({"_id": "q4", "text": "of no split"})"
                                    "\n");
    scratch.file("c/qrels/train.tsv",
                 "query-id\tcorpus-id\tscore\nq2\td2\t1\nq1\td1\t2\nq1\td3\t1\nq3\td5\t0\n" + more_judgments);
    return scratch / "c";
}

std::vector<std::string> ids_of(PairStore const& store, std::span<std::uint32_t const> numbers) {
    std::vector<std::string> ids;
    for (std::uint32_t const number : numbers) { ids.emplace_back(store.text_id(number)); }
    return ids;
}

using Strings = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_CASE(judgments_become_examples) {
    test::Scratch const scratch;
    auto const report = build_pair_store(scratch / "store", tokenizer, {.folder = collection(scratch)});
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST((store.statistics() == report.counts));
    BOOST_REQUIRE(store.size() == 2U);   // in the order of the judgments; q3 has none above 0
    BOOST_TEST(store.query_id(0) == "q2");
    BOOST_TEST(store.query_id(1) == "q1");
    BOOST_TEST(store.texts() == 3U);   // d3 is d1, d4 is empty
    auto const example = store.example(1);
    BOOST_TEST((std::vector<bmae::TokenId>(example.query.begin(), example.query.end()) == tokenizer.encode("what is wheat")));
    BOOST_TEST(ids_of(store, example.positives) == Strings{"d1"}, boost::test_tools::per_element());
    auto const text = example.texts[example.positives[0]];
    BOOST_TEST((std::vector<bmae::TokenId>(text.begin(), text.end()) == tokenizer.encode("Ähre golden wheat")));
    BOOST_TEST(report.counts.equal_texts == 1U);
    BOOST_TEST(report.counts.empty_texts == 1U);
    BOOST_TEST(report.counts.repeated_positives == 1U);
    BOOST_TEST(report.counts.irrelevant_judgments == 1U);
    BOOST_TEST(report.counts.queries_without_negatives == 2U);
    BOOST_TEST(store.source() == "c: BEIR folder, split train");
}

BOOST_AUTO_TEST_CASE(negatives_stand_in_the_order_of_their_scores_and_of_the_files) {
    test::Scratch const scratch;
    fs::path const run = scratch.file("run.trec.gz",
                                      "q2 Q0 d5 2 1.5 x\nq9 Q0 d5 1 9 x\nq2 Q0 d1 1 1.5 x\nq2 Q0 d2 3 7 x\n"
                                      "q1 Q0 d5 1 1 x\nq1 Q0 d2 2 3 x\nq1 Q0 d3 3 2 x\n");
    fs::path const list = scratch.file("list.tsv", "q2\td3\n\nq2\td4\nq2\tnowhere\nq1 d5\n");
    auto const report = build_pair_store(scratch / "store", tokenizer, {.folder = collection(scratch), .negatives = {run, list}});
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    // Equal scores keep the order of the file; d2 is relevant; d3, the same text as d1, comes again in the list.
    BOOST_TEST(ids_of(store, store.example(0).negatives) == (Strings{"d5", "d1"}), boost::test_tools::per_element());
    // d3 has the text of d1, which is relevant.
    BOOST_TEST(ids_of(store, store.example(1).negatives) == (Strings{"d2", "d5"}), boost::test_tools::per_element());
    BOOST_TEST(report.counts.relevant_negatives == 2U);
    BOOST_TEST(report.counts.repeated_negatives == 2U);
    BOOST_TEST(report.counts.unknown_queries == 1U);
    BOOST_TEST(report.counts.unknown_negatives == 2U);   // an empty one and one that is not there
    BOOST_TEST(report.counts.queries_without_negatives == 0U);
    BOOST_REQUIRE(report.reading.messages.size() == 1U);
    BOOST_TEST(report.reading.messages[0].find("list.tsv:3: document 'd4'") != std::string::npos);
    BOOST_TEST(report.sources[1] == "run.trec.gz: negatives, TREC run");
    BOOST_TEST(report.sources[2] == "list.tsv: negatives, query, document");
}

BOOST_AUTO_TEST_CASE(negatives_of_several_systems_are_taken_by_rank) {
    test::Scratch const scratch;
    bmae::PairStoreReport const report = build_pair_store(
        scratch / "store", tokenizer,
        {.folder = collection(scratch, "q3\td1\t1\n"),
         .negatives = {scratch.file("n.jsonl", R"({"qid": "q1", "pos": ["d1"], "neg": {"two": ["d2"], "one": ["d5", "d1"]}})"
                                               "\n"
                                               R"({"qid": "q9", "neg": ["d1"]})"
                                               "\n"
                                               R"({"qid": "q3", "neg": ["d2", "d5"]})"
                                               "\n"
                                               R"({"qid": "q2", "neg": []})"
                                               "\n")}});
    auto const store = PairStore::open(scratch / "store", bmae::Verify::full);
    BOOST_TEST(ids_of(store, store.example(1).negatives) == (Strings{"d5", "d2"}), boost::test_tools::per_element());
    BOOST_TEST(ids_of(store, store.example(2).negatives) == (Strings{"d2", "d5"}), boost::test_tools::per_element());
    BOOST_TEST(report.counts.relevant_negatives == 1U);
    BOOST_TEST(report.counts.unknown_queries == 1U);
    BOOST_TEST(report.sources[1] == "n.jsonl: negatives, JSON Lines");
    if (fs::path const gpl = test::data_folder("synthetic_queries/gpl_fiqa"); !gpl.empty()) {   // as it is published
        for (auto const& [from, to] : {std::pair{"corpus.jsonl", "g/corpus.jsonl"},
                                       {"qgen-queries.jsonl", "g/queries.jsonl"},
                                       {"qgen-qrels/train.tsv", "g/qrels/train.tsv"}}) {
            scratch.file(to, bmae::detail::read_file(gpl / from));
        }
        auto const mined =
            build_pair_store(scratch / "gpl", tokenizer, {.folder = scratch / "g", .negatives = {gpl / "hard-negatives.jsonl"}});
        BOOST_TEST(mined.counts.queries == 30U);
        BOOST_TEST(mined.counts.queries_without_negatives == 0U);
        BOOST_TEST(mined.counts.unknown_negatives == 0U);
    }
}

BOOST_AUTO_TEST_CASE(scores_of_a_teacher_stand_beside_their_texts) {
    test::Scratch const scratch;
    fs::path const negatives = scratch.file("n.tsv", "q2 d5\nq2 d1\nq1 d5\n");
    std::map<std::string, std::string> const files{
        {"run", "q2 Q0 d2 1 4.5 t\nq2 Q0 d5 2 -2 t\nq1 Q0 d3 1 3 t\nq3 Q0 d5 1 1 t\nq2 Q0 d3 9 0.25 t\n"},
        {"table.gz", "q2 d2 4.5\nq2 d5 -2\nq1 d3 3\nq3 d5 1\nq2 d3 0.25\n"},
        {"lines", R"({"query_id": "q2", "docid": "d2", "score": 4.5})"
                  "\n"
                  R"({"qid": "q2", "pid": "d5", "score": -2, "more": []})"
                  "\n"
                  R"({"qid": "q1", "pid": "d3", "score": 3})"
                  "\n"
                  R"({"qid": "q3", "pid": "d5", "score": 1})"
                  "\n"
                  R"({"qid": "q2", "pid": "d3", "score": 0.25})"
                  "\n"}};
    for (auto const& [name, content] : files) {
        fs::path const folder = scratch / (name + ".store");
        auto const report = build_pair_store(
            folder, tokenizer,
            {.folder = collection(scratch), .negatives = {negatives}, .teacher_scores = {scratch.file(name, content)}});
        auto const store = PairStore::open(folder, bmae::Verify::full);
        BOOST_REQUIRE(store.has_teacher_scores());
        auto const q2 = store.example(0);
        BOOST_TEST(q2.positive_scores[0] == 4.5F);
        BOOST_REQUIRE(q2.negative_scores.size() == 2U);
        BOOST_TEST(q2.negative_scores[0] == -2.0F);
        BOOST_TEST(q2.negative_scores[1] == 0.25F);   // d3 is d1
        auto const q1 = store.example(1);
        BOOST_TEST(q1.positive_scores[0] == 3.0F);
        BOOST_TEST(std::isnan(q1.negative_scores[0]));
        BOOST_TEST(report.counts.scores == 4U);
        BOOST_TEST(report.counts.unused_scores == 1U);
        BOOST_TEST(report.counts.queries_with_scores == 2U);
    }
}

BOOST_AUTO_TEST_CASE(several_teachers_are_averaged) {
    test::Scratch const scratch;
    fs::path const negatives = scratch.file("n.tsv", "q2 d5\nq2 d1\nq1 d5\n");
    bmae::BeirPairs input{
        .folder = collection(scratch),
        .negatives = {negatives},
        .teacher_scores = {scratch.file("a", "q2 d2 4\nq2 d5 -2\nq2 d1 1\nq1 d3 3\nq1 d5 1\n"),
                           scratch.file("b.trec", "q2 Q0 d2 1 30 t\nq2 Q0 d1 2 21 t\nq2 Q0 d5 3 9 t\nq1 Q0 d3 1 7 t\n")}};
    auto const report = build_pair_store(scratch / "mean", tokenizer, input);
    auto const store = PairStore::open(scratch / "mean", bmae::Verify::full);
    auto const q2 = store.example(0);
    BOOST_TEST(q2.positive_scores[0] == 17.F);
    BOOST_REQUIRE(q2.negative_scores.size() == 2U);
    BOOST_TEST(q2.negative_scores[0] == 3.5F);
    BOOST_TEST(q2.negative_scores[1] == 11.F);
    auto const q1 = store.example(1);
    BOOST_TEST(q1.positive_scores[0] == 5.F);
    BOOST_TEST(std::isnan(q1.negative_scores[0]));   // of one teacher alone: no mean over fewer
    BOOST_TEST(report.counts.scores == 4U);
    BOOST_TEST(report.reading.left_out.at("pairs that one of several teachers did not score") == 1U);
    BOOST_REQUIRE(report.reading.messages.size() == 1U);
    BOOST_TEST(report.reading.messages[0].find("document 'd5' for query 'q1' has no score of one of the 2 teachers") !=
                   std::string::npos,
               report.reading.messages[0]);
    BOOST_TEST(report.sources[2] == "a: teacher scores, query, document, score");

    // of q2 4, -2, 1 have mean 1 and variance 6; 30, 9, 21 mean 20 and variance 74; of q1 3, 1 and 7 alone
    input.teacher_normalization = bmae::TeacherNormalization::z_score;
    auto const normalized = build_pair_store(scratch / "z", tokenizer, input);
    BOOST_TEST(normalized.sources[2] == "a: teacher scores as z-score, query, document, score");
    auto const z = PairStore::open(scratch / "z", bmae::Verify::full);
    auto const close = [](float a, double b) { return std::abs(static_cast<double>(a) - b) < 1e-6; };
    BOOST_TEST(close(z.example(0).positive_scores[0], (3 / std::sqrt(6.) + 10 / std::sqrt(74.)) / 2));
    BOOST_TEST(close(z.example(0).negative_scores[0], (-3 / std::sqrt(6.) - 11 / std::sqrt(74.)) / 2));
    BOOST_TEST(close(z.example(0).negative_scores[1], (0 + 1 / std::sqrt(74.)) / 2));
    BOOST_TEST(close(z.example(1).positive_scores[0], (1. + 0) / 2));   // equal scores are 0
    BOOST_TEST(std::isnan(z.example(1).negative_scores[0]));
    input.teacher_scores.pop_back();
    build_pair_store(scratch / "one", tokenizer, input);
    auto const one = PairStore::open(scratch / "one");
    BOOST_TEST(close(one.example(1).negative_scores[0], -1));

    // two halves of one teacher are not two teachers
    input.teacher_scores = {scratch.file("first", "q2 d2 4\n"), scratch.file("second", "q2 d5 -2\nq1 d3 3\n")};
    BOOST_CHECK_EXCEPTION(build_pair_store(scratch / "out", tokenizer, input), InputError,
                          says("first", "pairs that all 2 teachers scored", "none of 3", "document 'd2' for query 'q2'"));
}

BOOST_AUTO_TEST_CASE(wrong_files_are_refused_by_name_and_leave_nothing) {
    test::Scratch const scratch;
    fs::path const folder = collection(scratch);
    auto const refuses = [&](bmae::PairPurpose purpose, std::string const& content, auto... parts) {
        fs::path const file = scratch.file("bad", content);
        bmae::BeirPairs input{.folder = folder};
        (purpose == bmae::PairPurpose::negatives ? input.negatives : input.teacher_scores).push_back(file);
        BOOST_CHECK_EXCEPTION(build_pair_store(scratch / "out" / "store", tokenizer, input), InputError, says("bad", parts...));
        BOOST_TEST(fs::is_empty(scratch / "out"));
    };
    constexpr auto negatives = bmae::PairPurpose::negatives;
    constexpr auto scores = bmae::PairPurpose::scores;
    refuses(negatives, "", "expected hard negatives, found an empty file");
    refuses(negatives, "\n \n", "expected hard negatives, found an empty file");
    refuses(negatives, "q2 d5 1\n", "bad:1", "2 columns (query, document), the 6 of a TREC run, or JSON Lines, found 3");
    refuses(negatives, "q2 d5\nq2 Q0 d5 1 1 x\n", "bad:2", "expected 2 columns, as in the lines before, found 6");
    refuses(negatives, "q2 Q0 d5 1 nan x\n", "bad:1", "a finite score in column 5");
    refuses(negatives, "q7 d5\n", "expected hard negatives of the training queries, found none", "Search with --split train.");
    refuses(negatives, "q2 d7\n", "expected hard negatives of the training queries, found none");
    refuses(negatives, "q2 \xff\n", "bad:1", "UTF-8");
    for (std::string const neg : {R"("d1")", R"({"a": "d1"})", "[[1]]", "[1.5]", R"({"a": [""]})"}) {
        refuses(negatives, R"({"qid": "q2", "neg": )" + neg + "}\n", "bad:1", "qid, and neg: a list of ids");
    }
    refuses(negatives, R"({"neg": ["d1"]})", "bad:1", "qid, and neg: a list of ids");
    refuses(scores, "", "expected scores of a teacher, found an empty file");
    refuses(scores, "q2 d2\n", "bad:1", "3 columns (query, document, score)");
    refuses(scores, "q2 d2 high\n", "bad:1", "a finite score in column 3");
    refuses(scores, "q2 d2 inf\n", "bad:1", "a finite score in column 3");
    refuses(scores, "q2 d2 1\nq2 d5 2\nq1 d1 1\n", "the ranks 1, 2, ... of every query");
    refuses(scores, "q2 d2 1\nq2 d2 2.5\n", "bad:2", "one score of a document for a query", "document 'd2' for query 'q2'", "2.5",
            "1.0");
    refuses(scores, "q7 d2 1\n", "scores of positives or negatives of the training queries, found none");
    refuses(scores, "{\"qid\": \"q2\", \"pid\": \"d2\", \"score\": NaN}\n", "bad:1", "a JSON object");
    refuses(scores, "{\"qid\": \"q2\", \"pid\": \"d2\", \"score\": null}\n", "bad:1", "query_id, docid and a finite score");
    refuses(scores, "{\"qid\": \"q2\", \"score\": 1}\n", "bad:1", "query_id, docid and a finite score");
    BOOST_CHECK_EXCEPTION(build_pair_store(scratch / "out" / "store", tokenizer, {.folder = folder, .split = "dev"}), InputError,
                          says("judgments of the split 'dev'", "the splits train"));
    BOOST_CHECK_EXCEPTION(
        build_pair_store(scratch / "out" / "store", tokenizer, {.folder = folder, .negatives = {scratch / "absent"}}), InputError,
        says("absent", "nothing of that name"));
    BOOST_CHECK_EXCEPTION(build_pair_store(scratch / "out" / "store", tokenizer, {.folder = collection(scratch, "q7\td1\t1\n")}),
                          InputError, says("train.tsv:6", "query 'q7', which it lacks"));
    BOOST_TEST(fs::is_empty(scratch / "out"));
}

BOOST_AUTO_TEST_CASE(unknown_documents_and_malformed_lines_are_counted) {
    test::Scratch const scratch;
    fs::path const folder = collection(scratch, "q3\tnowhere\t1\nq3\td4\t1\nq7\td1\t1\nq2\td5\tx\n");
    fs::path const negatives = scratch.file("n", "q2 d5\nq2\nq1 d5\n");
    auto const report = build_pair_store(scratch / "store", tokenizer, {.folder = folder, .negatives = {negatives}},
                                         {.reading = {.malformed = bmae::MalformedLine::skip}});
    BOOST_TEST(report.counts.queries == 2U);
    BOOST_TEST(report.counts.unknown_positives == 2U);
    BOOST_TEST(report.counts.queries_without_positives == 1U);
    BOOST_TEST(report.reading.skipped == 3U);
    BOOST_TEST(report.counts.negatives == 2U);
}

BOOST_AUTO_TEST_CASE(a_limit_takes_the_first_queries) {
    test::Scratch const scratch;
    fs::path const negatives = scratch.file("n", "q1 d5\nq2 d5\n");
    auto const report =
        build_pair_store(scratch / "store", tokenizer, {.folder = collection(scratch), .negatives = {negatives}}, {.limit = 1});
    BOOST_TEST(report.counts.queries == 1U);
    BOOST_TEST(report.counts.texts == 3U);
    BOOST_TEST(report.counts.unknown_queries == 1U);
    BOOST_TEST(PairStore::open(scratch / "store").query_id(0) == "q2");
}

BOOST_AUTO_TEST_CASE(progress_may_stop_a_build_which_then_leaves_nothing) {
    test::Scratch const scratch;
    struct Stop {};
    fs::path const folder = collection(scratch);
    for (std::string const at : {"texts", "queries"}) {
        bmae::PairStoreOptions const options{.progress = [&](bmae::PairStoreProgress const& now) {
            if (now.what == at) { throw Stop{}; }
        }};
        BOOST_CHECK_THROW(build_pair_store(scratch / "out" / "store", tokenizer, {.folder = folder}, options), Stop);
        BOOST_TEST(fs::is_empty(scratch / "out"));
    }
}

// The numbers are those of a plain count in Python over the same files.
BOOST_AUTO_TEST_CASE(scifact) {
    fs::path const folder = test::data_folder("scifact/beir");
    if (folder.empty()) { return; }
    test::Scratch const scratch;
    for (unsigned const threads : {1U, 2U}) {
        auto const report =
            build_pair_store(scratch / std::to_string(threads), tokenizer, {.folder = folder}, {.threads = threads});
        BOOST_TEST(report.counts.queries == 809U);
        BOOST_TEST(report.counts.positives == 919U);
        BOOST_TEST(report.counts.texts == 5183U);
        BOOST_TEST(report.counts.text_tokens == 1'115'709U);
        BOOST_TEST(report.counts.query_tokens == 9977U);
        BOOST_TEST(report.counts.equal_texts == 0U);
        BOOST_TEST(report.counts.queries_without_negatives == 809U);
        BOOST_TEST(report.reading.skipped == 0U);
    }
    for (auto const& entry : fs::directory_iterator(scratch / "1")) {
        BOOST_TEST((bmae::detail::read_file(entry.path()) == bmae::detail::read_file(scratch / "2" / entry.path().filename())));
    }
    auto const store = PairStore::open(scratch / "1", bmae::Verify::full);
    auto const whole = bmae::BeirCollection::open(folder);
    for (bmae::JudgedPair const& pair :
         whole.judged_pairs("train").pairs) {   // each judgment is in the store, as search reads it
        std::size_t query = 0;
        while (store.query_id(query) != pair.query_id) { ++query; }
        auto const example = store.example(query);
        auto const ids = ids_of(store, example.positives);
        auto const found = std::find(ids.begin(), ids.end(), pair.document_id);
        BOOST_REQUIRE(found != ids.end());
        auto const text = example.texts[example.positives[static_cast<std::size_t>(found - ids.begin())]];
        auto const expected = tokenizer.encode(joined_text(whole.documents()[*whole.documents().find(pair.document_id)]));
        BOOST_REQUIRE(std::equal(text.begin(), text.end(), expected.begin(), expected.end()));
    }
}

BOOST_AUTO_TEST_SUITE_END()
