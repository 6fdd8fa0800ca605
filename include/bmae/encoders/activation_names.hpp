// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The names of activations in a config.json.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// Which function `name` names.
/// \param key   of the config.json, for the message
/// \throws InputError  for a name that is none of the five
inline Activation activation_named(std::string_view name, std::string_view key, std::string const& file = {}) {
    using Pair = std::pair<std::string_view, Activation>;
    static constexpr std::array<Pair, 5> known{{{"gelu", Activation::gelu},
                                                {"gelu_new", Activation::gelu_tanh},
                                                {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                {"gelu_fast", Activation::gelu_tanh},
                                                {"relu", Activation::relu}}};
    for (auto const& [known_name, function] : known) {
        if (known_name == name) { return function; }
    }
    throw InputError(Diagnostic{.file = file,
                                .expected = std::string(key) + " gelu, gelu_new, gelu_pytorch_tanh, gelu_fast or relu",
                                .found = '"' + std::string(name) + '"',
                                .hint = "Other activations are not supported."});
}

}  // namespace bmae
