// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files that once ended in a crash, a hang, a library's text or in silence.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

struct Finding {
    std::string name;
    std::string_view target;
    std::function<std::string()> input;
    std::string says;   ///< part of the message; empty: it is accepted
};

std::vector<Finding> const& findings();

}  // namespace fuzz
