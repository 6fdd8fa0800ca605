// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the tests of readers share: files made on the spot, and questions to errors.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <zlib.h>

#include <boost/test/unit_test.hpp>

#include <bmae/values/error.hpp>

#include "../scratch_folder.hpp"

namespace test {

/// A folder that goes away with the test, and the files in it.
class Scratch : public ScratchFolder {
public:
    /// Writes a file, packed where its name ends in .gz.
    std::filesystem::path file(std::string const& name, std::string_view content) const {
        std::filesystem::path const path = *this / name;
        std::filesystem::create_directories(path.parent_path());
        if (path.extension() == ".gz") {
            gzFile const packed = ::gzopen(path.c_str(), "wb");
            ::gzwrite(packed, content.data(), static_cast<unsigned>(content.size()));
            ::gzclose(packed);
        } else {
            std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
        }
        return path;
    }
};

/// A predicate for BOOST_CHECK_EXCEPTION: the message holds all the parts.
template <class... Parts>
auto says(Parts... parts) {
    return [=](bmae::Error const& error) {
        std::string_view const message = error.what();
        bool const all = ((message.find(parts) != std::string_view::npos) && ...);
        if (!all) { BOOST_TEST_MESSAGE("the message was: " << message); }
        return all;
    };
}

/// A folder of real data, or nothing with a note where it is not there.
inline std::filesystem::path data_folder(std::string const& name) {
    char const* const root = std::getenv("BMAE_DATA");
    std::filesystem::path const path = root == nullptr ? std::filesystem::path() : std::filesystem::path(root) / name;
    if (root == nullptr || !std::filesystem::is_directory(path)) {
        BOOST_TEST_MESSAGE("skipped: no data folder '" << name << "' (set BMAE_DATA)");
        return {};
    }
    return path;
}

}  // namespace test
