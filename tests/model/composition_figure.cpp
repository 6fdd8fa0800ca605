// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/model/composition_figure.hpp>

#include <map>
#include <string>

#include <boost/test/unit_test.hpp>

#include <bmae/model/composition_text.hpp>
#include <bmae/values/error.hpp>

BOOST_AUTO_TEST_SUITE(composition_figure)

BOOST_AUTO_TEST_CASE(the_text_is_read_back) {
    auto const read = bmae::read_composition(
        "bert; pass(passage, whole_word, bert) -> cls -> masked_language_model -> branch via lexicon(partner_span, none, none, "
        "shared enhanced "
        "plain) -> bag_of_words; momentum pass(random_crop, none, deletion) -> mean -> branch(shared tap); contrast; "
        "distillation");
    BOOST_TEST(read.encoder == "bert");
    BOOST_REQUIRE(read.passes.size() == 2U);
    bmae::PassText const& first = read.passes[0];
    BOOST_TEST(first.encoder == "tied");
    BOOST_TEST(first.view.masker == "whole_word");
    BOOST_TEST(first.bottleneck == "cls");
    BOOST_REQUIRE(first.terms.size() == 3U);
    BOOST_TEST(first.terms[0].kind == "masked_language_model");
    BOOST_TEST(!first.terms[0].view);
    BOOST_TEST(first.terms[1].kind == "branch");
    BOOST_TEST(first.terms[1].bottleneck == "lexicon");
    BOOST_TEST(first.terms[1].view.value().source == "partner_span");
    BOOST_TEST(first.terms[1].decoder == "enhanced plain");
    BOOST_TEST(first.terms[1].shared);
    BOOST_TEST(first.terms[2].decoder == "");
    BOOST_TEST(read.passes[1].encoder == "momentum");
    BOOST_TEST(read.passes[1].terms[0].decoder == "tap");
    BOOST_TEST(!read.passes[1].terms[0].view);
    BOOST_TEST(read.terms == (std::vector<std::string>{"contrast", "distillation"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(other_texts_are_refused) {
    for (char const* const text :
         {"", "bert", "bert; contrast", "; pass(a, b, c) -> cls", "bert; pass(a, b) -> cls", "bert; pass(a, b, c)",
          "bert; pass(a, b, c) -> cls -> branch(a, b)", "bert; pass(a, b, c -> cls", "bert; pass(a, b, c) -> cls -> (x)",
          "bert; pass(a, b, c) -> cls; contrast; pass(a, b, c) -> cls", "bert; pass(a, b, c) -> cls -> "}) {
        BOOST_CHECK_THROW(bmae::read_composition(text), bmae::InputError);
    }
}

BOOST_AUTO_TEST_CASE(the_figure_has_the_numbers_and_escapes_names) {
    std::map<std::string, std::string> const options{{"passes.0.view.masker.rate", "0.3"},
                                                     {"passes.0.terms.0.decoder.layers", "2"},
                                                     {"passes.0.terms.0.weight", "0.1"},
                                                     {"terms.0.temperature", "0.05"}};
    auto const drawn = bmae::composition_figure(
        bmae::read_composition(
            "bert; pass(<b>, whole_word, bert) -> cls -> branch(queries, keyword, mask_only, basic); contrast"),
        options, "a & b");
    for (char const* const text : {"mask: whole word 0.3", "2 layers", "times 0.1", "temperature 0.05", "&lt;b&gt;", "a &amp; b",
                                   "basic decoder", ">queries<"}) {
        BOOST_TEST(drawn.find(text) != drawn.npos, text);
    }
    BOOST_TEST(drawn.find("<b>") == drawn.npos);
    BOOST_TEST(drawn.starts_with("<svg "));
    BOOST_TEST(drawn ==
               bmae::composition_figure(
                   bmae::read_composition(
                       "bert; pass(<b>, whole_word, bert) -> cls -> branch(queries, keyword, mask_only, basic); contrast"),
                   options, "a & b"));
}

BOOST_AUTO_TEST_SUITE_END()
