// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A type-erased bottleneck, which makes the sentence vectors of a saved model.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/concatenated.hpp>
#include <bmae/bottlenecks/layers.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/concepts/bottleneck.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How a vector was made, as written in reports, checkpoints and folders.
struct BottleneckDescription {
    std::string name = {};         ///< "cls", "mean", "lexical" ...
    std::string projection = {};   ///< what follows it, joined by +: reduced, tanh, normalized ...; empty: nothing

    friend bool operator==(BottleneckDescription const&, BottleneckDescription const&) = default;
};

/// A linear map after a bottleneck: a Dense module of sentence-transformers.
struct DenseStep {
    at::Tensor weight = {};   ///< [out, in]
    at::Tensor bias = {};     ///< [out]; undefined: none
    bool tanh = false;        ///< after the map; false: nothing
};

/// A bottleneck of any type, then linear maps, then optional normalization. Default: [CLS]. Copies share the tensors.
class SentenceBottleneck {
public:
    static constexpr std::string_view name = "sentence";
    static constexpr bool reads_layers = true;   ///< some do; `keeps_layers` tells for an instance

    SentenceBottleneck() : SentenceBottleneck(ClsBottleneck{}) {}
    /// Implicit, so that `{.pooling = MeanBottleneck{}}` works.
    template <class B>
        requires(!std::same_as<B, SentenceBottleneck> && Bottleneck<B>)   // in this order: a copy asks for no concept
    SentenceBottleneck(B bottleneck) {
        description_ = description_of<B>();
        keeps_layers_ = detail::reads_layers<B>;
        pools_first_rows_ = detail::reads_first_rows<B>;
        if constexpr (requires { bottleneck.width(Hidden{1}); }) {
            width_ = [bottleneck](std::int64_t width) { return static_cast<std::int64_t>(bottleneck.width(Hidden{width})); };
        } else {
            width_ = [](std::int64_t width) { return width; };
        }
        pool_ = [bottleneck = std::move(bottleneck)](Encoded const& encoded, PackedInput const& input) {
            return bottleneck.pool(encoded, input);
        };
    }
    /// One with parameters, or one that reads the tables of `encoder`, which it keeps, on the encoder's device.
    template <class B, Encoder E>
        requires BuiltBottleneck<B, E>
    SentenceBottleneck(B bottleneck, E encoder) {
        description_ = description_of<B>();
        keeps_layers_ = detail::reads_layers<B>;
        bottleneck.for_each_parameter(
            "", [&](std::string const& parameter, at::Tensor& value, auto) { tensors_[parameter] = value; });
        width_ = [width = bottleneck_width(bottleneck, encoder)](std::int64_t) { return width; };
        pool_ = [bottleneck = std::move(bottleneck), encoder = std::move(encoder)](
                    Encoded const& encoded, PackedInput const& input) { return bottleneck.pool(encoded, input, encoder); };
    }

    /// The bottleneck of that name: cls, mean, first_last, top_two or cls+mean. Nothing for another name.
    [[nodiscard]] static std::optional<SentenceBottleneck> named(std::string_view wanted);
    /// All names that `named` accepts.
    [[nodiscard]] static std::vector<SentenceBottleneck> all();
    /// What search needs of a trained bottleneck: the pooling, a reduction with its weights from `tensors`, length 1. Projections
    /// that serve training alone (tanh, batch_norm) are left out. Nothing where the name is not a pooling of hidden states.
    /// Throws InputError where the weights of a reduction are missing.
    [[nodiscard]] static std::optional<SentenceBottleneck> of(BottleneckDescription const& description,
                                                              NamedTensors const& tensors);

    /// The same followed by a linear map. \throws InputError for a map that does not fit the one before it
    [[nodiscard]] SentenceBottleneck then(DenseStep step) const;

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const;
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {   ///< D
        return dense_.empty() ? width_(encoder.shape().width) : dense_.back().weight.size(0);
    }
    /// True where it reads the layers, which an encoder keeps only on request.
    [[nodiscard]] bool keeps_layers() const noexcept { return keeps_layers_; }
    /// True where it reads the hidden state of the first token of each text alone.
    [[nodiscard]] bool pools_first_rows() const noexcept { return pools_first_rows_; }
    /// What it was made from; linear maps and the normalization: see `dense` and `unit_length`.
    [[nodiscard]] BottleneckDescription const& description() const noexcept { return description_; }
    [[nodiscard]] std::vector<DenseStep> const& dense() const noexcept { return dense_; }
    [[nodiscard]] bool unit_length() const noexcept { return unit_length_; }
    /// Parameters of a bottleneck that has some, by their names in checkpoints.
    [[nodiscard]] NamedTensors const& tensors() const noexcept { return tensors_; }

private:
    /// Replaces an encoder where only its width is needed.
    struct Hidden {
        std::int64_t columns = 0;
        [[nodiscard]] Shape shape() const { return {.width = columns}; }
    };
    template <class B>
    static BottleneckDescription description_of() {
        return {.name = std::string(B::name), .projection = std::string(detail::projection_of_bottleneck<B>)};
    }

