// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A related masker inside a view: it meets the text that the encoder read, or nothing is drawn.
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corruptors/deletion.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/exclusive.hpp>
#include <bmae/maskers/superset.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/two_spans.hpp>

namespace {

using namespace bmae;

TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(200, 0));

/// A source that chooses in secret: the last or the first half, of one length.
struct SecretHalf {
    static constexpr std::string_view name = "secret_half";
    std::vector<TokenId> read(Example const& example, TokenTraits const&, Draw& draw) const {
        std::size_t const half = example.passage.size() / 2;
        auto const text = draw.chance(.5) ? example.passage.first(half) : example.passage.last(half);
        return {text.begin(), text.end()};
    }
};

struct Text {
    std::vector<TokenId> document = std::vector<TokenId>(60);
    Example example;

    Text() {
        std::iota(document.begin(), document.end(), 10);
        example = {.passage = std::span<TokenId const>(document).first(20),
                   .document = document,
                   .next = std::span<TokenId const>(document).subspan(20, 20)};   // as long as the passage
    }
};

ViewDraws draws(std::uint64_t slot, std::uint64_t seed = 0) {
    return {Draw({.seed = seed, .slot = slot}), Draw({.seed = seed, .slot = 1000})};
}

template <class EncoderView, class Related>
std::string refusal(std::uint64_t seed = 0) {
    Text const text;
    try {
        MaskedText const encoder = EncoderView{}.assemble(text.example, traits, {.max_length = 40}, draws(0, seed)).front().text;
        MaskedText const branch =
            Related{}.assemble(text.example, traits, {.max_length = 40}, draws(1, seed), &encoder).front().text;
        BOOST_TEST(branch.original_ids == encoder.original_ids, boost::test_tools::per_element());
    } catch (InputError const& error) { return error.what(); }
    return "";
}

template <class Masker>
void check() {
    using Words = View<Passage, WholeWordMasker>;
    BOOST_TEST((refusal<Words, View<Passage, Masker>>() == ""));
    std::string const other = refusal<Words, View<NextPassage, Masker>>();
    BOOST_CHECK_MESSAGE(other.find("to read the same text (next_passage), found texts of 22 and 22 tokens") != std::string::npos,
                        other);
    std::string const shorter = refusal<View<Passage, WholeWordMasker, TokenDeletion>, View<Passage, Masker>>();
    BOOST_CHECK_MESSAGE(shorter.find("to read the same text (passage)") != std::string::npos, shorter);
    int refused = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        refused += refusal<View<SecretHalf, WholeWordMasker>, View<SecretHalf, Masker>>(seed).empty() ? 0 : 1;
        BOOST_TEST((refusal<View<FirstSpan, WholeWordMasker>, View<FirstSpan, Masker>>(seed) == ""));
    }
    BOOST_TEST(refused > 5);
    BOOST_TEST(refused < 35);
    Text const text;
    View<Passage, Masker> const alone;
    BOOST_CHECK_THROW(static_cast<void>(alone.assemble(text.example, traits, {}, draws(1))), InputError);
}

}  // namespace

BOOST_AUTO_TEST_CASE(related_maskers_meet_the_text_of_the_encoder) {
    check<ComplementMasker>();
    check<SupersetMasker>();
    check<ExclusiveMasker>();
}
