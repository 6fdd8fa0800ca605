// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reads length-prefixed records on stdin and writes what the tokenizers make of them, for subword_parity.py.
///
/// subword_driver bpe|unigram TOKENIZER ids       record: u32 n, n bytes -> u32 count, i32 ids with the tokens around a text
/// subword_driver bpe|unigram TOKENIZER decode S  record: u32 n, n i32 ids -> u32 n, n bytes; S = 1 skips special tokens
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <bmae/text/byte_level_bpe.hpp>
#include <bmae/text/unigram.hpp>

namespace {

bool read_record(std::string& text, std::size_t unit = 1) {
    std::uint32_t size = 0;
    if (std::fread(&size, 4, 1, stdin) != 1) { return false; }
    text.resize(size * unit);
    return text.empty() || std::fread(text.data(), 1, text.size(), stdin) == text.size();
}

void write_word(std::size_t value) {
    auto const word = static_cast<std::uint32_t>(value);
    std::fwrite(&word, 4, 1, stdout);
}

template <class T>
int run(T const& tokenizer, std::vector<std::string> const& arguments) {
    std::string text;
    if (arguments.at(3) == "ids") {
        while (read_record(text)) {
            std::vector<bmae::TokenId> const ids = tokenizer.encode_with_specials(text);
            write_word(ids.size());
            std::fwrite(ids.data(), 4, ids.size(), stdout);
        }
        return 0;
    }
    while (read_record(text, 4)) {
        std::vector<bmae::TokenId> ids(text.size() / 4);
        if (!ids.empty()) { std::memcpy(ids.data(), text.data(), text.size()); }
        std::string const decoded = tokenizer.decode(ids, arguments.at(4) == "1");
        write_word(decoded.size());
        std::fwrite(decoded.data(), 1, decoded.size(), stdout);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> const arguments(argv, argv + argc);
    try {
        if (arguments.at(1) == "bpe") { return run(bmae::ByteLevelBpe::from_file(arguments.at(2)), arguments); }
        return run(bmae::Unigram::from_file(arguments.at(2)), arguments);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
