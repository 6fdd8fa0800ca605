// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A type-erased encoder with its bottleneck.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/concepts/bottleneck.hpp>
#include <bmae/concepts/encoder.hpp>
#include <bmae/concepts/encoder_inference.hpp>
#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/packed_linear.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/packed_type.hpp>

namespace bmae {

/// Sets the parameters of a bottleneck from `tensors`, by name; other tensors are ignored.
/// Throws InputError, which names `file`, for one that is missing or of another shape.
template <class B>
void take_tensors(B& bottleneck, NamedTensors const& tensors, std::string const& file = {}) {
    bottleneck.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) {
        auto const at = tensors.find(name);
        bool const is_there = at != tensors.end() && at->second.defined();
        if (!is_there || at->second.sizes() != value.sizes()) {
            auto const shape = [](at::Tensor const& tensor) { return shape_text(tensor.sizes().vec()); };
            throw InputError(Diagnostic{.file = file,
                                        .expected = name + ' ' + shape(value) + " of the bottleneck " + std::string(B::name),
                                        .found = is_there ? shape(at->second) : "none",
                                        .hint = "Pass the tensors of the model that was trained."});
        }
        value = at->second.detach().to(value.options().device(at->second.device()), /*non_blocking=*/false, /*copy=*/true);
    });
}

namespace detail {

/// Adds shape and values of a tensor to a checksum.
inline void hash_tensor(Xxh64& hash, at::Tensor const& tensor) {
    at::Tensor const values = tensor.detach().cpu().contiguous();
    hash.update(shape_text(values.sizes().vec()));
    hash.update(std::span(static_cast<std::byte const*>(values.const_data_ptr()), static_cast<std::size_t>(values.nbytes())));
}

/// The input of a bottleneck that reads first rows alone, where only those are there: texts of one row.
inline PackedInput first_rows_of(PackedInput const& input) {
    PackedInput first = input;
    for (std::size_t b = 0; b < first.offsets.size(); ++b) { first.offsets[b] = static_cast<std::int64_t>(b); }
    first.first_rows = at::arange(first.texts(), input.first_rows.options());
    first.text_of_row = first.first_rows;
    return first;
}

}  // namespace detail

/// Texts to rows, type-erased: for search what `AnyModel` is for training. Copies share the tensors.
class AnyTextModel {
public:
    /// \param bottleneck  one without parameters, or one that was built over an encoder of this type
    template <Encoder E, class B>
        requires Bottleneck<B> || BuiltBottleneck<B, E>
    AnyTextModel(E encoder, B bottleneck) : model_(std::make_shared<Of<E, B> const>(std::move(encoder), std::move(bottleneck))) {}

    /// One row per text, or per token where the bottleneck keeps tokens.                           [B, D] or [T, D]
    [[nodiscard]] at::Tensor operator()(PackedInput const& input) const { return model_->rows(input); }
    [[nodiscard]] Shape shape() const { return model_->shape(); }
    [[nodiscard]] std::int64_t width() const { return model_->width(); }   ///< D
    [[nodiscard]] at::Device device() const { return model_->device(); }
    /// Whether `packed` takes this type: fp32 weights on a CPU with the instructions, an encoder that packs its maps.
    [[nodiscard]] bool packs(PackedType type) const {
        return model_->has_linears() && device().is_cpu() && can_pack(type) && model_->compute_type() == at::kFloat;
    }
    /// The same model with weights packed for inference. They are copies: later changes of this model do not reach them.
    /// \throws InputError  where `packs` is false, and for int8 and weights that are not finite
    [[nodiscard]] AnyTextModel packed(PackedType type) const {
        if (packs(type)) { return AnyTextModel(model_->packed(type)); }
        std::string const found = !model_->has_linears()                 ? "an encoder that does not pack its maps"
                                  : !device().is_cpu()                   ? "a model on another device"
                                  : model_->compute_type() != at::kFloat ? "weights that are not fp32"
                                                                         : "a processor or a program without them";
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "fp32 weights on a CPU with the AVX-512 instructions for " + std::string(to_string(type)),
                       .found = found,
                       .hint = "Encode without packed weights, in fp32 or bf16."});
    }
    [[nodiscard]] BottleneckDescription bottleneck() const { return model_->bottleneck(); }
    /// Checksum of the parameters of encoder (without its token head) and bottleneck: names, shapes, values.
    [[nodiscard]] std::uint64_t fingerprint() const { return model_->fingerprint(); }
    /// Parameters of the bottleneck by their names in checkpoints.
    [[nodiscard]] NamedTensors bottleneck_tensors() const { return model_->bottleneck_tensors(); }
    /// The encoder itself; null where it is of another type.
    template <Encoder E>
    [[nodiscard]] E const* encoder() const noexcept {
        if (auto const* const holder = dynamic_cast<Holds<E> const*>(model_.get())) { return &holder->encoder; }
        if constexpr (!std::same_as<E, AnyEncoder>) {
            if (auto const* const erased = dynamic_cast<Holds<AnyEncoder> const*>(model_.get())) {
                return erased->encoder.as<E>();
            }
        }
        return nullptr;
    }
    /// The encoder, of whatever type; shares the tensors.
    [[nodiscard]] AnyEncoder any_encoder() const { return model_->any_encoder(); }

