// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small network between pooling and the sentence vector, for training alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/projection.hpp>

namespace bmae {

/// `Inner`, then `Projection`; all passes of a model with it share the projection, under `shared.projection`. Decoders
/// get the projected vector too (DiffCSE); to project for a contrast alone, see `ContrastOf`.
template <class Inner, class Projection>
class Projected {
public:
    struct Options {
        Inner inner = {};

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("inner", inner);
        }
    };
    static constexpr std::string_view name = Inner::name;
    static constexpr bool reads_layers = detail::reads_layers<Inner>;

    template <Encoder E>
    Projected(Options options, E const& encoder, std::uint64_t seed, std::string const&)
        : inner_(std::move(options.inner)), projection_(encoder.shape()) {
        initialize(projection_, root, seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [B, H]
        return projection_(inner_.pool(encoded, input));
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        projection_.for_each_parameter(root, visit);
    }

    static constexpr std::string_view projection = Projection::name;

private:
    static constexpr char const* root = "shared.projection";

    Inner inner_;
    Projection projection_;
};

}  // namespace bmae
