// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A linear map to fewer dimensions, which stays part of the sentence vector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// h = W Inner(x) + b: the shorter vector that an index keeps (DupMAE, arXiv 2211.08769, reduces [CLS] so). Unlike `Projected` it
/// is needed after training, so it can be saved by itself. All passes of a model with it share the map, under
/// `shared.reduction`.
template <class Inner = ClsBottleneck>
class Reduced {
    static_assert(Bottleneck<Inner>, "Reduced: the slot holds a bottleneck without parameters.");

public:
    struct Options {
        Inner inner = {};
        std::int64_t width = 384;   ///< D, dimension of the output; DupMAE: 384

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("inner", inner);
            visit("width", width, "dimension of the output vector");
        }
    };
    static constexpr std::string_view name = Inner::name;
    static constexpr std::string_view projection = "reduced";
    static constexpr bool reads_layers = detail::reads_layers<Inner>;

    /// Throws InputError for a width below 1.
    template <Encoder E>
    Reduced(Options options, E const& encoder, std::uint64_t seed, std::string const&) : inner_(std::move(options.inner)) {
        if (options.width < 1) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a reduced width of at least 1",
                                        .found = std::to_string(options.width),
                                        .hint = "DupMAE reduces 768 to 384."});
        }
        linear_ = Linear(bottleneck_width(inner_, encoder), options.width);
        initialize(linear_, root, seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    template <class E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [B, D]
        return linear_(inner_.pool(encoded, input));
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const&) const {
        return linear_.weight.size(0);
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        linear_.for_each_parameter(root, visit);
    }

    /// Writes the map under the names of a Sentence Transformers Dense module.
    /// Throws InputError where the file exists or cannot be written.
    void save(std::filesystem::path const& file) const {
        save_tensors(file, {{"linear.weight", linear_.weight}, {"linear.bias", linear_.bias}});
    }
    /// Loads what `save` or a Dense module with a bias wrote.
    /// Throws InputError for another shape or other tensors.
    void load(std::filesystem::path const& file) {
        NamedTensors const tensors = load_tensors(file);
        linear_.for_each_parameter("linear", [&](std::string const& tensor, at::Tensor& value, bool) {
            auto const found = tensors.find(tensor);
            if (tensors.size() != 2 || found == tensors.end() || found->second.sizes() != value.sizes()) {
                throw InputError(Diagnostic{.file = file.string(),
                                            .expected = "linear.weight and linear.bias that map " +
                                                        std::to_string(linear_.weight.size(1)) + " numbers to " +
                                                        std::to_string(linear_.weight.size(0)),
                                            .found = found == tensors.end() ? "other tensors" : "other shapes or more tensors",
                                            .hint = "Build the bottleneck with the width that was saved."});
            }
        });
        linear_.for_each_parameter("linear", [&](std::string const& tensor, at::Tensor& value, bool) {
            value.detach().copy_(tensors.find(tensor)->second);
        });
    }

private:
    static constexpr char const* root = "shared.reduction";

    Inner inner_;
    Linear linear_;
};

}  // namespace bmae
