// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A term that keeps the lexical vectors of its pass sparse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/losses/flops.hpp>
#include <bmae/model/term.hpp>

namespace bmae {

/// Options of a `FlopsRegularizer`.
struct FlopsRegularizerOptions {
    /// In the total. Default: to LexMAE's .002 (arXiv 2208.14754, its fine-tuning) on a quadratic schedule over a third of
    /// the run, as SPLADE raises it (arXiv 2107.05720: 50,000 of 150,000 steps), so that weights differ before they are pruned.
    TermWeight weight = {0, {.schedule = WeightSchedule::quadratic, .last = .002, .until = 1. / 3}};

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
    }
};

/// `flops` of the vectors of its pass, as `LexicalBottleneck` makes them: use it after one, and a contrast after the passes.
///
/// It is not additive over texts: the value of a step of several micro-batches is the mean of theirs, weighted by their texts.
class FlopsRegularizer {
public:
    using Options = FlopsRegularizerOptions;
    static constexpr std::string_view kind = "flops";
    static constexpr bool has_view = false;
    static constexpr bool keeps_layers = false;

    template <Encoder E>
    FlopsRegularizer(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {}

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::int64_t count(PackedView const& view) const { return static_cast<std::int64_t>(view.texts()); }

    template <class E>
    [[nodiscard]] TermSum sum(PassState<E>& pass, PackedInput const& view) const {
        return {.sum = flops(pass.sentence) * static_cast<double>(view.texts())};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name), .kind = std::string(kind), .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    Options options_;
};

}  // namespace bmae
