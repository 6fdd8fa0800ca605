// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common code of all readers: the list of files, and the policy for malformed lines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/record.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/text/blanks.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Policy for malformed lines.
enum class MalformedLine {
    refuse,   ///< InputError with file, line, what was expected and found
    skip,     ///< skipped, counted and reported
};

struct ReadOptions {
    MalformedLine malformed = MalformedLine::refuse;
    InvalidUtf8 invalid_utf8 = InvalidUtf8::reject;   ///< reject: such a line is malformed
    std::size_t max_line_bytes = std::size_t{64} << 20;
    std::size_t max_document_bytes = std::size_t{1} << 30;   ///< of a document of several lines
    bool unique_ids = true;                                  ///< a second record of the same id is malformed
};

/// The report of a reader.
struct ReadReport {
    static constexpr std::size_t kept_messages = 10;

    std::uint64_t records = 0;
    std::uint64_t skipped = 0;                            ///< malformed lines or records skipped
    std::map<std::string, std::uint64_t> reasons = {};    ///< number of the skipped ones by what was expected
    std::uint64_t warnings = 0;                           ///< irregularities that were accepted
    std::uint64_t replaced = 0;                           ///< lines whose ill-formed UTF-8 was replaced
    std::map<std::string, std::uint64_t> left_out = {};   ///< valid but unused records, by kind
    std::vector<std::string> messages = {};               ///< about the first few of them

    void skip(Diagnostic const& diagnostic) {
        ++skipped;
        ++reasons[diagnostic.expected];
        keep("skipped: " + to_string(diagnostic));
    }
    void warn(std::string message) {
        ++warnings;
        keep("warning: " + std::move(message));
    }
    /// Adds the report of another reader.
    void add(ReadReport const& other) {
        records += other.records;
        skipped += other.skipped;
        warnings += other.warnings;
        replaced += other.replaced;
        for (auto const& [reason, count] : other.reasons) { reasons[reason] += count; }
        for (auto const& [kind, count] : other.left_out) { left_out[kind] += count; }
        for (std::string const& message : other.messages) { keep(message); }
    }

private:
    void keep(std::string message) {
        if (messages.size() < kept_messages) { messages.push_back(std::move(message)); }
    }
};

/// The files to read: a path of a file, or a folder, recursively and sorted, without hidden files.
/// \throws InputError  where a path does not exist or a folder has no file
inline std::vector<std::filesystem::path> list_files(std::span<std::filesystem::path const> inputs) {
    std::vector<std::filesystem::path> files;
    for (std::filesystem::path const& input : inputs) {
        std::error_code code;
        if (!std::filesystem::is_directory(input, code)) {
            static_cast<void>(detail::open_for_reading(input));   // reports missing files at once
            files.push_back(input);
            continue;
        }
        std::vector<std::filesystem::path> found;
        auto const options = std::filesystem::directory_options::follow_directory_symlink;
        std::filesystem::recursive_directory_iterator entry(input, options, code);
        for (; !code && entry != end(entry); entry.increment(code)) {
            bool const hidden = entry->path().filename().string().starts_with('.');
            if (hidden && entry->is_directory()) { entry.disable_recursion_pending(); }
            if (!hidden && entry->is_regular_file()) { found.push_back(entry->path()); }
        }
        if (code) { throw detail::read_failure(input, code.value()); }
        if (found.empty()) {
            throw InputError(Diagnostic{.file = input.string(),
                                        .expected = "a folder with files",
                                        .found = "none",
                                        .hint = "Name the files or the folder that holds them."});
        }
        std::sort(found.begin(), found.end());
        files.insert(files.end(), found.begin(), found.end());
    }
    return files;
}

namespace detail {

/// A line as an error message may show it: short, on one line.
inline std::string excerpt(std::string_view text, std::size_t most = 60) {
    std::string shown;
    for (char const c : text.substr(0, most)) { shown += static_cast<unsigned char>(c) < 0x20 ? ' ' : c; }
    shown.resize(std::min(first_invalid_utf8(shown), shown.size()));   // truncated within a character
    return '\'' + shown + (text.size() > most ? "...'" : "'");
}

/// The lines of several files under one policy: every error is an exception or a line of the report.
class RecordLines {
public:
    RecordLines(std::span<std::filesystem::path const> inputs, ReadOptions options)
        : files_(list_files(inputs)), options_(options) {}

