// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Losses and gradients of contrasts, distillation and scored pairs on given vectors, as terms of a model compute them.
// usage: pair_losses_driver INPUT.safetensors OUTPUT.safetensors
// INPUT: queries [B, D], texts [B G, D] in groups of a positive and its negatives, scores [B G] of a teacher, seconds [B, D], labels [B].
// OUTPUT: of each case NAME NAME.loss [], NAME.first and NAME.second (gradients), NAME.log_scale where it is learned.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/encoders/bert.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/distillation.hpp>
#include <bmae/model/pair_similarity.hpp>

#include "tensor_driver.hpp"

namespace {

using namespace bmae;

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    return config;
}

class Cases {
public:
    explicit Cases(NamedTensors const& input) : input_(input) {
        at::Tensor const scores = input.at("scores").contiguous();
        std::int64_t const count = input.at("queries").size(0);
        std::int64_t const group = scores.numel() / count;
        at::Tensor const labels = input.at("labels").contiguous();
        for (std::int64_t q = 0; q < count; ++q) {
            queries_.append(text_of(10 + q));
            std::vector<CandidateText> texts;
            for (std::int64_t t = q * group; t < (q + 1) * group; ++t) {
                texts.push_back({.text = text_of(20 + t % 30), .id = t, .score = scores.const_data_ptr<float>()[t]});
            }
            groups_.append_group(texts, {q * group});
            seconds_.append_group({{.text = text_of(20 + q), .id = q, .score = labels.const_data_ptr<float>()[q]}}, {q});
        }
    }

    template <class Term>
    void run(std::string const& name, typename Term::Options options, double progress = 1) {
        bool const scored = std::is_same_v<Term, PairSimilarity>;
        Term term(std::move(options), encoder_, 0, "term");
        std::vector<PackedView const*> const views{&queries_, scored ? &seconds_ : &groups_};
        std::vector<at::Tensor> const sentences{leaf("queries"), leaf(scored ? "seconds" : "texts")};
        at::Tensor learned;
        term.for_each_parameter("term",
                                [&](std::string const&, at::Tensor& value, auto) { learned = value.requires_grad_(true); });
        PairList const pairs = term.pairs(views);
        ForwardContext context;
        context.progress = progress;
        CrossState const state{.sentences = sentences, .views = views, .pairs = pairs, .context = context};
        at::Tensor const loss = term.sum(state).sum / static_cast<double>(pairs.size());
        loss.backward();
        output_[name + ".loss"] = loss.detach();
        output_[name + ".first"] = sentences[0].grad();
        output_[name + ".second"] = sentences[1].grad();
        if (learned.defined()) { output_[name + ".log_scale"] = learned.grad(); }
    }

    [[nodiscard]] NamedTensors const& output() const { return output_; }

private:
    static MaskedText text_of(std::int64_t id) {
        std::vector<TokenId> const ids{2, static_cast<TokenId>(id), 3};
        return {.original_ids = ids, .input_ids = ids};
    }
    [[nodiscard]] at::Tensor leaf(char const* name) const { return input_.at(name).clone().requires_grad_(true); }

    NamedTensors const& input_;
    BertEncoder encoder_{tiny(), 1};
    PackedView queries_;
    PackedView groups_;
    PackedView seconds_;
    NamedTensors output_;
};

