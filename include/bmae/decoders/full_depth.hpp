// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A second full-depth network that reads the sentence vector in place of its first token.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/encoders/encoder_role.hpp>

namespace bmae {

/// A `FullDepthDecoder` has no options: it has the encoder's.
struct FullDepthDecoderOptions {};

/// A copy of the encoder, embeddings included, made when training starts and trained separately; its row 0 is h
/// (Chuang et al.: DiffCSE, arXiv 2204.10298, the discriminator). The encoder must run on rows: `EncodesRows`.
class FullDepthDecoder {
public:
    using Options = FullDepthDecoderOptions;
    static constexpr std::string_view kind = "full_depth";
    static constexpr bool reads_visibility = false;

    template <EncodesRows E>
    FullDepthDecoder(Options, E const& encoder, std::uint64_t, std::string const& name) {
        require_role(encoder, EncoderRole::rows, name, kind);
        auto const copy = std::make_shared<E>(deep_copy(encoder));
        run_ = [copy](at::Tensor const& sentence, PackedInput const& view, ForwardContext& context) {
            at::Tensor const rows =
                copy->embeddings(view.input_ids, view.positions, context).index_copy(0, view.first_rows, sentence);   // [T, H]
            return copy->encode_rows(rows, view, context, false).hidden;
        };
        visit_ = [copy](std::string const& prefix, Visitor const& visit) { copy->for_each_body_parameter(prefix, visit); };
    }

    template <class E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const&, Encoded const&,
                                    ForwardContext& context) const {
        return run_(sentence, view, context);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit_(prefix, visit);
    }

private:
    using Visitor = std::function<void(std::string const&, at::Tensor&, ParameterRole)>;

    // The type of the copy is that of the encoder, which the slot of a branch does not name.
    std::function<at::Tensor(at::Tensor const&, PackedInput const&, ForwardContext&)> run_;
    std::function<void(std::string const&, Visitor const&)> visit_;
};

}  // namespace bmae
