// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Relevance judgments and their files: TREC, BEIR, MS MARCO.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The judgment of one document.
struct Judgement {
    std::uint32_t document = 0;   ///< index in the table of document ids
    std::int32_t grade = 0;       ///< 0: not relevant; above: degree of relevance; below: unjudged

    friend bool operator==(Judgement const&, Judgement const&) = default;
};

/// Judgments of many queries, in the order in which they were added.
class Qrels {
public:
    [[nodiscard]] std::size_t size() const noexcept { return judgements_.size(); }   ///< queries
    [[nodiscard]] std::string_view query(std::size_t i) const noexcept { return queries_[i]; }
    [[nodiscard]] std::span<Judgement const> judgements(std::size_t i) const noexcept { return judgements_[i]; }
    [[nodiscard]] std::string_view document(std::uint32_t number) const noexcept { return documents_[number]; }
    [[nodiscard]] IdTable const& documents() const noexcept { return documents_; }
    [[nodiscard]] std::size_t judgement_count() const noexcept { return count_; }

    /// The index of a query; nothing where it has no judgments.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view query) const noexcept;

    /// Records one judgment. False, and nothing is changed, where this document of this query was judged already.
    bool add(std::string_view query, std::string_view document, std::int32_t grade);

private:
    /// A set of 64-bit keys, to detect duplicate judgments.
    class KeySet {
    public:
        bool insert_new(std::uint64_t key);

    private:
        static constexpr std::uint64_t free_slot = ~std::uint64_t{0};

        static bool put(std::vector<std::uint64_t>& slots, std::uint64_t key) noexcept;
        void grow();

        std::vector<std::uint64_t> slots_;
        std::size_t filled_ = 0;
    };

    IdTable queries_;
    IdTable documents_;
    std::vector<std::vector<Judgement>> judgements_;   // [queries]
    KeySet seen_;
    std::size_t count_ = 0;
};

struct QrelsFileOptions {
    bool comments = false;              ///< skip lines that start with '#'
    bool first_of_duplicates = false;   ///< of two judgments of one document keep the first; false: refuse the second
};

/// Reads judgments, plain or gzip. The first line determines the format, and every line must follow it:
///
///   - 4 columns `query iteration document grade`: TREC and MS MARCO
///   - 3 columns, tab-separated, `query document grade`, after the header `query-id corpus-id score` or without: BEIR
///   - 2 columns `query document`: MS MARCO, every judgment has grade 1
/// \throws InputError  naming file and line: another number of columns, a grade that is no integer, a document judged twice for
/// one
///                     query, a NUL byte, an empty line or file
BMAE_INLINE Qrels read_qrels(std::filesystem::path const& path, QrelsFileOptions const& options = {});

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE std::optional<std::size_t> Qrels::find(std::string_view query) const noexcept {
    auto const number = queries_.find(query);
    return number ? std::optional<std::size_t>(*number) : std::nullopt;
}

BMAE_INLINE bool Qrels::add(std::string_view query, std::string_view document, std::int32_t grade) {
    std::uint32_t const place = queries_.add(query);
    if (place == judgements_.size()) { judgements_.emplace_back(); }
    std::uint32_t const number = documents_.add(document);
    if (!seen_.insert_new((static_cast<std::uint64_t>(place) << 32) | number)) { return false; }
    judgements_[place].push_back({number, grade});
    ++count_;
    return true;
}

BMAE_INLINE bool Qrels::KeySet::insert_new(std::uint64_t key) {
    if ((filled_ + 1) * 2 > slots_.size()) { grow(); }
    if (!put(slots_, key)) { return false; }
    ++filled_;
    return true;
}

BMAE_INLINE bool Qrels::KeySet::put(std::vector<std::uint64_t>& slots, std::uint64_t key) noexcept {
    std::size_t place = detail::mix64(key) & (slots.size() - 1);
    for (; slots[place] != free_slot; place = (place + 1) & (slots.size() - 1)) {
        if (slots[place] == key) { return false; }
    }
    slots[place] = key;
    return true;
}

BMAE_INLINE void Qrels::KeySet::grow() {
    std::vector<std::uint64_t> wider(slots_.empty() ? 1024 : slots_.size() * 2, free_slot);
    for (std::uint64_t const key : slots_) {
        if (key != free_slot) { put(wider, key); }
    }
    slots_ = std::move(wider);
}

BMAE_INLINE Qrels read_qrels(std::filesystem::path const& path, QrelsFileOptions const& options) {
    detail::LineReader lines(path);
    Qrels qrels;
    std::string_view line;
    std::size_t format = 0;   // columns
    bool tabs = false;
    std::string storage;
    while (lines.next(line)) {
        if (options.comments && line.starts_with('#')) { continue; }
        auto columns = detail::split_blanks(line);
        if (format == 0) {
            auto const cells = detail::split_tabs(line);
            tabs = cells.count == 3;
            format = tabs ? 3 : columns.count;
            if ((format != 2 && format != 3 && format != 4) || line.starts_with('#')) {
                throw detail::refuse_column_count(lines,
                                                  "2, 3 or 4 columns '[query document]', '[query document grade]' or "
                                                  "'[query iteration document grade]'",
                                                  line, columns.count);
            }
            if (columns[0] == "query-id") { continue; }
        }
        if (tabs) {
            auto const cells = detail::split_csv(line, storage);
            if (!cells) {
                throw detail::refuse_line(lines, "a closing quote for each opening one", detail::quoted(line),
                                          "Columns are quoted as in CSV files.");
            }
            columns = *cells;
        }
        if (columns.count != format) {
            throw detail::refuse_column_count(lines, std::to_string(format) + " columns, as on the first line", line,
                                              columns.count);
        }
        std::int32_t grade = 1;
        if (format > 2) {
            auto const parsed = detail::parse_grade(columns[format - 1]);
            if (!parsed) {
                throw detail::refuse_line(lines, "an integer grade in column " + std::to_string(format),
                                          detail::quoted(columns[format - 1]),
                                          "Grades are whole numbers: 0 not relevant, 1 or more relevant.");
            }
            grade = *parsed;
        }
        std::string_view const query = columns[0];
        std::string_view const document = columns[format == 4 ? 2 : 1];
        if (!qrels.add(query, document, grade) && !options.first_of_duplicates) {
            throw detail::refuse_line(lines, "every document judged once per query",
                                      "document " + detail::quoted(document) + " of query " + detail::quoted(query) + " again",
                                      "Set `first_of_duplicates` to keep the first judgment.");
        }
    }
    if (qrels.size() == 0) { throw detail::refuse_empty(path); }
    return qrels;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
