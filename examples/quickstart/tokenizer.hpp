// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A vocabulary trained on the collection.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>

#include "collection.hpp"

namespace quickstart {

// At most `vocabulary` tokens. Intermediate merges that no text uses are dropped, since every token costs a row of the
// output layer; single characters are kept, so that queries need no [UNK] for new words.
inline bmae::WordPiece make_tokenizer(Collection const& collection, std::size_t vocabulary) {
    bmae::VocabularyBuilder builder({.vocabulary_size = vocabulary});
    for (auto const* part : {&collection.texts, &collection.unlabeled}) {
        for (std::string const& text : *part) { builder.add(text); }
    }
    bmae::WordPiece const all = builder.build_tokenizer();
    std::vector<bool> used(all.size(), false);
    for (auto const* part : {&collection.texts, &collection.unlabeled}) {
        for (std::string const& text : *part) {
            for (bmae::TokenId const id : all.encode(text)) { used[static_cast<std::size_t>(id)] = true; }
        }
    }
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < used.size(); ++i) {
        std::string const& token = all.tokens()[i];
        bool const single = token.size() == 1 || (token.size() == 3 && token.starts_with("##"));
        if (used[i] || single || all.traits().is_special(static_cast<bmae::TokenId>(i))) { tokens.push_back(token); }
    }
    return bmae::WordPiece(tokens);
}

}  // namespace quickstart
