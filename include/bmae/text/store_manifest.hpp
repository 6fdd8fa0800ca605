// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common part of all manifests: the tokenizer, the files with their checksums, and the checksum of the manifest itself.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// A kind of store, by its names in manifest and messages.
struct StoreKind {
    std::string_view magic;     ///< value of the key "format"
    std::string_view name;      ///< "token store"
    std::string_view command;   ///< command that makes it
    int version = 1;
};

struct StoreFile {
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;   ///< XXH64
};

/// Common fields of manifests.
struct StoreHeader {
    std::string tokenizer_kind;   ///< "wordpiece", "byte_level_bpe" ...; empty in older stores
    std::uint64_t fingerprint = 0;
    std::uint64_t vocabulary_size = 0;
    SpecialIds special;
    std::map<std::string, StoreFile> files;
};

/// Checksum of all data of a store, from the checksums of its files and its tokenizer's.
BMAE_INLINE Xxh64 content_hash(StoreHeader const& header);

/// The keys "format", "version" and "tokenizer", in this order.
BMAE_INLINE nlohmann::ordered_json start_manifest(StoreKind const& kind, StoreHeader const& header);

/// The manifest as text, with the keys "files" and "checksum" put at its end: two blanks of indent.
BMAE_INLINE std::string finish_manifest(nlohmann::ordered_json json, StoreHeader const& header);

BMAE_INLINE void read_header(nlohmann::ordered_json const& json, StoreHeader& header);

/// Checks format, version and checksum of a manifest, then reads its header and calls `read(json)` for the rest.
/// \param file         for the messages
/// \throws InputError  where `text` was not made by `finish_manifest`, or another version of it
BMAE_INLINE void read_manifest(std::string const& text, std::string const& file, StoreKind const& kind, StoreHeader& header,
                               std::function<void(nlohmann::ordered_json const&)> const& read);

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail {

BMAE_INLINE Xxh64 content_hash(StoreHeader const& header) {
    Xxh64 hash;
    for (auto const& [name, file] : header.files) {
        hash.update(name + ' ' + std::to_string(file.bytes) + ' ' + to_hex(file.checksum) + '\n');
    }
    hash.update(to_hex(header.fingerprint));
    return hash;
}

BMAE_INLINE nlohmann::ordered_json start_manifest(StoreKind const& kind, StoreHeader const& header) {
    SpecialIds const& special = header.special;
    return {
        {"format", kind.magic},
        {"version", kind.version},
        {"tokenizer",
         {{"kind", header.tokenizer_kind},
          {"fingerprint", to_hex(header.fingerprint)},
          {"vocabulary_size", header.vocabulary_size},
          {"special_ids",
           {{"pad", special.pad}, {"unk", special.unk}, {"cls", special.cls}, {"sep", special.sep}, {"mask", special.mask}}}}}};
}

BMAE_INLINE std::string finish_manifest(nlohmann::ordered_json json, StoreHeader const& header) {
    nlohmann::ordered_json& files = json["files"] = nlohmann::ordered_json::object();
    for (auto const& [name, entry] : header.files) { files[name] = {{"bytes", entry.bytes}, {"xxh64", to_hex(entry.checksum)}}; }
    json["checksum"] = to_hex(xxh64(json.dump()));
    return json.dump(2) + '\n';
}

/// \throws std::invalid_argument  other than digits and letters of `to_hex`
inline std::uint64_t hexadecimal(std::string const& text) {
    std::uint64_t value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || end != text.data() + text.size() || to_hex(value) != text) { throw std::invalid_argument(text); }
    return value;
}

BMAE_INLINE void read_header(nlohmann::ordered_json const& json, StoreHeader& header) {
    nlohmann::ordered_json const& tokenizer = json.at("tokenizer");
    header.tokenizer_kind = tokenizer.value("kind", "");
    header.fingerprint = hexadecimal(tokenizer.at("fingerprint").get<std::string>());
    header.vocabulary_size = whole_number<std::uint64_t>(tokenizer.at("vocabulary_size"), "vocabulary_size");
    nlohmann::ordered_json const& special = tokenizer.at("special_ids");
    auto const id_of = [&](char const* name) {
        auto const id = whole_number<std::int64_t>(special.at(name), name);
        if (id >= -1 && (id < 0 || static_cast<std::uint64_t>(id) < header.vocabulary_size) && std::in_range<TokenId>(id)) {
            return static_cast<TokenId>(id);
        }
        throw std::out_of_range("the special id " + std::to_string(id) + " in a vocabulary of " +
                                std::to_string(header.vocabulary_size));
    };
    header.special = {id_of("pad"), id_of("unk"), id_of("cls"), id_of("sep"), id_of("mask")};
    for (auto const& [name, entry] : json.at("files").items()) {
        header.files[name] = {whole_number<std::uint64_t>(entry.at("bytes"), "bytes"),
                              hexadecimal(entry.at("xxh64").get<std::string>())};
    }
}

BMAE_INLINE void read_manifest(std::string const& text, std::string const& file, StoreKind const& kind, StoreHeader& header,
                               std::function<void(nlohmann::ordered_json const&)> const& read) {
    std::string const name(kind.name);
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = file, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    std::string const again = "Prepare the store again.";
    nlohmann::ordered_json json = parse_json_or_nothing<nlohmann::ordered_json>(text);
    if (json.is_discarded() || !json.is_object()) {
        throw refuse("the manifest of a " + name, "something that is not JSON", again);
    }
    try {
        std::string const format = json.value("format", "");
        if (format != kind.magic) {
            throw refuse("the manifest of a " + name, format.empty() ? "another JSON file" : "that of a '" + format + "'",
                         "Name a folder made by `" + std::string(kind.command) + "`.");
        }
        if (json.at("version") != kind.version || !json.at("version").is_number_integer()) {
            throw refuse("a " + name + " of version " + std::to_string(kind.version), "version " + json.at("version").dump(),
                         "Prepare the store again with this version of bmae.");
        }
        std::string const checksum = json.at("checksum").get<std::string>();
        nlohmann::ordered_json content = json;
        content.erase("checksum");
        if (checksum != to_hex(xxh64(content.dump())) || json.dump(2) + '\n' != text) {
            throw refuse("an unchanged manifest", "one that does not fit its checksum", again);
        }
        read_header(json, header);
        read(std::as_const(json));
    } catch (nlohmann::ordered_json::exception const& error) {
        throw refuse("the fields of a " + name + "'s manifest", error.what(), again);
    } catch (std::invalid_argument const&) {
        throw refuse("a checksum of 16 hexadecimal digits", "something else", again);
    } catch (std::out_of_range const& error) { throw refuse("numbers in their range", error.what(), again); }
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
