// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests the sources that agree on a choice (include/bmae/sources/{partner_span,two_spans,cloze,one_query}.hpp), on token stores.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/sources/cloze.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/one_query.hpp>
#include <bmae/sources/partner_span.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/two_spans.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_writer.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(shared_sources)

using namespace bmae;
using Ids = std::vector<TokenId>;

namespace {

constexpr std::size_t vocabulary = 100000;
TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(vocabulary, 0));

/// What a view reads whose own draw is `view` and whose example has the shared draw `seed`.
template <class S>
Ids read(S const& source, Example const& example, std::uint64_t seed = 0, std::uint64_t view = 0) {
    Draw draw({.seed = seed, .slot = view});
    Draw const shared({.seed = seed, .slot = 1000});
    return source.read(example, traits, draw, shared);
}

void equal(Ids const& found, Ids const& expected) { BOOST_TEST(found == expected, boost::test_tools::per_element()); }

/// A document whose token `i` has the id `first + i`, in sentences of the given lengths.
TokenizedDocument document(std::string id, TokenId first, std::vector<std::uint32_t> const& lengths) {
    TokenizedDocument result{.id = std::move(id)};
    std::uint32_t end = 0;
    for (std::uint32_t const length : lengths) { result.sentence_ends.push_back(end += length); }
    result.tokens.resize(end);
    std::iota(result.tokens.begin(), result.tokens.end(), first);
    return result;
}

TokenStore store_of(std::filesystem::path const& folder, std::vector<TokenizedDocument> const& documents,
                    PassageOptions const& options) {
    TokenStoreWriter writer(folder, traits, 7, options);
    for (TokenizedDocument const& each : documents) { writer.add(each); }
    writer.finish();
    return TokenStore::open(folder);
}

bool is_run(Ids const& text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] != text[i - 1] + 1) { return false; }
    }
    return true;
}

struct Nameless {
    Ids read(Example const&, TokenTraits const&, Draw&, Draw) const { return {}; }
};
static_assert(SharedTextSource<OneQuery> && !TextSource<OneQuery> && AnyTextSource<OneQuery>);
static_assert(TextSource<Passage> && !SharedTextSource<Passage> && AnyTextSource<Passage>);
static_assert(!AnyTextSource<Nameless> && !AnyTextSource<int>);
static_assert(explain_text_source<Passage>() && explain_text_source<PartnerSpan>());

}  // namespace

BOOST_AUTO_TEST_CASE(absent_texts_are_empty_and_views_agree) {
    using All = std::tuple<PartnerSpan, FirstSpan, SecondSpan, ClozeSentence, ClozeContext, OneQuery>;
    Ids tokens(60);
    std::iota(tokens.begin(), tokens.end(), 10);
    std::vector<std::uint32_t> const ends = {10, 25, 30, 50, 60};
    Ids const query = {7}, other = {8};
    Example const example{.passage = std::span(tokens).subspan(10, 20),
                          .sentence_ends = ends,
                          .document = tokens,
                          .passage_offset = 10,
                          .queries = {query, other}};
    std::set<std::string_view> names;
    std::apply(
        [&]<class... S>(S const&... source) {
            auto const check = [&]<class One>(One const& one) {
                names.insert(One::name);
                equal(read(one, {}), {});
                for (std::uint64_t seed = 0; seed < 50; ++seed) {
                    equal(read(one, example, seed, 1), read(one, example, seed, 2));
                }
            };
            (check(source), ...);
        },
        All{});
    BOOST_TEST(names.size() == std::tuple_size_v<All>);
}

