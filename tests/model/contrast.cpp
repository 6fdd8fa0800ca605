// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Contrast across passes against loops over pairs: who is an anchor, who is a candidate, what the loss is.
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/stack.h>
#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/model/cached_contrast.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/distillation.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/queue_contrast.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(contrast)

namespace {

using namespace bmae;
using test::distance;

/// Sentence vectors of passes, and views of the lengths given; 2 tokens are [CLS] and [SEP] alone.
struct Passes {
    std::vector<PackedView> views;
    std::vector<at::Tensor> sentences;
    std::size_t texts;
    at::Tensor table = BertEncoder(test::tiny(), 3).embeddings.word * 2;

    explicit Passes(std::vector<std::vector<std::size_t>> const& lengths) : texts(lengths[0].size()) {
        std::int64_t row = 3;
        for (std::vector<std::size_t> const& pass : lengths) {
            PackedView& view = views.emplace_back();
            for (std::size_t const length : pass) {
                std::vector<TokenId> const ids(length, 9);
                view.append({.original_ids = ids, .input_ids = ids});
            }
            sentences.push_back(table.narrow(0, row, static_cast<std::int64_t>(texts)).clone());
            row += static_cast<std::int64_t>(texts);
        }
    }
    [[nodiscard]] std::vector<PackedView const*> pointers() const {
        std::vector<PackedView const*> list;
        for (PackedView const& view : views) { list.push_back(&view); }
        return list;
    }
    [[nodiscard]] bool absent(std::size_t p, std::size_t b) const { return views[p].offsets[b + 1] - views[p].offsets[b] <= 2; }
    [[nodiscard]] double score(std::size_t p, std::size_t a, std::size_t q, std::size_t b, ContrastOptions const& options) const {
        at::Tensor x = sentences[p][static_cast<std::int64_t>(a)].to(at::kDouble);
        at::Tensor y = sentences[q][static_cast<std::int64_t>(b)].to(at::kDouble);
        if (options.similarity == Similarity::euclidean) { return -(x - y).norm().item<double>() / options.temperature; }
        double const dot = (x * y).sum().item<double>();
        double const lengths =
            options.similarity == Similarity::cosine ? std::sqrt((x * x).sum().item<double>() * (y * y).sum().item<double>()) : 1;
        return dot / lengths / options.temperature;
    }

    /// The loss pair by pair; label smoothing spreads over the candidates that count.
    [[nodiscard]] double by_hand(ContrastOptions const& options, std::size_t& pairs) const {
        double sum = 0;
        pairs = 0;
        bool const all = options.candidates == CandidateScope::all_rows;
        for (std::size_t side = 0; side < (all ? 2U : 1U); ++side) {
            for (std::size_t a = 0; a < texts; ++a) {
                if (absent(0, a) || absent(1, a)) { continue; }
                ++pairs;
                double const own = score(side, a, 1 - side, a, options);
                std::vector<double> scores;   // of the other candidates
                for (std::size_t q = all ? 0 : 1; q < views.size(); ++q) {
                    for (std::size_t b = 0; b < texts; ++b) {
                        bool const itself = q == side && b == a;
                        bool const positive = q == 1 - side && b == a;
                        if (itself || positive || absent(q, b)) { continue; }
                        scores.push_back(score(side, a, q, b, options) + (q == 2 && b == a ? options.hard_negative_weight : 0));
                    }
                }
                double denominator = options.form.positive_in_denominator ? std::exp(own) : 0;
                double mean = own;
                for (double const other : scores) {
                    denominator += std::exp(other);
                    mean += other;
                }
                mean /= static_cast<double>(scores.size() + 1);
                if (denominator == 0) { continue; }   // printed equation 8 without a negative: nothing to learn
                double const smoothing = options.form.label_smoothing;
                sum += std::log(denominator) - (1 - smoothing) * own - smoothing * mean;
            }
        }
        return sum;
    }

