// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Metrics by name, for the command line.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/average_precision.hpp>
#include <bmae/metrics/mrr.hpp>
#include <bmae/metrics/ndcg.hpp>
#include <bmae/metrics/recall.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// One metric of the closed list; custom metrics are passed to `evaluate` by type.
using AnyMetric = std::variant<Mrr, Recall, Precision, Success, RPrecision, Ndcg, AveragePrecision, Bpref>;

namespace detail {

inline InputError unknown_metric(std::string_view name) {
    return InputError(Diagnostic{.file = {},
                                 .expected = "the name of a measure",
                                 .found = '\'' + std::string(name) + '\'',
                                 .hint =
                                     "Known: mrr, recall, recall_cap, p, success (hit_rate, accuracy), ndcg, ndcg_exp, map, each "
                                     "alone or as NAME@K, rprec, bpref, and trec_eval's names (ndcg_cut_10, P_5, recip_rank)."});
}

}  // namespace detail

/// "ndcg@10", "map", "p@5" and so on; trec_eval's own names ("ndcg_cut_10", "P_5", "recip_rank") mean the same.
inline AnyMetric metric_from_name(std::string_view name) {
    std::string base(name);
    std::transform(base.begin(), base.end(), base.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::size_t k = all_ranks;
    std::size_t mark = base.find('@');
    if (mark == std::string::npos && !base.empty() && std::isdigit(static_cast<unsigned char>(base.back())) != 0) {
        mark = base.rfind('_');
    }
    if (mark != std::string::npos) {
        std::string_view const digits = std::string_view(base).substr(mark + 1);
        auto const [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), k);
        if (code != std::errc() || end != digits.data() + digits.size() || k == 0) { throw detail::unknown_metric(name); }
        base.resize(mark);
    }
    if (base == "mrr" || base == "recip_rank") { return Mrr{k}; }
    if (base == "recall" || base == "r") { return Recall{k}; }
    if (base == "recall_cap" || base == "r_cap") { return Recall{.k = k, .capped = true}; }
    if (base == "p" || base == "precision") { return Precision{k}; }
    if (base == "success" || base == "hit_rate" || base == "accuracy") { return Success{k}; }
    if (base == "ndcg" || base == "ndcg_cut") { return Ndcg{k}; }
    if (base == "ndcg_exp") { return Ndcg{.k = k, .gain = Gain::exponential}; }
    if (base == "map" || base == "map_cut" || base == "ap") { return AveragePrecision{k}; }
    if (k == all_ranks && base == "rprec") { return RPrecision{}; }
    if (k == all_ranks && base == "bpref") { return Bpref{}; }
    throw detail::unknown_metric(name);
}

/// A list as on the command line: "mrr@10,ndcg@10,recall@1000".
inline std::vector<AnyMetric> metrics_from_names(std::vector<std::string> const& names) {
    std::vector<AnyMetric> metrics;
    for (std::string const& entry : names) {
        for (std::size_t begin = 0; begin <= entry.size();) {
            std::size_t const end = std::min(entry.find(',', begin), entry.size());
            metrics.push_back(metric_from_name(std::string_view(entry).substr(begin, end - begin)));
            begin = end + 1;
        }
    }
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
    return base == "rprec" ? "Rprec" : std::string(name);
}

}  // namespace bmae
