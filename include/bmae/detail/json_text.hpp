// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One way to read JSON, for files and lines: bounded in depth and memory, each key once, no NUL.
///
/// The parser itself needs no stack for depth, but copying, comparing and writing a value does. It also keeps the last of two equal
/// keys and ends at a NUL, in silence. A value takes up to sixty times the memory of its two characters of text.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/values/error.hpp>

namespace bmae::detail {

inline constexpr int deepest_json = 64;   ///< levels

/// What a text looks like that may be JSON, from its brackets and colons outside of quotes.
struct JsonOutline {
    int depth = 0;             ///< levels of arrays and objects
    std::size_t members = 0;   ///< of all objects together
    std::size_t values = 1;    ///< at most: members of objects, elements of arrays, containers
    std::size_t nul = std::string_view::npos;
};

inline JsonOutline outline_of_json(std::string_view text) noexcept {
    JsonOutline outline{.nul = text.find('\0')};
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        switch (text[i]) {
            case '"':
                for (++i; i < text.size() && text[i] != '"'; ++i) { i += text[i] == '\\' ? 1 : 0; }
                break;
            case '[':
            case '{':
                outline.depth = std::max(outline.depth, ++depth);
                ++outline.values;
                break;
            case ']':
            case '}':
                --depth;
                break;
            case ':':
                ++outline.members;
                break;
            case ',':
                ++outline.values;
                break;
            default:
                break;
        }
    }
    return outline;
}

/// Whether a text holds more values than its size explains: its tree would take more than 2 x the text + 48 MB.
inline bool is_crowded(JsonOutline const& outline, std::size_t bytes) noexcept {
    constexpr std::size_t bytes_of_value = 40, bytes_of_key = 64, free_bytes = std::size_t{48} << 20;
    return outline.values * bytes_of_value + outline.members * bytes_of_key > 2 * bytes + free_bytes;
}

/// Members of all objects of a value whose depth is bounded.
template <class J>
std::size_t count_members(J const& value) {
    std::size_t count = value.is_object() ? value.size() : 0;
    if (value.is_structured()) {
        for (auto const& part : value) { count += count_members(part); }
    }
    return count;
}

/// A key that stands twice in one object; empty where there is none.
template <class J>
std::string key_twice(std::string_view text) {
    std::vector<std::set<std::string>> keys;
    std::string twice;
    auto const watch = [&](int, typename J::parse_event_t event, J& key) {
        if (event == J::parse_event_t::object_start) { keys.emplace_back(); }
        if (event == J::parse_event_t::object_end) { keys.pop_back(); }
        if (event == J::parse_event_t::key && !keys.back().insert(key.template get<std::string>()).second && twice.empty()) {
            twice = key.template get<std::string>();
        }
        return true;
    };
    [[maybe_unused]] J const parsed = J::parse(text, watch);
    return twice;
}

/// Reads a text of unknown origin where anything but sound JSON counts as none: a discarded value then.
template <class J>
J parse_json_or_nothing(std::string_view text) {
    JsonOutline const outline = outline_of_json(text);
    if (outline.depth > deepest_json || outline.nul != text.npos || is_crowded(outline, text.size())) {
        return J(J::value_t::discarded);
    }
    J document = J::parse(text, nullptr, false);
    bool const repeats = !document.is_discarded() && count_members(document) != outline.members;
    return repeats ? J(J::value_t::discarded) : document;
}

/// Reads a JSON document.
/// \param file  its name in messages
/// \param hint  how to get a sound file
/// \throws InputError  text that is not JSON, a NUL, a key twice in one object, nesting deeper than 64, millions of tiny values
template <class J>
J parse_json_text(std::string_view text, std::string const& file,
                  std::string const& hint = "Correct the file or download it again.") {
    auto const refuse = [&](std::size_t line, std::string expected, std::string found) {
        return InputError(
            Diagnostic{.file = file, .line = line, .expected = std::move(expected), .found = std::move(found), .hint = hint});
    };
    JsonOutline const outline = outline_of_json(text);
    if (outline.nul != text.npos) { throw refuse(0, "JSON", "a NUL at byte " + std::to_string(outline.nul)); }
    if (outline.depth > deepest_json) { throw refuse(0, "at most 64 levels of JSON", std::to_string(outline.depth)); }
    if (is_crowded(outline, text.size())) { throw refuse(0, "fewer values", std::to_string(outline.values)); }
    try {
        J document = J::parse(text);
        if (count_members(document) != outline.members) {
            throw refuse(0, "each key once", '"' + key_twice<J>(text).substr(0, 60) + "\" twice");
        }
        return document;
    } catch (typename J::parse_error const& error) {
        std::size_t const at = std::min(error.byte, text.size());
        auto const lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
        std::string found = text.empty() ? "an empty file" : "an error at byte " + std::to_string(error.byte);
        throw refuse(static_cast<std::size_t>(lines) + 1, "JSON", std::move(found));
    } catch (typename J::exception const& error) { throw refuse(0, "JSON", error.what()); }
}

/// "an object", "text" ...: the type of a value, for messages. Values that hold others are not written out.
template <class J>
std::string kind_of_json(J const& value) {
    switch (value.type()) {
        case J::value_t::null:
            return "null";
        case J::value_t::object:
            return "an object";
        case J::value_t::array:
            return "an array";
        case J::value_t::string:
            return "the text \"" + value.template get_ref<std::string const&>().substr(0, 60) + '"';
        default:
            return value.dump();
    }
}

/// A whole number in the range of its type: JSON libraries convert others in silence.
/// \throws std::out_of_range  any other value, with the key
template <class T, class J>
T whole_number(J const& value, std::string const& key) {
    bool const fits = value.is_number_unsigned()  ? std::in_range<T>(value.template get<std::uint64_t>())
                      : value.is_number_integer() ? std::in_range<T>(value.template get<std::int64_t>())
                                                  : false;
    if (!fits) { throw std::out_of_range('"' + key + "\": " + kind_of_json(value)); }
    return value.template get<T>();
}

/// A number that is neither infinite nor of another type. \throws std::out_of_range  any other value, with the key
template <class J>
double finite_number(J const& value, std::string const& key) {
    if (!value.is_number() || !std::isfinite(value.template get<double>())) {
        throw std::out_of_range('"' + key + "\": " + kind_of_json(value));
    }
    return value.template get<double>();
}

}  // namespace bmae::detail
