// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A type-erased encoder: every family as one type, so that a program compiles each model once.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/encoder_inference.hpp>
#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/type_name.hpp>
#include <bmae/encoders/encoder_role.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/gated_layer.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/nn/transformer_layer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// The virtual interface of an encoder. What a role needs throws where the encoder lacks the role: `require_role` comes first.
class EncoderInterface {
public:
    using Visitor = std::function<void(std::string const&, at::Tensor&, ParameterRole)>;

    EncoderInterface() = default;
    EncoderInterface(EncoderInterface const&) = delete;
    EncoderInterface& operator=(EncoderInterface const&) = delete;
    virtual ~EncoderInterface() = default;

    [[nodiscard]] virtual std::unique_ptr<EncoderInterface> copy() const = 0;   // shares the tensors
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    [[nodiscard]] virtual std::string_view type() const noexcept = 0;
    [[nodiscard]] virtual bool has(EncoderRole role) const noexcept = 0;
    [[nodiscard]] virtual Shape shape() const = 0;
    [[nodiscard]] virtual std::string description() const = 0;   // empty where the encoder tells nothing
    virtual void visit(std::string const& prefix, Visitor const& visit) = 0;
    virtual void visit_body(std::string const& prefix, Visitor const& visit) = 0;

    [[nodiscard]] virtual Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers) const = 0;
    [[nodiscard]] virtual at::Tensor embed(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context) const = 0;
    [[nodiscard]] virtual at::Tensor const& word() const noexcept = 0;

    [[nodiscard]] virtual Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                              bool keep_layers) const = 0;
    [[nodiscard]] virtual at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const = 0;
    [[nodiscard]] virtual at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions,
                                                   ForwardContext& context) const = 0;
    [[nodiscard]] virtual at::Tensor transform(at::Tensor const& rows) const = 0;
    [[nodiscard]] virtual at::Tensor const& head_bias() const noexcept = 0;      // undefined without a head
    [[nodiscard]] virtual LayerStack const& layers() const noexcept = 0;         // empty without one
    [[nodiscard]] virtual GatedStack const* gated_layers() const noexcept = 0;   // null without them

    [[nodiscard]] virtual at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const = 0;
    [[nodiscard]] virtual bool packs_linears() const noexcept = 0;
    virtual void visit_linears(std::function<void(Linear&)> const& visit) = 0;   // nothing where it packs none
};

template <class E>
concept KeepsLayerStack = requires(E const& encoder) {
    { encoder.layers } -> std::same_as<LayerStack const&>;
};

template <class E>
concept KeepsGatedLayers = requires(E const& encoder) {
    { encoder.gated_layers() } -> std::same_as<GatedStack const*>;
};

template <class E>
class HeldEncoder final : public EncoderInterface {
    static_assert(std::is_lvalue_reference_v<decltype((std::declval<E const&>().embeddings.word))>,
                  "AnyEncoder: `embeddings.word` of the encoder must be a tensor that it holds.");

public:
    explicit HeldEncoder(E given) : encoder(std::move(given)) {}

