// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Errors with a diagnostic: what was expected, what was found, and a hint.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace bmae {

/// Base of all exceptions of this library.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Diagnostic of refused input: its place, what was expected, what was found and how to fix it.
struct Diagnostic {
    std::string file;        ///< path as the user gave it; empty where no file is involved
    std::size_t line = 0;    ///< counted from 1; 0 where not applicable
    std::string expected;    ///< what well-formed input has here
    std::string found;       ///< what the input has instead
    std::string hint = {};   ///< how to fix it
};

/// `FILE:LINE: expected E, found F. HINT`
inline std::string to_string(Diagnostic const& diagnostic) {
    std::string text = diagnostic.file;
    if (diagnostic.line != 0) { text += ':' + std::to_string(diagnostic.line); }
    if (!text.empty()) { text += ": "; }
    text += "expected " + diagnostic.expected + ", found " + diagnostic.found + '.';
    if (!diagnostic.hint.empty()) { text += ' ' + diagnostic.hint; }
    return text;
}

/// Invalid input or options, which the user can fix; also an output without space on its disk. Programs end
/// with exit status 2.
class InputError : public Error {
public:
    explicit InputError(std::string const& message) : Error(message) {}
    explicit InputError(Diagnostic diagnostic) : Error(to_string(diagnostic)), diagnostic_(std::move(diagnostic)) {}

    [[nodiscard]] Diagnostic const& diagnostic() const noexcept { return diagnostic_; }

private:
    Diagnostic diagnostic_;
};

/// A failure while running (a failing disk, a non-finite loss): programs end with exit status 1.
class RunError : public Error {
public:
    using Error::Error;
};

/// Another program is writing the output: wait for it or choose another place. Programs end with exit status 2, as for
/// every output that is refused.
class InUseError : public RunError {
public:
    using RunError::RunError;
};

}  // namespace bmae
