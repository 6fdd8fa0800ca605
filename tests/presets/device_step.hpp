// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Runs a step by the paths of a GPU without one: on a CPU that stands for it, watching for operators that would wait.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include <ATen/record_function.h>

#include <bmae/nn/kernels.hpp>

namespace test {

/// Operators after which the host of a GPU waits, because it needs a number or a number of results.
inline bool waits(std::string const& name) {
    static std::set<std::string> const all{"aten::_local_scalar_dense", "aten::nonzero",  "aten::masked_select", "aten::equal",
                                           "aten::is_nonzero",          "aten::_unique2", "aten::allclose"};
    return all.contains(name);
}

/// Calls `step` while a CPU stands for another device.
/// \returns the operators that wait, each once. What it cannot see: copies to the host, which a CPU does not make
inline std::set<std::string> waits_on_a_device(std::function<void()> const& step) {
    static thread_local std::set<std::string> found;
    found.clear();
    auto const handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback([](at::RecordFunction const& function) -> std::unique_ptr<at::ObserverContext> {
            if (waits(function.name())) { found.insert(function.name()); }
            return nullptr;
        }));
    bmae::detail::stands_for_device() = true;
    try {
        step();
    } catch (...) {
        bmae::detail::stands_for_device() = false;
        at::removeCallback(handle);
        throw;
    }
    bmae::detail::stands_for_device() = false;
    at::removeCallback(handle);
    return found;
}

}  // namespace test
