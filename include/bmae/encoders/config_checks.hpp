// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Checks of the numbers in an encoder's config.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <bmae/values/error.hpp>

namespace bmae::detail {

/// Refuses numbers of a config, by the names of their options.
class ConfigChecks {
public:
    /// \param file  name of the source in messages; must outlive it
    explicit ConfigChecks(std::string const& file) : file_(file) {}

    [[noreturn]] void refuse(std::string expected, std::string found) const {
        throw InputError(Diagnostic{.file = file_, .expected = std::move(expected), .found = std::move(found)});
    }
    void within(char const* name, std::int64_t value, std::int64_t least, std::int64_t most) const {
        if (value >= least && value <= most) { return; }
        refuse(std::string(name) + " between " + std::to_string(least) + " and " + std::to_string(most), std::to_string(value));
    }
    void number(char const* name, double value, double least, double below) const {
        if (std::isfinite(value) && value >= least && value < below) { return; }
        refuse(std::string(name) + " of at least " + std::to_string(least) + " and below " + std::to_string(below),
               std::to_string(value));
    }
    /// Of an encoder with rotary positions, which turn pairs of columns.
    void even_heads(std::int64_t hidden_size, std::int64_t num_attention_heads) const {
        if (hidden_size % (2 * num_attention_heads) == 0) { return; }
        refuse("a hidden_size that num_attention_heads divides into heads of an even width, which rotary positions need",
               std::to_string(hidden_size) + " and " + std::to_string(num_attention_heads));
    }

private:
    std::string const& file_;
};

}  // namespace bmae::detail
