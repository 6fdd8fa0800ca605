// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One decoder for several branches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/values/fixed_string.hpp>

namespace bmae {

/// `Decoder`, the same one in every branch of the composition with `Shared<"decoder", Decoder>` (MASTER's Shared-Dec,
/// table 6).
///
/// Its parameters are named `shared.NAME`. Within one composition a name refers to one type of decoder with one set of
/// options; anything else is refused.
template <FixedString own_name, class Decoder>
class Shared {
public:
    using Options = typename Decoder::Options;
    using Part = Decoder;
    static constexpr std::string_view shared_name = own_name;
    static constexpr std::string_view kind = Decoder::kind;
    static constexpr bool reads_visibility = Decoder::reads_visibility;
    static constexpr bool reads_layers = requires { requires Decoder::reads_layers; };
    static constexpr bool needs_position_table = requires { requires Decoder::needs_position_table; };
    static constexpr std::string_view query = [] {
        if constexpr (requires { Decoder::query; }) {
            return Decoder::query;
        } else {
            return std::string_view();
        }
    }();

    template <class E>
    Shared(Options options, E const& encoder, std::uint64_t seed, std::string const&)
        : decoder_(std::move(options), encoder, seed, root()) {}

    template <class E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const& pass,
                                    ForwardContext& context) const {
        return decoder_.decode(sentence, view, encoder, pass, context);
    }

    /// The prefix of the branch is not used: the decoder has a name of its own.
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        decoder_.for_each_parameter(root(), visit);
    }

    [[nodiscard]] Options const& options() const noexcept { return decoder_.options(); }

private:
    static std::string root() { return "shared." + std::string(shared_name); }

    Decoder decoder_;
};

}  // namespace bmae
