// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Output folders: refused unless empty, written under a temporary name and then renamed.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bmae/detail/separate.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// True for a relative path of a file's text that would leave the folder it belongs to.
inline bool leaves_folder(std::filesystem::path const& path) {
    return path.is_absolute() || std::any_of(path.begin(), path.end(), [](auto const& part) { return part == ".."; });
}

/// The path of a folder without a slash at its end, so that its last part is the folder's name.
inline std::filesystem::path without_slash(std::filesystem::path path) {
    return path.has_filename() || path.empty() ? path : path.parent_path();
}

/// Refuses a path that is a file or a non-empty folder; changes nothing.
BMAE_INLINE void require_nothing_lost(std::filesystem::path const& path);

/// Creates a folder and its parents. \throws InputError where that is not allowed
BMAE_INLINE void create_folders(std::filesystem::path const& path);

/// Makes sure, before hours of work, that results can be written into `path`: creates it, and refuses a folder that already
/// is not empty or that cannot be written.
BMAE_INLINE void require_empty_or_new_folder(std::filesystem::path const& path);

/// Gives a finished folder the name `to`. A folder that has it is exchanged at once for the new one, then deleted.
/// \throws InputError where `to` is a file, or must not be renamed
BMAE_INLINE void replace_folder(std::filesystem::path const& from, std::filesystem::path const& to);

/// A folder that appears under its name only after `commit`, when it is complete on the disk.
///
/// It is written as `NAME.partial` beside it. The remains of a killed program are recognized (by a mark and by a lock
/// that ended with it) and removed by the next attempt.
class AtomicFolder {
public:
    /// \throws InputError  where `path` is not empty, or the folder cannot be written
    /// \throws InUseError  where another program is writing the same folder
    explicit AtomicFolder(std::filesystem::path path);
    AtomicFolder(AtomicFolder const&) = delete;
    AtomicFolder& operator=(AtomicFolder const&) = delete;
    ~AtomicFolder() { discard(); }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }         ///< the final name
    [[nodiscard]] std::filesystem::path const& partial() const noexcept { return partial_; }   ///< where to write before

    /// Renames the folder. The files in it must have been fsynced, as AtomicFile does.
    void commit();

    /// Deletes the written files.
    void discard() noexcept;

private:
    static constexpr char const* mark = ".unfinished";

    /// Removes the files of an earlier attempt; other folders are not touched.
    static void clear(std::filesystem::path const& folder);

    std::filesystem::path path_;
    std::filesystem::path partial_;
    Descriptor lock_;
};

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE void require_nothing_lost(std::filesystem::path const& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) { return; }
        fail_to_write(path, "look at the output folder", errno);
    }
    if (!S_ISDIR(status.st_mode)) { throw exists_failure(path, "a file of that name"); }
    std::error_code code;
    std::filesystem::directory_iterator const entry(path, code);
    if (code) { fail_to_write(path, "look into the output folder", code.value()); }
    if (entry != std::filesystem::directory_iterator()) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a new or empty output folder",
                                    .found = "a folder that holds '" + entry->path().filename().string() + "'",
                                    .hint = "Nothing is overwritten: choose another folder or empty this one yourself."});
    }
}

BMAE_INLINE void create_folders(std::filesystem::path const& path) {
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) { fail_to_write(path, "create the folder", code.value()); }
}

BMAE_INLINE void require_empty_or_new_folder(std::filesystem::path const& path) {
    require_nothing_lost(path);
    create_folders(path);
    std::filesystem::path const probe = path / (".probe-" + std::to_string(::getpid()));
    Descriptor const file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file.is_open()) { fail_to_write(path, "write into the folder", errno); }
    ::unlink(probe.c_str());
}

BMAE_INLINE void replace_folder(std::filesystem::path const& from, std::filesystem::path const& to) {
    struct stat status{};
    if (::lstat(to.c_str(), &status) != 0) { return rename_durably(from, to, Existing::refuse); }
    if (!S_ISDIR(status.st_mode)) { throw exists_failure(to, "a file of that name"); }
    std::filesystem::path old = from;
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
        if (errno != EINVAL && errno != ENOSYS) { fail_to_write(to, "replace the folder", errno); }
        old += ".old";   // an old file system, which cannot exchange: two steps
        rename_durably(to, old, Existing::refuse);
        rename_durably(from, to, Existing::refuse);
    }
    sync_folder(folder_of(to));
    std::error_code code;
    std::filesystem::remove_all(old, code);
    if (code) { fail_to_write(old, "remove the replaced folder", code.value()); }
}

BMAE_INLINE AtomicFolder::AtomicFolder(std::filesystem::path path) : path_(without_slash(std::move(path))) {
    require_nothing_lost(path_);
    create_folders(folder_of(path_));
    std::filesystem::path work = path_;
    work += ".partial";
    if (::mkdir(work.c_str(), 0777) != 0 && errno != EEXIST) { fail_to_write(path_, "create the folder", errno); }
    lock_ = Descriptor(::open(work.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock_.is_open()) { fail_to_write(work, "open the folder", errno); }
    if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        throw InUseError(work.string() + ": another program is writing there. Wait for it or choose another output folder.");
    }
    clear(work);
    partial_ = std::move(work);
    Descriptor const sign(::open((partial_ / mark).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    if (!sign.is_open()) { fail_to_write(partial_, "write into the folder", errno); }
}

BMAE_INLINE void AtomicFolder::commit() {
    ::unlink((partial_ / mark).c_str());
    sync_folder(partial_);
    require_nothing_lost(path_);   // an empty folder is replaced by rename(2), a filled one never
    if (::rename(partial_.c_str(), path_.c_str()) != 0) { fail_to_write(path_, "give the finished folder its name", errno); }
    partial_.clear();
    lock_ = Descriptor();
    sync_folder(folder_of(path_));
}

BMAE_INLINE void AtomicFolder::discard() noexcept {
    if (!partial_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(partial_, ignored);
    }
    partial_.clear();
    lock_ = Descriptor();
}

BMAE_INLINE void AtomicFolder::clear(std::filesystem::path const& folder) {
    std::error_code code;
    if (!std::filesystem::exists(folder / mark, code)) {
        require_nothing_lost(folder);
        return;
    }
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().filename() != mark) { std::filesystem::remove_all(entry.path(), code); }
        if (code) { fail_to_write(folder, "clear the remains of an earlier attempt", code.value()); }
    }
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