BOOST_AUTO_TEST_CASE(partners_of_a_store_are_its_passages_and_never_cross_documents) {
    test::Scratch const scratch;
    std::vector<std::uint32_t> lengths;
    Draw draw({.seed = 2});
    for (int i = 0; i < 150; ++i) { lengths.push_back(1 + static_cast<std::uint32_t>(draw.below(14))); }
    lengths[70] = 45;   // longer than a passage
    TokenStore const store =
        store_of(scratch / "store", {document("a", 1000, {8, 8, 4}), document("b", 20000, lengths), document("c", 50000, {5})},
                 {.max_length = 18});
    std::set<Ids> passages;
    for (std::size_t i = 0; i < store.size(); ++i) {
        auto const passage = store.example(i, 16).passage;
        passages.insert(Ids(passage.begin(), passage.end()));
    }
    for (std::size_t i = 0; i < store.size(); ++i) {
        Example const example = store.example(i, 16);
        TokenId const low = example.document.front(), high = example.document.back();
        bool const alone = example.previous.empty() && example.next.empty();
        std::set<Ids> random;
        for (std::uint64_t seed = 0; seed < 60; ++seed) {
            for (PartnerKind const kind : {PartnerKind::random, PartnerKind::nearby, PartnerKind::overlap, PartnerKind::mixed}) {
                Ids const partner = read(PartnerSpan{.kind = kind, .length = 16, .reach = 3}, example, seed);
                BOOST_TEST(is_run(partner));
                BOOST_TEST(partner.size() <= 16U);
                if (!partner.empty()) { BOOST_TEST((partner.front() >= low && partner.back() <= high)); }
                if (kind == PartnerKind::random || kind == PartnerKind::nearby) {
                    BOOST_TEST(partner.empty() == alone);
                    if (!alone) { BOOST_TEST(passages.contains(partner)); }
                    BOOST_TEST((partner.empty() || partner.front() != example.passage.front()));
                }
                if (kind == PartnerKind::nearby && !alone) {
                    Ids const before(example.previous.begin(), example.previous.end()),
                        after(example.next.begin(), example.next.end());
                    BOOST_TEST((partner == before || partner == after));
                }
                if (kind == PartnerKind::random) { random.insert(partner); }
            }
            for (auto const& neighbor : {example.previous, example.next}) {
                if (!neighbor.empty()) { BOOST_TEST((neighbor.front() >= low && neighbor.back() <= high)); }
            }
        }
        BOOST_TEST(random.size() <= 6U);   // reach 3 on either side
        bool const inside = store.document_of(i) == 1 && i >= 5 && i + 4 < store.size() - 1;
        if (inside) { BOOST_TEST(random.size() == 6U); }
    }
}

BOOST_AUTO_TEST_CASE(overlap_takes_at_most_half_of_the_sentences_and_goes_on) {
    Ids tokens(100);
    std::iota(tokens.begin(), tokens.end(), 10);
    std::vector<std::uint32_t> const ends = {10, 20, 30, 40, 50, 60, 100};
    Example const example{.passage = std::span(tokens).first(50), .sentence_ends = ends, .document = tokens};
    std::map<TokenId, int> starts;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Ids const partner = read(PartnerSpan{.kind = PartnerKind::overlap, .length = 30}, example, seed);
        BOOST_TEST(partner.back() == 69);   // up to token 60: the next sentence does not fit
        ++starts[partner.front()];
    }
    BOOST_TEST(starts.size() == 2U);   // one or two of five sentences
    BOOST_TEST(std::abs(starts[40] - 200) < 50);
    BOOST_TEST(std::abs(starts[50] - 200) < 50);
    // One sentence: what follows, and nothing where nothing does.
    Example const last{.passage = std::span(tokens).subspan(60), .sentence_ends = ends, .document = tokens, .passage_offset = 60};
    equal(read(PartnerSpan{.kind = PartnerKind::overlap}, last), {});
    Example const first{.passage = std::span(tokens).first(10), .sentence_ends = ends, .document = tokens};
    Ids const next = read(PartnerSpan{.kind = PartnerKind::overlap, .length = 5}, first);
    equal(next, {20, 21, 22, 23, 24});   // a part of a sentence that is too long
}

