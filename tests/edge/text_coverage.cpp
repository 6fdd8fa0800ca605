// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A run is refused where no document has what a source reads, and warned where hardly one has.
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/edge/text_coverage.hpp>
#include <bmae/sources/continuation.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/pair.hpp>
#include <bmae/sources/queries.hpp>
#include <bmae/sources/sentence_pair.hpp>
#include <bmae/sources/two_spans.hpp>

#include "../scratch_folder.hpp"
#include "store.hpp"

BOOST_AUTO_TEST_SUITE(coverage)

namespace {

using namespace bmae;
using test::invented_store;

bool holds(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

template <class Source>
Diagnostic refusal(TokenStore const& store) {
    try {
        require_texts(store, Source::needs, "the task", 6);
    } catch (InputError const& error) { return error.diagnostic(); }
    BOOST_ERROR(Source::name << " was satisfied");
    return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(documents_are_counted_by_what_they_have) {
    test::ScratchFolder const scratch;
    // One sentence (4 tokens), two (8 tokens, one passage), and nine (36 tokens, three passages of 12).
    TokenStore const store = invented_store(scratch / "store", {1, 2, 9}, 2);
    auto const with = [&](auto need, std::size_t span = 0) {
        TextCoverage const found = text_coverage(store, need, span);
        BOOST_TEST(found.documents == 3U);
        return found.with;
    };
    BOOST_TEST(with(Queries::needs) == 2U);
    BOOST_TEST(with(Continuation::needs) == 2U);
    BOOST_TEST(with(OtherSentence::needs) == 2U);
    BOOST_TEST(with(NextPassage::needs) == 1U);
    BOOST_TEST(with(SecondSpan::needs, 3) == 3U);
    BOOST_TEST(with(SecondSpan::needs, 4) == 2U);   // as long as one span leaves no room for another
    BOOST_TEST(with(SecondSpan::needs, 36) == 0U);
    BOOST_TEST(with(OpposedText::needs) == 0U);   // two queries of a question's kind are no contradiction
    BOOST_TEST(TextCoverage{}.share() == 0.0);
    TokenStore const inferences = invented_store(scratch / "inferences", {1, 1}, 1, inference_queries);
    BOOST_TEST(text_coverage(inferences, OpposedText::needs).with == 1U);
    BOOST_TEST(text_coverage(inferences, OpposedText::needs).share() == .5);
}

BOOST_AUTO_TEST_CASE(none_is_refused_with_the_way_to_make_it) {
    test::ScratchFolder const scratch;
    TokenStore const bare = invented_store(scratch / "bare", {1, 1}, 0);
    for (Diagnostic const& told : {refusal<Queries>(bare), refusal<Continuation>(bare), refusal<OtherSentence>(bare),
                                   refusal<NextPassage>(bare), refusal<SecondSpan>(bare), refusal<OpposedText>(bare)}) {
        BOOST_TEST(holds(told.expected, "the task"));
        BOOST_TEST(holds(told.file, "bare"));
        BOOST_TEST(holds(told.found, "2 documents"));
        BOOST_TEST(!told.hint.empty());
    }
    BOOST_TEST(holds(refusal<Queries>(bare).hint, "bmae generate"));
    BOOST_TEST(holds(refusal<SecondSpan>(bare).expected, "6 tokens"));
    // Queries are there, but nobody said that the second contradicts the text.
    TokenStore const questions = invented_store(scratch / "questions", {1}, 1);
    BOOST_TEST(holds(refusal<OpposedText>(questions).found, "2 queries that may be questions"));
}

BOOST_AUTO_TEST_CASE(the_variant_of_master_fits_what_is_there) {
    test::ScratchFolder const scratch;
    TokenStore const bare = invented_store(scratch / "bare", {2, 2}, 0);
    TokenStore const asked = invented_store(scratch / "asked", {2, 2}, 2);   // queries and continuations
    BOOST_TEST(preset_without(bare, "master", Needs::queries) == "master-without-por");
    BOOST_TEST(preset_without(bare, "master-as-released", Needs::queries) == "master-without-por-as-released");
    BOOST_TEST(preset_without(asked, "master", Needs::continuation) == "master-without-gor");
    BOOST_TEST(preset_without(asked, "master", Needs::neighbors) == "master-without-npr");
    BOOST_TEST(preset_without(bare, "cot-mae-qc", Needs::queries).empty());
    BOOST_TEST(preset_without(bare, "master-without-dor", Needs::continuation).empty());
    auto const refused = [&] { require_texts(bare, Needs::queries, "the task", 0, {}, "There is another preset."); };
    BOOST_CHECK_EXCEPTION(refused(), InputError, [](InputError const& error) {
        return error.diagnostic().hint.starts_with("There is another preset. bmae generate");
    });
}

BOOST_AUTO_TEST_CASE(few_are_a_warning) {
    test::ScratchFolder const scratch;
    std::vector<std::size_t> const single(150, 1);
    TokenStore const few = invented_store(scratch / "few", single, 1);
    std::string const warning = require_texts(few, Queries::needs, "the task");
    BOOST_TEST(holds(warning, "only 1 of 150"));
    BOOST_TEST(holds(warning, "the task"));
    TokenStore const enough = invented_store(scratch / "enough", single, 2);   // more than one in a hundred
    BOOST_TEST(require_texts(enough, Queries::needs, "the task").empty());
}

BOOST_AUTO_TEST_SUITE_END()
