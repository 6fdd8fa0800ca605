// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reads length-prefixed texts on stdin and writes their ids, for tokenizer_parity.py.
///
/// tokenizer_driver TOKENIZER ids            record: u32 n, n bytes -> u32 count, i32 ids
/// tokenizer_driver TOKENIZER offsets        record as above -> u32 count, count times i32 id, u32 begin, u32 end
/// tokenizer_driver TOKENIZER pair M T       two records -> u32 count, count times i32 id, u32 type; M = max length,
///                                           T = strategy 0..2;
///                                           count 0xffffffff: refused
/// tokenizer_driver TOKENIZER decode S       record: u32 n, n i32 ids -> u32 n, n bytes; S = 1 skips special tokens
/// tokenizer_driver TOKENIZER save FOLDER    writes the tokenizer
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include <bmae/text/wordpiece.hpp>

namespace {

bool read_record(std::string& text, std::size_t unit = 1) {
    std::uint32_t size = 0;
    if (std::fread(&size, 4, 1, stdin) != 1) { return false; }
    text.resize(size * unit);
    return text.empty() || std::fread(text.data(), 1, text.size(), stdin) == text.size();
}

void write_word(std::uint64_t value) {
    auto const word = static_cast<std::uint32_t>(value);
    std::fwrite(&word, 4, 1, stdout);
}

int run(std::vector<std::string> const& arguments) {
    bmae::WordPiece const tokenizer = bmae::WordPiece::from_file(arguments.at(1));
    std::string const& mode = arguments.at(2);
    std::string text;
    if (mode == "ids") {
        std::vector<bmae::TokenId> ids;
        while (read_record(text)) {
            ids.clear();
            tokenizer.encode_into(text, ids);
            write_word(ids.size());
            std::fwrite(ids.data(), 4, ids.size(), stdout);
        }
    } else if (mode == "offsets") {
        while (read_record(text)) {
            std::vector<bmae::TokenId> ids;
            std::vector<bmae::ByteSpan> offsets;
            tokenizer.encode_into(text, ids, offsets);
            write_word(ids.size());
            for (std::size_t i = 0; i < ids.size(); ++i) {
                write_word(static_cast<std::uint32_t>(ids[i]));
                write_word(offsets[i].begin);
                write_word(offsets[i].end);
            }
        }
    } else if (mode == "pair") {
        bmae::EncodeOptions const options{.max_length = std::stoul(arguments.at(3)),
                                          .truncation = static_cast<bmae::Truncation>(std::stoi(arguments.at(4)))};
        std::string pair;
        while (read_record(text) && read_record(pair)) {
            try {
                bmae::Encoding const encoding = tokenizer.encode_pair(text, pair, options);
                write_word(encoding.size());
                for (std::size_t i = 0; i < encoding.size(); ++i) {
                    write_word(static_cast<std::uint32_t>(encoding.ids[i]));
                    write_word(encoding.token_types[i]);
                }
            } catch (bmae::InputError const&) { write_word(0xffffffffU); }
        }
    } else if (mode == "decode") {
        while (read_record(text, 4)) {
            std::vector<bmae::TokenId> ids(text.size() / 4);
            if (!ids.empty()) { std::memcpy(ids.data(), text.data(), text.size()); }
            std::string const decoded = tokenizer.decode(ids, arguments.at(3) == "1");
            write_word(decoded.size());
            std::fwrite(decoded.data(), 1, decoded.size(), stdout);
        }
    } else if (mode == "save") {
        tokenizer.save(arguments.at(3));
    } else {
        std::fprintf(stderr, "unknown mode %s\n", mode.c_str());
        return 2;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv, argv + argc});
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
