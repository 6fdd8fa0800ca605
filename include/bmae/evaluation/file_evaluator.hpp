// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluates a run from its file, query by query: the run is never in memory as a whole, so it may be larger than the memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <bmae/detail/lines.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/retrieval/run_scanner.hpp>
#include <bmae/text/id_table.hpp>

namespace bmae {

namespace detail {

enum class RunStorage { plain, packed, stream };

/// How a run is stored: a regular file, plain or gzip, or something that can be read once.
inline RunStorage kind_of_run(std::filesystem::path const& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) { return RunStorage::stream; }   // or missing: `read_run` says so
    Descriptor const file = open_for_reading(path);
    unsigned char start[2] = {};
    bool const read = ::pread(file.number(), start, sizeof start, 0) == 2;
    bool const packed = read && start[0] == 0x1f && start[1] == 0x8b;
    if (!packed && path.extension() == ".gz") { return RunStorage::stream; }   // refused by `read_run`
    return packed ? RunStorage::packed : RunStorage::plain;
}

/// Lets go of the whole pages of a part of a mapped file.
inline void release_pages(std::string_view part) noexcept {
    constexpr std::uintptr_t page = 4096;
    auto const begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
    auto const end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size()) / page * page;
    if (end > begin) { ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED); }   // loaded again if touched
}

/// The hits of a query in the text of its file, with their grades.
class ScannedRanking {
public:
    ScannedRanking(ScannedHits const& hits, std::vector<std::int32_t> const& grades) : hits_(hits), grades_(grades) {}

    [[nodiscard]] std::size_t size() const noexcept { return hits_.ids.size(); }
    [[nodiscard]] double score(std::size_t i, bool exact) const noexcept {
        return exact ? hits_.scores[i] : static_cast<double>(static_cast<float>(hits_.scores[i]));
    }
    [[nodiscard]] std::string_view id(std::size_t i) const noexcept { return hits_.ids[i]; }
    [[nodiscard]] std::int32_t grade(std::size_t i) const noexcept { return grades_[i]; }
    [[nodiscard]] std::size_t place_of(std::string_view id) const noexcept {
        return static_cast<std::size_t>(std::find(hits_.ids.begin(), hits_.ids.end(), id) - hits_.ids.begin());
    }

private:
    ScannedHits const& hits_;
    std::vector<std::int32_t> const& grades_;
};

/// What is known of the judged queries of one block.
struct ScannedBlock {
    std::vector<std::string> queries = {};             ///< of the block, in its order
    std::vector<std::size_t> judged = {};              ///< numbers of the judged ones among the judgments
    std::vector<double> values = {};                   ///< [judged, metrics]
    std::vector<QueryEvaluator::Counts> counts = {};   ///< [judged]
};

/// Evaluates blocks of lines. One object per thread.
class BlockEvaluator {
public:
    BlockEvaluator(Qrels const& qrels, RunFileOptions const& file, EvaluateOptions const& options,
                   std::vector<BoundMetric> const& metrics, std::size_t tie_depth)
        : qrels_(qrels), width_(metrics.size()), scanner_(file), evaluator_(qrels, options, metrics, tie_depth) {}

    /// False where the text needs the careful reader.
    bool evaluate(std::string_view text, ScannedBlock& block) {
        return scanner_.scan(text, [&](std::string_view query, ScannedHits const& hits) {
            block.queries.emplace_back(query);
            auto const judged = qrels_.find(query);
            if (!judged) { return; }
            look_up(*judged, hits);
            block.judged.push_back(*judged);
            block.values.resize(block.values.size() + width_);
            block.counts.push_back(
                evaluator_.evaluate(ScannedRanking(hits, grades_), *judged, block.values.data() + block.values.size() - width_));
        });
    }

private:
    void look_up(std::size_t judged, ScannedHits const& hits) {
        auto const judgments = qrels_.judgments(judged);
        places_.reset(judgments.size());
        for (std::uint32_t i = 0; i < judgments.size(); ++i) {
            places_.add(hash_of_id(qrels_.document(judgments[i].document)), i, [](std::uint32_t) { return false; });
        }
        grades_.clear();
        for (std::size_t i = 0; i < hits.ids.size(); ++i) {
            auto const same = [&](std::uint32_t place) { return qrels_.document(judgments[place].document) == hits.ids[i]; };
            std::uint32_t const place = places_.find(hits.hashes[i], same);
            std::int32_t const grade = place == HashedPlaces::free ? unjudged : judgments[place].grade;
            grades_.push_back(place != HashedPlaces::free && grade < 0 ? sampled_unjudged : grade);
        }
    }

    Qrels const& qrels_;
    std::size_t width_;
    RunScanner scanner_;
    QueryEvaluator evaluator_;
    HashedPlaces places_;
    std::vector<std::int32_t> grades_;
};

