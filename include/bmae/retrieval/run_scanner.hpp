// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scans the text of a run file query by query, without tables of ids. The fast half of a pair: it gives up on a text of which any line is not in
/// the plainest form, and `read_run` decides then, and says what is wrong.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/columns.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/values/draw.hpp>

namespace bmae::detail {

/// The hits of one query, as they are listed. Ids point into the text.
struct ScannedHits {
    std::vector<std::string_view> ids = {};
    std::vector<std::uint64_t> hashes = {};   ///< [ids]
    std::vector<double> scores = {};          ///< [ids]

    void clear() noexcept {
        ids.clear();
        hashes.clear();
        scores.clear();
    }
};

/// As `IdTable` hashes: eight bytes at a time.
inline std::uint64_t hash_of_id(std::string_view id) noexcept {
    std::uint64_t hash = id.size() * 0x9e3779b97f4a7c15ULL;
    std::uint64_t word = 0;
    for (; id.size() >= 8; id.remove_prefix(8)) {
        std::memcpy(&word, id.data(), 8);
        hash = mix64(hash ^ word);
    }
    word = 0;
    if (!id.empty()) { std::memcpy(&word, id.data(), id.size()); }
    return mix64(hash ^ word);
}

/// A number of the form -12.345 with at most 15 digits: a whole number over a power of ten, both exact, so that the quotient is what from_chars gives.
/// \returns false for any other text
inline bool parse_short_decimal(std::string_view text, double& value) noexcept {
    constexpr std::array<double, 16> powers = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool const negative = text.starts_with('-');
    if (negative) { text.remove_prefix(1); }
    std::size_t digits = 0, fraction = 0, points = 0;
    std::int64_t whole = 0;
    for (char const c : text) {
        if (c >= '0' && c <= '9') {
            whole = whole * 10 + (c - '0');
            fraction += points;
            if (++digits > 15) { return false; }
        } else if (c != '.' || ++points > 1) {
            return false;
        }
    }
    value = static_cast<double>(negative ? -whole : whole) / powers[fraction];
    return digits != 0 && !(negative && whole == 0);   // -0
}

/// Numbers of a few ids by their hashes: a query's documents, or its judgments.
class HashedPlaces {
public:
    void reset(std::size_t count) {
        std::size_t size = 16;
        while (size < count * 2) { size *= 2; }
        slots_.assign(size, {0, free});
    }
    /// Remembers `place` for an id; false where `same(other place)` is true for one of equal hash.
    template <class Same>
    bool add(std::uint64_t hash, std::uint32_t place, Same&& same) {
        std::size_t const at = find_slot(hash, same);
        if (slots_[at].second != free) { return false; }
        slots_[at] = {hash, place};
        return true;
    }
    /// The place of an id, or `free`.
    template <class Same>
    [[nodiscard]] std::uint32_t find(std::uint64_t hash, Same&& same) const {
        return slots_[find_slot(hash, same)].second;
    }

    static constexpr std::uint32_t free = 0xffffffffU;

private:
    template <class Same>
    [[nodiscard]] std::size_t find_slot(std::uint64_t hash, Same&& same) const {
        std::size_t const mask = slots_.size() - 1;
        std::size_t at = hash & mask;
        while (slots_[at].second != free && !(slots_[at].first == hash && same(slots_[at].second))) { at = (at + 1) & mask; }
        return at;
    }

    std::vector<std::pair<std::uint64_t, std::uint32_t>> slots_;
};

/// Reads the lines of a block of whole lines.
class RunScanner {
public:
    explicit RunScanner(RunFileOptions const& options) : options_(options) {}

    /// Calls `each(query, hits)` for every group of lines with one query.
    /// \returns false where a line needs the careful reader: a malformed one, an unusual number, a NUL byte, a document twice
    template <class Each>
    bool scan(std::string_view text, Each&& each) {
        if (!is_ascii(text) && first_invalid_utf8(text) != std::string_view::npos) { return false; }
        at_ = text.data();
        end_ = at_ + text.size();
        std::string_view query;
        hits_.clear();
        while (at_ != end_) {
            if (options_.comments && *at_ == '#') {
                skip_line();
                continue;
            }
            Line line;
            if (!read_line(query, line)) { return false; }
            if (line.query != query || hits_.ids.empty()) {
                if (!finish(query, each)) { return false; }
                query = line.query;
            }
            hits_.ids.push_back(line.document);
            hits_.hashes.push_back(hash_of_id(line.document));
            hits_.scores.push_back(line.score);
        }
        return finish(query, each);
    }

private:
    struct Line {
        std::string_view query = {};
        std::string_view document = {};
        double score = 0;
    };

