// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a reader of a corpus gives, as one line per record; options that several tests of readers use.
#pragma once

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>

namespace test {

/// Malformed lines are skipped and counted.
inline bmae::ReadOptions const skipping{.malformed = bmae::MalformedLine::skip};

using Summary = std::vector<std::string>;

/// id|title|text of each record; then how many were skipped.
template <class Reader>
Summary summary(Reader&& reader) {
    Summary found;
    bmae::Record record;
    while (reader.next(record)) {
        found.push_back(record.id.substr(record.id.find_last_of('/') + 1) + '|' + record.title + '|' + record.text);
        BOOST_TEST(record.line != 0U);
    }
    BOOST_TEST(!reader.next(record));
    BOOST_TEST(reader.report().records == found.size());
    if (reader.report().skipped != 0) { found.push_back("skipped " + std::to_string(reader.report().skipped)); }
    return found;
}

template <class Reader>
void check_summary(Reader&& reader, Summary const& expected) {
    BOOST_TEST(summary(reader) == expected, boost::test_tools::per_element());
}

}  // namespace test
