// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small corpus of invented words on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/text/vocabulary_builder.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/draw.hpp>

namespace test {

/// Twelve documents of four sentences each.
inline bmae::TokenStore invented_store(std::filesystem::path const& folder, std::uint64_t seed = 4) {
    std::vector<std::string> documents;
    bmae::VocabularyBuilder words({.min_frequency = 1});
    bmae::Draw draw({.seed = seed});
    for (int d = 0; d < 12; ++d) {
        std::string& text = documents.emplace_back();
        for (int word = 1; word <= 20; ++word) {
            text += std::string(1, static_cast<char>('a' + draw.below(6))) + static_cast<char>('k' + draw.below(6)) +
                    (word % 5 == 0 ? "\n" : " ");
        }
        words.add(text);
    }
    bmae::WordPiece const tokenizer = words.build_tokenizer();
    bmae::TokenStoreBuilder builder(folder, tokenizer, {.passages = {.max_length = 36}});
    for (std::string const& text : documents) {
        builder.add({.id = "d" + std::to_string(&text - documents.data()), .text = text});
    }
    builder.finish();
    return bmae::TokenStore::open(folder);
}

}  // namespace test
