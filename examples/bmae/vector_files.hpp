// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors that `encode` wrote, read without LibTorch: a file with its ids, or a folder of shards.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

#include "common.hpp"

namespace bmae::program {

/// What is known before the first vector.
struct VectorSource {
    std::size_t dimension = 0;
    Json model = nullptr;   ///< what made them; null where it is not told
};

/// Calls `begin` once, then `use` with each vector in its order.
/// \throws InputError  vectors of chunks, an unfinished folder, files that are damaged or do not fit each other
void for_each_vector(Path const& path, std::function<void(VectorSource const&)> const& begin,
                     std::function<void(std::string_view id, std::span<float const> values)> const& use);

}  // namespace bmae::program
