// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Metrics by name, for the command line.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/metrics/average_precision.hpp>
#include <bmae/metrics/incomplete.hpp>
#include <bmae/metrics/mrr.hpp>
#include <bmae/metrics/ndcg.hpp>
#include <bmae/metrics/recall.hpp>
#include <bmae/metrics/user_models.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// One metric of the closed list; custom metrics are passed to `evaluate` by type.
using AnyMetric = std::variant<Mrr, Recall, Precision, Success, RPrecision, Ndcg, AveragePrecision, Bpref, InferredAp, Judged,
                               RankBiasedPrecision, ExpectedReciprocalRank>;

namespace detail {

inline InputError unknown_metric(std::string_view name) {
    return InputError(Diagnostic{.file = {},
                                 .expected = "the name of a measure",
                                 .found = '\'' + std::string(name) + '\'',
                                 .hint =
                                     "Known: mrr, recall, recall_cap, p, success (hit, hit_rate, accuracy), ndcg, ndcg_exp, map, "
                                     "judged, rbp or rbp(0.95), err or err(3), each alone or as NAME@K, rprec, bpref, infap, and "
                                     "trec_eval's names (ndcg_cut_10, P_5, recip_rank)."});
}

/// A name in its parts: "rbp(0.95)@10".
struct MetricName {
    std::string base = {};   ///< in lower case
    std::size_t k = all_ranks;
    std::string parameter = {};   ///< "0.95"
};

template <class Number>
Number number_in_metric(std::string_view text, std::string_view name) {
    Number value{};
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) { throw unknown_metric(name); }
    return value;
}

inline MetricName parse_metric_name(std::string_view name) {
    MetricName parts{.base = std::string(name)};
    std::string& base = parts.base;
    std::transform(base.begin(), base.end(), base.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::size_t mark = base.find('@');
    if (mark == std::string::npos && !base.empty() && std::isdigit(static_cast<unsigned char>(base.back())) != 0) {
        mark = base.rfind('_');
    }
    if (mark != std::string::npos) {
        parts.k = number_in_metric<std::size_t>(std::string_view(base).substr(mark + 1), name);
        if (parts.k == 0) { throw unknown_metric(name); }
        base.resize(mark);
    }
    if (std::size_t const open = base.find('('); open != std::string::npos) {
        if (base.back() != ')') { throw unknown_metric(name); }
        parts.parameter = base.substr(open + 1, base.size() - open - 2);
        base.resize(open);
        if (parts.parameter.empty() || (base != "rbp" && base != "err")) { throw unknown_metric(name); }
    }
    return parts;
}

/// Metrics with a parameter in parentheses.
inline AnyMetric user_model_metric(MetricName const& parts, std::string_view name) {
    if (parts.base == "rbp") {
        RankBiasedPrecision metric{.k = parts.k};
        if (!parts.parameter.empty()) { metric.persistence = number_in_metric<double>(parts.parameter, name); }
        if (!(metric.persistence > 0 && metric.persistence < 1)) { throw unknown_metric(name); }
        return metric;
    }
    ExpectedReciprocalRank metric{.k = parts.k};
    if (!parts.parameter.empty()) { metric.maximum_grade = number_in_metric<std::int32_t>(parts.parameter, name); }
    if (metric.maximum_grade < 1 || metric.maximum_grade > 30) { throw unknown_metric(name); }
    return metric;
}

}  // namespace detail

/// "ndcg@10", "map", "p@5" and so on; trec_eval's own names ("ndcg_cut_10", "P_5", "recip_rank") mean the same.
inline AnyMetric metric_from_name(std::string_view name) {
    detail::MetricName const parts = detail::parse_metric_name(name);
    auto const is = [&](auto... names) { return ((parts.base == names) || ...); };
    std::size_t const k = parts.k;
    if (is("mrr", "recip_rank")) { return Mrr{k}; }
    if (is("recall", "r")) { return Recall{k}; }
    if (is("recall_cap", "r_cap")) { return Recall{.k = k, .capped = true}; }
    if (is("p", "precision")) { return Precision{k}; }
    if (is("success", "hit", "hit_rate", "accuracy")) { return Success{k}; }
    if (is("ndcg", "ndcg_cut")) { return Ndcg{k}; }
    if (is("ndcg_exp")) { return Ndcg{.k = k, .gain = Gain::exponential}; }
    if (is("map", "map_cut", "ap")) { return AveragePrecision{k}; }
    if (is("judged")) { return Judged{k}; }
    if (is("rbp", "err")) { return detail::user_model_metric(parts, name); }
    if (k == all_ranks && is("rprec")) { return RPrecision{}; }
    if (k == all_ranks && is("bpref")) { return Bpref{}; }
    if (k == all_ranks && is("infap")) { return InferredAp{}; }
    throw detail::unknown_metric(name);
}

/// The names in lists as on the command line: {"mrr@10,ndcg@10", "map"} are three.
inline std::vector<std::string> names_of_metrics(std::vector<std::string> const& lists) {
    std::vector<std::string> names;
    for (std::string const& list : lists) {
        for (std::string_view const name : detail::split_at(list, ',')) { names.emplace_back(name); }
    }
    return names;
}

/// Metrics from lists of names: {"mrr@10,ndcg@10,recall@1000"}.
inline std::vector<AnyMetric> metrics_from_names(std::vector<std::string> const& lists) {
    std::vector<AnyMetric> metrics;
    for (std::string const& name : names_of_metrics(lists)) { metrics.push_back(metric_from_name(name)); }
    return metrics;
}

/// The name that trec_eval prints for a metric, where it has one: "ndcg@10" is "ndcg_cut_10".
inline std::string trec_name(std::string_view name) {
    std::size_t const mark = std::min(name.find('@'), name.size());
    std::string_view const base = name.substr(0, mark);
    std::string const k(mark == name.size() ? std::string_view() : name.substr(mark + 1));
    if (base == "mrr") { return k.empty() ? "recip_rank" : std::string(name); }
    if (base == "map") { return k.empty() ? "map" : "map_cut_" + k; }
    if (base == "ndcg") { return k.empty() ? "ndcg" : "ndcg_cut_" + k; }
    if (base == "p") { return k.empty() ? "set_P" : "P_" + k; }
    if (base == "recall") { return k.empty() ? "set_recall" : "recall_" + k; }
    if (base == "success") { return k.empty() ? std::string(name) : "success_" + k; }
    return base == "rprec" ? "Rprec" : base == "infap" ? "infAP" : std::string(name);
}

}  // namespace bmae
