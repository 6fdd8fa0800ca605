// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Decoders that rebuild another field of the record: SAILER (arXiv 2304.11370) and the tables of Granite Embedding R2 (2508.21085).
#include <cstddef>
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/field.hpp>
#include <bmae/sources/passage.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(fields)

namespace {

using namespace bmae;
using test::Texts;
using test::tiny;

/// fact --mask .15--> encoder --[CLS]--> two decoders <--mask .45-- reasoning, decision
using Sailer = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Field<"reasoning">, WholeWordMasker>, BasicDecoder>,
        Branch<View<Field<"decision">, WholeWordMasker>, BasicDecoder>>>;

/// table --mask--> encoder --[CLS]--> one enhanced layer that rebuilds its summary
using TableSummary = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Field<"summary">, RowVisibility>, EnhancedDecoder>>>;

/// Every label of the view is the token of `text` at its place; returns how many there are.
std::size_t labels_of(PackedView const& view, std::size_t b, std::vector<TokenId> const& text) {
    std::size_t count = 0;
    auto const begin = static_cast<std::size_t>(view.offsets[b]), end = static_cast<std::size_t>(view.offsets[b + 1]);
    BOOST_TEST_REQUIRE(end - begin == text.size() + 2);
    for (std::size_t i = begin; i < end; ++i) {
        if (view.labels[i] == ignored_label) { continue; }
        BOOST_TEST_REQUIRE(i > begin);
        BOOST_TEST(view.labels[i] == text[i - begin - 1]);
        ++count;
    }
    return count;
}

}  // namespace

BOOST_AUTO_TEST_CASE(labels_of_a_branch_are_the_ids_of_its_field) {
    Texts texts({12, 16});
    std::vector<TokenId> const reasoning = test::invented(20, 91), decision = test::invented(8, 92);
    texts.examples[0].fields = {{"reasoning", reasoning}, {"decision", decision}, {"summary", decision}};
    texts.examples[1].fields = {{"decision", decision}, {"summary", reasoning}};   // no reasoning: nothing to learn
    Sailer::Options options;
    std::get<0>(options.passes).view.masker.rate = .15;
    std::get<1>(std::get<0>(options.passes).terms).view.masker.rate = .45;
    Sailer model(tiny(), options);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    BOOST_TEST(labels_of(batch.views[1], 0, reasoning) > 5U);
    BOOST_TEST(labels_of(batch.views[1], 1, {}) == 0U);
    BOOST_TEST(labels_of(batch.views[2], 0, decision) > 0U);
    BOOST_TEST(labels_of(batch.views[2], 1, decision) > 0U);
    BOOST_TEST(batch.term_absent[1] == 1);
    ForwardContext context;
    BOOST_TEST(model.forward(batch, context, batch.term_labels).total.item<double>() > 0);
    BOOST_TEST(model.describe_views()[1].source == "field_reasoning");

    TableSummary tables(tiny(), TableSummary::Options{});
    HostBatch const rows = tables.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    BOOST_TEST(labels_of(rows.views[1], 0, decision) == 8U);   // under row masks every token has a label
    BOOST_TEST(labels_of(rows.views[1], 1, reasoning) == 20U);
    BOOST_TEST(tables.forward(rows, context, rows.term_labels).total.item<double>() > 0);
}

BOOST_AUTO_TEST_SUITE_END()
