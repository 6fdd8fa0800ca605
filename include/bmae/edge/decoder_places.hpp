// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Parameter names of decoders of one kind in two compositions, so that one can load those of the other.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace bmae {

/// The parameter names of the decoders of a composition: a branch's own under `passes.0.terms.1.decoder`, one that several
/// branches share under `shared.enhanced`.
class DecoderPlaces {
public:
    /// \param description  description of an objective, as "objective" in trainer.json; none where it is of another form
    explicit DecoderPlaces(std::string const& description) {
        auto const json = nlohmann::ordered_json::parse(std::string_view(description), nullptr, false);
        if (!json.is_object() || !json.contains("terms") || !json["terms"].is_array()) { return; }
        for (auto const& term : json["terms"]) {
            if (!term.is_object() || term.value("kind", "") != "branch") { continue; }
            std::string const shared = term.value("decoder_name", "");
            add(shared.empty() ? term.value("name", "") + ".decoder." : "shared." + shared + '.', term.value("decoder", ""));
        }
    }

    /// The names that parameter `name` of a model with these decoders may have in a file of `others`: one for each decoder of
    /// the same kind there.
    [[nodiscard]] std::vector<std::string> names_in(DecoderPlaces const& others, std::string_view name) const {
        std::vector<std::string> names;
        for (auto const& [prefix, kind] : places_) {
            if (!name.starts_with(prefix)) { continue; }
            for (auto const& [other, other_kind] : others.places_) {
                if (other_kind == kind) { names.push_back(other + std::string(name.substr(prefix.size()))); }
            }
        }
        return names;
    }

private:
    void add(std::string prefix, std::string kind) {
        for (auto const& [known, its_kind] : places_) {
            if (known == prefix) { return; }
        }
        places_.emplace_back(std::move(prefix), std::move(kind));
    }

    std::vector<std::pair<std::string, std::string>> places_ = {};   // prefix of its parameters, kind
};

}  // namespace bmae
