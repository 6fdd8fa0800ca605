// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reads length-prefixed records on stdin and writes what the tokenizers make of them, for subword_parity.py.
///
/// subword_driver bpe|unigram TOKENIZER ids       record: u32 n, n bytes -> u32 count, i32 ids with the tokens around a text
/// subword_driver any FOLDER ids                  the same for a tokenizer of any kind; warnings go to standard error
/// subword_driver any FOLDER save FOLDER          writes its files
/// subword_driver bpe|unigram TOKENIZER decode S  record: u32 n, n i32 ids -> u32 n, n bytes; S = 1 skips special tokens
#include <string>
#include <vector>

#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/byte_level_bpe.hpp>
#include <bmae/text/unigram.hpp>

#include "records.hpp"

namespace {

template <class T>
int run(T const& tokenizer, std::vector<std::string> const& arguments) {
    if (arguments.at(3) == "ids") {
        for (std::string text; records::read(text);) { records::write(tokenizer.encode_with_specials(text)); }
        return 0;
    }
    for (std::vector<bmae::TokenId> ids; records::read(ids);) { records::write(tokenizer.decode(ids, arguments.at(4) == "1")); }
    return 0;
}

int run_any(std::vector<std::string> const& arguments) {
    bmae::AnyTokenizer const tokenizer = bmae::AnyTokenizer::from_file(arguments.at(2));
    if (arguments.at(3) == "save") {
        tokenizer.save(arguments.at(4));
        return 0;
    }
    auto const [before, after] = tokenizer.wrapping();
    for (std::string text; records::read(text);) {
        std::vector<bmae::TokenId> ids = before;
        for (bmae::TokenId const id : tokenizer.encode(text)) { ids.push_back(id); }
        ids.insert(ids.end(), after.begin(), after.end());
        records::write(ids);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> const arguments(argv, argv + argc);
    return records::guarded([&] {
        if (arguments.at(1) == "any") { return run_any(arguments); }
        if (arguments.at(1) == "bpe") { return run(bmae::ByteLevelBpe::from_file(arguments.at(2)), arguments); }
        return run(bmae::Unigram::from_file(arguments.at(2)), arguments);
    });
}
