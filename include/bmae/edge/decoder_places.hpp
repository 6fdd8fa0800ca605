// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The decoders of a composition by their parameter names, so that one composition can load those of another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae {

namespace detail {

/// A decoder of a composition.
struct DecoderPlace {
    std::string prefix = {};   ///< of its parameters here, with the last dot
    std::string kind = {};     ///< enhanced, basic, tap ...
    std::string query = {};    ///< of an enhanced one
    std::string task = {};     ///< MASTER's
    std::size_t layers = 0;
    bool in_branch = false;   ///< it reconstructs a text; else it is replaced token detection's
};

/// The decoders in the description of an objective, shared ones once; none where it is of another form.
inline std::vector<DecoderPlace> decoder_places(std::string const& description) {
    auto const json = parse_json_or_nothing<nlohmann::ordered_json>(description);
    std::vector<DecoderPlace> places;
    if (!json.is_object() || !json.contains("terms") || !json["terms"].is_array()) { return places; }
    for (auto const& term : json["terms"]) {
        if (!term.is_object() || !term.contains("decoder")) { continue; }
        auto const text = [&](char const* key) {
            return term.contains(key) && term[key].is_string() ? term[key].get<std::string>() : std::string();
        };
        std::string const shared = text("decoder_name");
        bool const counted = term.contains("decoder_layers") && term["decoder_layers"].is_number_unsigned();
        DecoderPlace place{.prefix = shared.empty() ? text("name") + ".decoder." : "shared." + shared + '.',
                           .kind = text("decoder"),
                           .query = text("query"),
                           .task = text("task"),
                           .layers = counted ? term["decoder_layers"].get<std::size_t>() : 0,
                           .in_branch = text("kind") == "branch"};
        auto const known = std::ranges::find(places, place.prefix, &DecoderPlace::prefix);
        if (known == places.end()) {
            places.push_back(std::move(place));
        } else {
            known->in_branch = known->in_branch || place.in_branch;
        }
    }
    return places;
}

}  // namespace detail

/// The parameter names of the decoders of a composition: a branch's own under `passes.0.terms.1.decoder`, one that several
/// branches share under `shared.enhanced`.
class DecoderPlaces {
public:
    /// \param description  description of an objective, as "objective" in trainer.json; none where it is of another form
    explicit DecoderPlaces(std::string const& description) : places_(detail::decoder_places(description)) {
        std::erase_if(places_, [](detail::DecoderPlace const& place) { return !place.in_branch; });
    }

    /// The names that parameter `name` of a model with these decoders may have in a file of `others`: one for each decoder of
    /// the same kind there.
    [[nodiscard]] std::vector<std::string> names_in(DecoderPlaces const& others, std::string_view name) const {
        std::vector<std::string> names;
        for (detail::DecoderPlace const& place : places_) {
            if (!name.starts_with(place.prefix)) { continue; }
            for (detail::DecoderPlace const& other : others.places_) {
                if (other.kind == place.kind) { names.push_back(other.prefix + std::string(name.substr(place.prefix.size()))); }
            }
        }
        return names;
    }

private:
    std::vector<detail::DecoderPlace> places_;
};

}  // namespace bmae
