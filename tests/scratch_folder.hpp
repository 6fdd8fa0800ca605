// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Folders for what tests write.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <stdlib.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

namespace test {

/// A folder that goes away with the test.
class ScratchFolder {
public:
    explicit ScratchFolder(std::filesystem::path const& place = std::filesystem::temp_directory_path()) {
        std::string name = (place / "bmae-test-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ScratchFolder(ScratchFolder const&) = delete;
    ScratchFolder& operator=(ScratchFolder const&) = delete;
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

/// One that lies in memory where that is possible: for tests that save often, since every save waits for the disk.
class MemoryFolder : public ScratchFolder {
public:
    MemoryFolder()
        : ScratchFolder(::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm")
                                                        : std::filesystem::temp_directory_path()) {}
};

}  // namespace test
