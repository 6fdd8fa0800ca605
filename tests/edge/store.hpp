// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A token store of invented documents, each of which lacks something.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>

namespace test {

/// Documents of `sentences` sentences of four words; the first `with` have two queries and a continuation.
inline bmae::TokenStore invented_store(std::filesystem::path const& folder, std::vector<std::size_t> const& sentences,
                                       std::size_t with, std::string_view query_kind = {}) {
    std::string const line = "bal kon tis wer";
    bmae::VocabularyBuilder vocabulary({.min_frequency = 1});
    vocabulary.add(line);
    bmae::WordPiece const tokenizer = vocabulary.build_tokenizer();
    bmae::TokenStoreBuilder builder(folder, tokenizer, {.passages = {.max_length = 14}, .query_kind = query_kind});
    for (std::size_t d = 0; d < sentences.size(); ++d) {
        bmae::Document document{.id = "d" + std::to_string(d)};
        for (std::size_t s = 0; s < sentences[d]; ++s) { document.text += line + '\n'; }
        if (d < with) {
            document.queries = {"tis bal", "wer kon"};
            document.continuation = "kon kon";
        }
        builder.add(document);
    }
    builder.finish();
    return bmae::TokenStore::open(folder);
}

}  // namespace test
