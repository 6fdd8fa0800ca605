// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/edge/decoder_places.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(decoder_places)

namespace {

using bmae::DecoderPlaces;
using Names = std::vector<std::string>;

/// RetroMAE: an enhanced decoder in its branch.
DecoderPlaces const own(R"({"terms": [{"name": "passes.0.terms.0", "kind": "mlm"},
    {"name": "passes.0.terms.1", "kind": "branch", "decoder": "enhanced"}]})");

/// SentMAE with contrast: two branches share one.
DecoderPlaces const shared(
    R"({"terms": [{"name": "passes.0.terms.1", "kind": "branch", "decoder": "enhanced", "decoder_name": "enhanced"},
    {"name": "passes.1.terms.1", "kind": "branch", "decoder": "enhanced", "decoder_name": "enhanced"}, {"name": "terms.0", "kind": "contrast"}]})");

/// Two decoders of a kind, and another.
DecoderPlaces const several(R"({"terms": [{"name": "passes.0.terms.1", "kind": "branch", "decoder": "basic"},
    {"name": "passes.0.terms.2", "kind": "branch", "decoder": "basic"}, {"name": "passes.0.terms.3", "kind": "branch", "decoder": "enhanced"}]})");

}  // namespace

BOOST_AUTO_TEST_CASE(a_decoder_is_found_under_its_other_name) {
    BOOST_TEST(shared.names_in(own, "shared.enhanced.layer.0.weight") == Names{"passes.0.terms.1.decoder.layer.0.weight"},
               boost::test_tools::per_element());
    BOOST_TEST(own.names_in(shared, "passes.0.terms.1.decoder.layer.0.weight") == Names{"shared.enhanced.layer.0.weight"},
               boost::test_tools::per_element());
    BOOST_TEST(shared.names_in(several, "shared.enhanced.x") == Names{"passes.0.terms.3.decoder.x"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nothing_is_guessed) {
    BOOST_TEST(own.names_in(shared, "encoder.layer.0.weight").empty());
    BOOST_TEST(several.names_in(own, "passes.0.terms.1.decoder.x").empty());   // another kind
    DecoderPlaces const basic(R"({"terms": [{"name": "p", "kind": "branch", "decoder": "basic", "decoder_name": "basic"}]})");
    BOOST_TEST(basic.names_in(several, "shared.basic.x").size() == 2U);   // the caller sees that it is not clear
    for (char const* const other : {"", "[]", "{}", R"({"terms": 1})", R"({"terms": [1]})"}) {
        BOOST_TEST(own.names_in(DecoderPlaces(other), "passes.0.terms.1.decoder.x").empty());
        BOOST_TEST(DecoderPlaces(other).names_in(own, "passes.0.terms.1.decoder.x").empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()
