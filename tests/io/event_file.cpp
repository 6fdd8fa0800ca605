// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/event_file.hpp>

#include <cstdint>
#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(event_file)

BOOST_AUTO_TEST_CASE(the_sum_is_castagnolis) {   // RFC 3720, appendix B.4
    BOOST_TEST(bmae::crc32c("123456789") == 0xE3069283U);
    BOOST_TEST(bmae::crc32c(std::string(32, '\0')) == 0x8A9136AAU);
    BOOST_TEST(bmae::crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
    BOOST_TEST(bmae::crc32c("") == 0U);
}

BOOST_AUTO_TEST_CASE(records_have_the_bytes_of_the_format) {
    bmae::EventFile file;
    std::string const head = file.bytes();
    // length 24, its sum, time 0.0, "brain.Event:2", the sum
    BOOST_REQUIRE(head.size() == 8U + 4 + 24 + 4);
    BOOST_TEST(head.substr(0, 8) == std::string("\x18\0\0\0\0\0\0\0", 8));
    std::string first("\x09\0\0\0\0\0\0\0\0\x1A\x0D", 11);
    first.append("brain.Event:2");
    BOOST_TEST(head.substr(12, 24) == first);
    file.add("a/b", 300, 1.0, 2.0F);
    // step 300 as varint AC 02; summary { value { tag "a/b", simple_value 2.0 } }
    std::string message("\x09\0\0\0\0\0\0\xF0\x3F\x10\xAC\x02\x2A\x0C\x0A\x0A\x0A\x03", 18);
    message.append("a/b").append("\x15\0\0\0\x40", 5);
    BOOST_TEST(file.bytes().substr(head.size() + 12, message.size()) == message);
    BOOST_TEST(file.bytes().size() == head.size() + 16 + message.size());
}

BOOST_AUTO_TEST_SUITE_END()
