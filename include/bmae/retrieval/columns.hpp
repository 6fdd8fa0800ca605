// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a column of a TREC file can hold.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/corpus/reading.hpp>
#include <bmae/text/blanks.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// Refuses a text that a column of a TREC file cannot hold: an empty one, or one with a blank, at which readers split columns
/// (trec_eval at those of ASCII, Python at all of Unicode).
/// \param what       "a query id"
/// \param file,line  its place, or the output file
inline void require_column(std::string_view text, std::string_view what, std::string const& file, std::size_t line = 0) {
    if (!text.empty() && !has_blank(text)) { return; }
    throw InputError(Diagnostic{.file = file,
                                .line = line,
                                .expected = std::string(what) + " without blanks",
                                .found = excerpt(text),
                                .hint = "The columns of a TREC run are separated by blanks: rename the id or the tag."});
}

}  // namespace bmae::detail
