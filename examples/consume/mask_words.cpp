// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Masks half of a sentence's words, without LibTorch.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <vector>

#include <bmae/maskers/whole_word.hpp>
#include <bmae/version.hpp>

int main() {
    bmae::TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(12, 0));
    std::vector<bmae::TokenId> const ids{2, 5, 6, 7, 8, 9, 10, 3};
    bmae::Draw draw({.seed = 1});
    auto const flags = bmae::WholeWordMasker{.rate = .5, .basis = bmae::MaskBasis::all}.draw({ids, traits}, draw);
    auto const hidden = std::ranges::count(flags, std::uint8_t{1});
    std::cout << "bmae " << bmae::version << " hides " << hidden << " of " << ids.size() << " tokens\n";
    return hidden == 4 ? 0 : 1;
}
