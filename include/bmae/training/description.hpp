// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The difference of two descriptions of an objective: one key and both values, not two whole texts.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/separate.hpp>

namespace bmae {

/// The first difference of two JSON texts.
struct DescriptionDifference {
    std::string key = {};    ///< "terms.1.weight"; empty where the texts are not JSON objects
    std::string then = {};   ///< value in the first text; "none" where it lacks the key
    std::string now = {};    ///< in the second
};

namespace detail {

BMAE_INLINE std::optional<DescriptionDifference> difference(nlohmann::ordered_json const& then, nlohmann::ordered_json const& now,
                                                            std::string const& path);

}  // namespace detail

/// The number of the format in which an objective describes itself; "none" where it has none, as before version 0.2.
BMAE_INLINE std::string format_of(std::string const& description);

/// Keys that a description has had since a later version of the library; checkpoints before that lack them.
/// \returns  those of `now` that `then` lacks; none where one of them is not a JSON object
BMAE_INLINE std::vector<std::string> newer_keys(std::string const& now, std::string const& then);

/// The description `now` without the `newer_keys` that `then` lacks, and without options that it lacks and that have the value which was
/// the only one then.
BMAE_INLINE std::string without_newer_keys(std::string const& now, std::string const& then);

/// Compares an earlier description of an objective with the current one; nothing where both are equal, in any order of keys.
/// \param then,now  JSON texts, as `Objective::description` gives them
BMAE_INLINE std::optional<DescriptionDifference> first_difference(std::string const& then, std::string const& now);

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail {

BMAE_INLINE std::optional<DescriptionDifference> difference(nlohmann::ordered_json const& then, nlohmann::ordered_json const& now,
                                                            std::string const& path) {
    std::string const inner = path.empty() ? path : path + '.';
    if (then.is_object() && now.is_object()) {
        for (auto const& [key, value] : then.items()) {
            if (!now.contains(key)) { return DescriptionDifference{inner + key, value.dump(), "none"}; }
            if (auto found = difference(value, now[key], inner + key)) { return found; }
        }
        for (auto const& [key, value] : now.items()) {
            if (!then.contains(key)) { return DescriptionDifference{inner + key, "none", value.dump()}; }
        }
        return std::nullopt;
    }
    if (then.is_array() && now.is_array() && then.size() == now.size()) {
        for (std::size_t i = 0; i < then.size(); ++i) {
            if (auto found = difference(then[i], now[i], inner + std::to_string(i))) { return found; }
        }
        return std::nullopt;
    }
    // As text: comparing two JSON values costs each program that includes this a thirtieth of its compilation.
    std::string const old_value = then.dump();
    std::string const value = now.dump();
    if (old_value == value) { return std::nullopt; }
    return DescriptionDifference{path, old_value, value};
}

/// Options that later versions have, at the value that earlier ones had without a choice: `...decoder.family`, the encoder's; the form
/// of a reranker's pairs, BERT's; negatives drawn at random; contrasts of a fixed temperature, without masks by margins; losses over groups
/// by a softmax, all of whose texts are trained on; divergences divided by the queries.
inline std::vector<std::string> implied_options(nlohmann::ordered_json const& before, nlohmann::ordered_json const& after) {
    std::vector<std::string> paths;
    if (!before.is_object() || !after.is_object() || !before.contains("numbers") || !after.contains("numbers")) { return paths; }
    constexpr std::array<std::pair<std::string_view, std::string_view>, 15> implied{{{".decoder.family", "\"encoder\""},
                                                                                     {".view.source.separators", "1"},
                                                                                     {".view.source.token_types", "true"},
                                                                                     {".view.source.skip", "0"},
                                                                                     {".view.source.sampling", "\"random\""},
                                                                                     {".view.source.ambiguity_a", "1.0"},
                                                                                     {".view.source.ambiguity_b", "0.0"},
                                                                                     {".margin_mask", "\"none\""},
                                                                                     {".mask_margin", "0.0"},
                                                                                     {".margin", "1.0"},
                                                                                     {".temperature_warmup", "0.0"},
                                                                                     {".learn_temperature", "false"},
                                                                                     {".view.source.forward", "0"},
                                                                                     {".loss", "\"softmax\""},
                                                                                     {".reduction", "\"batchmean\""}}};
    for (auto const& [path, value] : after["numbers"].items()) {
        if (before["numbers"].contains(path)) { continue; }
        for (auto const& [end, only] : implied) {
            if (path.ends_with(end) && value.dump() == only) { paths.push_back(path); }
        }
    }
    return paths;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE std::string format_of(std::string const& description) {
    auto const json = detail::parse_json_or_nothing<nlohmann::ordered_json>(description);
    return json.is_object() && json.contains("format") ? json["format"].dump() : "none";
}

BMAE_INLINE std::vector<std::string> newer_keys(std::string const& now, std::string const& then) {
    auto const before = detail::parse_json_or_nothing<nlohmann::ordered_json>(then);
    auto const after = detail::parse_json_or_nothing<nlohmann::ordered_json>(now);
    std::vector<std::string> missing;
    for (char const* const key : {"corpus", "dropout", "generator"}) {
        if (before.is_object() && after.is_object() && after.contains(key) && !before.contains(key)) {
            missing.emplace_back(key);
        }
    }
    return missing;
}

BMAE_INLINE std::string without_newer_keys(std::string const& now, std::string const& then) {
    std::vector<std::string> const keys = newer_keys(now, then);
    auto json = detail::parse_json_or_nothing<nlohmann::ordered_json>(now);
    std::vector<std::string> const options =
        detail::implied_options(detail::parse_json_or_nothing<nlohmann::ordered_json>(then), json);
    if (keys.empty() && options.empty()) { return now; }
    for (std::string const& key : keys) { json.erase(key); }
    for (std::string const& path : options) { json["numbers"].erase(path); }
    return json.dump();
}

BMAE_INLINE std::optional<DescriptionDifference> first_difference(std::string const& then, std::string const& now) {
    if (then == now) { return std::nullopt; }
    auto const before = detail::parse_json_or_nothing<nlohmann::ordered_json>(then);
    auto const after = detail::parse_json_or_nothing<nlohmann::ordered_json>(now);
    if (!before.is_object() || !after.is_object()) { return DescriptionDifference{{}, then, now}; }
    return detail::difference(before, after, {});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
