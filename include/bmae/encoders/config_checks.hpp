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
    /// The sizes that every family has.
    /// \param head_width  the least width of a head
    template <class Config>
    void sizes(Config const& config, std::int64_t head_width) const {
        within("vocab_size", config.vocab_size, 1, 100'000'000);
        within("hidden_size", config.hidden_size, head_width, 1'000'000);
        within("num_hidden_layers", config.num_hidden_layers, 1, 10'000);
        within("num_attention_heads", config.num_attention_heads, 1, config.hidden_size / head_width);
        within("intermediate_size", config.intermediate_size, 1, 10'000'000);
        within("max_position_embeddings", config.max_position_embeddings, 1, 10'000'000);
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
