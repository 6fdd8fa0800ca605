// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/reference_state.hpp>

#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(reference_state)

namespace {

using Named = std::map<std::string, int, std::less<>>;

Named named(std::vector<std::string> const& names) {
    Named result;
    for (std::string const& name : names) { result.emplace(name, static_cast<int>(result.size())); }
    return result;
}

Named encoder_of(std::vector<std::string> const& names) { return bmae::detail::encoder_of_state(named(names)); }

}  // namespace

BOOST_AUTO_TEST_CASE(the_encoder_of_a_state_is_found_by_its_names) {
    BOOST_TEST((encoder_of({"lm.bert.a", "lm.cls.b", "decoder_embeddings.a", "c_head.c"}) == Named{{"bert.a", 0}, {"cls.b", 1}}));
    BOOST_TEST((encoder_of({"encoder.bert.a", "decoder.0.b", "generator.c"}) == Named{{"bert.a", 0}}));
    // Models of transformers alone are left as they are: T5 and BERT.
    for (auto const& whole : {std::vector<std::string>{"encoder.block.0.x", "decoder.block.0.x", "shared.weight"},
                              std::vector<std::string>{"embeddings.x", "encoder.layer.0.x", "pooler.x"},
                              std::vector<std::string>{"bert.x", "cls.y"}, std::vector<std::string>{"lm.bert.x", "other.y"}}) {
        BOOST_TEST((encoder_of(whole) == named(whole)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
