// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reports of failed commands.
#pragma once

#include <string>
#include <vector>

namespace bmae::program {

/// Says on standard error what the exception in flight means, and with --json prints it as the object of docs/formats.md. To be
/// called from a handler. \returns the exit status
int report_error(std::vector<std::string> const& arguments);

/// A message of the library in the words of the program: options in place of members that only a C++ program can set.
std::string in_program_words(std::string text);

}  // namespace bmae::program
