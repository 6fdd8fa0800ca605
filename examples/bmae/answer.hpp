// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What search reports, and the hits of one query as it shows them, of a collection in memory or of an index on disk. Free of LibTorch.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common.hpp"

namespace bmae::program {

/// The best texts of one query.
struct Answer {
    std::string text = {};   ///< a line per hit: rank, score, id and the first words
    Json json = {};          ///< `query` and `hits`

    explicit Answer(std::string const& query) : json{{"query", query}, {"hits", Json::array()}} {}

    /// \param words  the text; nothing where none is stored
    void add(std::string const& id, float score, std::optional<std::string> words);
};

/// The keys of a search, of which a kind of search fills its own.
Json search_result(std::string const& method, std::size_t documents);

}  // namespace bmae::program
