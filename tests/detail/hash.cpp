// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/detail/hash.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(hash)

// Published values: the README of python-xxhash and the test vectors of the xxHash specification.
BOOST_AUTO_TEST_CASE(published_values) {
    using bmae::detail::to_hex;
    using bmae::detail::xxh64;
    BOOST_TEST(to_hex(xxh64("")) == "ef46db3751d8e999");
    BOOST_TEST(to_hex(xxh64("a")) == "d24ec4f1a98c6e5b");
    BOOST_TEST(to_hex(xxh64("abc")) == "44bc2cf5ad770999");
    BOOST_TEST(to_hex(xxh64("Nobody inspects the spammish repetition")) == "fbcea83c8a378bf1");
    BOOST_TEST(to_hex(xxh64("xxhash", 20141025)) == "b559b98d844e0635");
    // The specification's generator of test bytes.
    std::string bytes;
    std::uint32_t state = 2654435761U;
    for (int i = 0; i < 101; ++i) {
        bytes += static_cast<char>(state >> 24);
        state *= state;
    }
    BOOST_TEST(to_hex(xxh64(std::string_view(bytes).substr(0, 1))) == "4fce394cc88952d8");
    BOOST_TEST(to_hex(xxh64(std::string_view(bytes).substr(0, 14))) == "cffa8db881bc3a3d");
    BOOST_TEST(to_hex(xxh64(bytes)) == "0eab543384f878ad");
    // The generator of its later versions.
    bytes.clear();
    std::uint64_t wide = 2654435761U;
    for (int i = 0; i < 222; ++i) {
        bytes += static_cast<char>(wide >> 56);
        wide *= 11400714785074694797ULL;
    }
    BOOST_TEST(to_hex(xxh64(bytes)) == "b641ae8cb691c174");
}

BOOST_AUTO_TEST_CASE(pieces_give_the_same_as_the_whole) {
    std::string text;
    for (int i = 0; i < 200; ++i) { text += static_cast<char>(i * 37); }
    for (std::size_t size = 0; size <= text.size(); ++size) {
        std::string_view const whole = std::string_view(text).substr(0, size);
        for (std::size_t const piece : {1U, 7U, 31U, 32U, 33U, 100U}) {
            bmae::detail::Xxh64 hash;
            for (std::size_t at = 0; at < size; at += piece) { hash.update(whole.substr(at, piece)); }
            BOOST_REQUIRE(hash.digest() == bmae::detail::xxh64(whole));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