/// The blocks of a plain file, by several threads. Nothing where the careful reader is needed.
inline std::optional<std::vector<ScannedBlock>> scan_plain_run(std::filesystem::path const& path, unsigned threads,
                                                               std::function<BlockEvaluator()> const& make) {
    constexpr std::size_t block_bytes = std::size_t{2} << 20;
    FileMap const map(path);
    std::string_view const text = map.text();
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) { return std::nullopt; }
    std::vector<std::size_t> const begins = blocks_of_queries(text, text.starts_with("\xef\xbb\xbf") ? 3 : 0, block_bytes);
    std::vector<ScannedBlock> blocks(begins.size() - 1);
    std::atomic<bool> plain{true};
    parallel_for(blocks.size(), std::max<std::size_t>(1, blocks.size() / (std::size_t{8} * thread_count(threads))), threads,
                 [&](std::size_t first, std::size_t last) {
                     BlockEvaluator evaluator = make();
                     for (std::size_t i = first; i < last && plain; ++i) {
                         std::string_view const block = text.substr(begins[i], begins[i + 1] - begins[i]);
                         if (!evaluator.evaluate(block, blocks[i])) { plain = false; }
                     }
                     release_pages(text.substr(begins[first], begins[last] - begins[first]));
                 });
    return plain ? std::optional(std::move(blocks)) : std::nullopt;
}

/// The same for a gzip file, whose text is unpacked some queries at a time.
inline std::optional<std::vector<ScannedBlock>> scan_packed_run(std::filesystem::path const& path, BlockEvaluator evaluator) {
    constexpr std::size_t block_bytes = std::size_t{1} << 20;
    std::vector<ScannedBlock> blocks;
    LineReader lines(path);
    std::string text;
    std::string query;
    for (std::string_view line; lines.next(line);) {
        std::string_view const own = split_blanks(line)[0];
        if (text.size() > block_bytes && own != query) {
            if (!evaluator.evaluate(text, blocks.emplace_back())) { return std::nullopt; }
            text.clear();
        }
        query = own;
        text.append(line).append(1, '\n');
    }
    if (!evaluator.evaluate(text, blocks.emplace_back())) { return std::nullopt; }
    return blocks;
}

/// The report of blocks; nothing where the lines of a query are in two places, or there is none.
inline std::optional<Report> report_of_blocks(std::vector<ScannedBlock> const& blocks, Qrels const& qrels,
                                              EvaluateOptions const& options, std::vector<BoundMetric> const& metrics) {
    Report report = empty_report(qrels, options, metrics);
    std::size_t const width = metrics.size();
    IdTable queries;
    RunOutline outline{.places = std::vector<std::optional<std::size_t>>(qrels.size())};
    std::vector<double const*> values;
    std::vector<QueryEvaluator::Counts> known;
    for (ScannedBlock const& block : blocks) {
        for (std::string const& query : block.queries) {
            if (queries.add(query) != outline.queries) { return std::nullopt; }
            ++outline.queries;
        }
        outline.unjudged += block.queries.size() - block.judged.size();
        for (std::size_t i = 0; i < block.judged.size(); ++i) {
            outline.places[block.judged[i]] = known.size();
            values.push_back(block.values.data() + i * width);
            known.push_back(block.counts[i]);
        }
    }
    if (outline.queries == 0) { return std::nullopt; }
    std::vector<CountedQuery> const counted = counted_queries(qrels, outline, options, report);
    report.values.resize(counted.size() * width);
    std::vector<QueryEvaluator::Counts> counts(counted.size());
    QueryEvaluator evaluator(qrels, options, metrics, report.tie_depth);
    for (std::size_t i = 0; i < counted.size(); ++i) {
        auto const& [judged, place] = counted[i];
        double* const row = report.values.data() + i * width;
        if (place) { std::copy_n(values[*place], width, row); }
        counts[i] = place ? known[*place] : evaluator.missing(judged, row);
    }
    add_up(report, qrels, counted, counts);
    divide(report, qrels, options, metrics);
    return report;
}

inline Report evaluate_file_bound(Qrels const& qrels, std::filesystem::path const& path, RunFileOptions const& file,
                                  EvaluateOptions const& options, std::vector<BoundMetric> const& metrics) {
    std::size_t const tie_depth = empty_report(qrels, options, metrics).tie_depth;
    auto const make = [&] { return BlockEvaluator(qrels, file, options, metrics, tie_depth); };
    std::optional<std::vector<ScannedBlock>> blocks;
    switch (kind_of_run(path)) {
        case RunStorage::plain:
            blocks = scan_plain_run(path, options.threads, make);
            break;
        case RunStorage::packed:
            blocks = scan_packed_run(path, make());
            break;
        case RunStorage::stream:
            break;
    }
    if (blocks) {
        if (auto report = report_of_blocks(*blocks, qrels, options, metrics)) { return *std::move(report); }
    }
    return evaluate_bound(qrels, read_run(path, file), options, metrics);
}

}  // namespace detail

/// `evaluate(qrels, read_run(path, file), measures, options)`, without the run in memory: the file is mapped, its lines are read by all threads, and
/// each query is measured where it stands. A file with scattered lines of a query, or with anything unusual, is read by `read_run`, which also
/// writes the messages about malformed ones. A pipe is read so, too.
/// \throws InputError  as `read_run` and `evaluate`
inline Report evaluate_file(Qrels const& qrels, std::filesystem::path const& path, std::vector<std::string> const& measures,
                            EvaluateOptions const& options = {}, RunFileOptions const& file = {}) {
    return detail::evaluate_file_bound(qrels, path, file, options, detail::bind_metrics(measures));
}

}  // namespace bmae
