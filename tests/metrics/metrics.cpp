// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Every metric on lists small enough to work out by hand.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <bmae/metrics/any_metric.hpp>

BOOST_AUTO_TEST_SUITE(metrics)

namespace {

std::vector<std::int32_t> const gains = {0, bmae::unjudged, 2, 0, 1, bmae::unjudged};
std::vector<std::int32_t> const ideal = {3, 2, 1, 1};
bmae::RankedGains const ranked{.gains = gains, .ideal = ideal, .nonrelevant = 5};

struct FirstGain {   // an own metric: no base class, no registration
    std::string name() const { return "first"; }
    double operator()(bmae::RankedGains const& list) const { return list.gains.empty() ? 0.0 : list.gains[0]; }
};
static_assert(bmae::explain_metric<FirstGain>());

std::string name_of(std::string_view name) {
    return std::visit([](auto const& metric) { return metric.name(); }, bmae::metric_from_name(name));
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_by_hand) {
    BOOST_TEST(bmae::Mrr{}(ranked) == 1.0 / 3);
    BOOST_TEST(bmae::Mrr{2}(ranked) == 0.0);
    BOOST_TEST(bmae::Mrr{3}(ranked) == 1.0 / 3);
    BOOST_TEST(bmae::Recall{3}(ranked) == 0.25);
    BOOST_TEST(bmae::Recall{1000}(ranked) == 0.5);
    BOOST_TEST((bmae::Recall{.k = 3, .capped = true}(ranked)) == 1.0 / 3);
    BOOST_TEST(bmae::Precision{5}(ranked) == 0.4);
    BOOST_TEST(bmae::Precision{100}(ranked) == 0.02);
    BOOST_TEST(bmae::Precision{bmae::all_ranks}(ranked) == 2.0 / 6);
    BOOST_TEST(bmae::Success{2}(ranked) == 0.0);
    BOOST_TEST(bmae::Success{3}(ranked) == 1.0);
    BOOST_TEST(bmae::RPrecision{}(ranked) == 0.25);
    BOOST_TEST(bmae::AveragePrecision{}(ranked) == (1.0 / 3 + 2.0 / 5) / 4, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::AveragePrecision{3}(ranked) == 1.0 / 12, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::Bpref{}(ranked) == (1 - 1.0 / 4 + 1 - 2.0 / 4) / 4, boost::test_tools::tolerance(1e-15));
    double const best = 3 + 2 / std::log2(3.0) + 1 / 2.0 + 1 / std::log2(5.0);
    BOOST_TEST(bmae::Ndcg{}(ranked) == (2 / 2.0 + 1 / std::log2(6.0)) / best, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::Ndcg{3}(ranked) == 1 / (3 + 2 / std::log2(3.0) + 1 / 2.0), boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::RankBiasedPrecision{}(ranked) == .2 * (.8 * .8 + .8 * .8 * .8 * .8), boost::test_tools::tolerance(1e-15));
    BOOST_TEST((bmae::RankBiasedPrecision{.k = 3, .persistence = .5}(ranked)) == .5 * .25);
    // grades 2 and 1 at ranks 3 and 5, of at most 4: the user stops with 3/16 and 1/16
    BOOST_TEST(bmae::ExpectedReciprocalRank{}(ranked) == 3. / 16 / 3 + 13. / 16 * (1. / 16) / 5,
               boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::ExpectedReciprocalRank{2}(ranked) == 0.0);
    BOOST_TEST((bmae::ExpectedReciprocalRank{.k = 3, .maximum_grade = 1}(ranked)) == .5 / 3, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::Judged{5}(ranked) == .8);
    BOOST_TEST(bmae::Judged{10}(ranked) == .4);
    BOOST_TEST(bmae::Judged{bmae::all_ranks}(ranked) == 4. / 6);
    bmae::Ndcg const exponential{.k = 3, .gain = bmae::Gain::exponential};
    BOOST_TEST(exponential(ranked) == 1.5 / (7 + 3 / std::log2(3.0) + 1 / 2.0), boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(pitfall_26_the_relevance_level_moves_all_but_ndcg) {
    auto strict = ranked;
    strict.level = 2;
    BOOST_TEST(strict.relevant() == 2U);
    BOOST_TEST(bmae::Recall{}(strict) == 0.5);
    BOOST_TEST(bmae::AveragePrecision{}(strict) == 1.0 / 6, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::Ndcg{10}(strict) == bmae::Ndcg{10}(ranked));
}

BOOST_AUTO_TEST_CASE(capped_average_precision_reaches_one) {
    std::vector<std::int32_t> const perfect = {1, 1};
    std::vector<std::int32_t> const four = {1, 1, 1, 1};
    bmae::RankedGains list{.gains = perfect, .ideal = four};
    BOOST_TEST(bmae::AveragePrecision{2}(list) == 0.5);
    list.capped = true;
    BOOST_TEST(bmae::AveragePrecision{2}(list) == 1.0);
}

BOOST_AUTO_TEST_CASE(nothing_relevant_or_nothing_found_is_zero) {
    for (auto const& list : {bmae::RankedGains{.gains = gains}, bmae::RankedGains{.ideal = ideal}, bmae::RankedGains{}}) {
        BOOST_TEST(bmae::Ndcg{10}(list) == 0.0);
        BOOST_TEST(bmae::AveragePrecision{}(list) == 0.0);
        BOOST_TEST(bmae::Recall{10}(list) == 0.0);
        BOOST_TEST(bmae::Bpref{}(list) == 0.0);
        BOOST_TEST(bmae::InferredAp{}(list) == 0.0);
        BOOST_TEST(bmae::RankBiasedPrecision{}(bmae::RankedGains{.ideal = ideal}) == 0.0);
        BOOST_TEST(bmae::RPrecision{}(list) == 0.0);
    }
    BOOST_TEST(bmae::Precision{bmae::all_ranks}(bmae::RankedGains{}) == 0.0);
}

BOOST_AUTO_TEST_CASE(names_go_both_ways) {
    for (std::string const name : {"mrr",       "mrr@10",      "recall@1000", "recall_cap@100", "p@5",    "success@1", "ndcg",
                                   "ndcg@10",   "ndcg_exp@10", "map",         "map@100",        "rprec",  "bpref",     "infap",
                                   "judged@10", "rbp",         "rbp@10",      "rbp(0.95)@10",   "err@20", "err(3)"}) {
        BOOST_TEST(name_of(name) == name);
        if (!name.starts_with("recall_cap") && !name.starts_with("ndcg_exp")) {
            BOOST_TEST(name_of(bmae::trec_name(name == "p" ? "p@5" : name)) == name);
        }
    }
    BOOST_TEST(name_of("NDCG_cut_10") == "ndcg@10");
    BOOST_TEST(name_of("P_5") == "p@5");
    BOOST_TEST(name_of("recip_rank") == "mrr");
    BOOST_TEST(name_of("hit_rate@3") == "success@3");
    BOOST_TEST(name_of("hit@3") == "success@3");
    BOOST_TEST(bmae::trec_name("infap") == "infAP");
    BOOST_TEST(bmae::metrics_from_names({"mrr@10,ndcg@10", "map"}).size() == 3U);
    for (std::string const name : {"", "ndgc@10", "ndcg@", "ndcg@0", "ndcg@x", "ndcg@10x", "ndcg@-1", "rprec@5", "mrr@10,",
                                   "rbp(1)", "rbp()", "rbp(.5", "err(0)", "ndcg(2)@5", "infap@3"}) {
        BOOST_CHECK_THROW(bmae::metrics_from_names({name}), bmae::InputError);
    }
}

BOOST_AUTO_TEST_SUITE_END()