    [[nodiscard]] std::unique_ptr<EncoderInterface> copy() const override { return std::make_unique<HeldEncoder>(encoder); }
    [[nodiscard]] std::string_view name() const noexcept override { return E::name; }
    [[nodiscard]] std::string_view type() const noexcept override { return compiler_name<E>(); }
    [[nodiscard]] bool has(EncoderRole role) const noexcept override {
        switch (role) {
            case EncoderRole::position_table:
                return HasPositionTable<E>;
            case EncoderRole::rows:
                return EncodesRows<E>;
            case EncoderRole::layer_stack:
                return KeepsLayerStack<E>;
            case EncoderRole::token_head:
                break;
        }
        return HasTokenHead<E>;
    }
    [[nodiscard]] Shape shape() const override { return encoder.shape(); }
    [[nodiscard]] std::string description() const override {
        if constexpr (requires {
                          { encoder.description() } -> std::convertible_to<std::string>;
                      }) {
            return encoder.description();
        } else {
            return {};
        }
    }
    void visit(std::string const& prefix, Visitor const& visit) override { encoder.for_each_parameter(prefix, visit); }
    void visit_body(std::string const& prefix, Visitor const& visit) override {
        bmae::for_each_body_parameter(encoder, prefix, visit);
    }

    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers) const override {
        return encoder.encode(input, context, keep_layers);
    }
    [[nodiscard]] at::Tensor embed(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context) const override {
        return encoder.embeddings(ids, positions, context);
    }
    [[nodiscard]] at::Tensor const& word() const noexcept override { return encoder.embeddings.word; }

    [[nodiscard]] Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                      bool keep_layers) const override {
        if constexpr (EncodesRows<E>) {
            return encoder.encode_rows(std::move(rows), input, context, keep_layers);
        } else {
            lacks(EncoderRole::rows);
        }
    }
    [[nodiscard]] at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const override {
        if constexpr (HasPositionTable<E>) {
            return encoder.embeddings.position_rows(vectors, positions);
        } else {
            lacks(EncoderRole::position_table);
        }
    }
    [[nodiscard]] at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions,
                                           ForwardContext& context) const override {
        if constexpr (HasPositionTable<E>) {
            return encoder.embeddings.embed_vectors(vectors, positions, context);
        } else {
            lacks(EncoderRole::position_table);
        }
    }
    [[nodiscard]] at::Tensor transform(at::Tensor const& rows) const override {
        if constexpr (HasTokenHead<E>) {
            return encoder.head.transform(rows);
        } else {
            lacks(EncoderRole::token_head);
        }
    }
    [[nodiscard]] at::Tensor const& head_bias() const noexcept override {
        if constexpr (HasTokenHead<E>) {
            return encoder.head.bias;
        } else {
            static at::Tensor const none;
            return none;
        }
    }
    [[nodiscard]] LayerStack const& layers() const noexcept override {
        if constexpr (KeepsLayerStack<E>) {
            return encoder.layers;
        } else {
            static LayerStack const none;
            return none;
        }
    }

    [[nodiscard]] GatedStack const* gated_layers() const noexcept override {
        if constexpr (KeepsGatedLayers<E>) {
            return encoder.gated_layers();
        } else {
            return nullptr;
        }
    }

    [[nodiscard]] at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const override {
        if constexpr (EncodesFirst<E>) {
            return encoder.encode_first(input, context);
        } else {
            return encoder.encode(input, context, false).hidden.index_select(0, input.first_rows);
        }
    }
    [[nodiscard]] bool packs_linears() const noexcept override { return bmae::packs_linears(encoder); }
    void visit_linears(std::function<void(Linear&)> const& visit) override {
        if constexpr (PacksLinears<E>) { encoder.for_each_linear(visit); }
    }

    E encoder;

private:
    [[noreturn]] void lacks(EncoderRole role) const { throw Error(std::string(E::name) + ": no " + std::string(in_words(role))); }
};

}  // namespace detail

/// Any encoder, behind virtual calls: a model over it is compiled once for all families.
///
///     AnyEncoder encoder = load_encoder("xlm-roberta-base");        // encoders/encoder_folder.hpp: by config.json's model_type
///     WithEncoder<RetroMae, AnyEncoder> model(encoder, options, seed);
///     if (BertEncoder const* bert = encoder.as<BertEncoder>()) { ... }
///
/// An encoder of a family converts to it. Copies share the tensors, as those of every encoder do. It has all roles for the compiler;
/// a part that needs one that the held encoder lacks is refused when the model is built: `EncoderRole`. Results and parameter names
/// are those of the held encoder, bit for bit.
class AnyEncoder {
public:
    /// Makes an encoder of a family with new parameters: `AnyEncoder::Options::of<BertEncoder>(BertConfig::mini())`.
    class Options {
    public:
        /// Of nothing: `AnyEncoder(Options(), seed)` throws.
        Options() = default;
        template <Encoder E>
        static Options of(typename E::Options options) {
            Options made;
            made.make_ = [options](std::uint64_t seed) { return AnyEncoder(E(options, seed)); };
            return made;
        }

    private:
        friend class AnyEncoder;
        std::function<AnyEncoder(std::uint64_t)> make_ = {};
    };
    static constexpr std::string_view name = "any";   ///< of the type; reports take `held_name()`

    template <class E>
        requires(!std::same_as<E, AnyEncoder>) && Encoder<E>
    AnyEncoder(E encoder) : AnyEncoder(Owner(std::make_unique<detail::HeldEncoder<E>>(std::move(encoder)))) {}

    AnyEncoder(Options const& options, std::uint64_t seed) : AnyEncoder(made_by(options, seed)) {}

    AnyEncoder(AnyEncoder const& other) : AnyEncoder(other.held_->copy()) {}
    AnyEncoder(AnyEncoder&& other) noexcept : AnyEncoder(std::move(other.held_)) {}
    AnyEncoder& operator=(AnyEncoder other) noexcept {
        std::destroy_at(this);
        std::construct_at(this, std::move(other));
        return *this;
    }
    ~AnyEncoder() = default;

