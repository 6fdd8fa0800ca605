// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rows of comma-separated values (RFC 4180): quoted fields may contain commas, doubled quotes and line ends.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bmae::detail {

/// Assembles a row from lines.
class CsvRow {
public:
    enum class State {
        whole,   ///< the row is complete
        open,    ///< a quoted field continues on the next line
        wrong,   ///< text after a closing quote
    };

    State add(std::string_view line) {
        if (is_open_) {
            fields_.back() += '\n';
        } else {
            fields_.assign(1, {});
            size_ = 0;
        }
        size_ += line.size();
        bool at_start = !is_open_;
        bool is_closed = false;
        for (std::size_t i = 0; i < line.size(); ++i) {
            char const c = line[i];
            if (is_open_ && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
                fields_.back() += c;
                ++i;
            } else if (is_open_ && c == '"') {
                is_open_ = false;
                is_closed = true;
            } else if (is_open_) {
                fields_.back() += c;
            } else if (c == ',') {
                fields_.emplace_back();
                at_start = true;
                is_closed = false;
            } else if (is_closed) {
                return State::wrong;
            } else {
                is_open_ = c == '"' && at_start;
                if (!is_open_) { fields_.back() += c; }
                at_start = false;
            }
        }
        return is_open_ ? State::open : State::whole;
    }

    [[nodiscard]] std::vector<std::string> const& fields() const noexcept { return fields_; }
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

    /// Bytes of the fields so far.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Discards an incomplete row.
    void drop() noexcept { is_open_ = false; }

private:
    std::vector<std::string> fields_;
    std::size_t size_ = 0;
    bool is_open_ = false;
};

}  // namespace bmae::detail