    /// The next line of the current file, valid UTF-8 and without NUL; false at its end. The first call needs `next_file`.
    bool next(std::string_view& line) {
        while (true) {
            try {
                if (!reader_->next(line)) { return false; }
            } catch (InputError const& error) {
                // Overlong lines and NUL bytes can be skipped; errors of the stream and of the disk cannot.
                if (error.diagnostic().line != reader_->line()) { throw; }
                fault(error.diagnostic());
                continue;
            }
            std::size_t const bad = first_invalid_utf8(line);
            if (bad == std::string_view::npos) { return true; }
            if (options_.invalid_utf8 == InvalidUtf8::replace) {
                ++report_.replaced;
                line = repair(line);
                return true;
            }
            fault(diagnostic("UTF-8", "an ill-formed byte at column " + std::to_string(bad + 1),
                             "Convert the file (iconv -t UTF-8), or choose to replace such bytes."));
        }
    }

    /// Opens the next file; false after the last one.
    bool next_file() {
        reader_.reset();
        if (place_ == files_.size()) { return false; }
        file_ = std::make_shared<std::filesystem::path const>(files_[place_++]);
        reader_.emplace(*file_, LineOptions{.max_bytes = options_.max_line_bytes});
        return true;
    }

    /// Throws the diagnostic, or counts it where the policy is to skip.
    void fault(Diagnostic diagnostic) {
        if (options_.malformed == MalformedLine::refuse) { throw InputError(std::move(diagnostic)); }
        report_.skip(diagnostic);
    }

    /// A diagnostic about the line read last.
    [[nodiscard]] Diagnostic diagnostic(std::string expected, std::string found, std::string hint = {}) const {
        return reader_->diagnostic(std::move(expected), std::move(found), std::move(hint));
    }

    /// True where the record may be returned: its id is neither empty nor seen before.
    bool accept(Record& record) {
        record.file = file_;
        auto const complain = [&](std::string expected, std::string found, std::string hint) {
            fault({.file = file_->string(),
                   .line = record.line,
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .hint = std::move(hint)});
            return false;
        };
        if (record.id.empty()) { return complain("an id", "an empty one", "Every record needs a name of its own."); }
        if (has_line_end(record.id)) {
            return complain("an id on one line", "a line end in " + excerpt(record.id), "Files of ids have one per line.");
        }
        if (options_.unique_ids) {
            // Ids are compared by a 64-bit hash: for ten million ids the probability of a collision is 1 in 400 000.
            Place const place{static_cast<std::uint32_t>(place_ - 1), record.line};
            auto const [first, is_new] = seen_.try_emplace(xxh64(record.id), place);
            if (!is_new) {
                return complain("every id once",
                                "id " + excerpt(record.id) + " again, first at " + files_[first->second.file].string() + ':' +
                                    std::to_string(first->second.line),
                                "Remove one of the two.");
            }
        }
        if (has_blank(record.id)) {
            report_.warn(file_->string() + ':' + std::to_string(record.line) + ": id " + excerpt(record.id) +
                         " contains a blank, which TREC files cannot express.");
        }
        ++report_.records;
        return true;
    }

    [[nodiscard]] bool has_file() const noexcept { return reader_.has_value(); }
    [[nodiscard]] std::filesystem::path const& file() const noexcept { return *file_; }
    [[nodiscard]] std::size_t line() const noexcept { return reader_->line(); }
    [[nodiscard]] ReadOptions const& options() const noexcept { return options_; }
    /// Bytes of a document of several lines of the current file.
    [[nodiscard]] std::size_t most_document_bytes() const noexcept {
        return std::min(options_.max_document_bytes, reader_->most_bytes());
    }
    /// Bytes of a row of a table whose quoted fields contain line ends.
    [[nodiscard]] std::size_t most_row_bytes() const noexcept { return std::min(options_.max_line_bytes, reader_->most_bytes()); }
    [[nodiscard]] ReadReport& report() noexcept { return report_; }
    [[nodiscard]] ReadReport const& report() const noexcept { return report_; }

private:
    struct Place {
        std::uint32_t file;
        std::size_t line;
    };

    std::string_view repair(std::string_view line) {
        repaired_.clear();
        while (!line.empty()) {
            Utf8Step const step = read_utf8(line);
            append_utf8(repaired_, step.character);
            line.remove_prefix(step.bytes);
        }
        return repaired_;
    }

    std::vector<std::filesystem::path> files_;
    ReadOptions options_;
    std::size_t place_ = 0;   // of the file after the current one
    std::shared_ptr<std::filesystem::path const> file_;
    std::optional<LineReader> reader_;
    std::string repaired_;
    std::unordered_map<std::uint64_t, Place> seen_;
    ReadReport report_;
};

}  // namespace detail

}  // namespace bmae
