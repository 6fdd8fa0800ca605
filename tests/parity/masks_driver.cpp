// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Answers masks_parity.py line by line. Ids from 800 on continue a word; 0..4 are [PAD] [UNK] [CLS] [SEP] [MASK].
//   budget TOKENS RATE              -> tokens to hide
//   whole_word RATE DRAWS ID...     -> MASK:COUNT ... over so many draws, bit i of MASK = token i hidden (at most 64 tokens)
//   row_visibility RATE DRAWS ID... -> the same for entries of the pool, one pool per draw
//   corrupt DRAWS ID...             -> how often all flagged targets became [MASK], another id, themselves
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <bmae/corruptors/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>

using namespace bmae;

namespace {

std::vector<TokenId> ids_of(std::istream& words) {
    std::vector<TokenId> ids;
    for (TokenId id; words >> id;) { ids.push_back(id); }
    return ids;
}

void draw_masks(std::string const& command, double rate, std::uint64_t draws, TokenSpan text) {
    std::map<std::uint64_t, std::size_t> seen;
    std::uint64_t const inside = text.size() < 64 ? (std::uint64_t{1} << text.size()) - 1 : ~std::uint64_t{0};
    for (std::uint64_t k = 0; k < draws; ++k) {
        Draw draw({.seed = 11, .example = k});
        if (command == "whole_word") {
            MaskFlags const flags = WholeWordMasker{.rate = rate}.draw(text, draw);
            std::uint64_t bits = 0;
            for (std::size_t i = 0; i < flags.size(); ++i) { bits |= static_cast<std::uint64_t>(flags[i]) << i; }
            ++seen[bits];
        } else {
            for (std::uint64_t const bits : RowVisibility{.rate = rate}.draw(text, draw).bits) { ++seen[~bits & inside]; }
        }
    }
    for (auto const& [bits, count] : seen) { std::printf("%llu:%zu ", static_cast<unsigned long long>(bits), count); }
    std::puts("");
}

void corrupt(std::uint64_t draws, std::vector<TokenId> const& ids, TokenTraits const& traits) {
    std::size_t masked = 0, random = 0, kept = 0;
    for (std::uint64_t k = 0; k < draws; ++k) {
        MaskedText text{.original_ids = ids, .input_ids = ids, .flags = MaskFlags(ids.size(), 1)};
        Draw draw({.seed = 12, .example = k});
        BertCorruptor{}.corrupt(text, traits, draw);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (text.flags[i] == 0) { continue; }
            bool const same = text.input_ids[i] == ids[i];
            ++(same ? kept : text.input_ids[i] == traits.special().mask ? masked : random);
        }
    }
    std::printf("%zu %zu %zu\n", masked, random, kept);
}

}  // namespace

int main() {
    try {
        std::vector<std::uint8_t> continues(1000, 0);
        for (std::size_t id = 800; id < continues.size(); ++id) { continues[id] = 1; }
        TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, continues);
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream words(line);
            std::string command;
            double rate = 0;
            std::uint64_t count = 0;
            words >> command;
            if (command == "budget") {
                words >> count >> rate;
                std::printf("%zu\n", detail::mask_budget(count, rate, 1, 512));
            } else if (command == "corrupt") {
                words >> count;
                corrupt(count, ids_of(words), traits);
            } else {
                words >> rate >> count;
                std::vector<TokenId> const ids = ids_of(words);
                draw_masks(command, rate, count, TokenSpan(ids, traits));
            }
        }
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
