// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files that are read by memory map and written atomically.
///
/// A write goes to a temporary name in the same folder, is checked, fsynced and renamed, so that a reader, a crash or a full
/// disk never leaves a partial file. Errors name the file; `is_output_path_error` decides which of them are InputErrors.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// The hint for a failed system call.
BMAE_INLINE std::string hint_for(int code);

/// True where the user can fix a failed write: no space, no permission, no such path. False for internal failures:
/// a failing disk (EIO), exhausted memory or descriptors.
constexpr bool is_output_path_error(int code) noexcept {
    for (int const known : {ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP}) {
        if (code == known) { return true; }
    }
    return false;
}

/// Ends a failed write or a failed change of a folder, in the same way for all outputs.
/// \param action  the attempted action, for "trying to ..."
/// \throws InputError  where another path or free space would help
/// \throws RunError    else
[[noreturn]] BMAE_INLINE void fail_to_write(std::filesystem::path const& path, std::string_view action, int code);

/// The error of a failed open or read.
BMAE_INLINE InputError read_failure(std::filesystem::path const& path, int code);

/// A file descriptor that closes itself.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) noexcept : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();

    [[nodiscard]] int number() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    int release() noexcept { return std::exchange(number_, -1); }

private:
    int number_ = -1;
};

/// Opens a file for reading; InputError where it is missing, unreadable or a folder.
BMAE_INLINE Descriptor open_for_reading(std::filesystem::path const& path);

/// The same for a file that is read whole: InputError also for a pipe or a device, which may never end.
BMAE_INLINE Descriptor open_regular(std::filesystem::path const& path);

/// Refuses the text that a clone without git-lfs has in place of a large file.
BMAE_INLINE void refuse_git_lfs_pointer(std::string_view content, std::filesystem::path const& path);

/// A file mapped into memory, read-only. Pages are loaded when touched, so the file may be larger than the memory.
///
/// Truncating a mapped file ends the program with SIGBUS: replace files by rename instead.
class FileMap {
public:
    FileMap() = default;

    /// \throws InputError  where the file is missing, unreadable, a folder, not a regular file, or a git-lfs pointer
    explicit FileMap(std::filesystem::path const& path);

    FileMap(FileMap&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    FileMap& operator=(FileMap&& other) noexcept;
    ~FileMap();

    [[nodiscard]] std::size_t size() const noexcept { return size_; }   ///< bytes
    [[nodiscard]] std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<char const*>(data_), size_}; }

    /// The whole elements of type T that the file holds; a map starts on a page, so they are aligned.       [size() / sizeof(T)]
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] std::span<T const> as() const noexcept {
        return {reinterpret_cast<T const*>(data_), size_ / sizeof(T)};
    }

private:
    std::byte const* data_ = nullptr;
    std::size_t size_ = 0;
};

/// The whole content of a file, byte for byte.
/// \throws InputError  where it cannot be read, is no regular file, is a git-lfs pointer, or exceeds `limit` bytes
BMAE_INLINE std::string read_file(std::filesystem::path const& path, std::uint64_t limit = std::uint64_t{1} << 32);

/// Makes the names in a folder durable (a rename survives a power cut only after this).
BMAE_INLINE void sync_folder(std::filesystem::path const& folder);

/// The parent folder of `path`, or ".".
BMAE_INLINE std::filesystem::path folder_of(std::filesystem::path const& path);

/// Policy for an existing destination.
enum class Existing { refuse, replace };

/// The error of a destination that exists already.
BMAE_INLINE InputError exists_failure(std::filesystem::path const& path, std::string_view found);

/// A rename that does not overwrite where `existing` is refuse.
BMAE_INLINE void rename_durably(std::filesystem::path const& from, std::filesystem::path const& to, Existing existing);