    /// The encoder itself; null where it is of another type.
    template <Encoder E>
    [[nodiscard]] E* as() noexcept {
        auto* const holder = dynamic_cast<detail::HeldEncoder<E>*>(held_.get());
        return holder == nullptr ? nullptr : &holder->encoder;
    }
    template <Encoder E>
    [[nodiscard]] E const* as() const noexcept {
        auto const* const holder = dynamic_cast<detail::HeldEncoder<E> const*>(held_.get());
        return holder == nullptr ? nullptr : &holder->encoder;
    }

    /// The held encoder's name in reports, "bert", and its type, "bmae::BertEncoder".
    [[nodiscard]] std::string_view held_name() const noexcept { return held_->name(); }
    [[nodiscard]] std::string_view held_type() const noexcept { return held_->type(); }
    [[nodiscard]] bool has(EncoderRole role) const noexcept { return held_->has(role); }
    [[nodiscard]] Shape shape() const { return held_->shape(); }
    /// The held encoder's own description, JSON; empty where it has none. See `describe_encoder`.
    [[nodiscard]] std::string description() const { return held_->description(); }
    /// The held encoder's, where it is ModernBERT or has such layers; else null.
    [[nodiscard]] GatedStack const* gated_layers() const noexcept { return held_->gated_layers(); }

    [[nodiscard]] Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers = false) const {
        return held_->encode(input, context, keep_layers);
    }
    [[nodiscard]] Encoded encode_rows(at::Tensor rows, PackedInput const& input, ForwardContext& context,
                                      bool keep_layers = false) const {
        return held_->encode_rows(std::move(rows), input, context, keep_layers);
    }
    /// The hidden states of first tokens, without the other rows of the last layer where the held encoder can leave them.  [B, H]
    [[nodiscard]] at::Tensor encode_first(PackedInput const& input, ForwardContext& context) const {
        return held_->encode_first(input, context);
    }
    /// Whether the held encoder's linear maps can be packed for inference: `for_each_linear` visits them.
    [[nodiscard]] bool packs_linears() const noexcept { return held_->packs_linears(); }
    void for_each_linear(std::function<void(Linear&)> const& visit) { held_->visit_linears(visit); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        held_->visit(prefix, [&visit](std::string const& parameter, at::Tensor& value, ParameterRole role) {
            visit(parameter, value, role);
        });
    }
    template <class Visit>
    void for_each_body_parameter(std::string const& prefix, Visit&& visit) {
        held_->visit_body(prefix, [&visit](std::string const& parameter, at::Tensor& value, ParameterRole role) {
            visit(parameter, value, role);
        });
    }

private:
    using Owner = std::unique_ptr<detail::EncoderInterface>;
    Owner held_;

    /// The held encoder's embeddings and head, as decoders and heads read them.
    class HeldEmbeddings {
    public:
        explicit HeldEmbeddings(detail::EncoderInterface const& held) : word(held.word()), held_(&held) {}

        at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context) const {
            return held_->embed(ids, positions, context);
        }
        at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const {
            return held_->position_rows(vectors, positions);
        }
        at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions, ForwardContext& context) const {
            return held_->embed_vectors(vectors, positions, context);
        }

        at::Tensor const& word;   ///< [V, E], the held encoder's own handle: a visitor may exchange it

    private:
        detail::EncoderInterface const* held_;
    };
    class HeldHead {
    public:
        explicit HeldHead(detail::EncoderInterface const& held) : bias(held.head_bias()), held_(&held) {}

        at::Tensor transform(at::Tensor const& rows) const { return held_->transform(rows); }
        at::Tensor logits(at::Tensor const& rows, at::Tensor const& table) const {
            return detail::affine(transform(rows), table, bias);
        }

        at::Tensor const& bias;   ///< [V], or undefined

    private:
        detail::EncoderInterface const* held_;
    };

public:
    HeldEmbeddings embeddings;
    HeldHead head;
    LayerStack const& layers;   ///< the held encoder's; empty where it has none of this kind

private:
    explicit AnyEncoder(Owner held) noexcept
        : held_(std::move(held)), embeddings(*held_), head(*held_), layers(held_->layers()) {}

    static AnyEncoder made_by(Options const& options, std::uint64_t seed) {
        if (!options.make_) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "options of an encoder",
                                        .found = "none",
                                        .hint = "AnyEncoder::Options::of<BertEncoder>(BertConfig::mini())"});
        }
        return options.make_(seed);
    }
};

static_assert(HasTokenHead<AnyEncoder> && HasPositionTable<AnyEncoder> && EncodesRows<AnyEncoder>);
static_assert(PacksLinears<AnyEncoder> && EncodesFirst<AnyEncoder>);

}  // namespace bmae
