// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Makes an index of BM25 on disk in bounded memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/whole_files.hpp>
#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/bm25_terms.hpp>
#include <bmae/retrieval/bm25_weights.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/text/id_table.hpp>

namespace bmae {

struct LexicalIndexOptions {
    Bm25Options bm25 = {};
    bool store_texts = false;                      ///< for display with the hits
    std::size_t memory = std::size_t{512} << 20;   ///< bytes of buffers; ids, terms and 12 bytes per document come on top
    std::function<void(std::size_t, std::size_t)> on_progress = {};   ///< (postings written, of so many); may throw to stop
};

/// Takes documents one by one, and keeps their terms in a file, sorted in parts; at the end the lists of as many terms as fit into
/// memory are joined at a time.
class LexicalIndexBuilder {
public:
    /// \throws InputError  options out of range, a folder that is not empty or cannot be written
    explicit LexicalIndexBuilder(std::filesystem::path folder, LexicalIndexOptions options = {})
        : options_(std::move(options)),
          analyzer_(options_.bm25.analyzer),
          writer_(std::move(folder), options_.store_texts),
          spill_(writer_.partial() / "counts") {
        detail::check_bm25_options(options_.bm25);
    }

    /// \throws InputError  an id that is empty or was added before; a full disk
    void add(std::string_view id, std::string text) {
        writer_.add_document(id, text);
        held_bytes_ += text.size();
        held_.push_back(std::move(text));
        if (held_bytes_ >= options_.memory / 16 || held_.size() >= most_held) { spill(); }
    }

    [[nodiscard]] std::size_t documents() const noexcept { return writer_.documents(); }
    [[nodiscard]] std::size_t terms() const noexcept { return terms_.size(); }   ///< after `commit`
    [[nodiscard]] std::size_t postings() const noexcept { return postings_; }    ///< after `commit`

    /// Writes the lists; the folder then has its name.
    /// \throws InputError  no document was added; a full disk
    void commit() {
        spill();
        std::vector<std::uint32_t> const places = writer_.places_by_id();
        write_terms();
        write_lists(places);
        spill_.discard();
        Bm25Options const& bm25 = options_.bm25;
        writer_.commit("bm25", {{"terms", terms_.size()},
                                {"postings", postings_},
                                {"k1", bm25.k1},
                                {"b", bm25.b},
                                {"quantize_lengths", bm25.quantize_lengths},
                                {"analyzer", detail::Json::parse(to_json(bm25.analyzer).dump())}});
    }

private:
    static constexpr std::size_t most_held = 32768;   // texts

    /// A term of a document in the file; the entries of a part are sorted by term, then document.
    struct Entry {
        std::uint32_t term;
        std::uint32_t row;
        std::uint32_t frequency;
    };
    struct Part {
        std::uint64_t begin;
        std::uint64_t end;   // entries of the file
    };

    void spill() {
        if (held_.empty()) { return; }
        detail::TermCounts const counts = detail::count_terms(held_, analyzer_, options_.bm25.threads);
        std::vector<std::uint32_t> number(counts.terms.size());
        for (std::size_t i = 0; i < number.size(); ++i) { number[i] = terms_.add(counts.terms[i]); }
        with_.resize(terms_.size());
        std::vector<std::size_t> next(counts.terms.size() + 1);   // counting sort by the terms of this part, in ascending number
        std::vector<std::uint32_t> ascending(number.size());
        std::iota(ascending.begin(), ascending.end(), 0U);
        std::sort(ascending.begin(), ascending.end(), [&](auto a, auto b) { return number[a] < number[b]; });
        std::vector<std::size_t> length(number.size());
        for (auto const& count : counts.counts) { ++length[count.term]; }
        std::size_t place = 0;
        for (std::uint32_t const term : ascending) {
            next[term] = place;
            place += length[term];
            with_[number[term]] += length[term];
        }
        std::vector<Entry> entries(counts.counts.size());
        auto const first = static_cast<std::uint32_t>(lengths_.size());
        for (std::uint32_t i = 0; i < held_.size(); ++i) {
            for (std::size_t c = counts.begins[i]; c < counts.begins[i + 1]; ++c) {
                auto const [term, frequency] = counts.counts[c];
                entries[next[term]++] = {number[term], first + i, frequency};
            }
        }
        spill_.write_values(std::span<Entry const>(entries));
        parts_.push_back({postings_, postings_ + entries.size()});
        postings_ += entries.size();
        lengths_.insert(lengths_.end(), counts.lengths.begin(), counts.lengths.end());
        held_.clear();
        held_bytes_ = 0;
    }