/// A file that appears under its name only after `commit`, when it is complete on the disk; otherwise it leaves no file.
class AtomicFile {
public:
    /// \throws InputError  where `path` exists and `existing` is refuse, or is a folder or a device, or its folder is missing or
    ///                     cannot be written
    explicit AtomicFile(std::filesystem::path path, Existing existing = Existing::refuse);
    AtomicFile(AtomicFile const&) = delete;
    AtomicFile& operator=(AtomicFile const&) = delete;
    ~AtomicFile() { discard(); }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }   ///< bytes given to `write` so far

    /// \throws InputError  naming the file and a hint (a full disk); RunError where the disk fails
    void write(std::span<std::byte const> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

    template <class T>
        requires std::is_trivially_copyable_v<T>
    void write_values(std::span<T const> values) {
        write(std::as_bytes(values));
    }

    /// Bytes given to `write`, from `offset` on: buffered ones from the buffer, others from the disk.
    /// \throws RunError  where so many were not written, or the disk fails
    void read_back(std::uint64_t offset, std::span<std::byte> bytes);

    /// Writes everything to the disk and renames the file. The object is then unusable.
    void commit();

    /// Discards the written data; the destination is unchanged.
    void discard() noexcept;

    /// True for the name of a file that a killed program left unfinished: ".NAME.tmp-PROCESS-NUMBER".
    static bool is_remains(std::string_view name) noexcept;

private:
    static constexpr std::size_t buffer_size = std::size_t{1} << 18;

    void flush();
    void put(std::span<std::byte const> bytes);

    std::filesystem::path path_;
    std::filesystem::path temporary_;
    Existing existing_;
    Descriptor file_;
    std::vector<std::byte> buffer_;
    std::uint64_t size_ = 0;
};

/// Writes a whole file at once, durably.
BMAE_INLINE void write_file(std::filesystem::path const& path, std::string_view content, Existing existing = Existing::refuse);

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string hint_for(int code) {
    switch (code) {
        case ENOSPC:
            return "The disk is full: free some space or choose another disk, then run again.";
        case EDQUOT:
            return "The disk quota is used up: free some space or choose another disk, then run again.";
        case EFBIG:
            return "The file size limit is reached: raise the limit (ulimit -f) or choose another file system.";
        case EROFS:
            return "The file system is read-only: choose another folder.";
        case EACCES:
        case EPERM:
            return "Permission is denied: change the permissions or choose another folder.";
        case ENOENT:
            return "Check the path.";
        case ENOTDIR:
            return "A part of the path is a file, not a folder: check the path.";
        case ENAMETOOLONG:
            return "Choose a shorter name.";
        case EMFILE:
        case ENFILE:
            return "Too many files are open: raise the limit (ulimit -n).";
        case EPIPE:
            return "The reader of the output has closed it: the results are incomplete.";
        case EIO:
            return "The disk reports an error: check its health and choose another disk.";
        default:
            return "Check the path and the state of the disk.";
    }
}

BMAE_INLINE void fail_to_write(std::filesystem::path const& path, std::string_view action, int code) {
    std::string const reason = std::generic_category().message(code);
    if (is_output_path_error(code)) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a place that takes the output",
                                    .found = "'" + reason + "' on trying to " + std::string(action),
                                    .hint = hint_for(code)});
    }
    throw RunError(path.string() + ": cannot " + std::string(action) + ": " + reason + ". " + hint_for(code));
}

BMAE_INLINE InputError read_failure(std::filesystem::path const& path, int code) {
    if (code == ENOENT) {
        return InputError(Diagnostic{
            .file = path.string(), .expected = "a readable file", .found = "nothing of that name", .hint = "Check the path."});
    }
    if (code == EISDIR) {
        return InputError(
            Diagnostic{.file = path.string(), .expected = "a file", .found = "a folder", .hint = "Name a file inside it."});
    }
    return InputError(Diagnostic{.file = path.string(),
                                 .expected = "a readable file",
                                 .found = "the error '" + std::generic_category().message(code) + "'",
                                 .hint = hint_for(code)});
}

BMAE_INLINE Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

BMAE_INLINE Descriptor::~Descriptor() {
    if (number_ >= 0) { ::close(number_); }
}

