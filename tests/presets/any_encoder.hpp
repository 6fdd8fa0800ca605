// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A preset over the poorest encoder: composed, and one step computed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/tsdae.hpp>

#include "../concepts/poor_encoder.hpp"
#include "../model/pairs.hpp"
#include "../model/tiny.hpp"
#include "device_step.hpp"

namespace test {

/// Proposes token 7 for every place.
struct ConstantGenerator final : bmae::TokenGenerator {
    [[nodiscard]] std::vector<TokenId> propose(std::span<TokenId const>, std::span<std::int32_t const>,
                                               std::span<std::int64_t const>, std::span<std::int64_t const> rows,
                                               std::span<double const>) const override {
        return std::vector<TokenId>(rows.size(), 7);
    }
};

inline TestPairs const& invented_pairs() {
    static TestPairs const pairs(
        6,
        {{{40, 41}, {0, 1}, {3, 4}, {2, 1}, {-1, 0}}, {{41, 43}, {1}, {2, 5}, {3}, {1, 0}}, {{42}, {2}, {4, 3}, {1}, {0, -2}}});
    return pairs;
}

/// What of a preset is of its paper's size and not of these texts or this encoder.
template <class Options>
void shrink(Options& options) {
    auto const view = [](auto& part) {
        if constexpr (requires { part.source.max_length; }) { part.source.max_length = 24; }
        if constexpr (requires { part.source.query_length; }) { part.source.query_length = 8; }
        if constexpr (requires { part.source.group.passages; }) {
            part.source.group.passages = std::min<std::size_t>(part.source.group.passages, 3);   // a scored pair has one text
        }
        if constexpr (requires { part.source.length; }) { part.source.length = 6; }
        if constexpr (requires { part.corruptor.generator; }) {
            part.corruptor.generator = std::make_shared<ConstantGenerator>();
        }
    };
    auto const term = [&](auto& part) {
        if constexpr (requires { part.view; }) { view(part.view); }
        if constexpr (requires { part.decoder.tap; }) { part.decoder.tap = 1; }
        if constexpr (requires { part.decoder.initialization; }) {
            if (part.decoder.initialization == bmae::Initialization::last_layers) {   // this encoder has none to copy
                part.decoder.initialization = bmae::Initialization::bert;
            }
        }
    };
    apply(
        [&](auto&... pass) {
            (view(pass.view), ...);
            (apply([&](auto&... part) { (term(part), ...); }, pass.terms), ...);
        },
        options.passes);
}

/// The poorest encoder for `M`: one with layers where the decoder runs them.
template <class M>
using PoorestFor = std::conditional_t<std::is_same_v<M, bmae::Tsdae>, bmae_test::LayeredPoorEncoder, bmae_test::PoorEncoder>;

/// The paths of a GPU give the loss of the CPU's, and a step with its gradients waits for no number.
/// \param forward  the total loss, with or without training
inline void runs_on_a_device(std::string_view name, std::function<at::Tensor(bool)> const& forward) {
    double const here = forward(false).item<double>();
    at::Tensor there;
    std::set<std::string> const evaluation = waits_on_a_device([&] { there = forward(false); });
    std::set<std::string> const training = waits_on_a_device([&] { forward(true).backward(); });
    BOOST_TEST(std::abs(there.item<double>() - here) <= 1e-5 * std::abs(here),
               name << " has the loss " << here << ", by the paths of a device " << there.item<double>());
    // LaPraDoR's cache keeps finite vectors alone, and the number of its vectors is a tensor of the host.
    bool const caches = name == "laprador";
    for (std::string const& operation : evaluation) { BOOST_TEST(caches, name << " waits for " << operation); }
    for (std::string const& operation : training) { BOOST_TEST(caches, name << ", in training, waits for " << operation); }
}

/// Composes `M` over the poorest encoder and computes one step with its gradients.
template <class M, class Hyperparameters>
void trains_over_the_poorest_encoder(std::string_view name, Hyperparameters const& hyperparameters) {
    using Poor = bmae::WithEncoder<M, PoorestFor<M>>;
    typename Poor::Options options = bmae::PresetHyperparameters<M>::template options<Poor>(hyperparameters);
    shrink(options);
    Poor model(PoorestFor<M>({}, 3), options, 1);
    need_gradients(model);
    std::vector<typename Poor::ExampleType> examples;
    if constexpr (std::is_same_v<typename Poor::ExampleType, bmae::PairExample>) {
        for (std::size_t q = 0; q < 3; ++q) { examples.push_back(invented_pairs().store().example(q)); }
    } else {
        static Texts const texts({9, 14, 11, 8});
        know_words(model, texts);
        examples = texts.examples;
    }
    bmae::TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0));
    bmae::HostBatch const batch = model.collate(examples, traits, {.max_length = 24}, {.seed = 2});
    bmae::ForwardContext context{.training = true, .progress = .5};   // where a weight rises from 0, it has risen
    bmae::ModelLoss const loss = model.forward(batch, context, batch.term_labels);
    BOOST_TEST(std::isfinite(loss.total.template item<double>()), name);
    for (std::size_t t = 0; t < batch.term_labels.size(); ++t) { BOOST_TEST(batch.term_labels[t] > 0, name << ", term " << t); }
    loss.total.backward();
    model.after_step();
    double norm = 0;
    for (at::Tensor const& gradient : take_gradients(model)) { norm += gradient.norm().template item<double>(); }
    BOOST_TEST((std::isfinite(norm) && norm > 0), name << " has a gradient of norm " << norm);
    BOOST_TEST(model.composition().starts_with("poor"), name);
    runs_on_a_device(name, [&](bool training) {
        bmae::ForwardContext again{.training = training, .seed = 5, .progress = .5};
        return model.forward(batch, again, batch.term_labels).total;
    });
}

}  // namespace test
