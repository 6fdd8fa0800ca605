// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Writes fine-tuning data in the formats of the field, which TrainingRowReader reads back.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/training_row.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/detail/text_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

enum class TrainingFormat {
    flag_embedding,          ///< JSON Lines: query, pos, neg, pos_scores, neg_scores, prompt
    tevatron,                ///< JSON Lines: query_id, query, positive_passages, negative_passages with docid, title, text
    sentence_transformers,   ///< JSON Lines, one per positive: anchor, positive, negative_1, negative_2 ...
    triples,   ///< lines of query, positive, negative with tabs between; of query, positive where the first has no negative
    dpr,       ///< a JSON array: question, positive_ctxs, hard_negative_ctxs
};

/// As command lines write it.
constexpr std::array<std::string_view, 5> names_of(TrainingFormat) noexcept {
    return {"flag-embedding", "tevatron", "sentence-transformers", "triples", "dpr"};
}

/// A file that appears under its name after `commit`; gzip where its name ends in .gz.
class TrainingRowWriter {
public:
    /// \throws InputError  where the file exists or cannot be written
    TrainingRowWriter(std::filesystem::path const& path, TrainingFormat format) : file_(path), format_(format) {}

    void write(PairRow const& row);
    void commit();

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
    /// What the format cannot hold, by kind: "scores of a teacher".
    [[nodiscard]] std::map<std::string, std::uint64_t> const& left_out() const noexcept { return left_out_; }

private:
    using Json = nlohmann::ordered_json;

    void write_flag_embedding(PairRow const& row);
    void write_tevatron(PairRow const& row);
    void write_anchors(PairRow const& row);
    void write_triples(PairRow const& row);
    void write_dpr(PairRow const& row);
    void line(Json const& object) { file_.write(object.dump() + '\n'); }
    void leave_out(char const* kind, std::size_t count);

    detail::TextFile file_;
    TrainingFormat format_;
    std::uint64_t rows_ = 0;
    std::size_t columns_ = 0;   // of triples: 2 where the first query has no negative
    std::map<std::string, std::uint64_t> left_out_ = {};
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE void TrainingRowWriter::write(PairRow const& row) {
    if (format_ != TrainingFormat::flag_embedding) {
        leave_out("scores of a teacher", row.positive_scores.size() + row.negative_scores.size());
    }
    switch (format_) {
        case TrainingFormat::flag_embedding:
            write_flag_embedding(row);
            break;
        case TrainingFormat::tevatron:
            write_tevatron(row);
            break;
        case TrainingFormat::sentence_transformers:
            write_anchors(row);
            break;
        case TrainingFormat::triples:
            write_triples(row);
            break;
        case TrainingFormat::dpr:
            write_dpr(row);
            break;
    }
    ++rows_;
}

BMAE_INLINE void TrainingRowWriter::commit() {
    if (format_ == TrainingFormat::dpr) { file_.write(rows_ == 0 ? "[]\n" : "\n]\n"); }
    file_.commit();
}

BMAE_INLINE void TrainingRowWriter::leave_out(char const* kind, std::size_t count) {
    if (count != 0) { left_out_[kind] += count; }
}

BMAE_INLINE void TrainingRowWriter::write_flag_embedding(PairRow const& row) {
    Json object;
    if (!row.query_id.empty()) { object["query_id"] = row.query_id; }
    object["query"] = row.query;
    auto const texts = [](std::vector<PairText> const& all) {
        Json list = Json::array();
        for (PairText const& text : all) { list.push_back(text.joined()); }
        return list;
    };
    auto const scores = [](std::vector<float> const& all) {
        Json list = Json::array();
        for (float const score : all) { list.push_back(std::isnan(score) ? Json() : Json(score)); }
        return list;
    };
    object["pos"] = texts(row.positives);
    object["neg"] = texts(row.negatives);
    if (!row.positive_scores.empty()) { object["pos_scores"] = scores(row.positive_scores); }
    if (!row.negative_scores.empty()) { object["neg_scores"] = scores(row.negative_scores); }
    if (!row.prompt.empty()) { object["prompt"] = row.prompt; }
    line(object);
}

BMAE_INLINE void TrainingRowWriter::write_tevatron(PairRow const& row) {
    auto const passages = [&](std::vector<PairText> const& all, char const* kind) {
        Json list = Json::array();
        for (PairText const& text : all) {
            std::string const made = std::to_string(rows_) + '-' + kind + std::to_string(list.size());
            list.push_back({{"docid", text.id.empty() ? made : text.id}, {"title", text.title}, {"text", text.text}});
        }
        return list;
    };
    line({{"query_id", row.query_id.empty() ? std::to_string(rows_) : row.query_id},
          {"query", row.prompt + row.query},
          {"positive_passages", passages(row.positives, "p")},
          {"negative_passages", passages(row.negatives, "n")}});
}

BMAE_INLINE void TrainingRowWriter::write_anchors(PairRow const& row) {
    leave_out("queries without a relevant text", row.positives.empty() ? 1 : 0);
    for (PairText const& positive : row.positives) {
        Json object{{"anchor", row.prompt + row.query}, {"positive", positive.joined()}};
        for (std::size_t i = 0; i < row.negatives.size(); ++i) {
            object["negative_" + std::to_string(i + 1)] = row.negatives[i].joined();
        }
        line(object);
    }
}

BMAE_INLINE void TrainingRowWriter::write_triples(PairRow const& row) {
    auto const cell = [](std::string text) {   // a tab or a line end would begin another column or line
        std::replace_if(text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
        return text;
    };
    leave_out("queries without a relevant text", row.positives.empty() ? 1 : 0);
    if (columns_ == 0 && !row.positives.empty()) { columns_ = row.negatives.empty() ? 2 : 3; }
    leave_out("queries without a negative", columns_ == 3 && row.negatives.empty() ? 1 : 0);
    leave_out("negatives, since the first query has none", columns_ == 2 ? row.negatives.size() : 0);
    if (row.positives.empty() || (columns_ == 3 && row.negatives.empty())) { return; }
    std::size_t const lines = columns_ == 2 ? row.positives.size() : std::max(row.positives.size(), row.negatives.size());
    std::string const query = cell(row.prompt + row.query);
    for (std::size_t i = 0; i < lines; ++i) {
        std::string text = query + '\t' + cell(row.positives[i % row.positives.size()].joined());
        if (columns_ == 3) { text += '\t' + cell(row.negatives[i % row.negatives.size()].joined()); }
        file_.write(text + '\n');
    }
}

BMAE_INLINE void TrainingRowWriter::write_dpr(PairRow const& row) {
    auto const contexts = [](std::vector<PairText> const& all) {
        Json list = Json::array();
        for (PairText const& text : all) {
            list.push_back({{"title", text.title}, {"text", text.text}, {"passage_id", text.id}});
        }
        return list;
    };
    Json object;
    if (!row.query_id.empty()) { object["query_id"] = row.query_id; }
    object.update({{"question", row.prompt + row.query},
                   {"answers", Json::array()},
                   {"positive_ctxs", contexts(row.positives)},
                   {"negative_ctxs", Json::array()},
                   {"hard_negative_ctxs", contexts(row.negatives)}});
    file_.write((rows_ == 0 ? "[\n" : ",\n") + object.dump());
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
