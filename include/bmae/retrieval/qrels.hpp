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

#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The judgment of one document.
struct Judgment {
    std::uint32_t document = 0;   ///< index in the table of document ids
    std::int32_t grade = 0;       ///< 0: not relevant; above: degree of relevance; below: unjudged

    friend bool operator==(Judgment const&, Judgment const&) = default;
};

/// Judgments of many queries, in the order in which they were added.
class Qrels {
public:
    [[nodiscard]] std::size_t size() const noexcept { return judgments_.size(); }   ///< queries
    [[nodiscard]] std::string_view query(std::size_t i) const noexcept { return queries_[i]; }
    [[nodiscard]] std::span<Judgment const> judgments(std::size_t i) const noexcept { return judgments_[i]; }
    [[nodiscard]] std::string_view document(std::uint32_t number) const noexcept { return documents_[number]; }
    [[nodiscard]] IdTable const& documents() const noexcept { return documents_; }
    [[nodiscard]] std::size_t judgment_count() const noexcept { return count_; }

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
    std::vector<std::vector<Judgment>> judgments_;   // [queries]
    KeySet seen_;
    std::size_t count_ = 0;
};

struct QrelsFileOptions {
    bool comments = false;              ///< skip lines that start with '#'
    bool first_of_duplicates = false;   ///< of two grades of one document keep the first; false: the second is malformed
    MalformedLine malformed = MalformedLine::refuse;
};

/// Reads judgments, plain or gzip, as `read_judged_pairs` does for training and search. The first line determines the format, and every
/// line must follow it; blank lines are skipped:
///
///   - 4 columns `query iteration document grade`: TREC and MS MARCO
///   - 3 columns, tab-separated, `query document grade`, after the header `query-id corpus-id score` or without: BEIR
///   - 2 columns `query document`: MS MARCO, every judgment has grade 1
///
/// \param report      of skipped lines and warnings: repeated judgments of the same grade, a missing header
/// \throws InputError  naming file and line: another number of columns, a grade that is no integer, an empty id, two grades of a
///                     document for one query, a NUL byte, ill-formed UTF-8; and for a file without judgments
BMAE_INLINE Qrels read_qrels(std::filesystem::path const& path, QrelsFileOptions const& options, ReadReport& report);
inline Qrels read_qrels(std::filesystem::path const& path, QrelsFileOptions const& options = {}) {
    ReadReport report;
    return read_qrels(path, options, report);
}

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE std::optional<std::size_t> Qrels::find(std::string_view query) const noexcept {
    auto const number = queries_.find(query);
    return number ? std::optional<std::size_t>(*number) : std::nullopt;
}

BMAE_INLINE bool Qrels::add(std::string_view query, std::string_view document, std::int32_t grade) {
    std::uint32_t const place = queries_.add(query);
    if (place == judgments_.size()) { judgments_.emplace_back(); }
    std::uint32_t const number = documents_.add(document);
    if (!seen_.insert_new((static_cast<std::uint64_t>(place) << 32) | number)) { return false; }
    judgments_[place].push_back({number, grade});
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

BMAE_INLINE Qrels read_qrels(std::filesystem::path const& path, QrelsFileOptions const& options, ReadReport& report) {
    Qrels qrels;
    report = detail::for_each_judgment(path, {.comments = options.comments, .first_of_duplicates = options.first_of_duplicates},
                                       {.malformed = options.malformed},
                                       [&](JudgedPair&& pair) { qrels.add(pair.query_id, pair.document_id, pair.grade); });
    return qrels;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
