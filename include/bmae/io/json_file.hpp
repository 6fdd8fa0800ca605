// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Small JSON files (configurations), read strictly: a key given twice, a wrong type or a missing key is an error with its key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

using Json = nlohmann::ordered_json;   ///< keeps the order of the keys, so that a rewritten file is unchanged

inline constexpr std::uint64_t largest_config_file = std::uint64_t{64} << 20;   ///< bytes

/// "an object", "text" ...: the type of a value, for messages.
BMAE_INLINE std::string kind_of(Json const& value);

/// Reads a JSON document.
/// \param file  its name in messages
/// \throws InputError  text that is not JSON, a NUL, a key twice in one object, nesting deeper than 64
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
            bool const fits = value.is_number_unsigned()  ? std::in_range<T>(value.get<std::uint64_t>())
                              : value.is_number_integer() ? std::in_range<T>(value.get<std::int64_t>())
                                                          : false;
            if (!fits) { throw refuse("a whole number" + under, kind_of(value)); }
            return value.get<T>();
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

BMAE_INLINE std::string kind_of(Json const& value) { return kind_of_json(value); }

BMAE_INLINE Json parse_json(std::string_view text, std::string const& file) { return parse_json_text<Json>(text, file); }

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
