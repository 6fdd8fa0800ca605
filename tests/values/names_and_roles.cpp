// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Names as template arguments, and the roles of parameters.
#include <string_view>
#include <type_traits>

#include <boost/test/unit_test.hpp>

#include <bmae/values/fixed_string.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/prompts.hpp>
#include <bmae/values/shape.hpp>
#include <bmae/values/vector_similarity.hpp>

BOOST_AUTO_TEST_SUITE(names_and_roles)

namespace {

using namespace bmae;

template <FixedString name>
struct Named {
    static constexpr std::string_view text = name;
};

bool decays(bool decay) { return decay; }   // as a visitor that cares for decay alone takes it

}  // namespace

BOOST_AUTO_TEST_CASE(a_name_is_a_template_argument) {
    static_assert(Named<"decoder">::text == "decoder");
    static_assert(Named<"">::text.empty());
    static_assert(!std::is_same_v<Named<"a">, Named<"b">>);
    static_assert(std::is_same_v<Named<"a">, Named<"a">>);
    BOOST_CHECK_EQUAL(Named<"summary">::text, "summary");
}

BOOST_AUTO_TEST_CASE(a_role_says_whether_a_parameter_decays) {
    BOOST_CHECK(decays(ParameterRole::weight));
    BOOST_CHECK(!decays(ParameterRole::bias));
    BOOST_CHECK(!decays(ParameterRole::norm_scale));
    BOOST_CHECK(!decays(ParameterRole::norm_shift));
    BOOST_CHECK(ParameterRole(true) == ParameterRole::weight);   // as a part of one's own may say it
    BOOST_CHECK(ParameterRole(false) == ParameterRole::bias);
    BOOST_CHECK(!(ParameterRole::norm_scale == ParameterRole::norm_shift));
}

BOOST_AUTO_TEST_CASE(a_role_has_its_prompt_or_the_standard_one) {
    Prompts prompts{.texts = {{"query", "q: "}, {"passage", "p: "}, {"x", "x: "}}};
    BOOST_CHECK(prompts.of_queries() == "q: " && prompts.of_documents() == "p: " && prompts.of_texts().empty());
    prompts.texts["document"] = "";   // named, and empty
    BOOST_CHECK(prompts.of_documents().empty());
    prompts = {.texts = {{"x", "x: "}}, .standard = "x"};
    BOOST_CHECK(prompts.of_queries() == "x: " && prompts.of_documents() == "x: " && prompts.of_texts() == "x: ");
    BOOST_CHECK(!prompts.are_empty() && Prompts{}.are_empty() && (Prompts{.texts = {{"x", "x: "}}}.are_empty()));
}

BOOST_AUTO_TEST_CASE(similarities_have_the_names_of_folders) {
    static_assert(vector_similarity_named("manhattan") == VectorSimilarity::manhattan);
    static_assert(!vector_similarity_named("maxsim"));
    BOOST_CHECK_EQUAL(to_string(VectorSimilarity::euclidean), "euclidean");
}

BOOST_AUTO_TEST_CASE(shapes_are_compared_by_value) {
    Shape const one{.width = 8, .vocabulary = 60, .embedding_width = 8};
    Shape other = one;
    BOOST_CHECK(one == other);
    other.heads = 2;
    BOOST_CHECK(!(one == other));
}

BOOST_AUTO_TEST_SUITE_END()