    void write_terms() {
        for (char const* const name : {"terms", "term_ends", "term_order", "list_begins", "postings"}) { writer_.create(name); }
        std::uint64_t end = 0;
        for (std::size_t i = 0; i < terms_.size(); ++i) {
            end += terms_[i].size();
            writer_.put<char>("terms", terms_[i]);
            writer_.put<std::uint64_t>("term_ends", std::span(&end, 1));
        }
        std::vector<std::uint32_t> order(terms_.size());
        std::iota(order.begin(), order.end(), 0U);
        std::sort(order.begin(), order.end(), [&](auto a, auto b) { return terms_[a] < terms_[b]; });
        writer_.put<std::uint32_t>("term_order", order);
        begins_.assign(1, 0);
        for (std::uint64_t const with : with_) { begins_.push_back(begins_.back() + with); }
        writer_.put<std::uint64_t>("list_begins", begins_);
    }

    void write_lists(std::span<std::uint32_t const> places) {
        detail::Bm25Weights const weights(options_.bm25, lengths_);
        std::uint64_t const most = std::max<std::uint64_t>(1, options_.memory / 2 / sizeof(Posting));
        bool const is_ordered = std::is_sorted(places.begin(), places.end());
        for (std::size_t first = 0; first < terms_.size();) {
            std::size_t last = first + 1;
            while (last < terms_.size() && begins_[last + 1] - begins_[first] <= most) { ++last; }
            write_range(first, last, weights, places, is_ordered);
            if (options_.on_progress) { options_.on_progress(begins_[last], postings_); }
            first = last;
        }
    }

    /// The lists of the terms first to last - 1, from all parts.
    void write_range(std::size_t first, std::size_t last, detail::Bm25Weights const& weights,
                     std::span<std::uint32_t const> places, bool is_ordered) {
        std::uint64_t const base = begins_[first];
        std::vector<Posting> lists(begins_[last] - base);
        std::vector<std::uint64_t> next(begins_.begin() + static_cast<std::ptrdiff_t>(first),
                                        begins_.begin() + static_cast<std::ptrdiff_t>(last));
        std::vector<double> idf;
        for (std::size_t term = first; term < last; ++term) { idf.push_back(weights.idf(with_[term])); }
        for (Part const& part : parts_) {
            std::uint64_t const end = first_of(part, static_cast<std::uint32_t>(last));
            for (std::uint64_t at = first_of(part, static_cast<std::uint32_t>(first)); at < end; at += buffer_.size()) {
                buffer_.resize(std::min<std::uint64_t>(buffer_entries, end - at));
                spill_.read_back(at * sizeof(Entry), std::as_writable_bytes(std::span(buffer_)));
                for (Entry const& entry : buffer_) {
                    float const score =
                        detail::Bm25Weights::score(idf[entry.term - first], entry.frequency, weights.norm(lengths_[entry.row]));
                    lists[next[entry.term - first]++ - base] = {places[entry.row], score};
                }
            }
        }
        for (std::size_t term = first; term < last && !is_ordered; ++term) {
            std::sort(lists.begin() + static_cast<std::ptrdiff_t>(begins_[term] - base),
                      lists.begin() + static_cast<std::ptrdiff_t>(begins_[term + 1] - base),
                      [](Posting const& a, Posting const& b) { return a.document < b.document; });
        }
        writer_.put<Posting>("postings", lists);
    }

    /// The first entry of a part whose term is not below `term`.
    std::uint64_t first_of(Part const& part, std::uint32_t term) {
        std::uint64_t low = part.begin;
        std::uint64_t high = part.end;
        while (low < high) {
            std::uint64_t const middle = low + (high - low) / 2;
            Entry entry{};
            spill_.read_back(middle * sizeof(Entry), std::as_writable_bytes(std::span(&entry, 1)));
            (entry.term < term ? low : high) = entry.term < term ? middle + 1 : middle;
        }
        return low;
    }

    static constexpr std::size_t buffer_entries = std::size_t{1} << 16;

    LexicalIndexOptions options_;
    Analyzer analyzer_;
    IndexFolderWriter writer_;
    detail::AtomicFile spill_;   // released before its folder
    std::vector<std::string> held_;
    std::size_t held_bytes_ = 0;
    IdTable terms_;
    std::vector<std::uint64_t> with_;      // [T] documents with the term
    std::vector<std::uint32_t> lengths_;   // [N]
    std::vector<Part> parts_;
    std::uint64_t postings_ = 0;
    std::vector<std::uint64_t> begins_;   // [T + 1]
    std::vector<Entry> buffer_;
};

}  // namespace bmae
