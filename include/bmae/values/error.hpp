// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What can go wrong, said so that the reader knows what to do next.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace bmae {

/// Base of everything that this library throws on purpose.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// One refused piece of input: where it stands, what was wanted, what was there and how to fix it.
struct Diagnostic {
    std::string file;        ///< path as the user wrote it; empty where no file is involved
    std::size_t line = 0;    ///< counted from 1; 0 where lines mean nothing
    std::string expected;    ///< what a well-formed input has here
    std::string found;       ///< what stands there instead
    std::string hint = {};   ///< what to do about it
};

/// `FILE:LINE: expected E, found F. REMEDY`
inline std::string to_string(Diagnostic const& diagnostic) {
    std::string text = diagnostic.file;
    if (diagnostic.line != 0) { text += ':' + std::to_string(diagnostic.line); }
    if (!text.empty()) { text += ": "; }
    text += "expected " + diagnostic.expected + ", found " + diagnostic.found + '.';
    if (!diagnostic.hint.empty()) { text += ' ' + diagnostic.hint; }
    return text;
}

/// The input or the request is at fault, not the run, and who gave it can fix it: an output that has no room, too. Programs end
/// with exit status 2.
class InputError : public Error {
public:
    explicit InputError(std::string const& message) : Error(message) {}
    explicit InputError(Diagnostic diagnostic) : Error(to_string(diagnostic)), diagnostic_(std::move(diagnostic)) {}

    [[nodiscard]] Diagnostic const& diagnostic() const noexcept { return diagnostic_; }

private:
    Diagnostic diagnostic_;
};

/// Something broke while running (a failing disk, a non-finite loss): programs end with exit status 1.
class RunError : public Error {
public:
    using Error::Error;
};

}  // namespace bmae
