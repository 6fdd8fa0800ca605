// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/retrieval/mining.hpp>

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "files.hpp"
#include "run_of.hpp"

BOOST_AUTO_TEST_SUITE(mining)

namespace {

using bmae::MiningOptions;
using bmae::NegativeSampling;
using bmae::Run;
using test::run_of;

using Corpus = std::map<std::string, std::string>;

bmae::MiningResult mine(std::vector<Run const*> const& runs, Corpus const& corpus, MiningOptions const& options,
                        std::vector<bmae::MiningQuery> const& queries, Run const* reranker = nullptr) {
    bmae::NegativeMiner miner(
        runs,
        [&](std::string const& id) {
            auto const found = corpus.find(id);
            return found == corpus.end() ? std::nullopt : std::optional<std::string>(found->second);
        },
        options, reranker);
    for (auto const& query : queries) { miner.add(query, "what is it"); }
    return miner.finish();
}

std::string text_of(bmae::MiningResult const& result) {
    std::string text;
    for (auto const& query : result.queries) {
        text += query.query + ':';
        for (std::string const& id : query.documents) { text += ' ' + id; }
        text += ';';
    }
    return text;
}

/// d0 ... d19 with scores 20 ... 1; d2 and d9 are relevant.
struct Twenty {
    Corpus corpus;
    Run run = make();
    bmae::MiningQuery query{.id = "q", .relevant = {"d2", "d9"}};

