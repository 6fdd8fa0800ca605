// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The pair store of a fine-tuning that has not begun.
#pragma once

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bmae/detail/folders.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

#include "common.hpp"

namespace bmae::program {

/// A pair store in a folder .NAME.pairs beside the output folder NAME, which moves into that when the run begins: a command that is
/// refused leaves nothing. The folder is locked while it is used; what a killed program left in it is removed by the next one.
class PendingStore {
public:
    explicit PendingStore(Path const& output) : output_(output), folder_(beside(output)) {}
    PendingStore(PendingStore const&) = delete;
    PendingStore& operator=(PendingStore const&) = delete;
    ~PendingStore() { clear(); }

    /// Locks the folder. \returns where the store is to be made
    /// \throws InUseError  where another program prepares a run of the same output  \throws InputError  a folder that cannot be written
    Path claim() {
        detail::create_folders(folder_.parent_path());
        while (!try_lock()) {}
        for (auto const& entry : std::filesystem::directory_iterator(folder_)) { std::filesystem::remove_all(entry.path()); }
        return folder_ / store;
    }

    /// Moves the store into the output folder, unless the run has its own.
    void keep(bool resumed) {
        if (!lock_.is_open()) { return; }
        if (!resumed || !std::filesystem::exists(output_ / "pairs")) {
            std::filesystem::create_directories(output_);
            std::filesystem::remove_all(output_ / "pairs");   // of a start that failed before its first checkpoint
            std::filesystem::rename(folder_ / store, output_ / "pairs");
        }
        clear();
    }

private:
    static constexpr char const* store = "store";

    static Path beside(Path const& output) {
        Path const whole = detail::without_slash(std::filesystem::absolute(output).lexically_normal());
        return whole.parent_path() / ('.' + whole.filename().string() + ".pairs");
    }

    /// False where the folder was removed by its owner before it could be locked.
    bool try_lock() {
        if (::mkdir(folder_.c_str(), 0777) != 0 && errno != EEXIST) {
            detail::fail_to_write(folder_, "create the folder", errno);
        }
        detail::Descriptor lock(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!lock.is_open() && errno == ENOENT) { return false; }
        if (!lock.is_open()) { detail::fail_to_write(folder_, "open the folder", errno); }
        if (::flock(lock.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {   // others: a file system without locks
            throw InUseError(output_.string() +
                             ": another trainer is writing there. Wait for it or choose another output folder.");
        }
        struct stat locked{}, named{};
        bool const same = ::fstat(lock.number(), &locked) == 0 && ::lstat(folder_.c_str(), &named) == 0 &&
                          locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
        if (same) { lock_ = std::move(lock); }
        return same;
    }

    void clear() {
        if (!lock_.is_open()) { return; }
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
        lock_ = detail::Descriptor();
    }

    Path output_;
    Path folder_;
    detail::Descriptor lock_;
};

}  // namespace bmae::program