BMAE_INLINE Descriptor open_for_reading(std::filesystem::path const& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) { throw read_failure(path, errno); }
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) { throw read_failure(path, errno); }
    if (S_ISDIR(status.st_mode)) { throw read_failure(path, EISDIR); }
    return file;
}

BMAE_INLINE Descriptor open_regular(std::filesystem::path const& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));   // a pipe without a writer is not waited for
    if (!file.is_open()) { throw read_failure(path, errno); }
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) { throw read_failure(path, errno); }
    if (S_ISDIR(status.st_mode)) { throw read_failure(path, EISDIR); }
    if (!S_ISREG(status.st_mode)) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a regular file",
                                    .found = "a pipe or a device",
                                    .hint = "Write its content into a file first."});
    }
    return file;
}

BMAE_INLINE void refuse_git_lfs_pointer(std::string_view content, std::filesystem::path const& path) {
    if (!content.starts_with("version https://git-lfs.github.com/spec/")) { return; }
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = "the content of the file",
                                .found = "a git-lfs pointer to it",
                                .hint = "Run `git lfs pull` in that folder, or download the file itself."});
}

BMAE_INLINE FileMap::FileMap(std::filesystem::path const& path) {
    Descriptor const file = open_regular(path);
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) { throw read_failure(path, errno); }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) { return; }
    void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number(), 0);
    if (memory == MAP_FAILED) {
        size_ = 0;
        throw read_failure(path, errno);
    }
    data_ = static_cast<std::byte const*>(memory);
    try {
        refuse_git_lfs_pointer(text(), path);
    } catch (...) {
        ::munmap(memory, size_);
        throw;
    }
}

BMAE_INLINE FileMap& FileMap::operator=(FileMap&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

BMAE_INLINE FileMap::~FileMap() {
    if (data_ != nullptr) { ::munmap(const_cast<std::byte*>(data_), size_); }
}

BMAE_INLINE std::string read_file(std::filesystem::path const& path, std::uint64_t limit) {
    Descriptor const file = open_regular(path);
    std::string content;
    std::size_t filled = 0;
    while (true) {
        if (filled == content.size()) { content.resize(content.size() < 65536 ? 65536 : content.size() * 2); }
        ssize_t const got = ::read(file.number(), content.data() + filled, content.size() - filled);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { throw read_failure(path, errno); }
        if (got == 0) { break; }
        filled += static_cast<std::size_t>(got);
        if (filled > limit) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = "at most " + std::to_string(limit) + " bytes",
                                        .found = "a longer file",
                                        .hint = "Check that this is the right file."});
        }
    }
    content.resize(filled);
    refuse_git_lfs_pointer(content, path);
    return content;
}

BMAE_INLINE void sync_folder(std::filesystem::path const& folder) {
    std::filesystem::path const path = folder.empty() ? std::filesystem::path(".") : folder;
    Descriptor const handle(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!handle.is_open()) { fail_to_write(path, "open the folder", errno); }
    if (::fsync(handle.number()) != 0 && errno != EINVAL) { fail_to_write(path, "make the folder durable", errno); }
}

BMAE_INLINE std::filesystem::path folder_of(std::filesystem::path const& path) {
    std::filesystem::path const parent = path.parent_path();
    return parent.empty() ? std::filesystem::path(".") : parent;
}

BMAE_INLINE InputError exists_failure(std::filesystem::path const& path, std::string_view found) {
    return InputError(Diagnostic{.file = path.string(),
                                 .expected = "a new name for the output",
                                 .found = std::string(found),
                                 .hint = "Nothing is overwritten: choose another name or remove it yourself."});
}

BMAE_INLINE void rename_durably(std::filesystem::path const& from, std::filesystem::path const& to, Existing existing) {
    int failed = 0;
    if (existing == Existing::refuse) {
        failed = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
        if (failed != 0 && errno == EEXIST) { throw exists_failure(to, "a file of that name, made meanwhile"); }
        bool const unknown = failed != 0 && (errno == EINVAL || errno == ENOSYS);   // to old file systems
        if (unknown) { failed = ::rename(from.c_str(), to.c_str()); }
    } else {
        failed = ::rename(from.c_str(), to.c_str());
    }
    if (failed != 0) { fail_to_write(to, "give the finished output its name", errno); }
    sync_folder(folder_of(to));
}

