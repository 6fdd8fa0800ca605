// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Texts that give a term no label are counted, term by term.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/presets/dupmae.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/presets/master.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(absent)

namespace {

using namespace bmae;
using test::Texts;

HostBatch collated(auto const& model, Texts const& texts) {
    return model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
}

template <class Model>
HostBatch collated(Texts const& texts) {
    return collated(Model(test::tiny(1)), texts);
}

void equal(std::vector<std::int64_t> const& found, std::vector<std::int64_t> const& expected) {
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_CASE(empty_texts_by_term) {
    HostBatch const batch = collated<DupMae>(Texts({0, 12, 0, 20}, false));
    BOOST_TEST_REQUIRE(batch.term_absent.size() == batch.term_labels.size());
    BOOST_TEST(batch.term_absent[0] == 2);       // masked words
    BOOST_TEST(batch.term_absent.back() == 2);   // bags of words
    equal(collated<DupMae>(Texts({12, 20}, false)).term_absent, {0, 0, 0});
}

BOOST_AUTO_TEST_CASE(texts_that_only_some_terms_read) {
    Texts texts({12, 16, 20});
    texts.examples[0].queries.clear();
    texts.examples[1].continuation = {};
    texts.examples[2].continuation = {};
    texts.examples[0].next = texts.examples[1].next = texts.examples[2].next = {};
    Master model(test::tiny(1));
    test::know_words(model, texts);
    std::vector<TermDescription> const terms = model.describe_terms();
    HostBatch const batch = collated(model, texts);
    BOOST_TEST_REQUIRE(batch.term_absent.size() == terms.size());
    for (std::size_t t = 0; t < terms.size(); ++t) {
        std::string const& task = terms[t].task;
        std::int64_t const expected = task == "dor" ? 1 : task == "gor" ? 2 : task == "npr" ? 3 : 0;
        BOOST_CHECK_MESSAGE(batch.term_absent[t] == expected, terms[t].name << ' ' << task << ": " << batch.term_absent[t]);
    }
}

BOOST_AUTO_TEST_CASE(texts_without_a_partner) {
    equal(collated<InverseCloze>(Texts({12, 0, 16})).term_absent, {1});
    HostBatch const alone = collated<InverseCloze>(Texts({12}));
    equal(alone.term_absent, {1});   // there is no negative
    Texts const both({12, 16});
    InverseCloze const model(test::tiny(1));
    std::vector<HostBatch> batches;
    for (Example const& example : both.examples) {
        batches.push_back(model.collate(std::span(&example, 1), both.traits, {.max_length = 40}, {.seed = 1}));
    }
    equal(model.join(batches).term_absent, {0});   // ... but in one contrast over both batches
}

BOOST_AUTO_TEST_SUITE_END()