    static bool is_ascii(std::string_view text) noexcept {
        std::uint64_t bits = 0, word = 0;
        for (; text.size() >= 8; text.remove_prefix(8)) {
            std::memcpy(&word, text.data(), 8);
            bits |= word;
        }
        for (char const c : text) { bits |= static_cast<unsigned char>(c); }
        return (bits & 0x8080808080808080ULL) == 0;
    }

    static bool ends_token(char c) noexcept { return static_cast<unsigned char>(c) <= ' '; }

    void skip_line() noexcept {
        auto const* const stop = static_cast<char const*>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)));
        at_ = stop == nullptr ? end_ : stop + 1;
    }

    /// The next column of this line; empty at its end.
    std::string_view token() noexcept {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) { ++at_; }
        char const* const begin = at_;
        while (at_ != end_ && !ends_token(*at_)) { ++at_; }
        return {begin, static_cast<std::size_t>(at_ - begin)};
    }

    /// The query, which is most often that of the line before.
    std::string_view query_token(std::string_view last) noexcept {
        std::size_t const size = last.size();
        if (size != 0 && static_cast<std::size_t>(end_ - at_) > size && std::memcmp(at_, last.data(), size) == 0 &&
            (at_[size] == ' ' || at_[size] == '\t')) {
            std::string_view const same(at_, size);
            at_ += size;
            return same;
        }
        return token();
    }

    /// Digits alone, as ranks are written.
    static bool is_rank(std::string_view text) noexcept {
        bool digits = !text.empty();
        for (char const c : text) { digits = digits && c >= '0' && c <= '9'; }
        return digits;
    }

    bool read_score(std::string_view text, double& score) const noexcept {
        if (options_.format == RunFormat::msmarco) {
            auto const rank = parse_grade(text);
            score = rank ? -static_cast<double>(*rank) : 0;
            return rank && *rank >= 1;
        }
        if (parse_short_decimal(text, score)) { return true; }
        auto const [stop, code] = std::from_chars(text.data(), text.data() + text.size(), score);
        if (code == std::errc() && stop == text.data() + text.size()) {
            return std::abs(score) <= static_cast<double>(std::numeric_limits<float>::max());   // false for nan
        }
        auto const unusual = parse_score(text);   // +1.5, 1e-400
        score = unusual.value_or(0);
        return unusual.has_value();
    }

    bool read_line(std::string_view last_query, Line& line) noexcept {
        bool const trec = options_.format == RunFormat::trec;
        line.query = query_token(last_query);
        if (trec) { static_cast<void>(token()); }
        line.document = token();
        if (trec && !is_rank(token())) { return false; }
        std::string_view const number = token();
        if (number.empty() || (trec && token().empty()) || !read_score(number, line.score)) { return false; }
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) { ++at_; }
        if (at_ != end_ && *at_ == '\r') { ++at_; }
        if (at_ == end_) { return true; }
        return *at_++ == '\n';   // else another control character
    }

    template <class Each>
    bool finish(std::string_view query, Each& each) {
        if (hits_.ids.empty()) { return true; }
        places_.reset(hits_.ids.size());
        for (std::uint32_t i = 0; i < hits_.ids.size(); ++i) {
            auto const same = [&](std::uint32_t other) { return hits_.ids[other] == hits_.ids[i]; };
            if (!places_.add(hits_.hashes[i], i, same)) { return false; }
        }
        each(query, hits_);
        hits_.clear();
        return true;
    }

    RunFileOptions options_;
    char const* at_ = nullptr;
    char const* end_ = nullptr;
    ScannedHits hits_;
    HashedPlaces places_;
};

/// Cuts a text into blocks of about `size` bytes that end with the last line of a query.                  [begin, ..., text.size()]
inline std::vector<std::size_t> blocks_of_queries(std::string_view text, std::size_t begin, std::size_t size) {
    auto const query_at = [&](std::size_t at) {
        at = std::min(text.find_first_not_of(" \t", at), text.size());
        return text.substr(at, std::min(text.find_first_of(" \t\r\n", at), text.size()) - at);
    };
    auto const next_line = [&](std::size_t at) { return std::min(text.find('\n', at), text.size() - 1) + 1; };
    std::vector<std::size_t> begins = {begin};
    while (text.size() - begins.back() > size) {
        std::size_t const last = next_line(begins.back() + size);   // the first line behind the size
        if (last >= text.size()) { break; }
        std::string_view const query = query_at(last);
        std::size_t at = next_line(last);
        while (at < text.size() && query_at(at) == query) { at = next_line(at); }
        if (at >= text.size()) { break; }
        begins.push_back(at);
    }
    begins.push_back(text.size());
    return begins;
}

}  // namespace bmae::detail
