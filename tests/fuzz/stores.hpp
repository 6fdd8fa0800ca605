// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Folders whose checksums are right: a byte chooses the file, the rest replaces it, and the manifest is made to fit. Without that, the
/// checksums would refuse every input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/hash.hpp>
#include <bmae/detail/json_text.hpp>

#include "targets.hpp"

namespace fuzz {

using Files = std::map<std::string, std::string>;

inline Files files_of(std::filesystem::path const& folder) {
    Files files;
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        files[entry.path().filename().string()] = bytes_of(entry.path());
    }
    return files;
}

inline std::string checksum_of(std::string const& content) {
    return bmae::detail::to_hex(bmae::detail::xxh64(std::as_bytes(std::span(content))));
}

/// The manifest with a right checksum of itself, where it is JSON.
inline std::string signed_manifest(std::string const& text) {
    auto json = bmae::detail::parse_json_or_nothing<nlohmann::ordered_json>(text);
    if (!json.is_object()) { return text; }
    json.erase("checksum");
    try {
        json["checksum"] = bmae::detail::to_hex(bmae::detail::xxh64(json.dump()));
        return json.dump(2) + '\n';
    } catch (nlohmann::json::exception const&) { return text; }   // text that is not UTF-8
}

/// The files with one of them replaced, by its place in the order of their names, the manifest left out.
inline Files with_replaced(Files files, std::string_view input) {
    std::size_t chosen = input.empty() ? 0 : static_cast<unsigned char>(input.front()) % (files.size() - 1);
    for (auto& [file, content] : files) {
        if (file != "manifest.json" && chosen-- == 0) { content = input.substr(std::min<std::size_t>(1, input.size())); }
    }
    return files;
}

inline std::filesystem::path write_files(char const* name, Files const& files) {
    for (auto const& [file, content] : files) { put((std::filesystem::path(name) / file).string(), content); }
    return scratch() / name;
}

/// Writes a store, one of its files replaced.
inline std::filesystem::path write_store(char const* name, Files const& sound, std::string_view input) {
    Files files = with_replaced(sound, input);
    auto manifest = nlohmann::ordered_json::parse(files.at("manifest.json"));
    for (auto& [file, entry] : manifest["files"].items()) {
        entry = {{"bytes", files.at(file).size()}, {"xxh64", checksum_of(files.at(file))}};
    }
    files["manifest.json"] = signed_manifest(manifest.dump());
    return write_files(name, files);
}

/// Writes a store whose manifest is the input.
inline std::filesystem::path write_manifest(char const* name, Files files, std::string_view input) {
    files["manifest.json"] = signed_manifest(std::string(input));
    return write_files(name, files);
}

/// Each file as an input: its number, then its bytes.
inline std::vector<std::string> seeds_of(Files const& files) {
    std::vector<std::string> seeds;
    for (auto const& [file, content] : files) {
        if (file != "manifest.json") { seeds.push_back(static_cast<char>(seeds.size()) + content); }
    }
    return seeds;
}

}  // namespace fuzz