BOOST_AUTO_TEST_CASE(mixed_is_uniform_over_the_kinds_that_there_are) {
    Ids tokens(1000);
    std::iota(tokens.begin(), tokens.end(), 10);
    std::vector<std::uint32_t> ends;
    for (std::uint32_t end = 5; end <= 1000; end += 5) { ends.push_back(end); }
    Example const example{
        .passage = std::span(tokens).subspan(500, 20), .sentence_ends = ends, .document = tokens, .passage_offset = 500};
    double overlap = 0, nearby = 0;
    int const draws = 6000;
    for (int k = 0; k < draws; ++k) {
        Ids const partner = read(PartnerSpan{.length = 20}, example, static_cast<std::uint64_t>(k));
        TokenId const start = partner.front() - 10;
        overlap += start >= 500 && start < 520 ? 1 : 0;
        nearby += start == 480 || start == 520 ? 1 : 0;
    }
    BOOST_TEST(std::abs(overlap / draws - 1.0 / 3) < .03);
    BOOST_TEST(std::abs(nearby / draws - (1.0 / 3 + 2.0 / 49 / 3)) < .03);   // 25 + 24 spans beside the passage
    // A document of one passage has an overlap and nothing else.
    Example const whole{.passage = std::span(tokens).first(20),
                        .sentence_ends = std::span(ends).first(4),
                        .document = std::span(tokens).first(20)};
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Ids const partner = read(PartnerSpan{}, whole, seed);
        BOOST_TEST(partner.back() == 29);
        BOOST_TEST((partner.front() == 20 || partner.front() == 25));
    }
}

BOOST_AUTO_TEST_CASE(spans_without_their_document_are_refused) {
    Ids const tokens = {10, 11, 12};
    std::vector<std::uint32_t> const ends = {3}, wrong = {2};
    for (Example const& example : {Example{.passage = tokens}, Example{.passage = tokens, .document = tokens},
                                   Example{.passage = tokens, .sentence_ends = wrong, .document = tokens},
                                   Example{.passage = tokens, .sentence_ends = ends, .document = tokens, .passage_offset = 1}}) {
        BOOST_CHECK_THROW(read(PartnerSpan{}, example), InputError);
        BOOST_CHECK_THROW(read(ClozeSentence{}, example), InputError);
        BOOST_CHECK_THROW(read(ClozeContext{}, example), InputError);
    }
    Example const good{.passage = tokens, .sentence_ends = ends, .document = tokens};
    BOOST_CHECK_THROW(read(PartnerSpan{.length = 0}, good), InputError);
    BOOST_CHECK_THROW(read(FirstSpan{.length = 0}, good), InputError);
    BOOST_CHECK_THROW(read(ClozeContext{.kept = 2}, good), InputError);
}

BOOST_AUTO_TEST_CASE(two_spans_differ_wherever_the_document_has_two) {
    Ids tokens(103);
    std::iota(tokens.begin(), tokens.end(), 0);
    std::map<std::pair<TokenId, TokenId>, int> pairs;
    int const draws = 11000;
    for (int k = 0; k < draws; ++k) {
        auto const seed = static_cast<std::uint64_t>(k);
        Ids const first = read(FirstSpan{.length = 10}, {.document = tokens}, seed, 1);
        Ids const second = read(SecondSpan{.length = 10}, {.document = tokens}, seed, 2);
        BOOST_TEST((is_run(first) && is_run(second)));
        BOOST_TEST(first.front() != second.front());
        BOOST_TEST(first.size() == (first.front() == 100 ? 3U : 10U));
        ++pairs[{first.front() / 10, second.front() / 10}];
    }
    BOOST_TEST(pairs.size() == 110U);   // 11 x 10 ordered pairs, each equally likely
    double chi = 0;
    for (auto const& [pair, count] : pairs) { chi += (count - 100.0) * (count - 100.0) / 100; }
    BOOST_TEST(chi < 109 + 5 * std::sqrt(2 * 109.0));
    equal(read(FirstSpan{.length = 103}, {.document = tokens}), tokens);
    equal(read(SecondSpan{.length = 1000}, {.document = tokens}), tokens);   // one window: the same text twice
}

