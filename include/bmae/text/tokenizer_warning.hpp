// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a reader of tokenizer files says where they contradict each other and it goes on.
#pragma once

#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace bmae {

/// Receives warnings; standard error by default. A program sets it before it reads tokenizers.
inline std::function<void(std::string const&)>& tokenizer_warnings() {
    static std::function<void(std::string const&)> sink = [](std::string const& message) {
        std::clog << "warning: " << message << '\n';
    };
    return sink;
}

namespace detail {

/// Says it once: a folder is read several times.
inline void warn_of_tokenizer(std::string const& message) {
    static std::mutex mutex;
    static std::set<std::string> said;
    std::lock_guard const lock(mutex);
    if (said.insert(message).second) { tokenizer_warnings()(message); }
}

}  // namespace detail
}  // namespace bmae
