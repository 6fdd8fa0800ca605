// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Members of JSON that others wrote, which may be missing.
#pragma once

#include <string>
#include <utility>

#include <bmae/detail/json_text.hpp>

#include "common.hpp"

namespace bmae::program {

/// A member of an object; null where there is none.
inline Json const& member(Json const& object, char const* key) {
    static Json const none;
    auto const found = object.is_object() ? object.find(key) : object.end();
    return found == object.end() ? none : *found;
}

/// The description of an objective, as text in a trainer.json; empty where there is none.
inline std::string objective_text(Json const& trainer) {
    Json const& told = member(trainer, "objective");
    return told.is_string() ? told.get<std::string>() : std::string();
}

/// The description of an objective from its text; null where it is of another form.
inline Json objective_from(std::string const& text) {
    Json parsed = detail::parse_json_or_nothing<Json>(text);
    return parsed.is_object() ? std::move(parsed) : Json();
}

}  // namespace bmae::program
