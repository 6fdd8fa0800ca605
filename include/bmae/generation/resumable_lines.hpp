// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A file of lines that several runs of a program may write in sequence, with the same bytes as one run.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <bmae/detail/whole_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Lines are appended to OUTPUT.partial, group by group, each synced before the next; OUTPUT.partial.json has the settings
/// of the run. `commit` renames the file. After a kill, `keep_groups` finds the complete groups and the run continues.
class ResumableLines {
public:
    /// \param settings  text of all settings that determine the lines; resuming requires the same
    /// \throws InputError  the output is there already, an unfinished one is there without `resume`, other settings, a folder
    ///                     that cannot be written
    /// \throws InUseError  another program is writing there
    ResumableLines(std::filesystem::path output, std::string const& settings, bool resume)
        : output_(std::move(output)), partial_(beside(".partial")), settings_(beside(".partial.json")) {
        if (std::filesystem::exists(output_)) {
            if (!resume) { throw detail::exists_failure(output_, "a file of that name"); }
            complete_ = true;
            return;
        }
        bool const unfinished = std::filesystem::exists(partial_);
        if (unfinished && !resume) {
            throw InputError(Diagnostic{.file = partial_.string(),
                                        .expected = "a new name for the output",
                                        .found = "an unfinished run",
                                        .hint = "Resume that run by --resume, choose another name or remove it yourself."});
        }
        if (unfinished) {
            std::string const before = std::filesystem::exists(settings_) ? detail::read_file(settings_) : std::string();
            if (before != settings) {
                throw InputError(
                    Diagnostic{.file = settings_.string(),
                               .expected = "the settings of this run, " + settings,
                               .found = before.empty() ? "none" : before,
                               .hint = "Resume with the options and the model that the run began with, or choose another name."});
            }
        } else {
            detail::write_file(settings_, settings, detail::Existing::replace);
        }
        file_ = detail::Descriptor(::open(partial_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
        if (!file_.is_open()) { detail::fail_to_write(partial_, "create", errno); }
        if (::flock(file_.number(), LOCK_EX | LOCK_NB) != 0) {
            throw InUseError(partial_.string() + ": another program is writing there. Wait for it or choose another output.");
        }
    }

    /// True where the output was finished before: nothing is left to do.
    [[nodiscard]] bool is_complete() const noexcept { return complete_; }

    /// Keeps the complete groups of lines of a killed run and truncates the rest.
    /// \param group    lines of a group
    /// \param confirm  called with each whole line, without its end, in order, until it returns false at the end
    /// \returns the number of lines kept
    template <class Confirm>
    std::size_t keep_groups(std::size_t group, Confirm confirm) {
        std::size_t lines = 0;
        std::size_t kept_lines = 0;
        std::size_t kept_bytes = 0;
        {
            detail::FileMap const map(partial_);   // deleted before the file is truncated
            std::string_view const text = map.text();
            for (std::size_t at = 0; at < text.size();) {
                std::size_t const end = text.find('\n', at);
                if (end == std::string_view::npos || !confirm(text.substr(at, end - at))) { break; }
                at = end + 1;
                if (++lines % group == 0) {
                    kept_lines = lines;
                    kept_bytes = at;
                }
            }
        }
        if (::ftruncate(file_.number(), static_cast<::off_t>(kept_bytes)) != 0 || ::lseek(file_.number(), 0, SEEK_END) < 0) {
            detail::fail_to_write(partial_, "cut", errno);
        }
        return kept_lines;
    }

    /// Writes a group of lines to the disk. \throws InputError on a full disk, RunError on a failing one
    void append(std::string_view lines) {
        while (!lines.empty()) {
            ssize_t const done = ::write(file_.number(), lines.data(), lines.size());
            if (done < 0 && errno == EINTR) { continue; }
            if (done < 0) { detail::fail_to_write(partial_, "write", errno); }
            lines.remove_prefix(static_cast<std::size_t>(done));
        }
        if (::fdatasync(file_.number()) != 0) { detail::fail_to_write(partial_, "write", errno); }
    }

    /// Renames the finished file. \throws InputError where a file of that name exists by now
    void commit() {
        if (::fsync(file_.number()) != 0) { detail::fail_to_write(partial_, "write", errno); }
        detail::rename_durably(partial_, output_, detail::Existing::refuse);
        ::unlink(settings_.c_str());
        file_ = detail::Descriptor();
        complete_ = true;
    }

private:
    [[nodiscard]] std::filesystem::path beside(char const* ending) const {
        std::filesystem::path path = output_;
        path += ending;
        return path;
    }

    std::filesystem::path output_;
    std::filesystem::path partial_;
    std::filesystem::path settings_;
    detail::Descriptor file_;
    bool complete_ = false;
};

}  // namespace bmae
