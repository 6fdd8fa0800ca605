// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The four normalization forms. Against HuggingFace's: parity/subword_parity.py.
#include <string>

#include <boost/test/unit_test.hpp>

#include <bmae/text/unicode_form.hpp>

BOOST_AUTO_TEST_SUITE(unicode_form)

using bmae::to_unicode_form;
using bmae::UnicodeForm;

BOOST_AUTO_TEST_CASE(accents_are_composed_or_taken_apart) {
    std::string const composed = "caf\xc3\xa9";
    std::string const apart = "cafe\xcc\x81";
    for (std::string const& text : {composed, apart}) {
        BOOST_TEST(to_unicode_form(text, UnicodeForm::none) == text);
        BOOST_TEST(to_unicode_form(text, UnicodeForm::c) == composed);
        BOOST_TEST(to_unicode_form(text, UnicodeForm::kc) == composed);
        BOOST_TEST(to_unicode_form(text, UnicodeForm::d) == apart);
        BOOST_TEST(to_unicode_form(text, UnicodeForm::kd) == apart);
    }
}

BOOST_AUTO_TEST_CASE(compatibility_characters_become_what_they_stand_for) {
    std::string const text = "\xef\xac\x81 \xef\xbc\xa1 \xc2\xbd";   // a ligature, a letter of full width, a fraction
    BOOST_TEST(to_unicode_form(text, UnicodeForm::c) == text);
    BOOST_TEST(to_unicode_form(text, UnicodeForm::d) == text);
    BOOST_TEST(to_unicode_form(text, UnicodeForm::kc) ==
               "fi A 1\xe2\x81\x84"
               "2");
    BOOST_TEST(to_unicode_form("\xef\xbd\xb6\xef\xbe\x9e", UnicodeForm::kc) == "\xe3\x82\xac");   // kana of half the width
    BOOST_TEST(to_unicode_form("\xed\x95\x9c", UnicodeForm::kd) == "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab");
}

// A later Unicode maps this letter; the peer's does not, and ids follow the peer.
BOOST_AUTO_TEST_CASE(the_version_of_unicode_is_that_of_the_peer) {
    std::string const letter = "\xf0\x90\x9e\xa5";   // U+107A5
    BOOST_TEST(to_unicode_form(letter, UnicodeForm::kc) == letter);
}

BOOST_AUTO_TEST_SUITE_END()
