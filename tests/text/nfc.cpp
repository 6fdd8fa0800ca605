// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Normalization form C: canonically equal texts become equal. Against HuggingFace's: parity/subword_parity.py.
#include <string>

#include <boost/test/unit_test.hpp>

#include <bmae/text/nfc.hpp>

BOOST_AUTO_TEST_SUITE(nfc)

BOOST_AUTO_TEST_CASE(marks_join_their_letters) {
    BOOST_TEST(bmae::nfc("cafe\xcc\x81") == "caf\xc3\xa9");   // e and an acute accent
    BOOST_TEST(bmae::nfc("caf\xc3\xa9") == "caf\xc3\xa9");
    BOOST_TEST(bmae::nfc("\xe1\xba\xbf") == bmae::nfc("e\xcc\x82\xcc\x81"));        // with two marks
    BOOST_TEST(bmae::nfc("a\xcc\x8a\xcc\xa3") == bmae::nfc("a\xcc\xa3\xcc\x8a"));   // marks above and below, in either order
    BOOST_TEST(bmae::nfc("\xc3\xa9\xcc\xa3") == "\xe1\xba\xb9\xcc\x81");   // a composed letter is taken apart for a mark below
}

BOOST_AUTO_TEST_CASE(what_has_another_canonical_form_takes_it) {
    BOOST_TEST(bmae::nfc("\xe2\x84\xab") == "\xc3\x85");                               // the angstrom sign
    BOOST_TEST(bmae::nfc("\xe0\xa5\x98") == "\xe0\xa4\x95\xe0\xa4\xbc");               // an excluded composite stays apart
    BOOST_TEST(bmae::nfc("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab") == "\xed\x95\x9c");   // Hangul
    BOOST_TEST(bmae::nfc("\xed\x95\x98\xe1\x86\xab") == "\xed\x95\x9c");
    BOOST_TEST(bmae::nfc("\xef\xac\x81 \xc2\xbd") == "\xef\xac\x81 \xc2\xbd");   // compatibility forms stay
}

BOOST_AUTO_TEST_CASE(plain_text_is_unchanged) {
    for (std::string const text : {"", "plain", "\xe6\xbc\xa2\xe5\xad\x97", "\xf0\x9f\x98\x80", "\xcc\x81 begins with a mark"}) {
        BOOST_TEST(bmae::nfc(text) == text);
    }
}

BOOST_AUTO_TEST_SUITE_END()
