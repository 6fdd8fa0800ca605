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
#include <string>
#include <vector>

#include <bmae/text/wordpiece.hpp>

#include "records.hpp"

namespace {

int run(std::vector<std::string> const& arguments) {
    bmae::WordPiece const tokenizer = bmae::WordPiece::from_file(arguments.at(1));
    std::string const& mode = arguments.at(2);
    std::string text;
    std::vector<bmae::TokenId> ids;
    if (mode == "ids") {
        while (records::read(text)) {
            ids.clear();
            tokenizer.encode_into(text, ids);
            records::write(ids);
        }
    } else if (mode == "offsets") {
        while (records::read(text)) {
            ids.clear();
            std::vector<bmae::ByteSpan> offsets;
            tokenizer.encode_into(text, ids, offsets);
            records::write_word(ids.size());
            for (std::size_t i = 0; i < ids.size(); ++i) {
                records::write_word(static_cast<std::uint32_t>(ids[i]));
                records::write_word(offsets[i].begin);
                records::write_word(offsets[i].end);
            }
        }
    } else if (mode == "pair") {
        bmae::EncodeOptions const options{.max_length = std::stoul(arguments.at(3)),
                                          .truncation = static_cast<bmae::Truncation>(std::stoi(arguments.at(4)))};
        std::string pair;
        while (records::read(text) && records::read(pair)) {
            try {
                bmae::Encoding const encoding = tokenizer.encode_pair(text, pair, options);
                records::write_word(encoding.size());
                for (std::size_t i = 0; i < encoding.size(); ++i) {
                    records::write_word(static_cast<std::uint32_t>(encoding.ids[i]));
                    records::write_word(encoding.token_types[i]);
                }
            } catch (bmae::InputError const&) { records::write_word(0xffffffffU); }
        }
    } else if (mode == "decode") {
        while (records::read(ids)) { records::write(tokenizer.decode(ids, arguments.at(3) == "1")); }
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
    return records::guarded([&] { return run({argv, argv + argc}); });
}