BOOST_AUTO_TEST_CASE(cloze_splits_the_passage_at_one_sentence) {
    test::Scratch const scratch;
    TokenStore const store = store_of(scratch / "store", {document("a", 10, {3, 4, 2, 6, 20, 1})}, {.max_length = 11});
    for (std::size_t i = 0; i < store.size(); ++i) {
        Example const example = store.example(i, 9);
        Ids const passage(example.passage.begin(), example.passage.end());
        std::set<Ids> sentences;
        double kept = 0;
        int const draws = 2000;
        for (int k = 0; k < draws; ++k) {
            auto const seed = static_cast<std::uint64_t>(k);
            Ids const sentence = read(ClozeSentence{}, example, seed, 1);
            Ids const context = read(ClozeContext{}, example, seed, 2);
            BOOST_TEST(!sentence.empty());
            sentences.insert(sentence);
            if (context == passage) {
                kept += 1;
                continue;
            }
            Ids both = context;   // context and sentence together are the passage
            both.insert(std::ranges::upper_bound(both, sentence.front()), sentence.begin(), sentence.end());
            equal(both, passage);
        }
        BOOST_TEST(std::abs(kept / draws - .1) < .035);
        BOOST_TEST(sentences.size() == (i == 0 ? 3U : i == 1 ? 1U : sentences.size()));
    }
    Example const example = store.example(0, 9);
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        BOOST_TEST(read(ClozeContext{.kept = 1}, example, seed).size() == 9U);
        BOOST_TEST(read(ClozeContext{.kept = 0}, example, seed).size() < 9U);
        equal(read(ClozeContext{.kept = 0}, store.example(1, 6), seed), {});   // one sentence: nothing is left
    }
}

BOOST_AUTO_TEST_CASE(one_query_is_drawn_uniformly) {
    std::vector<Ids> queries;
    for (TokenId id = 10; id < 30; ++id) { queries.push_back({id, id}); }
    Example example;
    example.queries.assign(queries.begin(), queries.end());
    std::map<Ids, int> hits;
    for (std::uint64_t seed = 0; seed < 4000; ++seed) { ++hits[read(OneQuery{}, example, seed)]; }
    BOOST_TEST(hits.size() == 20U);
    double chi = 0;
    for (auto const& [query, count] : hits) { chi += (count - 200.0) * (count - 200.0) / 200; }
    BOOST_TEST(chi < 19 + 5 * std::sqrt(2 * 19.0));
    hits.clear();
    for (std::uint64_t seed = 0; seed < 200; ++seed) { ++hits[read(OneQuery{.maximum = 3}, example, seed)]; }
    BOOST_TEST(hits.size() == 3U);
}

// Published collators draw the window of a long text once for the mask and once for the ids.
BOOST_AUTO_TEST_CASE(pitfall_01_one_window_is_shared_by_all_views) {
    test::Scratch const scratch;
    TokenStore const store =
        store_of(scratch / "store", {document("a", 10, {300})}, {.max_length = 128, .blocks = Blocks::whole_document});
    std::set<TokenId> starts;
    for (std::uint64_t epoch = 0; epoch < 300; ++epoch) {
        Draw window({.seed = 1, .epoch = epoch, .example = 0, .slot = 77});
        Example const example = store.example(0, 126, window);
        BOOST_TEST(example.passage.size() == 126U);
        BOOST_TEST(example.passage.front() == static_cast<TokenId>(10 + example.passage_offset));
        Draw draw({});
        Ids const view = Passage{}.read(example, traits, draw);
        equal(view, Passage{}.read(example, traits, draw));   // every view reads the window that was drawn
        Ids const sentence = read(ClozeSentence{}, example, epoch);
        equal(sentence, view);   // a sentence is cut to the window
        starts.insert(view.front());
    }
    BOOST_TEST(starts.size() > 100U);
}

BOOST_AUTO_TEST_SUITE_END()