    BottleneckDescription description_ = {};
    bool keeps_layers_ = false;
    bool pools_first_rows_ = false;
    std::function<std::int64_t(std::int64_t)> width_ = {};
    std::function<at::Tensor(Encoded const&, PackedInput const&)> pool_ = {};
    NamedTensors tensors_ = {};
    std::vector<DenseStep> dense_ = {};
    bool unit_length_ = false;
};

/// Its name, as `SentenceBottleneck::named` knows it, then what stands behind it: "mean", "cls+reduced", "cls+dense".
[[nodiscard]] BMAE_INLINE std::string to_string(SentenceBottleneck const& bottleneck);

static_assert(Bottleneck<SentenceBottleneck>);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE std::optional<SentenceBottleneck> SentenceBottleneck::named(std::string_view wanted) {
    std::optional<SentenceBottleneck> found;
    for (SentenceBottleneck& one : all()) {
        if (one.description_.name == wanted) { found = std::move(one); }
    }
    return found;
}

BMAE_INLINE std::vector<SentenceBottleneck> SentenceBottleneck::all() {
    return {ClsBottleneck{}, MeanBottleneck{}, FirstLastBottleneck{}, TopTwoBottleneck{},
            Concatenated<ClsBottleneck, MeanBottleneck>{}};
}

BMAE_INLINE std::optional<SentenceBottleneck> SentenceBottleneck::of(BottleneckDescription const& description,
                                                                     NamedTensors const& tensors) {
    std::optional<SentenceBottleneck> made = named(description.name);
    if (!made) { return made; }
    for (std::string_view rest = description.projection; !rest.empty();) {
        std::string_view const step = rest.substr(0, rest.find('+'));
        rest.remove_prefix(std::min(rest.size(), step.size() + 1));
        if (step == "reduced") {
            auto const weight = tensors.find(std::string_view("shared.reduction.weight"));
            auto const bias = tensors.find(std::string_view("shared.reduction.bias"));
            if (weight == tensors.end() || bias == tensors.end()) {
                throw InputError(
                    Diagnostic{.file = {},
                               .expected = "shared.reduction.weight and shared.reduction.bias, of a reduced bottleneck",
                               .found = "none",
                               .hint = "Name the checkpoint itself."});
            }
            made = made->then({.weight = weight->second, .bias = bias->second});
        } else if (step == "normalized") {
            made->unit_length_ = true;
        }
    }
    return made;
}

BMAE_INLINE SentenceBottleneck SentenceBottleneck::then(DenseStep step) const {
    bool const fits = step.weight.dim() == 2 && (dense_.empty() || step.weight.size(1) == dense_.back().weight.size(0));
    if (!fits || unit_length_ || (step.bias.defined() && step.bias.numel() != step.weight.size(0))) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a linear map [out, in] that fits the part before it",
                                    .found = unit_length_ ? "one after the normalization" : "another shape"});
    }
    SentenceBottleneck longer = *this;
    longer.dense_.push_back(std::move(step));
    return longer;
}

BMAE_INLINE at::Tensor SentenceBottleneck::pool(Encoded const& encoded, PackedInput const& input) const {   // [B, D]
    at::Tensor rows = pool_(encoded, input);
    for (DenseStep const& step : dense_) {
        rows = at::linear(rows, step.weight.to(rows.options()),
                          step.bias.defined() ? std::optional(step.bias.to(rows.options())) : std::nullopt);
        if (step.tanh) { rows = at::tanh(rows); }
    }
    return unit_length_ ? normalize_rows(rows) : rows;
}

BMAE_INLINE std::string to_string(SentenceBottleneck const& bottleneck) {
    auto const& [name, projection] = bottleneck.description();
    std::string text = name + (projection.empty() ? "" : '+' + projection);
    for (std::size_t i = 0; i < bottleneck.dense().size(); ++i) { text += "+dense"; }
    return text;
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
