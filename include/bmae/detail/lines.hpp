// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Lines of a plain or gzip text file, streamed.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <zlib.h>

#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

struct LineOptions {
    std::size_t max_bytes = std::size_t{64} << 20;   ///< of one line; a longer one is refused and may be skipped. Lines of gzip
                                                     ///< files are bounded by 8 MB or 8 times the packed file too
    bool allow_nul = false;                          ///< false: a NUL byte means that this is not a text file
};

/// Reads a text file line by line, with bounded memory. Files that start with the gzip signature are unpacked on the way.
///
/// Line ends LF and CRLF and a UTF-8 byte order mark at the start are stripped. A last line needs no line end.
class LineReader {
public:
    /// \throws InputError  where the file is missing, unreadable, a folder, UTF-16, or named .gz without being gzip
    explicit LineReader(std::filesystem::path path, LineOptions options = {}) : path_(std::move(path)), options_(options) {
        Descriptor file = open_for_reading(path_);
        std::size_t const packed = size_of(file);
        stream_ = ::gzdopen(file.number(), "rb");
        if (stream_ == nullptr) { throw RunError(path_.string() + ": cannot read: out of memory."); }
        file.release();
        ::gzbuffer(stream_, 1U << 17);
        buffer_.resize(std::size_t{1} << 18);
        try {
            fill();
            check_start();
            bool const is_packed = ::gzdirect(stream_) == 0;
            if (is_packed && packed != 0) { most_bytes_ = std::max(least_packed_bound, packed * packed_growth); }
            options_.max_bytes = std::min(options_.max_bytes, most_bytes_);
        } catch (...) {
            ::gzclose_r(stream_);
            throw;
        }
    }
    LineReader(LineReader const&) = delete;
    LineReader& operator=(LineReader const&) = delete;
    LineReader(LineReader&& other) noexcept
        : path_(std::move(other.path_)),
          options_(other.options_),
          stream_(std::exchange(other.stream_, nullptr)),
          buffer_(std::move(other.buffer_)),
          begin_(other.begin_),
          end_(other.end_),
          at_end_(other.at_end_),
          stepping_over_(other.stepping_over_),
          line_(other.line_),
          most_bytes_(other.most_bytes_),
          long_line_(std::move(other.long_line_)) {}
    LineReader& operator=(LineReader&&) = delete;
    ~LineReader() {
        if (stream_ != nullptr) { ::gzclose_r(stream_); }
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }
    [[nodiscard]] std::size_t line() const noexcept { return line_; }   ///< number of the last line; 0 before the first
    /// Bytes of several lines that may be held as one record: no bound but for gzip files, where a few bytes unpack to a thousand times as
    /// many.
    [[nodiscard]] std::size_t most_bytes() const noexcept { return most_bytes_; }

    /// The next line, without its end; valid until the next call. False at the end of the file.
    /// \throws InputError  on a line over the limit, a NUL byte, a damaged or truncated gzip file. After the first two, the
    ///                     next call continues with the next line.
    bool next(std::string_view& line) {
        if (stepping_over_ && !step_over()) { return false; }
        long_line_.clear();
        while (true) {
            if (begin_ == end_) {
                if (at_end_) { break; }
                fill();
                continue;
            }
            char const* const start = buffer_.data() + begin_;
            auto const* const stop = static_cast<char const*>(std::memchr(start, '\n', end_ - begin_));
            std::size_t const length = stop == nullptr ? end_ - begin_ : static_cast<std::size_t>(stop - start);
            if (long_line_.size() + length > options_.max_bytes) { refuse_length(); }
            begin_ += length + (stop == nullptr ? 0 : 1);
            if (stop != nullptr && long_line_.empty()) { return deliver({start, length}, line); }   // the usual case: no copy
            long_line_.append(start, length);
            if (stop != nullptr) { return deliver(long_line_, line); }
        }
        return !long_line_.empty() && deliver(long_line_, line);
    }

