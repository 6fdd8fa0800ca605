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
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/layers.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/bottlenecks/sentence_steps.hpp>
#include <bmae/bottlenecks/token_poolings.hpp>
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

/// A bottleneck of any type, then a chain of steps: linear maps, norms, length one, a cut. Default: [CLS]. Copies share the tensors.
///
/// `PackedInput::unpooled_rows` first rows of each text are left out of the pooling, where there are some: a prompt.
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

    /// The bottleneck of that name: first_last, top_two, or poolings over the tokens, cls, max, mean, mean_sqrt_len, weighted_mean and
    /// last_token, each once, joined by + in the order of their vectors: cls+mean. Nothing for another name.
    [[nodiscard]] static std::optional<SentenceBottleneck> named(std::string_view wanted);
    /// One of each kind that `named` accepts.
    [[nodiscard]] static std::vector<SentenceBottleneck> all();
    /// What search needs of a trained bottleneck: the pooling, a reduction with its weights from `tensors`, length 1. Projections
    /// that serve training alone (tanh, batch_norm) are left out. Nothing where the name is not a pooling of hidden states.
    /// Throws InputError where the weights of a reduction are missing.
    [[nodiscard]] static std::optional<SentenceBottleneck> of(BottleneckDescription const& description,
                                                              NamedTensors const& tensors);

    /// The same followed by a linear map. \throws InputError for a map that does not fit the steps before it
    [[nodiscard]] SentenceBottleneck then(DenseStep step) const { return followed_by(std::move(step)); }
    /// The same followed by any step. \throws InputError for one that does not fit the steps before it
    [[nodiscard]] SentenceBottleneck followed_by(SentenceStep step) const;

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const;
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {   ///< D
        std::int64_t columns = width_(encoder.shape().width);
        for (SentenceStep const& step : steps_) { columns = width_behind(step, columns).value_or(columns); }
        return columns;
    }
    /// True where it reads the layers, which an encoder keeps only on request.
    [[nodiscard]] bool keeps_layers() const noexcept { return keeps_layers_; }
    /// True where it reads the hidden state of the first token of each text alone.
    [[nodiscard]] bool pools_first_rows() const noexcept { return pools_first_rows_; }
    /// What it was made from; the chain behind it: see `steps`.
    [[nodiscard]] BottleneckDescription const& description() const noexcept { return description_; }
    [[nodiscard]] std::vector<SentenceStep> const& steps() const noexcept { return steps_; }
    /// True where the chain ends with length one.
    [[nodiscard]] bool unit_length() const noexcept {
        return !steps_.empty() && std::holds_alternative<UnitLengthStep>(steps_.back());
    }
    /// Parameters of a bottleneck that has some, by their names in checkpoints.
    [[nodiscard]] NamedTensors const& tensors() const noexcept { return tensors_; }

private:
    /// Replaces an encoder where only its width is needed.
    struct Hidden {
        std::int64_t columns = 0;
        [[nodiscard]] Shape shape() const { return {.width = columns}; }
    };
    /// Poolings over the same tokens, side by side.
    [[nodiscard]] static SentenceBottleneck joined(std::vector<SentenceBottleneck> parts, std::string_view name);

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
    std::vector<SentenceStep> steps_ = {};
};

/// Its name, as `SentenceBottleneck::named` knows it, then what stands behind it: "mean", "cls+reduced", "cls+dense+layer_norm".
/// Length one at the end is not part of it: see `SentenceBottleneck::unit_length`.
[[nodiscard]] BMAE_INLINE std::string to_string(SentenceBottleneck const& bottleneck);

static_assert(Bottleneck<SentenceBottleneck>);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE std::optional<SentenceBottleneck> SentenceBottleneck::named(std::string_view wanted) {
    if (wanted == FirstLastBottleneck::name) { return FirstLastBottleneck{}; }
    if (wanted == TopTwoBottleneck::name) { return TopTwoBottleneck{}; }
    std::vector<SentenceBottleneck> const known{ClsBottleneck{},          MaxBottleneck{},
                                                MeanBottleneck{},         MeanSqrtLengthBottleneck{},
                                                WeightedMeanBottleneck{}, LastTokenBottleneck{}};
    std::vector<SentenceBottleneck> parts;
    std::vector<std::string_view> seen;
    for (std::string_view rest = wanted;;) {
        std::string_view const part = rest.substr(0, rest.find('+'));
        auto const found = std::ranges::find(
            known, part, [](SentenceBottleneck const& one) -> std::string_view { return one.description_.name; });
        if (found == known.end() || std::ranges::find(seen, part) != seen.end()) { return std::nullopt; }
        seen.push_back(part);
        parts.push_back(*found);
        if (part.size() == rest.size()) { break; }
        rest.remove_prefix(part.size() + 1);
    }
    return parts.size() == 1 ? std::move(parts.front()) : joined(std::move(parts), wanted);
}

