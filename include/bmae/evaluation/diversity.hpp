// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Judgments by subtopic, and alpha-nDCG over them.
#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/metrics/name.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Numbers of the subtopics that a document is relevant to, ascending.
using Subtopics = std::vector<std::uint32_t>;

/// Normalized discounted cumulative gain with a penalty for what was said before (Clarke et al., SIGIR 2008): a relevant document gains, for each of its
/// subtopics, (1 - alpha) to the number of documents above it of that subtopic. The ideal ranking is built greedily, of equal gains the document
/// with the larger id first, as ndeval does: the exact one is NP-hard.
struct AlphaNdcg {
    std::size_t k = 20;   ///< deepest rank that counts
    double alpha = .5;

    [[nodiscard]] std::string name() const { return detail::name_at(detail::name_with("alpha_ndcg", alpha, .5), k); }

    /// \param ranked  subtopics of the documents along the ranking; empty: not relevant                               [N]
    /// \param judged  those of all relevant documents, in descending order of their ids                               [R]
    [[nodiscard]] double operator()(std::span<Subtopics const> ranked, std::span<Subtopics const> judged) const {
        Gains gains{alpha};
        double total = 0;
        for (std::size_t i = 0; i < std::min(k, ranked.size()); ++i) { total += gains.take(ranked[i]) / discount(i); }
        double const ideal = ideal_sum(judged);
        return ideal > 0 ? total / ideal : 0;
    }

private:
    /// What a document gains behind those that were taken.
    struct Gains {
        double alpha;
        std::unordered_map<std::uint32_t, double> left = {};   ///< (1 - alpha) to the documents so far, by subtopic

        [[nodiscard]] double of(Subtopics const& subtopics) const {
            double sum = 0;
            for (std::uint32_t const subtopic : subtopics) {
                auto const found = left.find(subtopic);
                sum += found == left.end() ? 1 : found->second;
            }
            return sum;
        }
        double take(Subtopics const& subtopics) {
            double const gain = of(subtopics);
            for (std::uint32_t const subtopic : subtopics) { left.try_emplace(subtopic, 1).first->second *= 1 - alpha; }
            return gain;
        }
    };

    static double discount(std::size_t place) noexcept { return std::log2(static_cast<double>(place) + 2); }

    [[nodiscard]] double ideal_sum(std::span<Subtopics const> judged) const {
        std::vector<Subtopics const*> rest;
        for (Subtopics const& subtopics : judged) { rest.push_back(&subtopics); }
        Gains gains{alpha};
        double total = 0;
        for (std::size_t i = 0; i < k && !rest.empty(); ++i) {
            auto const best = std::max_element(
                rest.begin(), rest.end(), [&](Subtopics const* a, Subtopics const* b) { return gains.of(*a) < gains.of(*b); });
            total += gains.take(**best) / discount(i);
            rest.erase(best);
        }
        return total;
    }
};

/// Judgments `query subtopic document grade`, as those of TREC's diversity tasks: a document is relevant to the subtopics of a grade above 0.
class SubtopicQrels {
public:
    /// \throws InputError  as `read_qrels`; a document judged twice for one subtopic with two grades is malformed
    static SubtopicQrels read(std::filesystem::path const& path, ReadOptions options, ReadReport& report) {
        SubtopicQrels qrels;
        detail::RecordLines lines(std::span(&path, 1), options);
        lines.next_file();
        for (std::string_view line; lines.next(line);) {
            if (line.find_first_not_of(" \t") == std::string_view::npos) { continue; }
            detail::Columns const columns = detail::split_blanks(line);
            auto const grade = columns.count == 4 ? detail::parse_grade(columns[3]) : std::nullopt;
            if (!grade) {
                lines.fault(lines.diagnostic("four columns: query, subtopic, document and a whole number as grade",
                                             detail::excerpt(line), "As the judgments of TREC's diversity tasks."));
            } else if (!qrels.add(columns[0], columns[1], columns[2], *grade)) {
                lines.fault(lines.diagnostic("one grade of a document for a subtopic",
                                             "another one before, in " + detail::excerpt(line), "Remove one of the two."));
            }
        }
        if (qrels.grades_.empty()) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = "at least one judgment",
                                        .found = "none",
                                        .hint = "Check that this is the right file."});
        }
        report = lines.report();
        return qrels;
    }

    /// False, and nothing is changed, where the document has another grade for this subtopic.
    bool add(std::string_view query, std::string_view subtopic, std::string_view document, std::int32_t grade) {
        auto& subtopics = numbers_[std::string(query)];
        std::uint32_t const number =
            subtopics.try_emplace(std::string(subtopic), static_cast<std::uint32_t>(subtopics.size())).first->second;
        auto const [place, is_new] = grades_[std::string(query)][std::string(document)].try_emplace(number, grade);
        return is_new || place->second == grade;
    }

    /// The same without subtopics: the largest grade of a document.
    [[nodiscard]] Qrels flat() const {
        Qrels qrels;
        for (auto const& [query, documents] : grades_) {
            for (auto const& [document, grades] : documents) {
                auto const largest = std::max_element(grades.begin(), grades.end(),
                                                      [](auto const& a, auto const& b) { return a.second < b.second; });
                qrels.add(query, document, largest->second);
            }
        }
        return qrels;
    }

    /// The subtopics of a document of grade `level` or more; none of another.
    [[nodiscard]] Subtopics of(std::string const& query, std::string_view document, std::int32_t level = 1) const {
        auto const documents = grades_.find(query);
        if (documents == grades_.end()) { return {}; }
        auto const found = documents->second.find(document);
        return found == documents->second.end() ? Subtopics() : relevant(found->second, level);
    }
    /// Those of all relevant documents of a query, in descending order of their ids.                                   [R]
    [[nodiscard]] std::vector<Subtopics> all_of(std::string const& query, std::int32_t level = 1) const {
        std::vector<Subtopics> all;
        auto const documents = grades_.find(query);
        if (documents == grades_.end()) { return all; }
        for (auto const& [document, grades] : documents->second) {
            if (Subtopics subtopics = relevant(grades, level); !subtopics.empty()) { all.push_back(std::move(subtopics)); }
        }
        return all;
    }