    /// `Contrast` on them, with the gradient of every vector checked to be finite.
    [[nodiscard]] TermSum computed(ContrastOptions const& options, std::int64_t& count) const {
        BertEncoder const encoder(test::tiny(1), 1);
        Contrast term(options, encoder, 0, "terms.0");
        std::vector<at::Tensor> leaves;
        for (at::Tensor const& rows : sentences) { leaves.push_back(rows.clone().detach().requires_grad_(true)); }
        std::vector<PackedView const*> const list = pointers();
        ForwardContext context;
        PairList const pairs = term.pairs(list);
        TermSum result = term.sum({.sentences = leaves, .views = list, .pairs = pairs, .context = context});
        count = static_cast<std::int64_t>(pairs.size());
        if (result.sum.requires_grad()) {
            result.sum.backward();
            for (std::size_t p = 0; p < leaves.size(); ++p) {
                at::Tensor const gradient = leaves[p].grad();
                BOOST_CHECK(gradient.isfinite().all().item<bool>());
                for (std::size_t b = 0; b < texts; ++b) {
                    if (absent(p, b)) { BOOST_CHECK_EQUAL(gradient[static_cast<std::int64_t>(b)].abs().sum().item<double>(), 0); }
                }
            }
        }
        return result;
    }

    void check(ContrastOptions const& options) const {
        std::size_t pairs = 0;
        std::int64_t count = 0;
        double const expected = by_hand(options, pairs);
        double const found = computed(options, count).sum.item<double>();
        BOOST_CHECK_EQUAL(count, pairs);
        BOOST_CHECK_SMALL(found - expected, 1e-4 * std::max(1., std::abs(expected)));
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_form_equals_a_loop_over_pairs) {
    Passes const two({{5, 7, 4, 9}, {6, 3, 8, 5}});
    Passes const three({{5, 7, 4, 9}, {6, 3, 8, 5}, {4, 4, 6, 3}});
    for (Similarity const similarity : {Similarity::dot, Similarity::cosine, Similarity::euclidean}) {
        for (double const temperature : {1., .05}) {
            ContrastOptions options{.temperature = temperature, .similarity = similarity};
            two.check(options);
            three.check(options);                 // hard negatives of all rows are candidates
            options.hard_negative_weight = 1.5;   // ... and the own one counts more
            three.check(options);
            options.hard_negative_weight = 0;
            options.candidates = CandidateScope::all_rows;   // coCondenser: 2B - 1 candidates for every row
            two.check(options);
        }
    }
}

BOOST_AUTO_TEST_CASE(absent_texts_are_neither_anchors_nor_candidates) {
    Passes const holes({{5, 2, 4, 9, 6}, {6, 3, 2, 5, 4}});
    Passes const negatives({{5, 2, 4, 9, 6}, {6, 3, 2, 5, 4}, {2, 4, 6, 2, 5}});
    for (CandidateScope const candidates : {CandidateScope::other_passes, CandidateScope::all_rows}) {
        holes.check({.temperature = .5, .candidates = candidates});
        holes.check({.temperature = .5, .candidates = candidates, .form = {.label_smoothing = .2}});
        holes.check({.temperature = .5, .candidates = candidates, .form = {.positive_in_denominator = false}});
    }
    negatives.check({.temperature = .5, .hard_negative_weight = 1});
    std::int64_t count = -1;
    BOOST_CHECK_EQUAL(Passes({{2, 5}, {5, 2}}).computed({}, count).sum.item<double>(), 0);   // no pair is whole
    BOOST_CHECK_EQUAL(count, 0);
}

// Both directions and SimLM's four blocks, pair by pair over the texts that are there.
BOOST_AUTO_TEST_CASE(other_forms_equal_loops_over_pairs) {
    std::vector<Passes> const several = {Passes({{5, 7, 4, 9}, {6, 3, 8, 5}}), Passes({{5, 2, 4, 9, 6}, {6, 3, 2, 5, 4}}),
                                         Passes({{5, 7, 4}, {6, 3, 8}, {4, 2, 6}})};
    for (Passes const& passes : several) {
        for (Similarity const similarity : {Similarity::dot, Similarity::cosine, Similarity::euclidean}) {
            ContrastOptions options{.temperature = .5, .similarity = similarity};
            auto const exponential = [&](std::size_t p, std::size_t a, std::size_t q, std::size_t b) {
                return passes.absent(p, a) || passes.absent(q, b) ? 0 : std::exp(passes.score(p, a, q, b, options));
            };
            double symmetric = 0;
            double blocks = 0;
            for (std::size_t a = 0; a < passes.texts; ++a) {
                if (passes.absent(0, a) || passes.absent(1, a)) { continue; }
                double forward = 0;
                double back = 0;
                double others = 0;
                for (std::size_t b = 0; b < passes.texts; ++b) {
                    for (std::size_t q = 1; q < passes.views.size(); ++q) { forward += exponential(0, a, q, b); }
                    bool const pair = !passes.absent(0, b) && !passes.absent(1, b);
                    if (!pair) { continue; }
                    back += exponential(0, b, 1, a);
                    if (b != a) { others += exponential(1, a, 0, b) + exponential(0, a, 0, b) + exponential(1, a, 1, b); }
                }
                double const own = passes.score(0, a, 1, a, options);
                symmetric += (std::log(forward) + std::log(back)) / 2 - own;
                blocks += std::log(forward + others) - own;
            }
            std::int64_t count = 0;
            options.contrast = RetrievalContrast::symmetric;
            BOOST_CHECK_SMALL(passes.computed(options, count).sum.item<double>() - symmetric, 1e-4);
            options.contrast = RetrievalContrast::four_block;
            BOOST_CHECK_SMALL(passes.computed(options, count).sum.item<double>() - blocks, 1e-4);
        }
    }
    BertEncoder const encoder(test::tiny(1), 1);
    using enum RetrievalContrast;
    BOOST_CHECK_EQUAL(Contrast({.contrast = four_block}, encoder, 0, "terms.0").negatives(4, 4), 3U + 9U);
    BOOST_CHECK_EQUAL(Contrast({.contrast = symmetric}, encoder, 0, "terms.0").negatives(4, 4), 3U);
    BOOST_CHECK_EQUAL(Contrast({.contrast = symmetric}, encoder, 0, "terms.0").describe("terms.0").contrast, "symmetric");
    BOOST_CHECK_THROW(Contrast({.candidates = CandidateScope::all_rows, .contrast = symmetric}, encoder, 0, "terms.0"),
                      InputError);
    BOOST_CHECK_THROW(Contrast({.hard_negative_weight = 1, .contrast = four_block}, encoder, 0, "terms.0"), InputError);
    BOOST_CHECK_THROW(Contrast({.form = {.label_smoothing = -.1}}, encoder, 0, "terms.0"), InputError);
}

// SentMAE, equation 8 as printed: the positive is not in the denominator, so the loss may fall below 0 without end.
BOOST_AUTO_TEST_CASE(equation_8_can_be_taken_literally) {
    ContrastForm const printed{.positive_in_denominator = false};
    Passes const two({{5, 7, 4}, {6, 3, 8}});
    two.check({.form = printed});
    two.check({.candidates = CandidateScope::all_rows, .form = printed});
    Passes const lonely({{5, 2, 2}, {6, 2, 2}});   // a pair without negatives says nothing
    std::int64_t count = 0;
    BOOST_CHECK_EQUAL(lonely.computed({.form = printed}, count).sum.item<double>(), 0);
    BOOST_CHECK_EQUAL(count, 1);
}

BOOST_AUTO_TEST_CASE(label_smoothing_is_that_of_the_framework) {
    at::Tensor const scores = BertEncoder(test::tiny(), 3).embeddings.word.narrow(0, 0, 6) * 4;   // [6, 16]
    std::vector<std::int64_t> const targets{3, 1, 15, 0, 0, 7};
    at::Tensor const target = detail::int64_tensor(targets, at::kCPU);
    for (double const smoothing : {0., .1, .5}) {
        ContrastiveLoss const loss = softmax_contrast(scores, targets, {.label_smoothing = smoothing});
        at::Tensor const expected = at::cross_entropy_loss(scores, target, {}, 2, -100, smoothing);
        BOOST_CHECK_CLOSE(loss.sum.item<double>(), expected.item<double>(), 1e-3);
        BOOST_CHECK_EQUAL(loss.correct.item<double>(), scores.argmax(1).eq(target).sum().item<double>());
    }
}

// Two queries and groups of two: the own key is the first text of the group, whatever else the pool holds.
BOOST_AUTO_TEST_CASE(every_pool_finds_the_positive_of_a_group) {
    Passes passes({{5, 7}, {6, 3}});
    PackedView& texts = passes.views[1];
    texts = {};
    for (std::int64_t id : {10, 20}) {
        std::vector<TokenId> const ids(5, 9);
        CandidateText const text{.text = {.original_ids = ids, .input_ids = ids}, .id = id};
        texts.append_group({text, text}, {id});
    }
    passes.sentences[1] = passes.table.narrow(0, 20, 4).clone();   // [4, 16]
    BertEncoder const encoder(test::tiny(1), 1);
    std::vector<PackedView const*> const views = passes.pointers();
    at::Tensor const own =
        (passes.sentences[0] * passes.sentences[1].index_select(0, detail::int64_tensor(std::vector{0, 2}, at::kCPU))).sum(1);
    auto const sum = [&](auto term, std::optional<std::size_t> frozen = {}) {
        PairList const pairs = term.pairs(views);
        ForwardContext context;
        return term.sum({.sentences = passes.sentences, .views = views, .pairs = pairs, .context = context, .frozen = frozen})
            .sum.template item<double>();
    };
    QueueContrast queue({.temperature = 1, .queue = 3}, encoder, 0, "terms.0");
    at::Tensor kept;
    queue.for_each_state("t", [&](std::string const& name, at::Tensor& value) {
        if (name == "t.queue") { kept = value.clone(); }
    });
    at::Tensor const with_queue = at::cat({own.unsqueeze(1), at::mm(passes.sentences[0], kept.t())}, 1);
    BOOST_CHECK_CLOSE(sum(queue), (with_queue.logsumexp({1}) - own).sum().item<double>(), 1e-3);
    at::Tensor const scores = at::mm(passes.sentences[0], passes.sentences[1].t());   // [2, 4]
    double const forward = (scores.logsumexp({1}) - own).sum().item<double>();
    CachedContrast const cached({}, encoder, 0, "terms.0");
    BOOST_CHECK_CLOSE(sum(cached), forward, 1e-3);
    at::Tensor const back = scores.index_select(1, detail::int64_tensor(std::vector{0, 2}, at::kCPU)).t();
    BOOST_CHECK_CLOSE(sum(cached, 0), (back.logsumexp({1}) - own).sum().item<double>(), 1e-3);
    BOOST_CHECK_CLOSE(sum(Contrast({.mask_false_negatives = false}, encoder, 0, "terms.0")), forward, 1e-3);

    // The same by distance.
    constexpr Similarity euclidean = Similarity::euclidean;
    at::Tensor const far = -(passes.sentences[0].unsqueeze(1) - passes.sentences[1].unsqueeze(0)).norm(2, 2);   // [2, 4]
    at::Tensor const own_far = far.gather(1, detail::int64_tensor(std::vector{0, 2}, at::kCPU).unsqueeze(1)).squeeze(1);
    at::Tensor const kept_far = -(passes.sentences[0].unsqueeze(1) - kept.unsqueeze(0)).norm(2, 2);   // [2, 3]
    QueueContrast by_queue({.temperature = 1, .similarity = euclidean, .queue = 3}, encoder, 0, "terms.0");
    BOOST_CHECK_CLOSE(sum(by_queue), (at::cat({own_far.unsqueeze(1), kept_far}, 1).logsumexp({1}) - own_far).sum().item<double>(),
                      1e-3);
    CachedContrast const by_cache({.similarity = euclidean}, encoder, 0, "terms.0");
    BOOST_CHECK_CLOSE(sum(by_cache), (far.logsumexp({1}) - own_far).sum().item<double>(), 1e-3);
    Distillation<MarginMse> const taught({.similarity = euclidean}, encoder, 0, "terms.0");
    texts.scores = {1, 3, 2, 2.5F};
    double const first = (far[0][0] - far[0][1]).item<double>() - (1 - 3);
    double const second = (far[1][2] - far[1][3]).item<double>() - (2 - 2.5);
    BOOST_CHECK_CLOSE(sum(taught), first * first + second * second, 1e-3);
    BOOST_TEST(by_cache.describe("terms.0").similarity == "euclidean");
}

// A learned factor multiplies the scores, whatever makes them: products get its root from both vectors, distances the whole.
BOOST_AUTO_TEST_CASE(a_learned_temperature_divides_any_score) {
    Passes const two({{5, 7, 4, 9}, {6, 3, 8, 5}});
    for (Similarity const similarity : {Similarity::dot, Similarity::cosine, Similarity::euclidean}) {
        for (RetrievalContrast const contrast : {RetrievalContrast::info_nce, RetrievalContrast::four_block}) {
            ContrastOptions options{.temperature = .2, .similarity = similarity, .contrast = contrast};
            std::int64_t count = 0;
            double const fixed = two.computed(options, count).sum.item<double>();
            options.learn_temperature = true;
            BOOST_CHECK_CLOSE(two.computed(options, count).sum.item<double>(), fixed, 1e-3);
        }
    }
}

// A text without tokens but [CLS] and [SEP] is no candidate; a third pass brings further ones.
BOOST_AUTO_TEST_CASE(late_interaction_reads_all_other_passes) {
    Passes const passes({{3, 4}, {4, 3}, {2, 5}});
    std::vector<PackedView const*> const views = passes.pointers();
    std::vector<at::Tensor> tokens;
    std::int64_t row = 3;
    for (PackedView const* const view : views) {
        tokens.push_back(passes.table.narrow(0, row, static_cast<std::int64_t>(view->tokens())));
        row += 8;
    }
    BertEncoder const encoder(test::tiny(1), 1);
    MaxSimContrast term({.temperature = .5}, encoder, 0, "terms.0");
    PairList const pairs = term.pairs(views);
    ForwardContext context;
    double const found = term.sum({.sentences = tokens, .views = views, .pairs = pairs, .context = context}).sum.item<double>();
    double expected = 0;
    for (std::size_t q = 0; q < 2; ++q) {
        double total = 0;
        for (std::size_t p = 1; p < 3; ++p) {
            for (std::size_t d = 0; d < 2; ++d) {
                if (passes.absent(p, d)) { continue; }
                auto const of = [&](std::size_t pass, std::size_t b) {
                    return tokens[pass].narrow(0, views[pass]->offsets[b], views[pass]->offsets[b + 1] - views[pass]->offsets[b]);
                };
                double const score = at::mm(of(0, q), of(p, d).t()).amax(1).sum().item<double>() / .5;
                total += std::exp(score);
                if (p == 1 && d == q) { expected -= score; }
            }
        }
        expected += std::log(total);
    }
    BOOST_CHECK_CLOSE(found, expected, 1e-3);
}

BOOST_AUTO_TEST_CASE(every_contrast_refuses_a_temperature_of_zero) {
    BertEncoder const encoder(test::tiny(1), 1);
    auto const refuses = [&]<class Term>(typename Term::Options options, std::string const& expected, Term const*) {
        BOOST_CHECK_EXCEPTION(Term(options, encoder, 0, "terms.0"), InputError,
                              [&](InputError const& e) { return std::string(e.what()).find(expected) != std::string::npos; });
    };
    std::string const expected = "a temperature above 0, found 0.000000";
    refuses({.temperature = 0}, expected, static_cast<Contrast const*>(nullptr));
    refuses({.temperature = 0}, expected, static_cast<ProjectedContrast const*>(nullptr));
    refuses({.temperature = 0}, expected, static_cast<QueueContrast const*>(nullptr));
    refuses({.temperature = 0}, expected, static_cast<CachedContrast const*>(nullptr));
    refuses({.temperature = 0}, expected, static_cast<MaxSimContrast const*>(nullptr));
    refuses({.temperature = 0}, expected, static_cast<Distillation<KlDivergence> const*>(nullptr));
    refuses({.teacher_temperature = 0}, "a teacher's temperature above 0", static_cast<Distillation<MarginMse> const*>(nullptr));
    refuses({.queue = 0}, "a queue of at least 1", static_cast<QueueContrast const*>(nullptr));
    refuses({.cache = -1}, "a cache of at least 0", static_cast<CachedContrast const*>(nullptr));
}

// One pair has no negative: it is left out, as the last batch of an epoch may be one. Among all rows it has none either.
BOOST_AUTO_TEST_CASE(a_batch_of_one) {
    Passes const one({{5}, {6}});
    std::int64_t count = 0;
    BOOST_CHECK_EQUAL(one.computed({}, count).sum.item<double>(), 0);
    BOOST_CHECK_EQUAL(count, 0);
    BOOST_CHECK_EQUAL(one.computed({.candidates = CandidateScope::all_rows}, count).sum.item<double>(), 0);
    BOOST_CHECK_EQUAL(count, 2);
    Passes const with_negative({{5}, {6}, {7}});
    with_negative.check({});
}

BOOST_AUTO_TEST_SUITE_END()