private:
    struct Role {
        Role() = default;
        Role(Role const&) = delete;
        Role& operator=(Role const&) = delete;
        virtual ~Role() = default;
        [[nodiscard]] virtual at::Tensor rows(PackedInput const& input) const = 0;
        [[nodiscard]] virtual AnyEncoder any_encoder() const = 0;
        [[nodiscard]] virtual Shape shape() const = 0;
        [[nodiscard]] virtual std::int64_t width() const = 0;
        [[nodiscard]] virtual at::Device device() const = 0;
        [[nodiscard]] virtual bool has_linears() const = 0;
        [[nodiscard]] virtual at::ScalarType compute_type() const = 0;
        [[nodiscard]] virtual std::shared_ptr<Role const> packed(PackedType type) const = 0;
        [[nodiscard]] virtual BottleneckDescription bottleneck() const = 0;
        [[nodiscard]] virtual NamedTensors bottleneck_tensors() const = 0;
        [[nodiscard]] virtual std::uint64_t fingerprint() const = 0;
    };
    template <class E>
    struct Holds : Role {
        explicit Holds(E given) : encoder(std::move(given)) {}
        E encoder;
    };
    template <class E, class B>
    struct Of final : Holds<E> {
        Of(E network, B given) : Holds<E>(std::move(network)), part(std::move(given)) {}
        [[nodiscard]] at::Tensor rows(PackedInput const& input) const override {
            ForwardContext context;
            if constexpr (EncodesFirst<E>) {
                if (pools_first_rows() && input.unpooled_rows == 0) {
                    return detail::pool_by(part, Encoded{.hidden = this->encoder.encode_first(input, context)},
                                           detail::first_rows_of(input), this->encoder);
                }
            }
            Encoded const encoded = this->encoder.encode(input, context, keeps_layers());
            return detail::pool_by(part, encoded, input, this->encoder);
        }
        [[nodiscard]] AnyEncoder any_encoder() const override { return this->encoder; }
        [[nodiscard]] Shape shape() const override { return this->encoder.shape(); }
        [[nodiscard]] std::int64_t width() const override { return bottleneck_width(part, this->encoder); }
        [[nodiscard]] at::Device device() const override { return this->encoder.embeddings.word.device(); }
        [[nodiscard]] at::ScalarType compute_type() const override { return this->encoder.embeddings.word.scalar_type(); }
        [[nodiscard]] bool has_linears() const override { return packs_linears(this->encoder); }
        [[nodiscard]] std::shared_ptr<Role const> packed(PackedType type) const override {
            E copy = this->encoder;   // shares the tensors
            if constexpr (PacksLinears<E>) {
                copy.for_each_linear([type](auto& map) { map.pack(type); });
            }
            return std::make_shared<Of const>(std::move(copy), part);
        }
        [[nodiscard]] BottleneckDescription bottleneck() const override {
            if constexpr (requires { part.description(); }) {
                return part.description();
            } else {
                return {.name = std::string(B::name), .projection = std::string(detail::projection_of_bottleneck<B>)};
            }
        }
        [[nodiscard]] NamedTensors bottleneck_tensors() const override {
            NamedTensors tensors;
            if constexpr (requires(B copy) { copy.for_each_parameter(std::string(), [](auto const&, at::Tensor&, auto) {}); }) {
                B copy = part;   // shares the tensors; visiting requires a mutable one
                copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) { tensors[name] = value; });
            }
            return tensors;
        }
        [[nodiscard]] std::uint64_t fingerprint() const override {
            detail::Xxh64 hash;
            auto const add = [&](std::string const& name, at::Tensor const& value) {
                hash.update(name);
                detail::hash_tensor(hash, value);
            };
            E copy = this->encoder;   // shares the tensors; visiting requires a mutable one
            for_each_body_parameter(copy, "", [&](std::string const& name, at::Tensor& value, auto) { add(name, value); });
            for (auto const& [name, value] : bottleneck_tensors()) { add(name, value); }
            return hash.digest();
        }
        [[nodiscard]] bool keeps_layers() const {
            if constexpr (requires { part.keeps_layers(); }) {
                return part.keeps_layers();
            } else {
                return detail::reads_layers<B>;
            }
        }
        [[nodiscard]] bool pools_first_rows() const {
            if constexpr (requires { part.pools_first_rows(); }) {
                return part.pools_first_rows();
            } else {
                return detail::reads_first_rows<B>;
            }
        }
        B part;
    };

    explicit AnyTextModel(std::shared_ptr<Role const> model) : model_(std::move(model)) {}

    std::shared_ptr<Role const> model_;
};

}  // namespace bmae
