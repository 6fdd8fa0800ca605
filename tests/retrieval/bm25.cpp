// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/hybrid.hpp>
#include <bmae/retrieval/top_k.hpp>
#include <bmae/values/draw.hpp>

#include "files.hpp"
#include "run_of.hpp"

using Words = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(analyzer)

BOOST_AUTO_TEST_CASE(words_of_any_script) {
    bmae::Analyzer const plain({.stop_words = bmae::StopWords::none});
    BOOST_TEST(plain("It's A_1, \xC3\x89T\xC3\x89; \xD0\x9C\xD0\xB8\xD1\x80! 3.5") ==
                   (Words{"it", "s", "a_1", "\xC3\xA9t\xC3\xA9", "\xD0\xBC\xD0\xB8\xD1\x80", "3", "5"}),
               boost::test_tools::per_element());
    BOOST_TEST(plain("broken\xFF"
                     "bytes \xC3") == (Words{"broken", "bytes"}),
               boost::test_tools::per_element());
    BOOST_TEST(plain("").empty());
    BOOST_TEST(bmae::Analyzer({.lower_case = false})("The Cat") == (Words{"The", "Cat"}), boost::test_tools::per_element());
    BOOST_TEST(bmae::Analyzer({.min_characters = 2})("x \xC3\xA9 the ab") == (Words{"ab"}), boost::test_tools::per_element());
    BOOST_TEST(bmae::Analyzer({.stemming = bmae::Stemming::english})("The running cats") == (Words{"run", "cat"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stems_of_each_step) {
    std::map<std::string, std::string> const stems = {{"caresses", "caress"},
                                                      {"flies", "fli"},
                                                      {"ties", "tie"},
                                                      {"gas", "gas"},
                                                      {"kiwis", "kiwi"},
                                                      {"agreed", "agre"},
                                                      {"feed", "feed"},
                                                      {"hopping", "hop"},
                                                      {"hoping", "hope"},
                                                      {"luxuriated", "luxuri"},
                                                      {"falling", "fall"},
                                                      {"cry", "cri"},
                                                      {"say", "say"},
                                                      {"by", "by"},
                                                      {"relational", "relat"},
                                                      {"conditional", "condit"},
                                                      {"vietnamization", "vietnam"},
                                                      {"hopefulness", "hope"},
                                                      {"sensibility", "sensibl"},
                                                      {"apology", "apolog"},
                                                      {"triplicate", "triplic"},
                                                      {"electrical", "electr"},
                                                      {"formative", "format"},
                                                      {"goodness", "good"},
                                                      {"adjustment", "adjust"},
                                                      {"adoption", "adopt"},
                                                      {"controlling", "control"},
                                                      {"rate", "rate"},
                                                      {"cease", "ceas"},
                                                      {"generate", "generat"},
                                                      {"communism", "communism"},
                                                      {"arsenal", "arsenal"},
                                                      {"skies", "sky"},
                                                      {"news", "news"},
                                                      {"succeed", "succeed"},
                                                      {"herrings", "herring"},
                                                      {"sky's", "ski"},
                                                      {"'twas", "twas"},
                                                      {"youth", "youth"},
                                                      {"boyish", "boyish"},
                                                      {"knightly", "knight"},
                                                      {"singly", "singl"},
                                                      {"straße", "straße"},
                                                      {"øy", "øy"},
                                                      {"naïvely", "naïv"},
                                                      {"cafés", "café"}};
    for (auto const& [word, stem] : stems) {
        BOOST_TEST(bmae::EnglishStemmer()(word) == stem,
                   word << ": expected " << stem << ", got " << bmae::EnglishStemmer()(word));
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(top_k)

BOOST_AUTO_TEST_CASE(pitfall_25_a_selection_equals_sorting_whatever_its_size) {
    bmae::Draw draw({.seed = 5});
    for (std::size_t const count : {0U, 1U, 15U, 16U, 17U, 1000U, 5000U}) {
        std::vector<float> scores;
        for (std::size_t i = 0; i < count; ++i) { scores.push_back(static_cast<float>(draw.below(200)) - 100.0F); }
        std::vector<std::pair<float, std::uint32_t>> sorted;
        for (std::size_t i = 0; i < count; ++i) { sorted.emplace_back(-scores[i], static_cast<std::uint32_t>(count - i)); }
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t const k : {0U, 1U, 7U, 100U, 10000U}) {
            bmae::TopK whole(k), left(k), right(k);
            auto const key = [&](std::size_t i) { return static_cast<std::uint32_t>(count - i); };
            whole.push_all(scores, key);
            for (std::size_t i = 0; i < count; ++i) { (i % 3 == 0 ? left : right).push(scores[i], key(i)); }
            left.merge(right);
            for (auto* const selection : {&whole, &left}) {
                auto const found = selection->sorted();
                BOOST_REQUIRE_EQUAL(found.size(), std::min(k, count));
                for (std::size_t i = 0; i < found.size(); ++i) {
                    BOOST_REQUIRE_EQUAL(found[i].score, -sorted[i].first);
                    BOOST_REQUIRE_EQUAL(found[i].key, sorted[i].second);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(both_zeros_tie_and_infinities_are_ordered) {
    bmae::TopK best(4);
    float const infinity = std::numeric_limits<float>::infinity();
    best.push(-0.0F, 1);
    best.push(0.0F, 2);
    best.push(-infinity, 3);
    best.push(infinity, 4);
    auto const found = best.sorted();
    BOOST_TEST(found[0].key == 4U);
    BOOST_TEST(found[1].key == 1U);
    BOOST_TEST(found[2].key == 2U);
    BOOST_TEST(found[3].score == -infinity);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(bm25)

BOOST_AUTO_TEST_CASE(scores_by_hand) {
    bmae::Bm25Index const index(Words{"cat dog", "cat cat bird", "fish"}, {"x", "y", "z"});
    auto const hits = index.search("cat Cat the unknown", 10);
    BOOST_REQUIRE_EQUAL(hits.size(), 2U);
    double const idf = std::log(1 + (3 - 2 + 0.5) / 2.5);
    auto const score = [&](double f, double length) { return 2 * idf * f / (f + 0.9 * (0.6 + 0.4 * length / 2)); };
    BOOST_TEST(index.documents()->operator[](hits[0].document) == "y");
    BOOST_TEST(static_cast<double>(hits[0].score) == score(2, 3), boost::test_tools::tolerance(1e-6));
    BOOST_TEST(static_cast<double>(hits[1].score) == score(1, 2), boost::test_tools::tolerance(1e-6));
    BOOST_TEST(index.search("", 10).empty());
    BOOST_TEST(index.search("cat", 0).empty());
}

BOOST_AUTO_TEST_CASE(pitfall_25_ties_go_to_the_smaller_id) {
    bmae::Bm25Index const index(Words{"same", "same", "same", "other"}, {"b", "c", "a", "d"});
    auto const run = index.search(Words{"same", "nothing"}, 2, {"q", "r"});
    BOOST_TEST(run.query(1) == "r");
    BOOST_TEST(run.hits(1).empty());
    BOOST_TEST(run.document(run.hits(0)[0].document) == "a");
    BOOST_TEST(run.document(run.hits(0)[1].document) == "b");
}

BOOST_AUTO_TEST_CASE(many_documents_equal_a_plain_loop_on_any_number_of_threads) {
    bmae::Draw draw({.seed = 11});
    Words texts, ids, queries;
    for (std::size_t i = 0; i < 40000; ++i) {   // three blocks, and terms from rare to common
        std::string text;
        for (std::uint64_t n = draw.below(8); n-- > 0;) { text += " w" + std::to_string(draw.below(draw.below(3000) + 1)); }
        texts.push_back(text);
        ids.push_back(std::to_string(i));
    }
    for (std::size_t i = 0; i < 60; ++i) {
        queries.push_back("w" + std::to_string(i * i) + " w" + std::to_string(i) + " w" + std::to_string(i));
    }
    bmae::Bm25Index const one(texts, ids, {.threads = 1});
    bmae::Bm25Index const three(texts, ids, {.threads = 3});
    auto const run = one.search(queries, 50);
    auto const again = three.search(queries, 50);
    double total = 0;
    for (auto const& text : texts) { total += static_cast<double>(bmae::Analyzer()(text).size()); }
    std::map<std::string, double> with;
    std::vector<std::map<std::string, double>> frequency(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        for (auto const& term : bmae::Analyzer()(texts[i])) { frequency[i][term] += 1; }
        for (auto const& entry : frequency[i]) { with[entry.first] += 1; }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
        BOOST_REQUIRE(std::ranges::equal(run.hits(q), again.hits(q)));
        std::vector<std::pair<double, std::string>> expected;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            double score = 0;
            double length = 0;
            for (auto const& entry : frequency[i]) { length += entry.second; }
            for (auto const& term : bmae::Analyzer()(queries[q])) {
                auto const found = frequency[i].find(term);
                if (found == frequency[i].end()) { continue; }
                double const idf = std::log(1 + (40000 - with[term] + 0.5) / (with[term] + 0.5));
                score += idf * found->second / (found->second + 0.9 * (0.6 + 0.4 * length / (total / 40000)));
            }
            if (score > 0) { expected.emplace_back(-score, ids[i]); }
        }
        std::sort(expected.begin(), expected.end());
        BOOST_REQUIRE_EQUAL(run.hits(q).size(), std::min<std::size_t>(50, expected.size()));
        for (std::size_t i = 0; i < run.hits(q).size(); ++i) {
            BOOST_REQUIRE_CLOSE(static_cast<double>(run.hits(q)[i].score), -expected[i].first, 1e-4);
        }
    }
}

BOOST_AUTO_TEST_CASE(quantized_lengths_change_long_documents_only) {
    std::string const text41 = [] {
        std::string t;
        for (int i = 0; i < 41; ++i) { t += "w "; }
        return t;
    }();
    for (auto const& [text, same] : {std::pair<std::string, bool>{"one two three", true}, {text41, false}}) {
        bmae::Bm25Index const exact(Words{text, "w three"}, {"a", "b"});
        bmae::Bm25Index const coarse(Words{text, "w three"}, {"a", "b"}, {.quantize_lengths = true});
        BOOST_TEST((exact.search("w three", 2)[1].score == coarse.search("w three", 2)[1].score) == same);
    }
}

BOOST_AUTO_TEST_CASE(bad_requests_are_refused) {
    BOOST_TEST(test::contains(test::refusal([] { bmae::Bm25Index(Words{"a"}, {"x", "y"}); }), "as many ids as texts"));
    BOOST_TEST(test::contains(test::refusal([] { bmae::Bm25Index(Words{"a", "b"}, {"x", "x"}); }), "'x' a second time"));
    BOOST_TEST(test::contains(test::refusal([] { bmae::Bm25Index(Words{"a"}, {"x"}, {.b = 2}); }), "b in 0..1"));
    bmae::Bm25Index const empty(Words{}, {});
    BOOST_TEST(empty.search("a", 5).empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(hybrid)

using test::run_of;

namespace {
std::string text_of(bmae::Run const& run, std::size_t query) {
    std::string text;
    for (auto const& hit : run.hits(query)) { text += std::string(run.document(hit.document)) + ' '; }
    return text;
}
}  // namespace

BOOST_AUTO_TEST_CASE(reciprocal_ranks_are_summed) {
    auto const fused = bmae::reciprocal_rank_fusion(run_of({{"a", 9}, {"b", 8}, {"c", 7}}), run_of({{"c", 0.2F}, {"d", 0.1F}}));
    BOOST_TEST(text_of(fused, 0) == "c a b d ");   // b and d tie at 1/62
    BOOST_TEST(static_cast<double>(fused.hits(0)[0].score) == 1.0 / 63 + 1.0 / 61, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(normalized_scores_are_weighed) {
    auto const first = run_of({{"a", 10}, {"b", 5}, {"c", 0}});
    auto const second = run_of({{"c", 3}, {"d", 1}});
    auto const fused = bmae::weighted_sum(first, second, {.first_weight = 0.75});
    BOOST_TEST(text_of(fused, 0) == "a b c d ");
    BOOST_TEST(fused.hits(0)[0].score == 0.75F);
    BOOST_TEST(fused.hits(0)[2].score == 0.25F);
    BOOST_TEST(text_of(bmae::weighted_sum(first, second, {.first_weight = 0, .depth = 1}), 0) == "c ");
    auto const scored = bmae::weighted_sum(first, second, {.first_weight = 1, .normalization = bmae::Normalization::z_score});
    BOOST_TEST(scored.hits(0)[0].score == static_cast<float>(std::sqrt(1.5)), boost::test_tools::tolerance(1e-6F));
    BOOST_TEST(
        test::contains(test::refusal([&] { bmae::weighted_sum(first, second, {.first_weight = 2}); }), "a weight in 0..1"));
}

BOOST_AUTO_TEST_CASE(queries_of_both_runs_stay) {
    auto const fused = bmae::reciprocal_rank_fusion(run_of({{"a", 1}}), run_of({{"b", 1}}, "r"), {.depth = 5});
    BOOST_TEST(fused.size() == 2U);
    BOOST_TEST(fused.query(1) == "r");
    BOOST_TEST(text_of(fused, 1) == "b ");
}

BOOST_AUTO_TEST_SUITE_END()