    /// A diagnostic about the last line.
    [[nodiscard]] Diagnostic diagnostic(std::string expected, std::string found, std::string hint = {}) const {
        return {.file = path_.string(),
                .line = line_,
                .expected = std::move(expected),
                .found = std::move(found),
                .hint = std::move(hint)};
    }

private:
    static constexpr std::size_t least_packed_bound = std::size_t{8} << 20;
    static constexpr std::size_t packed_growth = 8;   // of one record; text of many is packed to a third or a fifth

    /// 0 for pipes, whose end is not known.
    static std::size_t size_of(Descriptor const& file) noexcept {
        struct stat status{};
        bool const is_known = ::fstat(file.number(), &status) == 0 && S_ISREG(status.st_mode);
        return is_known ? static_cast<std::size_t>(status.st_size) : 0;
    }

    void fill() {
        begin_ = end_ = 0;
        int const got = ::gzread(stream_, buffer_.data(), static_cast<unsigned>(buffer_.size()));
        int code = Z_OK;
        char const* const message = ::gzerror(stream_, &code);
        if (got < 0 || code == Z_BUF_ERROR || code == Z_DATA_ERROR) { refuse_stream(code, message); }
        end_ = static_cast<std::size_t>(got);
        at_end_ = got == 0;
    }

    [[noreturn]] void refuse_stream(int code, char const* message) const {
        if (code == Z_BUF_ERROR) {
            throw InputError(
                diagnostic_after("a whole gzip file", "a truncated one", "It was truncated while copied: download it again."));
        }
        if (code == Z_ERRNO) { throw read_failure(path_, errno == 0 ? EIO : errno); }
        throw InputError(diagnostic_after("an undamaged gzip file", std::string("damage (") + message + ")", "Copy it again."));
    }

    void check_start() {
        std::string_view const start(buffer_.data(), end_);
        if (path_.extension() == ".gz" && ::gzdirect(stream_) != 0) {
            throw InputError(Diagnostic{.file = path_.string(),
                                        .expected = "a gzip file, as the name says",
                                        .found = start.empty() ? "an empty file" : "another format",
                                        .hint = "Download it again, or remove .gz from the name of a plain file."});
        }
        if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
            throw InputError(Diagnostic{.file = path_.string(),
                                        .line = 1,
                                        .expected = "UTF-8 text",
                                        .found = "UTF-16 text",
                                        .hint = "Convert it: iconv -f UTF-16 -t UTF-8."});
        }
        if (start.starts_with("\xef\xbb\xbf")) { begin_ = 3; }
    }

    bool deliver(std::string_view found, std::string_view& line) {
        ++line_;
        if (!found.empty() && found.back() == '\r') { found.remove_suffix(1); }
        if (!options_.allow_nul && std::memchr(found.data(), 0, found.size()) != nullptr) {
            throw InputError(
                diagnostic("text", "a NUL byte", "This looks like a binary file or UTF-16: name a UTF-8 text file."));
        }
        line = found;
        return true;
    }

    [[noreturn]] void refuse_length() {
        ++line_;
        stepping_over_ = true;
        throw InputError(diagnostic("a line of at most " + std::to_string(options_.max_bytes) + " bytes", "a longer one",
                                    "Check that this is a text file with one record per line."));
    }

    /// Skips the rest of an overlong line.
    bool step_over() {
        while (true) {
            void const* const stop = begin_ == end_ ? nullptr : std::memchr(buffer_.data() + begin_, '\n', end_ - begin_);
            if (stop != nullptr) {
                begin_ = static_cast<std::size_t>(static_cast<char const*>(stop) - buffer_.data()) + 1;
                stepping_over_ = false;
                return true;
            }
            if (at_end_) { return false; }
            fill();
        }
    }

    [[nodiscard]] Diagnostic diagnostic_after(std::string expected, std::string found, std::string hint) const {
        return {.file = path_.string(),
                .line = line_ + 1,
                .expected = std::move(expected),
                .found = std::move(found),
                .hint = std::move(hint)};
    }

    std::filesystem::path path_;
    LineOptions options_;
    gzFile stream_ = nullptr;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool at_end_ = false;
    bool stepping_over_ = false;
    std::size_t line_ = 0;
    std::size_t most_bytes_ = std::string::npos;
    std::string long_line_;
};

}  // namespace bmae::detail