NamedTensors computed(NamedTensors const& input) {
    constexpr Similarity cosine = Similarity::cosine;
    constexpr Similarity euclidean = Similarity::euclidean;
    Matryoshka const nested{{{.dimension = 8, .weight = .5}, {.dimension = 4, .weight = 2}}};
    Cases cases(input);
    cases.run<PairSimilarity>("cosent", {});
    cases.run<PairSimilarity>("angle", {.loss = PairLoss::angle});
    cases.run<PairSimilarity>("cosine", {.loss = PairLoss::cosine, .label_scale = 5});
    cases.run<PairSimilarity>("cosent_nested", {.matryoshka = nested});
    cases.run<PairSimilarity>("angle_nested", {.loss = PairLoss::angle, .matryoshka = nested});
    ContrastOptions const plain{.temperature = .05, .similarity = cosine};
    auto const with = [&](auto&& change) {
        ContrastOptions options = plain;
        change(options);
        return options;
    };
    cases.run<Contrast>("contrast", plain);
    cases.run<Contrast>("contrast_nested", with([&](auto& o) { o.matryoshka = nested; }));
    cases.run<Contrast>("four_block_nested", with([&](auto& o) {
                            o.contrast = RetrievalContrast::four_block;
                            o.matryoshka = nested;
                        }));
    for (auto const mask : {MarginMask::score, MarginMask::score_relative, MarginMask::teacher, MarginMask::teacher_relative}) {
        cases.run<Contrast>("mask_" + std::string(to_string(mask)), with([&](auto& o) {
                                o.margin_mask = mask;
                                o.mask_margin = is_by_teacher(mask) ? .5 : .1;
                            }));
    }
    cases.run<Contrast>("mask_own_group", with([&](auto& o) {
                            o.margin_mask = MarginMask::teacher;
                            o.mask_margin = 100;
                            o.candidates = CandidateScope::own_group;
                        }));
    cases.run<Contrast>("margin", with([&](auto& o) {
                            o.contrast = RetrievalContrast::pairwise_margin;
                            o.temperature = 1;
                            o.margin = .3;
                        }));
    cases.run<Contrast>("margin_own_group", with([&](auto& o) {
                            o.contrast = RetrievalContrast::pairwise_margin;
                            o.candidates = CandidateScope::own_group;
                            o.temperature = 1;
                            o.margin = .3;
                        }));
    cases.run<Contrast>("learned", with([&](auto& o) { o.learn_temperature = true; }));
    cases.run<Contrast>("learned_masked", with([&](auto& o) {
                            o.learn_temperature = true;
                            o.margin_mask = MarginMask::score;
                            o.mask_margin = -.05;
                        }));
    cases.run<Contrast>("warm", with([&](auto& o) { o.temperature_warmup = .2; }), .1);
    cases.run<Contrast>("cold", with([&](auto& o) { o.temperature_warmup = .2; }), .001);
    cases.run<Distillation<MarginMse>>("margin_mse_nested", {.matryoshka = nested});
    cases.run<Distillation<KlDivergence>>("kl_nested", {.temperature = .05, .similarity = cosine, .matryoshka = nested});
    cases.run<PairSimilarity>("far_cosent_nested", {.similarity = euclidean, .matryoshka = nested});
    auto const far = [&](auto&& change) {
        ContrastOptions options{.temperature = .5, .similarity = euclidean};
        change(options);
        return options;
    };
    cases.run<Contrast>("far_contrast", far([](auto&) {}));
    cases.run<Contrast>("far_contrast_nested", far([&](auto& o) { o.matryoshka = nested; }));
    cases.run<Contrast>("far_hard", far([](auto& o) { o.hard_negative_weight = 1.5; }));
    cases.run<Contrast>("far_symmetric", far([](auto& o) { o.contrast = RetrievalContrast::symmetric; }));
    cases.run<Contrast>("far_four_block_nested", far([&](auto& o) {
                            o.contrast = RetrievalContrast::four_block;
                            o.matryoshka = nested;
                        }));
    cases.run<Contrast>("far_margin", far([](auto& o) {
                            o.contrast = RetrievalContrast::pairwise_margin;
                            o.margin = 4;
                        }));
    cases.run<Contrast>("far_mask_score", far([](auto& o) {
                            o.margin_mask = MarginMask::score;
                            o.mask_margin = 1;
                        }));
    cases.run<Contrast>("far_mask_score_relative", far([](auto& o) {
                            o.margin_mask = MarginMask::score_relative;
                            o.mask_margin = .3;
                        }));
    cases.run<Contrast>("far_learned", far([](auto& o) { o.learn_temperature = true; }));
    cases.run<Contrast>("far_learned_masked", far([](auto& o) {
                            o.learn_temperature = true;
                            o.margin_mask = MarginMask::score;
                            o.mask_margin = 1;
                        }));
    cases.run<Distillation<MarginMse>>("far_margin_mse_nested", {.similarity = euclidean, .matryoshka = nested});
    cases.run<Distillation<KlDivergence>>("far_kl_nested", {.temperature = .5, .similarity = euclidean, .matryoshka = nested});
    return cases.output();
}

}  // namespace

int main(int argc, char** argv) { return run_tensor_driver(argc, argv, computed); }