BMAE_INLINE AtomicFile::AtomicFile(std::filesystem::path path, Existing existing) : path_(std::move(path)), existing_(existing) {
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) { throw exists_failure(path_, "a folder"); }
        if (existing == Existing::refuse) { throw exists_failure(path_, "a file of that name"); }
        if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) { throw exists_failure(path_, "a device or a pipe"); }
    }
    static std::atomic<unsigned> counter{0};
    temporary_ = folder_of(path_) / ('.' + path_.filename().string() + ".tmp-" + std::to_string(::getpid()) + '-' +
                                     std::to_string(counter.fetch_add(1)));
    file_ = Descriptor(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file_.is_open()) { fail_to_write(path_, "create", errno); }
    buffer_.reserve(buffer_size);
}

BMAE_INLINE bool AtomicFile::is_remains(std::string_view name) noexcept {
    constexpr std::string_view mark = ".tmp-";
    constexpr std::string_view digits = "0123456789";
    std::size_t const at = name.rfind(mark);
    if (!name.starts_with('.') || at == name.npos || at < 2) { return false; }
    std::string_view const numbers = name.substr(at + mark.size());
    std::size_t const dash = numbers.find_first_not_of(digits);
    return dash != 0 && dash < numbers.size() && numbers[dash] == '-' && dash + 1 < numbers.size() &&
           numbers.find_first_not_of(digits, dash + 1) == numbers.npos;
}

BMAE_INLINE void AtomicFile::write(std::span<std::byte const> bytes) {
    size_ += bytes.size();
    if (bytes.size() < buffer_size - buffer_.size()) {
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        return;
    }
    flush();
    if (bytes.size() >= buffer_size) {
        put(bytes);
    } else {
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
}

BMAE_INLINE void AtomicFile::read_back(std::uint64_t offset, std::span<std::byte> bytes) {
    if (offset > size_ || bytes.size() > size_ - offset) {
        throw RunError(path_.string() + ": cannot read back what was not written.");
    }
    std::uint64_t const on_disk = size_ - buffer_.size();
    while (!bytes.empty() && offset < on_disk) {
        std::size_t const wanted = std::min<std::uint64_t>(bytes.size(), on_disk - offset);
        ssize_t const got = ::pread(file_.number(), bytes.data(), wanted, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) { continue; }
        if (got <= 0) { fail_to_write(path_, "read back", got < 0 ? errno : EIO); }
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    if (!bytes.empty()) { std::memcpy(bytes.data(), buffer_.data() + (offset - on_disk), bytes.size()); }
}

BMAE_INLINE void AtomicFile::commit() {
    flush();
    if (::fsync(file_.number()) != 0) { fail_to_write(path_, "write", errno); }
    if (::close(file_.release()) != 0) { fail_to_write(path_, "close", errno); }
    rename_durably(temporary_, path_, existing_);
    temporary_.clear();
}

BMAE_INLINE void AtomicFile::discard() noexcept {
    file_ = Descriptor();
    buffer_.clear();
    if (!temporary_.empty()) { ::unlink(temporary_.c_str()); }
    temporary_.clear();
}

BMAE_INLINE void AtomicFile::flush() {
    put(buffer_);
    buffer_.clear();
}

BMAE_INLINE void AtomicFile::put(std::span<std::byte const> bytes) {
    if (!file_.is_open()) { throw RunError(path_.string() + ": cannot write: the file was committed or discarded already."); }
    while (!bytes.empty()) {
        ssize_t const done = ::write(file_.number(), bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) { continue; }
        if (done < 0) { fail_to_write(path_, "write", errno); }
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
}

BMAE_INLINE void write_file(std::filesystem::path const& path, std::string_view content, Existing existing) {
    AtomicFile file(path, existing);
    file.write(content);
    file.commit();
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
