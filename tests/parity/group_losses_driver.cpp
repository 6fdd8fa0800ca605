// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Losses and gradients over the scores of groups, as a cross-encoder's terms compute them, both reductions of a distillation, and the
// texts that a cross-encoder keeps.
// usage: group_losses_driver INPUT.safetensors OUTPUT.safetensors
// INPUT: first, second and teacher [B, G], the positive's score in column 0; tied [B, G].
// OUTPUT: of each case NAME NAME.loss [], NAME.first and NAME.second (gradients); kept.N and kept_tied.N [B N] fp32: numbers of the N texts of
// each group that are kept by the scores first and tied.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/batch/kept_texts.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/losses/distillation.hpp>
#include <bmae/model/group_softmax.hpp>

#include "tensor_driver.hpp"

namespace {

using namespace bmae;

class Cases {
public:
    explicit Cases(NamedTensors const& input) : input_(input) {
        at::Tensor const& scores = input.at("first");
        for (std::int64_t q = 0; q < scores.size(0); ++q) {
            std::vector<CandidateText> texts(static_cast<std::size_t>(scores.size(1)));
            for (CandidateText& text : texts) { text.text = {.original_ids = {2, 9, 3}, .input_ids = {2, 9, 3}}; }
            groups_.append_group(texts, {});
        }
    }

    /// A term over the scores of two passes.
    template <class Term>
    void run(std::string const& name, typename Term::Options options) {
        Term const term(std::move(options), encoder_, 0, "term");
        std::vector<PackedView const*> const views{&groups_, &groups_};
        at::Tensor const first = leaf("first");
        at::Tensor const second = leaf("second");
        std::vector<at::Tensor> const sentences{first.view({-1, 1}), second.view({-1, 1})};
        PairList const pairs = term.pairs(views);
        ForwardContext context;
        CrossState const state{.sentences = sentences, .views = views, .pairs = pairs, .context = context};
        finish(name, term.sum(state).sum / static_cast<double>(pairs.size()), first, second);
    }

    void distill(std::string const& name, double teacher_temperature, DivergenceReduction reduction) {
        at::Tensor const first = leaf("first");
        at::Tensor const loss = kl_distillation(first, input_.at("teacher"), teacher_temperature, reduction);
        finish(name, loss / static_cast<double>(first.size(0)), first, {});
    }

    void keep(std::string const& name, char const* scores, std::size_t count) {
        at::Tensor const values = input_.at(scores).flatten().contiguous();
        std::span<float const> const list(values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel()));
        output_[name + '.' + std::to_string(count)] = detail::sent<float>(highest_texts(groups_, list, count), at::kCPU);
    }

    [[nodiscard]] NamedTensors const& output() const { return output_; }

private:
    static BertConfig tiny() {
        BertConfig config = BertConfig::of_size(1, 16);
        config.vocab_size = 60;
        return config;
    }
    [[nodiscard]] at::Tensor leaf(char const* name) const { return input_.at(name).clone().requires_grad_(true); }

    void finish(std::string const& name, at::Tensor const& loss, at::Tensor const& first, at::Tensor const& second) {
        loss.backward();
        output_[name + ".loss"] = loss.detach();
        output_[name + ".first"] = first.grad();
        if (second.defined()) { output_[name + ".second"] = second.grad(); }
    }

    NamedTensors const& input_;
    BertEncoder encoder_{tiny(), 1};
    PackedView groups_;
    NamedTensors output_;
};

NamedTensors computed(NamedTensors const& input) {
    Cases cases(input);
    cases.run<GroupSoftmax>("softmax", {});
    cases.run<GroupSoftmax>("pointwise", {.loss = GroupLoss::pointwise});
    cases.run<GroupSoftmax>("margin", {.loss = GroupLoss::margin});
    cases.run<GroupSoftmax>("margin_narrow", {.loss = GroupLoss::margin, .margin = .3});
    cases.run<RDrop>("r_drop_softmax", {});
    cases.run<RDrop>("r_drop_pointwise", {.loss = GroupLoss::pointwise});
    cases.distill("kl_batchmean", 1, DivergenceReduction::batchmean);
    cases.distill("kl_mean", 2, DivergenceReduction::mean);
    auto const group = static_cast<std::size_t>(input.at("first").size(1));
    for (std::size_t count = 1; count <= group; ++count) {
        cases.keep("kept", "first", count);
        cases.keep("kept_tied", "tied", count);
    }
    return cases.output();
}

}  // namespace

int main(int argc, char** argv) { return run_tensor_driver(argc, argv, computed); }