    Run make() {
        std::vector<std::pair<std::string, float>> hits;
        for (int d = 0; d < 20; ++d) {
            hits.emplace_back("d" + std::to_string(d), static_cast<float>(20 - d));
            corpus["d" + std::to_string(d)] = "text " + std::to_string(d);
        }
        return run_of(hits);
    }
};

BOOST_AUTO_TEST_CASE(the_best_of_the_window_without_what_is_relevant_or_says_the_same) {
    Twenty all;
    all.corpus["d5"] = "  Text,  2! ";   // the words of a relevant document
    all.corpus["d6"] = "What is it?";    // the query
    all.corpus["d8"] = "TEXT 7";         // an earlier candidate
    all.corpus.erase("d10");
    auto const result =
        mine({&all.run}, all.corpus, {.first = 4, .last = 15, .number = 4, .sampling = NegativeSampling::top}, {all.query});
    BOOST_TEST(text_of(result) == "q: d3 d4 d7 d11;");
    auto const& counts = result.counts;
    BOOST_TEST(counts.judged_relevant == 2U);
    BOOST_TEST(counts.equal_text == 3U);
    BOOST_TEST(counts.unknown_documents == 1U);
    BOOST_TEST(result.unknown_document == "d10");
    BOOST_TEST(counts.outside_window == 7U);   // d0 d1, d15 ... d19
    BOOST_TEST(counts.not_drawn == 3U);        // d12 d13 d14
    BOOST_TEST(counts.too_few == 0U);
    BOOST_TEST(counts.above_relevant == 0U);
    std::uint64_t sum = counts.negatives;
    for (auto const count : {counts.judged_relevant, counts.equal_text, counts.unknown_documents, counts.outside_window,
                             counts.not_drawn, counts.margin}) {
        sum += count;
    }
    BOOST_TEST(sum == 20U);   // each hit once
}

BOOST_AUTO_TEST_CASE(a_margin_is_measured_from_the_best_relevant_hit_of_each_run_at_any_sign_of_the_scores) {
    Twenty const all;
    MiningOptions top{.number = 3, .sampling = NegativeSampling::top, .margin = 4};
    BOOST_TEST(text_of(mine({&all.run}, all.corpus, top, {all.query})) == "q: d7 d8 d10;");   // below 18 - 4
    top.margin.reset();
    top.relative_margin = .5;
    BOOST_TEST(text_of(mine({&all.run}, all.corpus, top, {all.query})) == "q: d12 d13 d14;");   // below 9
    std::vector<std::pair<std::string, float>> below;
    for (int d = 0; d < 20; ++d) { below.emplace_back("d" + std::to_string(d), static_cast<float>(-10 - d)); }
    Run const negative = run_of(below);   // d2 has -12: below -18, which d8 has and d9, relevant, is below
    BOOST_TEST(text_of(mine({&negative}, all.corpus, top, {all.query})) == "q: d10 d11 d12;");
    // a second run that puts d12 above the relevant one: it is dropped; its other documents are joined by their best rank
    Run const second = run_of({{"d12", 3}, {"d2", 2}, {"d19", .5F}});
    auto const joined = mine({&all.run, &second}, all.corpus, top, {all.query});
    BOOST_TEST(text_of(joined) == "q: d19 d13 d14;");
    // a run without a relevant document: its hits score no lower than one
    Run const lacking = run_of({{"d13", 3}, {"d14", 2}});
    auto const without = mine({&all.run, &lacking}, all.corpus, top, {all.query});
    BOOST_TEST(text_of(without) == "q: d12 d15 d16;");
    BOOST_TEST(without.counts.without_relevant_hit == 1U);
    top.relative_margin = 0;
    BOOST_TEST(text_of(mine({&lacking}, all.corpus, top, {all.query})).empty());
}

BOOST_AUTO_TEST_CASE(draws_depend_on_the_seed_and_the_query_alone) {
    Twenty const all;
    MiningOptions const options{.number = 5, .seed = 1};
    auto const of = [&](MiningOptions const& how, std::vector<bmae::MiningQuery> const& queries) {
        return mine({&all.run}, all.corpus, how, queries);
    };
    std::string const drawn = text_of(of(options, {all.query}));
    BOOST_TEST(text_of(of(options, {{.id = "other", .relevant = {"d1"}}, all.query})) == drawn);
    std::set<std::string> different;
    for (std::uint64_t seed = 0; seed < 10; ++seed) { different.insert(text_of(of({.number = 5, .seed = seed}, {all.query}))); }
    BOOST_TEST(different.size() > 5U);
    auto const few = of({.number = 30}, {all.query});
    BOOST_TEST(few.counts.negatives == 18U);
    BOOST_TEST(few.counts.too_few == 1U);
    BOOST_TEST(few.counts.above_relevant == 2U);   // d0 d1
}

BOOST_AUTO_TEST_CASE(the_estimate_tries_relevant_hits_as_if_nobody_had_judged_them) {
    Twenty const all;
    // d9 alone is tried, d2 being the best: one of 19 candidates
    auto const random = mine({&all.run}, all.corpus, {.number = 4}, {all.query});
    BOOST_TEST(*random.counts.false_negative_rate() == 4. / 19, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(*mine({&all.run}, all.corpus, {.number = 4, .sampling = NegativeSampling::top}, {all.query})
                    .counts.false_negative_rate() == 0.0);
    BOOST_TEST(*mine({&all.run}, all.corpus, {.number = 9, .sampling = NegativeSampling::top}, {all.query})
                    .counts.false_negative_rate() == 1.0);
    BOOST_TEST(*mine({&all.run}, all.corpus, {.number = 4, .margin = 8}, {all.query}).counts.false_negative_rate() == 0.0);
    BOOST_TEST(!mine({&all.run}, all.corpus, {}, {{.id = "q", .relevant = {"d2"}}}).counts.false_negative_rate().has_value());
}

BOOST_AUTO_TEST_CASE(a_reranker_drops_what_it_scores_too_near_and_what_it_did_not_score) {
    Twenty const all;
    // d2, the better of the relevant two, has -1; d3 lies above it, d4 within 2 of it; d5 has no score
    Run const reranker = run_of({{"d3", .5F}, {"d2", -1.F}, {"d4", -2.F}, {"d9", -2.5F}, {"d6", -3.5F}, {"d7", -9.F}});
    MiningOptions options{.first = 4, .last = 8, .number = 9, .sampling = NegativeSampling::top, .reranker_margin = 2};
    auto const result = mine({&all.run}, all.corpus, options, {all.query}, &reranker);
    BOOST_TEST(text_of(result) == "q: d6 d7;");
    BOOST_TEST(result.counts.reranker == 2U);
    BOOST_TEST(result.counts.unranked == 1U);
    BOOST_TEST(result.counts.without_reranker == 0U);
    options.reranker_margin = 0;
    BOOST_TEST(text_of(mine({&all.run}, all.corpus, options, {all.query}, &reranker)) == "q: d4 d6 d7;");
    // both relevant documents are tried: d9 would be dropped by a margin of 2, not by none; it stands outside of this window
    options = {.number = 9, .sampling = NegativeSampling::top, .reranker_margin = 2};
    BOOST_TEST(*mine({&all.run}, all.corpus, options, {all.query}, &reranker).counts.false_negative_rate() == 0.0);
    options.reranker_margin = 1;
    BOOST_TEST(*mine({&all.run}, all.corpus, options, {all.query}, &reranker).counts.false_negative_rate() == 1.0);
    Run const blind = run_of({{"d3", .5F}, {"d4", -2.F}});   // no relevant document: nothing to compare with
    auto const none = mine({&all.run}, all.corpus, options, {all.query}, &blind);
    BOOST_TEST(none.queries.empty());
    BOOST_TEST(none.counts.without_reranker == 1U);
    BOOST_TEST(none.counts.reranker == 2U);
    BOOST_TEST(none.counts.unranked == 16U);
}

BOOST_AUTO_TEST_CASE(queries_that_cannot_be_mined_for_are_counted_and_options_checked) {
    Twenty const all;
    auto const result = mine({&all.run}, all.corpus, {}, {{.id = "empty"}, {.id = "elsewhere", .relevant = {"d1"}}});
    BOOST_TEST(result.counts.without_relevant == 1U);
    BOOST_TEST(result.counts.without_hits == 1U);
    BOOST_TEST(result.counts.other_queries == 1U);
    BOOST_TEST(result.queries.empty());
    auto const refused = [&](MiningOptions const& options) {
        return test::refusal([&] { mine({&all.run}, all.corpus, options, {}); });
    };
    BOOST_TEST(test::contains(refused({.first = 0}), "FIRST:LAST"));
    BOOST_TEST(test::contains(refused({.first = 9, .last = 8}), "9:8"));
    BOOST_TEST(test::contains(refused({.number = 0}), "at least 1"));
    BOOST_TEST(test::contains(refused({.relative_margin = -1}), "relative margin"));
    BOOST_TEST(test::contains(refused({.reranker_margin = std::numeric_limits<double>::infinity()}), "margin of the reranker"));
    BOOST_TEST(test::contains(test::refusal([&] { mine({}, all.corpus, {}, {}); }), "at least one run"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
