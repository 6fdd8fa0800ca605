// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Small JSON files (configurations), read strictly: a key given twice, a wrong type or a missing key is an error with its key.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

using Json = nlohmann::ordered_json;   ///< keeps the order of the keys, so that a rewritten file is unchanged

inline constexpr std::uint64_t largest_config_file = std::uint64_t{64} << 20;   ///< bytes
inline constexpr int deepest_config = 64;                                       ///< levels

/// "an object", "text" ...: the type of a value, for messages.
BMAE_INLINE std::string kind_of(Json const& value);

/// Reads a JSON document.
/// \param file  its name in messages
/// \throws InputError  text that is not JSON, a key twice in one object, nesting deeper than 64
BMAE_INLINE Json parse_json(std::string_view text, std::string const& file);

/// An object of a configuration file whose values are read by name and type.
class JsonObject {
public:
    JsonObject(Json value, std::string file, std::string place = {});

    static JsonObject read(std::filesystem::path const& path);

    [[nodiscard]] std::string const& file() const noexcept { return file_; }
    [[nodiscard]] Json const& json() const noexcept { return value_; }
    [[nodiscard]] bool has(std::string const& key) const { return value_.contains(key); }

    [[nodiscard]] InputError refuse(std::string expected, std::string found, std::string hint = {}) const;

    /// The value of a key, or nothing where the key is missing or null.
    template <class T>
    [[nodiscard]] std::optional<T> find(std::string const& key) const {
        auto const at = value_.find(key);
        if (at == value_.end() || at->is_null()) { return std::nullopt; }
        return convert<T>(*at, key);
    }

    /// The value of a key, or `fallback`, which the caller documents.
    template <class T>
    [[nodiscard]] T get(std::string const& key, T fallback) const {
        return find<T>(key).value_or(std::move(fallback));
    }

    /// The value of a key that is required.
    template <class T>
    [[nodiscard]] T require(std::string const& key, std::string hint = {}) const {
        auto found = find<T>(key);
        if (!found) { throw refuse("the key \"" + key + '"' + place_, "none", std::move(hint)); }
        return *std::move(found);
    }

private:
    template <class T>
    [[nodiscard]] T convert(Json const& value, std::string const& key) const {
        std::string const under = " under \"" + key + '"' + place_;
        if constexpr (std::is_same_v<T, bool>) {
            if (!value.is_boolean()) { throw refuse("true or false" + under, kind_of(value)); }
            return value.get<bool>();
        } else if constexpr (std::is_integral_v<T>) {
            bool const fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() >> 63 != 0);
            if (!fits) { throw refuse("a whole number" + under, kind_of(value)); }
            return static_cast<T>(value.get<std::int64_t>());
        } else if constexpr (std::is_floating_point_v<T>) {
            if (!value.is_number()) { throw refuse("a number" + under, kind_of(value)); }
            return value.get<T>();
        } else if constexpr (std::is_same_v<T, std::string>) {
            if (!value.is_string()) { throw refuse("text" + under, kind_of(value)); }
            return value.get<std::string>();
        } else if constexpr (std::is_same_v<T, JsonObject>) {
            if (!value.is_object()) { throw refuse("an object" + under, kind_of(value)); }
            return JsonObject(value, file_, under);
        } else {
            static_assert(std::is_same_v<T, std::vector<std::string>>, "a supported type");
            T texts;
            if (!value.is_array()) { throw refuse("an array" + under, kind_of(value)); }
            for (Json const& text : value) { texts.push_back(convert<std::string>(text, key)); }
            return texts;
        }
    }

    Json value_;
    std::string file_;
    std::string place_;
};

/// The text of a JSON document formatted as configuration files: two spaces of indent, a final line end.
inline std::string json_document(Json const& document) { return document.dump(2) + '\n'; }

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string kind_of(Json const& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "null";
        case Json::value_t::object:
            return "an object";
        case Json::value_t::array:
            return "an array";
        case Json::value_t::string:
            return "the text \"" + value.get_ref<std::string const&>().substr(0, 60) + '"';
        default:
            return value.dump();
    }
}

BMAE_INLINE Json parse_json(std::string_view text, std::string const& file) {
    std::vector<std::set<std::string>> keys;
    std::string twice;
    bool too_deep = false;
    // The parser silently keeps the last of two equal keys, so the keys are checked during parsing.
    auto const watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
        too_deep = too_deep || depth > deepest_config;
        if (event == Json::parse_event_t::object_start) { keys.emplace_back(); }
        if (event == Json::parse_event_t::object_end) { keys.pop_back(); }
        if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second && twice.empty()) {
            twice = parsed.get<std::string>();
        }
        return !too_deep;
    };
    auto const refuse = [&file](std::size_t line, std::string expected, std::string found) {
        return InputError(Diagnostic{.file = file,
                                     .line = line,
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "Correct the file or download it again."});
    };
    if (auto const nul = text.find('\0'); nul != text.npos) { throw refuse(0, "JSON", "a NUL at byte " + std::to_string(nul)); }
    try {
        Json document = Json::parse(text, watch);
        if (too_deep) { throw refuse(0, "at most 64 levels of JSON", "more"); }
        if (!twice.empty()) { throw refuse(0, "each key once", '"' + twice.substr(0, 60) + "\" twice"); }
        return document;
    } catch (Json::parse_error const& error) {
        std::size_t const at = std::min(error.byte, text.size());
        auto const lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
        std::string found = text.empty() ? "an empty file" : "an error at byte " + std::to_string(error.byte);
        throw refuse(static_cast<std::size_t>(lines) + 1, "JSON", std::move(found));
    } catch (Json::exception const& error) { throw refuse(0, "JSON", error.what()); }
}

BMAE_INLINE JsonObject::JsonObject(Json value, std::string file, std::string place)
    : value_(std::move(value)), file_(std::move(file)), place_(std::move(place)) {
    if (!value_.is_object()) { throw refuse("a JSON object" + place_, kind_of(value_)); }
}

BMAE_INLINE JsonObject JsonObject::read(std::filesystem::path const& path) {
    return JsonObject(parse_json(read_file(path, largest_config_file), path.string()), path.string());
}

BMAE_INLINE InputError JsonObject::refuse(std::string expected, std::string found, std::string hint) const {
    return InputError(
        Diagnostic{.file = file_, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
