// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// Which parts of vectors `finetune` trains beside whole ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

#include "common.hpp"

namespace bmae::program {

/// "256:1,64:0.5" as dimensions with weights. \throws InputError for another form
inline std::vector<std::pair<std::uint64_t, double>> matryoshka_of(std::string const& text) {
    std::vector<std::pair<std::uint64_t, double>> parts;
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view const part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        std::size_t const colon = part.find(':');
        auto const dimension = detail::number_from<std::uint64_t>(part.substr(0, colon));
        auto const weight =
            colon == std::string_view::npos ? std::optional(1.) : detail::number_from<double>(part.substr(colon + 1));
        if (!dimension || *dimension == 0 || !weight || !(*weight > 0)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "--matryoshka as dimensions with or without weights above 0: 256,64:0.5",
                                        .found = '"' + text + '"'});
        }
        parts.emplace_back(*dimension, *weight);
    }
    return parts;
}

/// Sets the prefixes of --matryoshka in all terms that have some.
/// \param width  of the vectors
/// \param terms  of the preset that compare vectors
/// \throws InputError where a dimension, or that of --truncate-dim, is beyond the vectors
inline void set_matryoshka(ContrastChoices const& choices, std::size_t width, std::size_t terms,
                           std::map<std::string, std::string>& overrides) {
    auto const refuse_beyond = [&](char const* option, std::uint64_t dimension) {
        if (dimension <= width) { return; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = std::string(option) + " up to " + std::to_string(width) + ", the width of the vectors",
                       .found = std::to_string(dimension)});
    };
    refuse_beyond("--truncate-dim", choices.truncate_dim);
    auto const parts = matryoshka_of(choices.matryoshka);
    bool const is_trained = std::ranges::any_of(parts, [&](auto const& part) { return part.first == choices.truncate_dim; });
    if (choices.truncate_dim != 0 && choices.truncate_dim != width && !is_trained) {
        warn("--truncate-dim " + std::to_string(choices.truncate_dim) +
             ": vectors are not trained to be cut there, as --matryoshka does");
    }
    if (parts.empty()) { return; }
    if (!overrides.emplace("matryoshka", std::to_string(parts.size())).second) {
        throw InputError(
            Diagnostic{.file = {}, .expected = "one value of matryoshka", .found = "--matryoshka and --set matryoshka"});
    }
    for (std::size_t t = 0; t < terms; ++t) {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            refuse_beyond("--matryoshka", parts[i].first);
            std::string const path = "terms." + std::to_string(t) + ".matryoshka." + std::to_string(i);
            overrides[path + ".dimension"] = std::to_string(parts[i].first);
            overrides[path + ".weight"] = Json(parts[i].second).dump();
        }
    }
}

}  // namespace bmae::program
