// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Tests of text/blanks.hpp: where other programs split texts.
#include <string>

#include <bmae/text/blanks.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(blanks)

BOOST_AUTO_TEST_CASE(they_are_those_of_python) {
    // "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()), and the ends of str.splitlines
    std::u32string const blanks =
        U"\x09\x0a\x0b\x0c\x0d\x1c\x1d\x1e\x1f \x85\xa0\x1680\x2000\x2001\x2002\x2003\x2004\x2005\x2006"
        U"\x2007\x2008\x2009\x200a\x2028\x2029\x202f\x205f\x3000";
    std::u32string const ends = U"\x0a\x0b\x0c\x0d\x1c\x1d\x1e\x85\x2028\x2029";
    for (char32_t c = 1; c <= 0x10ffff; ++c) {
        BOOST_TEST_REQUIRE(bmae::is_unicode_blank(c) == (blanks.find(c) != blanks.npos), static_cast<unsigned>(c));
        BOOST_TEST_REQUIRE(bmae::is_line_end(c) == (ends.find(c) != ends.npos), static_cast<unsigned>(c));
    }
}

BOOST_AUTO_TEST_CASE(texts_are_searched_by_character) {
    BOOST_TEST(!bmae::has_blank(""));
    BOOST_TEST(!bmae::has_blank("d1-\xc3\xa0"));   // à ends in the byte of a no-break space
    BOOST_TEST(bmae::has_blank("d1\xc2\xa0"));
    BOOST_TEST(!bmae::has_blank("\xa0\xff"));   // ill-formed bytes are none
    BOOST_TEST(
        bmae::has_line_end("a\xe2\x80\xa8"
                           "b"));
    BOOST_TEST(!bmae::has_line_end("a b\t"));
}

BOOST_AUTO_TEST_SUITE_END()
