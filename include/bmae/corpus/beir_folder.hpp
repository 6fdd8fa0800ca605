// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// File paths of a folder in BEIR's layout, and messages about files that do not match.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// File paths of a BEIR folder. Each may also be gzip, with .gz after its name.
class BeirFolder {
public:
    explicit BeirFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_; }
    [[nodiscard]] std::filesystem::path corpus() const { return plain_or_gzip(folder_ / "corpus.jsonl"); }
    [[nodiscard]] std::filesystem::path queries() const { return plain_or_gzip(folder_ / "queries.jsonl"); }

    /// Names of the splits that have judgments, sorted.
    [[nodiscard]] std::vector<std::string> splits() const;

    /// The file of a split's judgments. \throws InputError listing the splits where there is none of that name
    [[nodiscard]] std::filesystem::path qrels(std::string_view split) const;

private:
    /// `path`, or `path` with .gz; both at once could differ, so that is refused.
    static std::filesystem::path plain_or_gzip(std::filesystem::path const& path);

    std::filesystem::path folder_;
};

namespace detail {

/// The error of a corpus or queries file without records.
BMAE_INLINE InputError no_record(std::filesystem::path const& file);

/// The diagnostic of a judgment whose query has no text.
BMAE_INLINE Diagnostic no_query_text(std::filesystem::path const& qrels, JudgedPair const& pair);

}  // namespace detail

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE std::vector<std::string> BeirFolder::splits() const {
    std::vector<std::string> names;
    std::error_code code;
    for (auto const& entry : std::filesystem::directory_iterator(folder_ / "qrels", code)) {
        std::string name = entry.path().filename().string();
        if (name.ends_with(".gz")) { name.resize(name.size() - 3); }
        if (name.ends_with(".tsv")) { names.push_back(name.substr(0, name.size() - 4)); }
    }
    std::sort(names.begin(), names.end());
    return names;
}

BMAE_INLINE std::filesystem::path BeirFolder::qrels(std::string_view split) const {
    std::vector<std::string> const names = splits();
    if (std::find(names.begin(), names.end(), split) == names.end()) {
        std::string known;
        for (std::string const& name : names) { known += (known.empty() ? "" : ", ") + name; }
        throw InputError(Diagnostic{.file = (folder_ / "qrels").string(),
                                    .expected = "judgments of the split '" + std::string(split) + "'",
                                    .found = known.empty() ? "no split" : "the splits " + known,
                                    .hint = "Choose one of them, or add qrels/" + std::string(split) + ".tsv."});
    }
    return plain_or_gzip(folder_ / "qrels" / (std::string(split) + ".tsv"));
}

BMAE_INLINE std::filesystem::path BeirFolder::plain_or_gzip(std::filesystem::path const& path) {
    std::filesystem::path packed = path;
    packed += ".gz";
    std::error_code code;
    bool const has_packed = std::filesystem::exists(packed, code);
    if (has_packed && std::filesystem::exists(path, code)) {
        throw InputError(Diagnostic{
            .file = path.string(), .expected = "one file", .found = "a plain and a gzip one", .hint = "Remove one of the two."});
    }
    return has_packed ? packed : path;
}

}  // namespace bmae

namespace bmae::detail {

BMAE_INLINE InputError no_record(std::filesystem::path const& file) {
    return InputError(Diagnostic{.file = file.string(),
                                 .expected = "at least one record",
                                 .found = "none",
                                 .hint = "Is this the folder of a BEIR data set, unpacked?"});
}

BMAE_INLINE Diagnostic no_query_text(std::filesystem::path const& qrels, JudgedPair const& pair) {
    return {.file = qrels.string(),
            .line = pair.line,
            .expected = "a query of queries.jsonl",
            .found = "query " + excerpt(pair.query_id) + ", which it lacks",
            .hint = "Are both files of the same release?"};
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