private:
    using Grades = std::map<std::uint32_t, std::int32_t>;   // by subtopic

    static Subtopics relevant(Grades const& grades, std::int32_t level) {
        Subtopics subtopics;
        for (auto const& [subtopic, grade] : grades) {
            if (grade >= level) { subtopics.push_back(subtopic); }
        }
        return subtopics;
    }

    std::map<std::string, std::map<std::string, Grades, std::greater<>>> grades_ = {};   // of each query its documents
    std::map<std::string, std::unordered_map<std::string, std::uint32_t>> numbers_ = {};
};

/// "alpha_ndcg@10", "alpha_ndcg(0.4)@5" or ndeval's "alpha-nDCG@10"; nothing for the name of another measure.
/// \throws InputError  where the cutoff is missing, or a number is out of range
inline std::optional<AlphaNdcg> alpha_ndcg_from_name(std::string_view name) {
    std::string plain(name);
    std::transform(plain.begin(), plain.end(), plain.begin(),
                   [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::tolower(c)); });
    constexpr std::string_view base = "alpha_ndcg";
    if (!plain.starts_with(base)) { return std::nullopt; }
    AlphaNdcg metric;
    std::string_view rest = std::string_view(plain).substr(base.size());
    if (std::size_t const close = rest.find(')'); rest.starts_with('(') && close != rest.npos) {
        metric.alpha = detail::number_in_metric<double>(rest.substr(1, close - 1), name);
        rest.remove_prefix(close + 1);
    }
    if (!rest.starts_with('@')) { throw detail::unknown_metric(name); }
    metric.k = detail::number_in_metric<std::size_t>(rest.substr(1), name);
    if (metric.k == 0 || !(metric.alpha >= 0 && metric.alpha <= 1)) { throw detail::unknown_metric(name); }
    return metric;
}

/// Measures a run by judgments with subtopics. Ties, missing queries and counts are those of `evaluate` over `qrels.flat()`.
/// \throws InputError  as `evaluate`
inline Report evaluate_diversity(SubtopicQrels const& qrels, Run const& run, std::vector<AlphaNdcg> const& metrics,
                                 EvaluateOptions const& options = {}) {
    std::size_t deepest = 1;
    for (AlphaNdcg const& metric : metrics) { deepest = std::max(deepest, metric.k); }
    Report report = evaluate(qrels.flat(), run, options, Precision{deepest});
    report.measures.clear();
    for (AlphaNdcg const& metric : metrics) { report.measures.push_back(metric.name()); }
    report.labels = report.measures;
    report.values.clear();
    report.means.assign(metrics.size(), 0);
    detail::GradeTable const grades;
    for (std::string const& query : report.queries) {
        std::vector<Subtopics> ranked;
        if (auto const place = run.find(query)) {
            detail::RunHits const hits(run, *place, grades);
            detail::Ranking ranking;
            ranking.assign(hits, options.profile.double_scores, options.profile.ties,
                           options.profile.drop_query_itself ? hits.place_of(query) : hits.size());
            for (detail::RankedHit const& hit : ranking.hits().first(std::min(deepest, ranking.hits().size()))) {
                ranked.push_back(qrels.of(query, hits.id(hit.place), options.relevance_level));
            }
        }
        std::vector<Subtopics> const judged = qrels.all_of(query, options.relevance_level);
        for (std::size_t m = 0; m < metrics.size(); ++m) {
            report.values.push_back(metrics[m](ranked, judged));
            report.means[m] += report.values.back() / static_cast<double>(report.queries.size());
        }
    }
    return report;
}

}  // namespace bmae
