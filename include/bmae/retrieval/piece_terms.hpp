// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The pieces of a model's tokenizer as index terms, for any language.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/detail/hash.hpp>
#include <bmae/retrieval/analyzer_options.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Pieces in the form of the vocabulary ("##ing"). Unknown ones are left out: they are no sign of a common word.
class TokenizerPieces : public PieceTerms {
public:
    TokenizerPieces(AnyTokenizer tokenizer, std::filesystem::path folder)
        : tokenizer_(std::move(tokenizer)), folder_(std::move(folder)) {}

    void for_each(std::string_view text, std::function<void(std::string_view)> const& use) const override {
        TokenId const unknown = tokenizer_.traits().special().unk;
        for (TokenId const id : tokenizer_.encode(text)) {
            if (id != unknown) { use(tokenizer_.token(id)); }
        }
    }
    [[nodiscard]] std::string folder() const override { return folder_.string(); }
    [[nodiscard]] std::string fingerprint() const override { return detail::to_hex(tokenizer_.fingerprint()); }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }

private:
    AnyTokenizer tokenizer_;
    std::filesystem::path folder_;
};

/// Reads the tokenizer of a folder as `AnyTokenizer::from_file` does.
inline std::shared_ptr<PieceTerms const> read_piece_terms(std::filesystem::path const& folder) {
    return std::make_shared<TokenizerPieces const>(AnyTokenizer::from_file(folder), folder);
}

}  // namespace bmae
