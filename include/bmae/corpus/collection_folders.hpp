// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A folder of collections in BEIR's layout, as a benchmark ships them: BEIR with cqadupstack's twelve forums in a folder of their own, NanoBEIR.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// One collection of a benchmark.
struct NamedCollection {
    std::string name = {};    ///< of its folder: "scifact", "cqadupstack/android"
    std::string group = {};   ///< the folder of several that count as one: "cqadupstack"; empty: it counts by itself
    std::filesystem::path path = {};
};

namespace detail {

inline std::vector<std::filesystem::path> subfolders_of(std::filesystem::path const& folder) {
    std::vector<std::filesystem::path> found;
    std::error_code code;
    for (auto const& entry : std::filesystem::directory_iterator(folder, code)) {
        if (entry.is_directory(code) && !entry.path().filename().string().starts_with('.')) { found.push_back(entry.path()); }
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// Whether a folder is a collection.
/// \param files  what was asked for, where the collection may be one of many
/// \throws InputError for one in Parquet
inline bool is_collection(std::filesystem::path const& folder, std::filesystem::path const& files) {
    std::error_code code;
    auto const has = [&](char const* name) { return std::filesystem::exists(folder / name, code); };
    if (has("queries.jsonl") || has("queries.jsonl.gz")) { return true; }
    if (!has("queries") || !has("qrels") || !has("corpus")) { return false; }
    for (auto const& entry : std::filesystem::directory_iterator(folder / "queries", code)) {
        if (entry.path().extension() != ".parquet") { continue; }
        throw InputError(Diagnostic{.file = entry.path().string(),
                                    .expected = "queries.jsonl, corpus.jsonl and qrels/test.tsv",
                                    .found = "Parquet, as NanoBEIR is published",
                                    .hint = "Convert the files: python3 examples/nanobeir.py " + files.string() + " nanobeir"});
    }
    return false;
}

}  // namespace detail

/// The collections below a folder, sorted by name. A subfolder without queries.jsonl that has collections inside is a group of them; hidden
/// folders and those without a collection are passed over.
/// \throws InputError  where there is none, for a file in place of a folder, and for NanoBEIR's files as they are published, whose format (Parquet) is not read
inline std::vector<NamedCollection> list_collections(std::filesystem::path const& folder) {
    std::vector<NamedCollection> all;
    for (auto const& path : detail::subfolders_of(folder)) {
        std::string const name = path.filename().string();
        if (detail::is_collection(path, folder)) {
            all.push_back({.name = name, .path = path});
            continue;
        }
        for (auto const& member : detail::subfolders_of(path)) {
            if (detail::is_collection(member, folder)) {
                all.push_back({.name = name + '/' + member.filename().string(), .group = name, .path = member});
            }
        }
    }
    if (!all.empty()) { return all; }
    std::error_code code;
    bool const is_one = std::filesystem::is_directory(folder, code) && detail::is_collection(folder, folder);
    throw InputError(
        Diagnostic{.file = folder.string(),
                   .expected = "a folder with folders of collections, each with queries.jsonl, corpus.jsonl and qrels",
                   .found = is_one ? "one collection" : "none",
                   .hint = is_one ? "Name the folder above it." : ""});
}

/// The split of a collection to evaluate on: `wanted`; "dev" where it has that and not `wanted` ("test"), as BEIR does with MS MARCO.
/// \throws InputError  listing the splits where there is neither
inline std::string split_of(NamedCollection const& collection, std::string_view wanted) {
    BeirFolder const folder(collection.path);
    std::vector<std::string> const splits = folder.splits();
    auto const has = [&](std::string_view name) { return std::find(splits.begin(), splits.end(), name) != splits.end(); };
    if (!has(wanted) && wanted == "test" && has("dev")) { return "dev"; }
    static_cast<void>(folder.qrels(wanted));   // names the splits where there is none
    return std::string(wanted);
}

/// The collections of NanoBEIR, by the names of their folders: 50 queries of each of thirteen collections of BEIR.
inline constexpr std::array<std::string_view, 13> nanobeir_names = {
    "NanoArguAna",  "NanoClimateFEVER", "NanoDBPedia",        "NanoFEVER",   "NanoFiQA2018", "NanoHotpotQA",  "NanoMSMARCO",
    "NanoNFCorpus", "NanoNQ",           "NanoQuoraRetrieval", "NanoSCIDOCS", "NanoSciFact",  "NanoTouche2020"};

/// Whether a folder of this name is one of NanoBEIR's collections.
inline bool is_nanobeir(std::string_view name) {
    return std::find(nanobeir_names.begin(), nanobeir_names.end(), name) != nanobeir_names.end();
}

/// How many of some collections are NanoBEIR's.
inline std::size_t count_nanobeir(std::vector<NamedCollection> const& collections) {
    auto const is_known = [](NamedCollection const& collection) { return is_nanobeir(collection.name); };
    return static_cast<std::size_t>(std::count_if(collections.begin(), collections.end(), is_known));
}

/// What the mean over collections is called: "NanoBEIR" where they are NanoBEIR's thirteen, else "mean".
inline std::string name_of_mean(std::vector<NamedCollection> const& collections) {
    bool const whole = collections.size() == nanobeir_names.size() && count_nanobeir(collections) == collections.size();
    return whole ? "NanoBEIR" : "mean";
}

/// The mean over collections, in which a group counts once, with the mean of its members (BEIR, arXiv 2104.08663, appendix).
/// \param values  [collections]
inline double mean_over_collections(std::vector<NamedCollection> const& collections, std::vector<double> const& values) {
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < collections.size(); ++i) {
        std::string const& group = collections[i].group;
        if (group.empty()) {
            sum += values[i];
            ++count;
            continue;
        }
        double of_group = 0;
        std::size_t members = 0, first = i;
        for (std::size_t j = 0; j < collections.size(); ++j) {
            if (collections[j].group != group) { continue; }
            first = std::min(first, j);
            of_group += values[j];
            ++members;
        }
        if (first != i) { continue; }   // counted with its first member
        sum += of_group / static_cast<double>(members);
        ++count;
    }
    return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace bmae
