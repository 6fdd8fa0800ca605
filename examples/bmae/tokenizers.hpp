// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tokenizers that the command line names.
#pragma once

#include <filesystem>
#include <string>

#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>

#include "common.hpp"

namespace bmae::program {

/// \param cased  of a vocab.txt alone, which does not say so: text is not lower-cased
/// \throws InputError  files that say themselves whether they are cased
inline AnyTokenizer tokenizer_from(Path const& path, bool cased) {
    if (!cased) { return AnyTokenizer::from_file(path); }
    std::string found = path.extension() == ".json" ? path.string() : std::string();
    for (char const* const name : {"tokenizer.json", "tokenizer_config.json"}) {
        if (found.empty() && std::filesystem::exists(path / name)) { found = (path / name).string(); }
    }
    if (!found.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--cased with a vocab.txt alone, which does not say whether it is cased",
                                    .found = found,
                                    .hint = "Leave it out: that file says it."});
    }
    WordPieceOptions options;
    options.normalizer.lower_case = false;
    return WordPiece::from_file(path, options);
}

}  // namespace bmae::program
