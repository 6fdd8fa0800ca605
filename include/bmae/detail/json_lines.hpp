// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The line of each value of a JSON document, for diagnostics of files that people write by hand.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bmae::detail {

/// Lines of the keys and elements of a JSON document, by their path: "/stages/2/options/steps".
///
/// Reads a document that has been parsed before: what is not JSON has no lines of interest. Escapes in keys are kept as they are
/// written, '/' in a key is not escaped in the path. Nothing is kept of paths above 1024 bytes, nor of values behind the first 65536,
/// which nobody writes by hand: they have the lines of their ancestors.
class JsonLines {
public:
    explicit JsonLines(std::string_view text);

    /// The line of a value, from 1; of its nearest ancestor where it is absent.
    [[nodiscard]] std::size_t of(std::string path) const {
        while (!path.empty()) {
            if (auto const found = lines_.find(path); found != lines_.end()) { return found->second; }
            path.erase(path.rfind('/'));
        }
        return first_;
    }

private:
    static constexpr std::size_t longest_path = 1024;
    static constexpr std::size_t most_lines = 65536;

    std::map<std::string, std::size_t> lines_;
    std::size_t first_ = 1;
};

inline JsonLines::JsonLines(std::string_view text) {
    struct Level {
        std::optional<std::string> path;   // of the array or object; nothing where it is too long
        bool array;
        std::size_t index = 0;   // of the next element
    };
    std::vector<Level> levels;
    std::string key;
    bool at_key = false;
    std::size_t line = 1;
    auto const path_of_value = [&]() -> std::optional<std::string> {
        if (levels.empty()) { return std::string(); }
        Level const& level = levels.back();
        if (!level.path || level.path->size() + key.size() >= longest_path) { return std::nullopt; }
        return *level.path + '/' + (level.array ? std::to_string(level.index) : key);
    };
    auto const note = [&](std::optional<std::string> const& path) {
        if (path && lines_.size() < most_lines) { lines_.emplace(*path, line); }
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        switch (text[i]) {
            case '\n':
                ++line;
                break;
            case '"': {
                std::size_t const begin = i + 1;
                for (++i; i < text.size() && text[i] != '"'; ++i) { i += text[i] == '\\' ? 1 : 0; }
                if (at_key) {
                    key = text.substr(begin, i < text.size() ? i - begin : text.npos);
                    note(path_of_value());
                    at_key = false;
                } else if (!levels.empty() && levels.back().array) {
                    note(path_of_value());
                }
                break;
            }
            case '{':
            case '[': {
                std::optional<std::string> path = path_of_value();
                if (levels.empty()) {
                    first_ = line;
                } else if (levels.back().array) {
                    note(path);
                }
                levels.push_back({.path = std::move(path), .array = text[i] == '['});
                at_key = text[i] == '{';
                break;
            }
            case '}':
            case ']':
                if (!levels.empty()) { levels.pop_back(); }
                at_key = false;
                break;
            case ',':
                if (levels.empty()) { break; }
                levels.back().index += 1;
                at_key = !levels.back().array;
                break;
            default:
                break;
        }
    }
}

}  // namespace bmae::detail