BMAE_INLINE SentenceBottleneck SentenceBottleneck::joined(std::vector<SentenceBottleneck> parts, std::string_view name) {
    SentenceBottleneck whole;
    whole.description_ = {.name = std::string(name)};
    whole.pools_first_rows_ = false;
    whole.width_ = [count = static_cast<std::int64_t>(parts.size())](std::int64_t width) { return count * width; };
    whole.pool_ = [parts = std::move(parts)](Encoded const& encoded, PackedInput const& input) {
        std::vector<at::Tensor> rows;
        for (SentenceBottleneck const& part : parts) { rows.push_back(part.pool_(encoded, input)); }
        return at::cat(rows, 1);
    };
    return whole;
}

BMAE_INLINE std::vector<SentenceBottleneck> SentenceBottleneck::all() {
    return {ClsBottleneck{}, MeanBottleneck{},           FirstLastBottleneck{},    TopTwoBottleneck{},   *named("cls+mean"),
            MaxBottleneck{}, MeanSqrtLengthBottleneck{}, WeightedMeanBottleneck{}, LastTokenBottleneck{}};
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
            made = made->followed_by(UnitLengthStep{});
        }
    }
    return made;
}

BMAE_INLINE SentenceBottleneck SentenceBottleneck::followed_by(SentenceStep step) const {
    SentenceBottleneck longer = *this;
    longer.steps_.push_back(std::move(step));
    std::optional<std::int64_t> width;   // unknown before the first step that has one
    for (SentenceStep const& one : longer.steps_) {
        auto const* const dense = std::get_if<DenseStep>(&one);
        auto const* const norm = std::get_if<LayerNormStep>(&one);
        if (dense != nullptr && !width) { width = dense->weight.dim() == 2 ? dense->weight.size(1) : 0; }
        if (norm != nullptr && !width) { width = norm->weight.defined() ? norm->weight.numel() : 0; }
        std::optional<std::int64_t> const after = width_behind(one, width.value_or(std::int64_t{1} << 40));
        if (!after) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = dense != nullptr ? "a linear map [out, in] that fits the part before it"
                                                                     : "a step that fits the part before it",
                                        .found = std::string(name_of_step(one)) + " of another shape"});
        }
        if (width || std::holds_alternative<TruncateStep>(one)) { width = after; }
    }
    return longer;
}

namespace detail {

/// The hidden states that are pooled where the first `input.unpooled_rows` of each text are not; the last one of a text always is.
inline std::pair<Encoded, PackedInput> pooled_rows(Encoded const& encoded, PackedInput const& input) {
    PackedInput rest;
    rest.unpooled_rows = input.unpooled_rows;
    rest.offsets = {0};
    std::vector<std::int64_t> rows;
    std::vector<std::int64_t> text_of_row;
    std::vector<std::int64_t> first_rows;
    for (std::int64_t b = 0; b < input.texts(); ++b) {
        std::int64_t const start = input.offsets[static_cast<std::size_t>(b)];
        std::int64_t const end = input.offsets[static_cast<std::size_t>(b) + 1];
        for (std::int64_t row = std::max(start, std::min(end - 1, start + input.unpooled_rows)); row < end; ++row) {
            rows.push_back(row);
            text_of_row.push_back(b);
        }
        first_rows.push_back(rest.offsets.back());
        rest.offsets.push_back(static_cast<std::int64_t>(rows.size()));
    }
    at::Device const device = encoded.hidden.device();
    rest.text_of_row = int64_tensor(text_of_row, device);
    rest.first_rows = int64_tensor(first_rows, device);
    return {{.hidden = encoded.hidden.index_select(0, int64_tensor(rows, device))}, std::move(rest)};
}

}  // namespace detail

BMAE_INLINE at::Tensor SentenceBottleneck::pool(Encoded const& encoded, PackedInput const& input) const {   // [B, D]
    at::Tensor rows;
    if (input.unpooled_rows == 0) {
        rows = pool_(encoded, input);
    } else {
        auto const [hidden, rest] = detail::pooled_rows(encoded, input);
        rows = pool_(hidden, rest);
    }
    for (SentenceStep const& step : steps_) { rows = apply_step(step, rows); }
    return rows;
}

BMAE_INLINE std::string to_string(SentenceBottleneck const& bottleneck) {
    auto const& [name, projection] = bottleneck.description();
    std::string text = name + (projection.empty() ? "" : '+' + projection);
    for (SentenceStep const& step : bottleneck.steps()) {
        if (&step == &bottleneck.steps().back() && bottleneck.unit_length()) { break; }
        text += '+' + std::string(name_of_step(step));
    }
    return text;
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
