// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/maskers/word_weights.hpp, word_dictionary.hpp and keyword.hpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/maskers/keyword.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/maskers/word_dictionary.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/token_store_writer.hpp>

#include <corpus/scratch.hpp>

#include "invented_text.hpp"

using namespace bmae;
using namespace bmae_test;
using Ids = std::vector<TokenId>;

namespace {

std::uint64_t const no_limit = std::numeric_limits<std::uint64_t>::max();

/// Counts of the words 10, 11, ...: the k-th occurs `counts[k]` times in as many of `documents` texts.
std::shared_ptr<WordWeights const> counted(std::vector<std::uint64_t> const& counts, std::uint64_t documents = 1000) {
    std::vector<WordWeights::Word> words;
    for (std::size_t k = 0; k < counts.size(); ++k) {
        Ids const word = {static_cast<TokenId>(10 + k)};
        if (counts[k] != 0) { words.push_back({WordWeights::hash_of(word), counts[k], documents == 0 ? 0 : counts[k]}); }
    }
    return std::make_shared<WordWeights const>(std::move(words), documents, traits().size());
}

KeywordMasker released(std::shared_ptr<WordWeights const> weights) {
    return {.weighting = KeywordWeighting::inverse_count,
            .sampling = KeywordSampling::released_rounds,
            .weights = std::move(weights)};
}

MaskFlags drawn(KeywordMasker const& masker, Ids const& ids, std::uint64_t seed = 0) {
    Draw draw({.seed = seed});
    return masker.draw(TokenSpan(ids, traits()), draw);
}

std::size_t count(MaskFlags const& flags) { return static_cast<std::size_t>(std::ranges::count(flags, 1)); }

/// Chi-square of first draws (a budget of one token) against the weights; 5 standard deviations above the mean is refused.
void check_first_draws(KeywordMasker masker, Ids const& ids, std::vector<double> const& weights) {
    masker.rate = 0;
    std::vector<double> hits(weights.size(), 0);
    int const draws = 40000;
    for (int k = 0; k < draws; ++k) {
        MaskFlags const flags = drawn(masker, ids, static_cast<std::uint64_t>(k));
        BOOST_TEST_REQUIRE(count(flags) == 1U);
        hits[static_cast<std::size_t>(std::ranges::find(flags, 1) - flags.begin()) - 1] += 1;
    }
    double sum = 0, chi = 0;
    for (double const weight : weights) { sum += weight; }
    for (std::size_t i = 0; i < weights.size(); ++i) {
        double const expected = draws * weights[i] / sum;
        chi += (hits[i] - expected) * (hits[i] - expected) / expected;
    }
    auto const freedom = static_cast<double>(weights.size()) - 1;
    BOOST_TEST(chi < freedom + 5 * std::sqrt(2 * freedom), "chi square " << chi << " at " << freedom << " degrees of freedom");
}

/// A vocabulary of a few tokens, with "##" for pieces.
struct SmallVocabulary {
    std::vector<std::string> tokens = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]",  "un", "##believ",
                                       "##able", "able",  "#",     "###",   "\"quote", "é"};
    TokenTraits known{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0}};

    [[nodiscard]] std::optional<TokenId> id(std::string_view token) const {
        auto const found = std::ranges::find(tokens, token);
        return found == tokens.end() ? std::nullopt : std::optional(static_cast<TokenId>(found - tokens.begin()));
    }
    [[nodiscard]] std::size_t size() const { return tokens.size(); }
    [[nodiscard]] std::vector<TokenId> encode(std::string_view) const { return {}; }
    [[nodiscard]] TokenTraits const& traits() const { return known; }
    [[nodiscard]] std::string_view token(TokenId id) const { return tokens[static_cast<std::size_t>(id)]; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(word_weights)

BOOST_AUTO_TEST_CASE(words_are_counted_as_whole_word_masking_joins_them) {
    std::vector<Ids> const texts = {
        {10, 11, 900, 10},         // "10", "11 900", "10"
        {11, sep, 900, unk, 11},   // a special ends the word and is none: "11", "900", "11"
        {900, 10},                 // starts inside a word
        {},
        {sep, unk},
    };
    WordWeights const weights = WordWeights::of(texts, traits());
    BOOST_TEST(weights.documents() == 5U);
    BOOST_TEST(weights.size() == 4U);
    auto const both = [&](Ids const& word, std::uint64_t occurrences, std::uint64_t documents) {
        BOOST_TEST(weights.count(word) == occurrences);
        BOOST_TEST(weights.document_frequency(word) == documents);
    };
    both({10}, 3, 2);
    both({11, 900}, 1, 1);
    both({11}, 2, 1);
    both({900}, 2, 2);
    both({900, 11}, 0, 0);
    both({unk}, 0, 0);
    both({}, 0, 0);
}

BOOST_AUTO_TEST_CASE(counts_do_not_depend_on_threads_and_equal_a_plain_count) {
    Draw draw({.seed = 3});
    std::vector<Ids> texts;
    std::map<Ids, std::pair<std::uint64_t, std::set<std::size_t>>> plain;
    for (std::size_t i = 0; i < 3000; ++i) {
        texts.push_back(text(2 + draw.below(40), draw));
        Ids const& ids = texts.back();
        for (std::size_t k = 0; k < ids.size(); ++k) {
            if (traits().is_special(ids[k])) { continue; }
            Ids word = {ids[k]};
            while (k + 1 < ids.size() && traits().continues_word(ids[k + 1])) { word.push_back(ids[++k]); }
            plain[word].first += 1;
            plain[word].second.insert(i);
        }
    }
    WordWeights const one = WordWeights::of(texts, traits(), 1);
    BOOST_TEST((one == WordWeights::of(texts, traits(), 4)));
    BOOST_TEST(one.size() == plain.size());
    for (auto const& [word, expected] : plain) {
        BOOST_TEST(one.count(word) == expected.first);
        BOOST_TEST(one.document_frequency(word) == expected.second.size());
    }
}

BOOST_AUTO_TEST_CASE(a_store_is_counted_by_passages) {
    test::Scratch const scratch;
    TokenStoreWriter writer(scratch / "store", traits(), 7, {.max_length = 4});
    writer.add({.id = "a", .tokens = {10, 11, 10, 12}, .sentence_ends = {2, 4}});
    writer.add({.id = "b", .tokens = {10}, .sentence_ends = {1}});
    writer.finish();
    TokenStore const store = TokenStore::open(scratch / "store");
    BOOST_TEST(store.size() == 3U);
    WordWeights const weights = WordWeights::of(store);
    BOOST_TEST(weights.documents() == 3U);
    BOOST_TEST(weights.count(Ids{10}) == 3U);
    BOOST_TEST(weights.document_frequency(Ids{10}) == 3U);
    BOOST_TEST(weights.count(Ids{12}) == 1U);
}

BOOST_AUTO_TEST_CASE(files_read_back_and_damage_is_told) {
    test::Scratch const scratch;
    Draw draw({.seed = 5});
    std::vector<Ids> texts;
    for (int i = 0; i < 200; ++i) { texts.push_back(text(30, draw)); }
    WordWeights const weights = WordWeights::of(texts, traits());
    auto const file = scratch / "words";
    weights.save(file);
    BOOST_TEST((WordWeights::load(file) == weights));
    BOOST_CHECK_EXCEPTION(weights.save(file), InputError, test::says("words", "Nothing is overwritten"));

    WordWeights::of(std::vector<Ids>{}, traits()).save(scratch / "empty");
    BOOST_TEST(WordWeights::load(scratch / "empty").size() == 0U);

    std::string const whole = detail::read_file(file);
    auto const changed = [&](std::size_t at, char to) {
        std::string bytes = whole;
        bytes[at] = to;
        return scratch.file("changed", bytes);
    };
    BOOST_CHECK_EXCEPTION(WordWeights::load(changed(0, 'x')), InputError, test::says("changed", "another format"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(changed(8, 2)), InputError, test::says("version 1", "version 2"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(changed(100, '?')), InputError, test::says("checksum"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(scratch.file("cut", whole.substr(0, whole.size() - 24))), InputError,
                          test::says("Truncated: copy it again"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(scratch.file("cut", whole.substr(0, 20))), InputError, test::says("It is truncated"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(scratch.file("cut", "")), InputError, test::says("another format"));
    BOOST_CHECK_EXCEPTION(WordWeights::load(scratch / "absent"), InputError, test::says("absent", "nothing of that name"));
}

BOOST_AUTO_TEST_CASE(counts_that_cannot_be_are_refused) {
    using Words = std::vector<WordWeights::Word>;
    BOOST_CHECK_THROW(WordWeights(Words{{1, 0, 0}}, 1, 10), InputError);
    BOOST_CHECK_THROW(WordWeights(Words{{1, 5, 2}}, 1, 10), InputError);
    BOOST_CHECK_THROW(WordWeights(Words{{1, 1, 2}}, 5, 10), InputError);
    BOOST_CHECK_THROW(WordWeights(Words{{1, 1, 1}, {1, 2, 1}}, 5, 10), InputError);
    WordWeights const ends(Words{{no_limit, 1, 1}, {0, 2, 1}}, 5, 10);   // hashes at both ends of the table
    BOOST_TEST(ends.find(no_limit).count == 1U);
    BOOST_TEST(ends.find(0).count == 2U);
    BOOST_TEST(ends.find(1).count == 0U);
}

BOOST_AUTO_TEST_CASE(the_released_dictionary_is_read_by_pieces) {
    test::Scratch const scratch;
    SmallVocabulary const vocabulary;
    auto const file =
        scratch.file("words.json", R"({"un##believ##able": 3, "able": 60351, "##able": 2, "####": 4, "\"quote": 5, "é": 6})");
    WordWeights const weights = read_word_dictionary(file, vocabulary);
    BOOST_TEST(weights.size() == 6U);
    BOOST_TEST(weights.documents() == 0U);
    BOOST_TEST(weights.count(Ids{5, 6, 7}) == 3U);
    BOOST_TEST(weights.count(Ids{8}) == 60351U);
    BOOST_TEST(weights.count(Ids{7}) == 2U);
    BOOST_TEST(weights.count(Ids{9, 10}) == 4U);   // "#" and "###": the cut is not where the first "##" is
    BOOST_TEST(weights.count(Ids{11}) == 5U);
    BOOST_TEST(weights.count(Ids{12}) == 6U);

    auto const refused = [&](std::string const& content, auto... parts) {
        BOOST_CHECK_EXCEPTION(read_word_dictionary(scratch.file("bad.json", content), vocabulary), InputError,
                              test::says("bad.json", parts...));
    };
    refused(R"({"foreign": 3})", "\"foreign\"", "this tokenizer");
    refused(R"({"un##foreign": 3})", "\"un##foreign\"");
    std::string long_word = "un";   // as deep a recursion, and as many tries, as a word had pieces
    for (int i = 0; i < 200'000; ++i) { long_word += "##able"; }
    refused("{\"" + long_word + "\": 1}", "words whose pieces the vocabulary has");
    refused("{\"" + long_word.substr(0, 150 * 6 + 2) + "##x\": 1}", "words whose pieces the vocabulary has");
    refused(R"({"un": 0})", "above 0", "\"un\"");
    refused(R"({"un": -1})", "-1");
    refused(R"({"un": 1.5})", "1.5");
    refused(R"({"un": {"able": 1}})", "an object");
    refused(R"({"un": 1, "un": 2})", "once");
    refused("{\"un\": 1,\n\"able\" 2}", "bad.json:2", "JSON");
    refused("[1]", "an array");
    refused("", "an empty file");
}

BOOST_AUTO_TEST_CASE(a_written_dictionary_reads_back) {
    test::Scratch const scratch;
    SmallVocabulary const vocabulary;
    std::vector<Ids> const texts = {{8, 5, 6, 7}, {7, 8, 3, 8}, {11, 12, 9, 10, 1}};
    auto const text_of = [&](std::size_t i) { return std::span<TokenId const>(texts[i]); };
    WordWeights const weights = WordWeights::of(texts, vocabulary.traits());
    write_word_dictionary(scratch / "words.json", weights, texts.size(), text_of, vocabulary);
    std::string const expected =
        "{\n\"able\": 3,\n\"un##believ##able\": 1,\n\"##able\": 1,\n\"\\\"quote\": 1,\n\"é\": 1,\n\"####\": 1\n}\n";
    BOOST_TEST(detail::read_file(scratch / "words.json") == expected);
    WordWeights const read = read_word_dictionary(scratch / "words.json", vocabulary);
    BOOST_TEST(read.size() == weights.size());
    for (WordWeights::Word const& word : weights.words()) { BOOST_TEST(read.find(word.hash).count == word.count); }
    write_word_dictionary(scratch / "none.json", WordWeights::of(std::vector<Ids>{}, vocabulary.traits()), 0, text_of,
                          vocabulary);
    BOOST_TEST(detail::read_file(scratch / "none.json") == "{}\n");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(keyword_masker)

BOOST_AUTO_TEST_CASE(flags_keep_the_laws) {
    Draw texts_draw({.seed = 6});
    std::vector<Ids> texts = {
        {}, {cls}, {cls, sep}, {cls, 10, sep}, {cls, 900, sep}, {cls, unk, pad, mask, sep, sep}, {cls, 10, sep, 900, 11, sep}};
    for (std::size_t const length : {8UL, 64UL, 128UL, 600UL}) { texts.push_back(text(length, texts_draw)); }
    auto const weights = std::make_shared<WordWeights const>(WordWeights::of(texts, traits()));
    for (KeywordWeighting const weighting : {KeywordWeighting::tf_idf, KeywordWeighting::inverse_count}) {
        for (KeywordSampling const sampling : {KeywordSampling::without_replacement, KeywordSampling::released_rounds}) {
            for (double const rate : {0.0, .5, 1.0}) {
                KeywordMasker const masker{.rate = rate, .weighting = weighting, .sampling = sampling, .weights = weights};
                for (Ids const& ids : texts) {
                    std::size_t longest = 1, content = 0;
                    detail::CandidateWords(TokenSpan(ids, traits()), true).for_each([&](auto const& word) {
                        longest = std::max(longest, word.size());
                        content += word.size();
                    });
                    for (std::uint64_t seed = 0; seed < 10; ++seed) {
                        MaskFlags const flags = drawn(masker, ids, seed);
                        BOOST_TEST(flags == drawn(masker, ids, seed), boost::test_tools::per_element());
                        BOOST_TEST_REQUIRE(flags.size() == ids.size());
                        for (std::size_t i = 0; i < ids.size(); ++i) {
                            if (traits().is_special(ids[i])) { BOOST_TEST(flags[i] == 0); }
                            bool const joined = i > 1 && traits().continues_word(ids[i]) && !traits().is_special(ids[i - 1]);
                            if (joined) { BOOST_TEST(flags[i] == flags[i - 1]); }
                        }
                        std::size_t const budget = detail::mask_budget(content, rate, 1, content);
                        if (sampling == KeywordSampling::without_replacement) {
                            BOOST_TEST(count(flags) <= budget);
                        } else {   // the last word may overshoot
                            BOOST_TEST(count(flags) >= budget);
                            BOOST_TEST(count(flags) < budget + longest);
                        }
                        if (rate == 1) { BOOST_TEST(count(flags) == content); }   // ends when the words run out
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(oracle_e_first_draws_follow_the_weights) {
    Ids const ids = {cls, 10, 11, 12, 13, 14, 15, sep};   // 15 is in no text
    auto const weights = counted({1, 2, 4, 10, 100, 0}, 1000);
    std::vector<double> const inverse = {1, 1.0 / 2, 1.0 / 4, 1.0 / 10, 1.0 / 100, 1};
    check_first_draws(released(weights), ids, inverse);
    check_first_draws({.weighting = KeywordWeighting::inverse_count, .weights = weights}, ids, inverse);
    std::vector<double> idf;
    for (double const frequency : {1, 2, 4, 10, 100, 0}) { idf.push_back(std::log(1001 / (1 + frequency)) + 1e-6); }
    check_first_draws({.weights = weights}, ids, idf);
    check_first_draws({.sampling = KeywordSampling::released_rounds, .weights = weights}, ids, idf);
    // A word that occurs three times: each occurrence at three times its rarity.
    double const three = 3 * std::log(1001.0 / 5) + 1e-6;
    check_first_draws({.weights = weights}, {cls, 12, 11, 12, 12, sep}, {three, std::log(1001.0 / 3) + 1e-6, three, three});
}

BOOST_AUTO_TEST_CASE(two_words_are_drawn_one_after_the_other) {
    // Without overshoot, rounds with replacement that skip what they have hide the same sets as draws without replacement.
    Ids const ids = {cls, 10, 11, 12, sep};
    std::vector<double> const w = {4.0 / 7, 2.0 / 7, 1.0 / 7};
    auto const expected = [&](std::size_t a, std::size_t b) { return w[a] * w[b] / (1 - w[a]) + w[b] * w[a] / (1 - w[b]); };
    for (KeywordSampling const sampling : {KeywordSampling::without_replacement, KeywordSampling::released_rounds}) {
        KeywordMasker const masker{
            .rate = 2.0 / 3, .weighting = KeywordWeighting::inverse_count, .sampling = sampling, .weights = counted({1, 2, 4})};
        std::map<MaskFlags, double> pairs;
        int const draws = 40000;
        for (int k = 0; k < draws; ++k) { pairs[drawn(masker, ids, static_cast<std::uint64_t>(k))] += 1; }
        BOOST_TEST(std::abs(pairs[{0, 1, 1, 0, 0}] / draws - expected(0, 1)) < .0125);   // 5 sigma
        BOOST_TEST(std::abs(pairs[{0, 1, 0, 1, 0}] / draws - expected(0, 2)) < .0125);
        BOOST_TEST(std::abs(pairs[{0, 0, 1, 1, 0}] / draws - expected(1, 2)) < .0125);
    }
}

BOOST_AUTO_TEST_CASE(the_budget_counts_what_is_not_special_and_rounds_halves_to_even) {
    KeywordMasker const masker = released(counted({1, 1, 1, 1, 1, 1, 1, 1}));
    BOOST_TEST(count(drawn(masker, {cls, 10, sep})) == 1U);                                  // .5 -> 0 -> at least 1
    BOOST_TEST(count(drawn(masker, {cls, 10, 11, 12, sep, unk, sep})) == 2U);                // 1.5 -> 2
    BOOST_TEST(count(drawn(masker, {cls, 10, 11, 12, 13, 14, sep, unk, unk, sep})) == 2U);   // 2.5 -> 2
    Ids const long_text(1202, 10);
    BOOST_TEST(count(drawn(masker, long_text)) == 601U);   // no maximum, as released
    KeywordMasker capped = masker;
    capped.maximum = 5;
    BOOST_TEST(count(drawn(capped, long_text)) == 5U);
}

BOOST_AUTO_TEST_CASE(released_rounds_overshoot_and_the_other_sampling_does_not) {
    // A hapax of three pieces against frequent single tokens, with a budget of two.
    Ids const word = {10, 900, 901};
    auto const weights = std::make_shared<WordWeights const>(
        std::vector<WordWeights::Word>{{WordWeights::hash_of(word), 1, 1}, {WordWeights::hash_of(Ids{11}), 1000000000, 10}}, 1000,
        traits().size());
    Ids const ids = {cls, 10, 900, 901, 11, sep};
    std::size_t rounds = 0, once = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        rounds += count(drawn(released(weights), ids, seed)) == 3 ? 1U : 0U;
        once += count(drawn({.weights = weights}, ids, seed));
    }
    BOOST_TEST(rounds == 100U);
    BOOST_TEST(once == 100U);   // the long word never fits: the short one alone
}

BOOST_AUTO_TEST_CASE(rare_words_go_first) {
    // Nine frequent words and one rare one, half of the text: the rare one is nearly always hidden.
    std::vector<std::uint64_t> counts(10, 10000000);
    counts[4] = 2;
    Ids const ids = {cls, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, sep};
    std::size_t hidden = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) { hidden += drawn(released(counted(counts, 0)), ids, seed)[5]; }
    BOOST_TEST(hidden == 200U);
}

BOOST_AUTO_TEST_CASE(pitfall_08_runs_out_of_words_and_refuses_weights_that_are_none) {
    auto const weights = counted({1, 5});
    for (KeywordSampling const sampling : {KeywordSampling::without_replacement, KeywordSampling::released_rounds}) {
        KeywordMasker masker{.rate = 1, .sampling = sampling, .minimum = 50, .weights = weights};
        BOOST_TEST(count(drawn(masker, {cls, unk, sep, sep, pad, mask, sep})) == 0U);   // nothing but specials
        BOOST_TEST(count(drawn(masker, {cls, sep})) == 0U);
        BOOST_TEST(count(drawn(masker, {cls, 10, 11, sep})) == 2U);   // a budget beyond the text
        for (double const floor : {-100.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
            masker.floor = floor;
            BOOST_CHECK_EXCEPTION(drawn(masker, {cls, 10, sep}), InputError, test::says("above 0", "floor"));
        }
        masker.floor = 0;   // a word that is in every text has the weight 0 then
        masker.weights = counted({4}, 4);
        BOOST_CHECK_THROW(drawn(masker, {cls, 10, sep}), InputError);
    }
}

BOOST_AUTO_TEST_CASE(missing_weights_say_how_to_make_them) {
    Ids const ids = {cls, 10, sep};
    BOOST_CHECK_EXCEPTION(drawn({}, ids), InputError,
                          test::says("KeywordMasker::weights", "WordWeights::of(store)", "read_word_dictionary"));
    auto const foreign = std::make_shared<WordWeights const>(std::vector<WordWeights::Word>{}, 5, 30522);
    BOOST_CHECK_EXCEPTION(drawn({.weights = foreign}, ids), InputError, test::says("1000 tokens", "30522"));
    BOOST_CHECK_EXCEPTION(drawn({.weights = counted({1}, 0)}, ids), InputError,
                          test::says("document frequencies", "inverse_count"));
    BOOST_CHECK_THROW(drawn({.rate = 2, .weights = counted({1})}, ids), InputError);
}

BOOST_AUTO_TEST_CASE(a_corpus_is_learnt_where_the_user_gave_none) {
    static_assert(LearnsWords<KeywordMasker> && !LearnsWords<WholeWordMasker>);
    KeywordMasker masker;
    BOOST_TEST(masker.needs_words());
    auto const first = counted({1});
    masker.learn(first);
    BOOST_TEST(!masker.needs_words());
    masker.learn(counted({2}));
    BOOST_TEST((masker.weights == first));
}

BOOST_AUTO_TEST_SUITE_END()
