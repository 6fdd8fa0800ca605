// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What tests of all indexes on disk ask.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/store_files.hpp>

#include "files.hpp"

namespace test {

/// The same queries and documents with the same bits of scores, in the same order.
inline bool same(bmae::Run const& a, bmae::Run const& b) {
    if (a.size() != b.size()) { return false; }
    for (std::size_t q = 0; q < a.size(); ++q) {
        if (a.query(q) != b.query(q) || a.hits(q).size() != b.hits(q).size()) { return false; }
        for (std::size_t i = 0; i < a.hits(q).size(); ++i) {
            bmae::Hit const x = a.hits(q)[i];
            bmae::Hit const y = b.hits(q)[i];
            if (x.score != y.score || a.document(x.document) != b.document(y.document)) { return false; }
        }
    }
    return true;
}

/// Cuts each file of an index and flips `flips` of its bits, one by one: the file is named, and nothing outside is read.
/// \param search  `search(folder, verify)` opens and searches
template <class Search>
void check_damage(std::filesystem::path const& whole, std::size_t flips, Search&& search) {
    ScratchFolder const scratch;
    for (auto const& entry : std::filesystem::directory_iterator(whole)) {
        std::string const name = entry.path().filename().string();
        std::string const content = bmae::detail::read_file(entry.path());
        auto const damaged = [&](std::string const& changed, bmae::Verify verify) {
            auto const folder = scratch.path() / "damaged";
            std::filesystem::remove_all(folder);
            std::filesystem::copy(whole, folder);
            bmae::detail::write_file(folder / name, changed, bmae::detail::Existing::replace);
            return refusal([&] { search(folder, verify); });
        };
        BOOST_TEST(contains(damaged(content.substr(0, content.size() - 1), bmae::Verify::quick), name));
        for (std::size_t at = 0; at < content.size(); at += content.size() / flips + 1) {
            std::string flipped = content;
            flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
            BOOST_TEST(contains(damaged(flipped, bmae::Verify::full), name));
            static_cast<void>(damaged(flipped, bmae::Verify::quick));   // another result or an error, nothing worse
        }
    }
}

}  // namespace test
