// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// State dictionaries of the authors' pre-training code, which hold an encoder and decoders: their names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace bmae::detail {

/// The decoders of MASTER's code by its task in this library; Condenser's and RetroMAE's is `c_head` too.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 5> master_heads{
    {{"mkp", "c_head"}, {"dor", "query_head"}, {"gor", "gpt_head"}, {"npr", "next_head"}, {"cmp", "overlap_head"}}};

/// True for a name under one of `prefixes`.
template <std::size_t N>
bool is_under(std::string_view name, std::array<std::string_view, N> const& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) { return name.starts_with(prefix); });
}

/// Where an encoder's names begin in a state with decoders: "lm." in RetroMAE's, Condenser's and MASTER's, "encoder." in SimLM's;
/// empty for a state of one encoder.
/// \param tensors  a map by name
template <class Tensors>
std::string_view encoder_prefix(Tensors const& tensors) {
    constexpr std::array<std::string_view, 7> retro{"lm.",       "decoder_embeddings.", "c_head.",      "query_head.",
                                                    "gpt_head.", "next_head.",          "overlap_head."};
    constexpr std::array<std::string_view, 3> simlm{"encoder.", "decoder.", "generator."};
    auto const all_under = [&tensors](auto const& prefixes) {
        return std::all_of(tensors.begin(), tensors.end(), [&](auto const& pair) { return is_under(pair.first, prefixes); });
    };
    auto const any_under = [&tensors](std::string_view prefix) {
        auto const at = tensors.lower_bound(prefix);
        return at != tensors.end() && at->first.starts_with(prefix);
    };
    if (any_under("lm.") && all_under(retro)) { return "lm."; }
    return any_under("encoder.bert.") && all_under(simlm) ? "encoder." : std::string_view();
}

/// Leaves the encoder of such a state, under the names that it has in a folder of its own; any other set is unchanged.
template <class Tensors>
Tensors encoder_of_state(Tensors tensors) {
    std::string const prefix(encoder_prefix(tensors));
    if (prefix.empty()) { return tensors; }
    Tensors encoder;
    for (auto& [name, tensor] : tensors) {
        if (name.starts_with(prefix)) { encoder.emplace(name.substr(prefix.size()), std::move(tensor)); }
    }
    return encoder;
}

}  // namespace bmae::detail
