// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Parts that share a name: one type, one set of parameters, one set of options.
#include <set>
#include <string>
#include <tuple>

#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(sharing)

namespace {

using namespace bmae;

template <FixedString first, FixedString second>
using Two = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker>, Shared<first, BasicDecoder>>,
        Branch<View<Passage, WholeWordMasker>, Shared<second, BasicDecoder>>>>;
using One = Two<"decoder", "decoder">;

One::Options options(std::int64_t first, std::int64_t second) {
    One::Options options;
    std::get<1>(std::get<0>(options.passes).terms).decoder.layers = first;
    std::get<2>(std::get<0>(options.passes).terms).decoder.layers = second;
    return options;
}

template <class M>
std::set<std::string> decoders_of(M model) {
    std::set<std::string> roots;
    model.for_each_parameter([&](std::string const& name, at::Tensor&, bool) {
        if (name.starts_with("shared.")) { roots.insert(name.substr(0, name.find('.', 7))); }
    });
    return roots;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_name_is_one_decoder) {
    BOOST_CHECK((decoders_of(One(BertEncoder(test::tiny()), options(2, 2), 1)) == std::set<std::string>{"shared.decoder"}));
    using Apart = Two<"one", "other">;
    BOOST_CHECK((decoders_of(Apart(BertEncoder(test::tiny()), Apart::Options(), 1)) ==
                 std::set<std::string>{"shared.one", "shared.other"}));
}

BOOST_AUTO_TEST_CASE(different_options_under_one_name_are_refused_by_path) {
    for (auto const& [first, second] : {std::pair{2, 3}, std::pair{3, 2}}) {
        BOOST_CHECK_EXCEPTION(One(BertEncoder(test::tiny()), options(first, second), 1), InputError, [](InputError const& e) {
            std::string const text = e.what();
            return text.find("passes.0.terms.1 and passes.0.terms.2") != std::string::npos &&
                   text.find("shared.decoder") != std::string::npos && text.find("decoder.layers") != std::string::npos;
        });
    }
}

BOOST_AUTO_TEST_SUITE_END()
