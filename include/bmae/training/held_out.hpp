// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The loss on held-out texts, and how much of it rests on the sentence vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/planner.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/objective.hpp>

namespace bmae {

struct HeldOutOptions {
    std::size_t texts = 1024;   ///< the first ones are measured, always the same with the same masks; 0: all
    BatchOptions batch = {};    ///< `shuffle` is not used
    std::uint64_t seed = 42;    ///< of the masks
};

/// Measures a model that is being trained on texts that it is not trained on.
///
/// Besides the loss it tells whether the decoders use the bottleneck. A weak decoder can lower its loss by its own context alone; then
/// the sentence vector carries nothing, which no training loss shows. So the decoders' loss is measured three times: with the vector of the text,
/// with that of the next text of the batch ("shuffled"), and with zeros. The differences, in nats per label, are 0 where the vector is not
/// used and grow with what it tells.
class HeldOut {
public:
    /// \param model     over the held-out texts; from here on it reads the parameters of `trained`
    /// \param trained   of the same composition; both must outlive this object
    /// \throws InputError  where the two have different parameters, or the model keeps momentum encoders or queues, whose
    ///                     state belongs to the training texts
    BMAE_INLINE HeldOut(Objective& model, Objective& trained, HeldOutOptions const& options);

    [[nodiscard]] std::size_t texts() const noexcept { return texts_; }

    /// "loss", the weighted total; and where there are decoders "decoders", their part of it, "gap.shuffled" and "gap.zeroed", by how much
    /// that part is higher with the vectors shuffled or zeroed. Vectors are shuffled within a batch, so "gap.shuffled" is measured on the
    /// batches of two texts and more, and is absent where there is none.
    /// \throws RunError  where the loss is not finite
    [[nodiscard]] BMAE_INLINE Figures measure();

    /// The names of the figures that `measure` gives, from one batch.
    [[nodiscard]] BMAE_INLINE std::vector<std::string> names();

private:
    using Batches = std::span<HostBatch const>;

    struct Sums {
        double total = 0;      // weighted means of all terms
        double decoders = 0;   // of those, the terms with a decoder
        bool decodes = false;
    };
    BMAE_INLINE Sums run(SentenceAblation ablation, Batches batches);
    /// The batches in which a text has another one's vector to take.
    [[nodiscard]] Batches of_several_texts() const { return Batches(batches_).first(several_); }

    Objective& model_;
    std::vector<HostBatch> batches_ = {};   // those of one text last
    std::size_t several_ = 0;               // batches of two texts and more
    std::size_t texts_ = 0;
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <c10/core/GradMode.h>

#include <bmae/values/error.hpp>

namespace bmae {

BMAE_INLINE HeldOut::HeldOut(Objective& model, Objective& trained, HeldOutOptions const& options) : model_(model) {
    trained.for_each_state([](std::string const& name, at::Tensor&) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a model without momentum encoders and queues, to be measured on other texts",
                                    .found = name,
                                    .hint = "Leave the held-out texts out for this preset."});
    });
    std::map<std::string, at::Tensor> parameters;
    trained.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { parameters.emplace(name, value); });
    std::size_t shared = 0;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        auto const found = parameters.find(name);
        if (found == parameters.end() || found->second.sizes() != value.sizes()) {
            throw InputError(
                Diagnostic{.file = {}, .expected = "two models of one composition", .found = name + " in one of them"});
        }
        value = found->second;
        ++shared;
    });
    if (shared != parameters.size()) {
        throw InputError(
            Diagnostic{.file = {}, .expected = "two models of one composition", .found = "fewer parameters in one of them"});
    }
    BatchOptions batch = options.batch;
    batch.shuffle = false;
    batch.sort_window = 0;
    BatchPlanner planner(model.examples(), [&](std::size_t example) { return model.cost(example); }, options.seed, batch);
    std::size_t const wanted = options.texts == 0 ? model.examples() : std::min(options.texts, model.examples());
    while (texts_ < wanted) {
        std::vector<std::size_t> examples = planner.next().examples;
        examples.resize(std::min(examples.size(), wanted - texts_));
        texts_ += examples.size();
        batches_.push_back(model.collate(examples, {.seed = options.seed, .epoch = 0}));
    }
    auto const ones =
        std::stable_partition(batches_.begin(), batches_.end(), [](HostBatch const& held) { return held.examples.size() > 1; });
    several_ = static_cast<std::size_t>(ones - batches_.begin());
}

BMAE_INLINE HeldOut::Sums HeldOut::run(SentenceAblation ablation, Batches batches) {
    c10::AutoGradMode const no_gradients(false);
    struct Term {
        double loss = 0;   // sum over labels
        double labels = 0;
        double weight = 1;
        bool decodes = false;
    };
    std::map<std::string, Term> terms;
    for (HostBatch const& batch : batches) {
        ForwardContext context{.training = false, .ablation = ablation};
        StepOutput const output = model_.forward(batch, context, batch.term_labels);
        for (TermOutput const& term : output.terms) {
            Term& sum = terms[term.name];
            sum.loss += term.loss.item<double>() * static_cast<double>(term.labels);
            sum.labels += static_cast<double>(term.labels);
            if (term.labels != 0) { sum.weight = term.weight; }
            sum.decodes = term.kind == "branch" || term.kind == "replaced_token_detection";
        }
    }
    Sums sums;
    for (auto const& [name, term] : terms) {
        double const mean = term.labels == 0 ? 0 : term.weight * term.loss / term.labels;
        sums.total += mean;
        sums.decoders += term.decodes ? mean : 0;
        sums.decodes = sums.decodes || term.decodes;
    }
    if (!std::isfinite(sums.total)) { throw RunError("the loss on the held-out texts is not finite"); }
    return sums;
}

BMAE_INLINE Figures HeldOut::measure() {
    Sums const own = run(SentenceAblation::none, batches_);
    Figures figures{{"loss", own.total}};
    if (!own.decodes) { return figures; }
    figures.emplace_back("decoders", own.decoders);
    if (Batches const several = of_several_texts(); !several.empty()) {
        double const theirs = several.size() == batches_.size() ? own.decoders : run(SentenceAblation::none, several).decoders;
        figures.emplace_back("gap.shuffled", run(SentenceAblation::shuffled, several).decoders - theirs);
    }
    figures.emplace_back("gap.zeroed", run(SentenceAblation::zeroed, batches_).decoders - own.decoders);
    return figures;
}

BMAE_INLINE std::vector<std::string> HeldOut::names() {
    std::vector<std::string> names{"loss"};
    if (!run(SentenceAblation::none, Batches(batches_).first(1)).decodes) { return names; }
    names.push_back("decoders");
    if (!of_several_texts().empty()) { names.push_back("gap.shuffled"); }
    names.push_back("gap.zeroed");
    return names;
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
