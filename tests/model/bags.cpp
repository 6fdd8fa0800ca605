// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Bags of another text: EBAR's next passage beside EBAE's own text, and row masks drawn by the weight of words in a composition.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <ATen/ops/log_softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/weighted_row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/queries.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(bags)

namespace {

using namespace bmae;
using test::Texts;
using test::tiny;

template <class Source>
using Words = View<Source, NoMasker, NoCorruption>;

/// EBAE and EBAR of Llama2Vec (arXiv 2312.15503) at the scale of BERT.
using Anticipating = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        BagOfWords<ClsLogits>,
        BagOfWords<ClsLogits, Words<NextPassage>>,
        BagOfWords<MaxPooledLogits, Words<Queries>>>>;

using Challenging = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WeightedRowVisibility>, EnhancedDecoder>>>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_bag_of_another_text_is_the_sum_over_its_words) {
    Texts texts({12, 16, 20});
    texts.examples[1].next = {};   // counts for nothing
    Anticipating model(tiny(), Anticipating::Options{});
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    BOOST_TEST(batch.term_labels[1] == 3);
    BOOST_TEST(batch.term_labels[2] == 2);
    BOOST_TEST(batch.term_absent[2] == 1);
    BOOST_TEST(batch.term_labels[3] == 3);
    ForwardContext context;
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);

    PackedInput const input = to_tensors(batch.views[0], at::kCPU);
    BertEncoder const& encoder = model.encoder();
    at::Tensor const hidden = encoder.encode(input, context, false).hidden;
    at::Tensor const logits = encoder.head.logits(hidden.index_select(0, input.first_rows), encoder.embeddings.word);
    at::Tensor const scores = at::log_softmax(logits.to(at::kFloat), 1);   // [B, V]
    double expected = 0;
    for (std::size_t b : {0U, 2U}) {
        auto const& next = texts.examples[b].next;
        for (TokenId const id : std::set<TokenId>(next.begin(), next.end())) {
            expected -= scores[static_cast<std::int64_t>(b)][id].item<double>() / static_cast<double>(next.size());
        }
    }
    BOOST_TEST(loss.terms[2].loss.item<double>() == expected / 2, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(model.composition().find("bag_of_words(next_passage, none, none)") != std::string::npos);
    BOOST_TEST(model.describe_views()[1].path == "passes.0.terms.2.view");
}

BOOST_AUTO_TEST_CASE(a_decoder_reads_under_weighted_row_masks) {
    Texts const texts({12, 16, 20});
    Challenging model(tiny(), Challenging::Options{});
    test::know_words(model, texts);
    test::need_gradients(model);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    BOOST_TEST(batch.views[1].visibility.size() == 3U);
    ForwardContext context;
    ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    loss.total.backward();
    double sum = 0;
    for (at::Tensor const& gradient : test::take_gradients(model)) { sum += gradient.abs().sum().item<double>(); }
    BOOST_TEST(sum > 0);
    BOOST_TEST(std::isfinite(sum));
}

BOOST_AUTO_TEST_SUITE_END()
