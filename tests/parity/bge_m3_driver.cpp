// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The terms of M3-Embedding on given hidden states, with the gradients of hidden states and heads.
// usage: bge_m3_driver INPUT.safetensors OUTPUT.safetensors
// INPUT: hidden.0 [Tq, H], ids.0 [Tq], offsets.0 [B+1] of queries; hidden.1 ... of their texts, one group of G each; the heads by their names.
// OUTPUT: of each case NAME NAME.loss, NAME.hidden.0, NAME.hidden.1 and a gradient of each head.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/model/hybrid_contrast.hpp>

#include "tensor_driver.hpp"

namespace {

using namespace bmae;

class Cases {
public:
    explicit Cases(NamedTensors const& input) : input_(input), encoder_(config_of(input), 1) {
        std::int64_t const queries = input.at("offsets.0").numel() - 1;
        std::int64_t const group = (input.at("offsets.1").numel() - 1) / queries;
        for (std::int64_t q = 0; q < queries; ++q) {
            queries_.append(text_of(0, q));
            std::vector<CandidateText> texts;
            for (std::int64_t t = q * group; t < (q + 1) * group; ++t) { texts.push_back({.text = text_of(1, t), .id = t}); }
            // The second text of the first group is relevant to the second query, too.
            groups_.append_group(texts, q == 1 ? std::vector<std::int64_t>{q * group, 1} : std::vector<std::int64_t>{q * group});
        }
        queries_.special = groups_.special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
    }

    template <class Term>
    void run(std::string const& name, HybridOptions const& options) {
        Term const term(options, encoder_, 0, "term");
        HybridVectors vectors({}, encoder_, 0, "bottleneck");
        NamedTensors heads;
        vectors.for_each_parameter("", [&](std::string const& parameter, at::Tensor& value, auto) {
            value = input_.at(parameter).clone().requires_grad_(true);
            heads[parameter] = value;
        });
        std::vector<at::Tensor> const hidden{leaf("hidden.0"), leaf("hidden.1")};
        std::vector<PackedView const*> const views{&queries_, &groups_};
        std::vector<at::Tensor> rows;
        for (std::size_t p = 0; p < 2; ++p) {
            rows.push_back(vectors.pool(Encoded{.hidden = hidden[p]}, to_tensors(*views[p]), encoder_));
        }
        PairList const pairs = term.pairs(views);
        ForwardContext context;
        at::Tensor const loss = term.sum({.sentences = rows, .views = views, .pairs = pairs, .context = context}).sum /
                                static_cast<double>(pairs.size());
        loss.backward();
        output_[name + ".loss"] = loss.detach();
        for (std::size_t p = 0; p < 2; ++p) { output_[name + ".hidden." + std::to_string(p)] = hidden[p].grad(); }
        for (auto const& [parameter, value] : heads) {
            output_[name + '.' + parameter] = value.grad().defined() ? value.grad() : at::zeros_like(value);
        }
    }
    [[nodiscard]] NamedTensors const& output() const { return output_; }

private:
    static BertConfig config_of(NamedTensors const& input) {
        BertConfig config = BertConfig::of_size(1, input.at("hidden.0").size(1));
        config.vocab_size = 60;
        return config;
    }
    [[nodiscard]] MaskedText text_of(int pass, std::int64_t text) const {
        std::string const end = '.' + std::to_string(pass);
        at::Tensor const ids = input_.at("ids" + end).contiguous();
        at::Tensor const offsets = input_.at("offsets" + end).contiguous();
        std::vector<TokenId> list;
        for (std::int64_t i = offsets.const_data_ptr<std::int64_t>()[text]; i < offsets.const_data_ptr<std::int64_t>()[text + 1];
             ++i) {
            list.push_back(static_cast<TokenId>(ids.const_data_ptr<std::int64_t>()[i]));
        }
        return {.original_ids = list, .input_ids = list};
    }
    [[nodiscard]] at::Tensor leaf(char const* name) const { return input_.at(name).clone().requires_grad_(true); }

    NamedTensors const& input_;
    BertEncoder encoder_;
    PackedView queries_;
    PackedView groups_;
    NamedTensors output_;
};

NamedTensors computed(NamedTensors const& input) {
    Cases cases(input);
    cases.run<HybridContrast>("contrast", {});
    cases.run<HybridContrast>("contrast_all", {.mask_false_negatives = false});
    cases.run<SelfDistillation>("distillation", {});
    cases.run<SelfDistillation>("distillation_all", {.mask_false_negatives = false});
    HybridOptions const others{.temperature = .3,
                               .scores = {.dense = .5, .lexical = 2, .tokens = 0},
                               .losses = {.dense = 0, .lexical = 3, .tokens = .7}};
    cases.run<HybridContrast>("contrast_weighted", others);
    cases.run<SelfDistillation>("distillation_weighted", others);
    return cases.output();
}

}  // namespace

int main(int argc, char** argv) { return run_tensor_driver(argc, argv, computed); }
