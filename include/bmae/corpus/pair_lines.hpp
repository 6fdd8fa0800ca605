// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Training queries with their texts, one per line: JSON Lines of FlagEmbedding, Tevatron and Sentence Transformers, and tables.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A text of a line, with its name where the format has one. Title and text are joined as search joins them: see joined_text.
struct PairText {
    std::string id = {};
    std::string text = {};
};

/// One line: a query, its positives and negatives.
struct PairLine {
    std::string query_id = {};   ///< empty where the format has none
    std::string query = {};
    std::vector<PairText> positives = {};
    std::vector<PairText> negatives = {};
    std::vector<float> positive_scores = {};   ///< teacher's scores of `positives`; NaN: not scored; empty: no teacher
    std::vector<float> negative_scores = {};   ///< likewise, of `negatives`
    std::size_t line = 0;                      ///< in its file, from 1
};

/// Reads lines of queries with texts, plain or gzip; blank lines are skipped. The first line of a file determines its format:
///
///   - JSON Lines, a query as `query`, `anchor` or `question`, its name as `query_id`, `qid`, `id` or `_id`;
///     positives as `pos`, `positive`, `positives` or `positive_passages`, negatives as `neg`, `negative`, `negatives` or
///     `negative_passages`: a string, or a list of strings or of objects with `docid`, `title`, `text`;
///     scores as `pos_scores` and `neg_scores`: lists of numbers, null for none. Other keys are counted and ignored.
///   - a table `query <tab> positive` or `query <tab> positive <tab> negative`, with or without a header line of such names
class PairLineReader {
public:
    /// \throws InputError  where a file is missing, or a folder holds none
    explicit PairLineReader(std::span<std::filesystem::path const> inputs, ReadOptions options = {}) : lines_(inputs, options) {}

    /// \throws InputError  on a malformed line where the policy is to refuse, and on a table of ids or labels
    bool next(PairLine& line);

    /// The file of the line read last.
    [[nodiscard]] std::filesystem::path const& file() const noexcept { return lines_.file(); }
    /// The format of each file, as "train.jsonl: JSON Lines".
    [[nodiscard]] std::vector<std::string> const& layouts() const noexcept { return layouts_; }
    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

    /// Throws a diagnostic about the line read last, or counts it where the policy is to skip.
    bool fault(std::string expected, std::string found, std::string hint = {});

private:
    bool next_file();

    /// Looks at the first line of a file; true where it is a header.
    bool recognise(std::string_view line);

    static bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names);

    bool parse_table(std::string_view text, PairLine& line);

    bool parse_json(std::string_view text, PairLine& line);

    /// The first of the keys that the object has; it is marked as read.
    nlohmann::json const* take(nlohmann::json const& object, std::initializer_list<char const*> keys);

    bool parse_texts(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts);

    bool parse_text(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts);

    bool parse_scores(nlohmann::json const& object, char const* key, std::size_t count, std::vector<float>& scores);

    static bool take_id(nlohmann::json const& value, std::string& id);
    static std::string type_of(nlohmann::json const& value) { return std::string("a JSON ") + value.type_name(); }
    static std::string describe(nlohmann::json const& object, nlohmann::json const* value);

    detail::RecordLines lines_;
    bool is_json_ = false;
    std::size_t columns_ = 0;   // of a table; 0 before the first line of a file
    std::vector<std::string> layouts_;
    std::vector<std::string> read_keys_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE bool PairLineReader::next(PairLine& line) {
    while (lines_.has_file() || next_file()) {
        for (std::string_view text; lines_.next(text);) {
            if (text.find_first_not_of(" \t") == std::string_view::npos) { continue; }
            if (columns_ == 0 && !is_json_ && recognise(text)) { continue; }
            line = PairLine{.line = lines_.line()};
            if (is_json_ ? parse_json(text, line) : parse_table(text, line)) {
                ++lines_.report().records;
                return true;
            }
        }
        if (!next_file()) { break; }
    }
    return false;
}

BMAE_INLINE bool PairLineReader::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return false;
}

BMAE_INLINE bool PairLineReader::next_file() {
    is_json_ = false;
    columns_ = 0;
    return lines_.next_file();
}

BMAE_INLINE bool PairLineReader::recognise(std::string_view line) {
    std::string const name = lines_.file().filename().string();
    std::size_t const first = line.find_first_not_of(" \t");
    if (line[first] == '{') {
        is_json_ = true;
        layouts_.push_back(name + ": JSON Lines");
        return false;
    }
    detail::Columns const fields = detail::split_tabs(line);
    if (fields.count != 2 && fields.count != 3) {
        throw InputError(lines_.diagnostic("a JSON object, or 2 or 3 columns separated by tabs: query, positive, negative",
                                           std::to_string(fields.count) + " columns in " + detail::excerpt(line),
                                           "One query with its texts per line."));
    }
    bool numbers = true;
    for (std::size_t i = 0; i < fields.count; ++i) { numbers = numbers && detail::parse_grade(fields[i]).has_value(); }
    if (numbers) {
        throw InputError(
            lines_.diagnostic("texts in the columns", "the ids " + detail::excerpt(line),
                              "Pairs of ids need the collection: write them as the qrels and negatives of a BEIR folder."));
    }
    if (fields.count == 3 && detail::parse_score(fields[2])) {
        throw InputError(lines_.diagnostic("a negative text in column 3", "the number " + detail::excerpt(fields[2]),
                                           "Pairs with a label or a similarity are not triplets: keep the positive pairs, "
                                           "in two columns."));
    }
    columns_ = fields.count;
    bool const header = is_one_of(fields[0], {"query", "anchor", "question"}) &&
                        is_one_of(fields[1], {"positive", "pos", "passage", "answer"}) &&
                        (fields.count == 2 || is_one_of(fields[2], {"negative", "neg"}));
    layouts_.push_back(name + ": table of query, positive" + (fields.count == 3 ? ", negative" : "") +
                       (header ? ", with a header" : ""));
    return header;
}

BMAE_INLINE bool PairLineReader::is_one_of(std::string_view text, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), text) != names.end();
}

BMAE_INLINE bool PairLineReader::parse_table(std::string_view text, PairLine& line) {
    detail::Columns const fields = detail::split_tabs(text);
    if (fields.count != columns_) {
        return fault(std::to_string(columns_) + " columns separated by tabs, as in the first line",
                     std::to_string(fields.count) + " in " + detail::excerpt(text), "Texts must not contain tabs.");
    }
    line.query = joined_text({}, fields[0]);
    line.positives.push_back({.text = joined_text({}, fields[1])});
    if (columns_ == 3) { line.negatives.push_back({.text = joined_text({}, fields[2])}); }
    return true;
}

BMAE_INLINE bool PairLineReader::parse_json(std::string_view text, PairLine& line) {
    std::string found;
    auto const object = detail::parse_object(text, found);
    if (!object) { return fault("a JSON object", std::move(found), "One object per line; is the last line truncated?"); }
    read_keys_.clear();
    nlohmann::json const* const query = take(*object, {"query", "anchor", "question"});
    if (query == nullptr || !query->is_string()) {
        return fault("a query: a string at 'query', 'anchor' or 'question'", describe(*object, query), {});
    }
    line.query = joined_text({}, query->get_ref<std::string const&>());
    if (nlohmann::json const* const id = take(*object, {"query_id", "qid", "id", "_id"}); id != nullptr) {
        if (!take_id(*id, line.query_id)) { return fault("a query id that is a string or an integer", type_of(*id)); }
    }
    nlohmann::json const* const positives = take(*object, {"pos", "positive", "positives", "positive_passages"});
    if (positives == nullptr) {
        return fault("positives: a key 'pos', 'positive', 'positives' or 'positive_passages'", describe(*object, nullptr),
                     "Ids of passages need the collection: write them as the qrels of a BEIR folder.");
    }
    nlohmann::json const* const negatives = take(*object, {"neg", "negative", "negatives", "negative_passages"});
    if (!parse_texts(*positives, "positives", line.positives)) { return false; }
    if (negatives != nullptr && !parse_texts(*negatives, "negatives", line.negatives)) { return false; }
    if (!parse_scores(*object, "pos_scores", line.positives.size(), line.positive_scores)) { return false; }
    if (!parse_scores(*object, "neg_scores", line.negatives.size(), line.negative_scores)) { return false; }
    for (auto const& [key, value] : object->items()) {
        if (std::find(read_keys_.begin(), read_keys_.end(), key) == read_keys_.end()) {
            ++lines_.report().left_out["values of the key '" + key + "', which is not read"];
        }
    }
    return true;
}

BMAE_INLINE nlohmann::json const* PairLineReader::take(nlohmann::json const& object, std::initializer_list<char const*> keys) {
    for (char const* key : keys) {
        if (auto const found = object.find(key); found != object.end()) {
            read_keys_.emplace_back(key);
            return &*found;
        }
    }
    return nullptr;
}

BMAE_INLINE bool PairLineReader::parse_texts(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts) {
    if (value.is_null()) { return true; }
    if (!value.is_array()) { return parse_text(value, what, texts); }
    for (nlohmann::json const& element : value) {
        if (!parse_text(element, what, texts)) { return false; }
    }
    return true;
}

BMAE_INLINE bool PairLineReader::parse_text(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts) {
    if (value.is_string()) {
        texts.push_back({.text = joined_text({}, value.get_ref<std::string const&>())});
        return true;
    }
    if (!value.is_object()) { return fault(what + " that are strings or objects with 'text'", type_of(value)); }
    nlohmann::json const* const text = detail::find_key(value, {"text", "contents"});
    nlohmann::json const* const title = detail::find_key(value, {"title"});
    if (text == nullptr || !text->is_string()) {
        return fault(what + " with a string at 'text'", text == nullptr ? "an object without" : type_of(*text));
    }
    if (title != nullptr && !title->is_null() && !title->is_string()) {
        return fault(what + " with a string at 'title'", type_of(*title));
    }
    PairText& added = texts.emplace_back();
    std::string_view const heading =
        title != nullptr && title->is_string() ? title->get_ref<std::string const&>() : std::string_view();
    added.text = joined_text(heading, text->get_ref<std::string const&>());
    nlohmann::json const* const id = detail::find_key(value, {"docid", "doc_id", "_id", "id"});
    if (id != nullptr && !take_id(*id, added.id)) {
        return fault(what + " whose 'docid' is a string or an integer", type_of(*id));
    }
    return true;
}

BMAE_INLINE bool PairLineReader::parse_scores(nlohmann::json const& object, char const* key, std::size_t count,
                                              std::vector<float>& scores) {
    nlohmann::json const* const value = take(object, {key});
    if (value == nullptr || value->is_null()) { return true; }
    if (!value->is_array() || value->size() != count) {
        return fault(std::to_string(count) + " scores at '" + key + "', one for each text",
                     value->is_array() ? std::to_string(value->size()) : type_of(*value));
    }
    for (nlohmann::json const& score : *value) {
        double const number = score.is_number() ? score.get<double>() : std::nan("");
        if (!score.is_null() && !(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
            return fault(std::string("finite numbers at '") + key + "', or null for none", detail::excerpt(score.dump()));
        }
        scores.push_back(static_cast<float>(number));
    }
    return true;
}

BMAE_INLINE bool PairLineReader::take_id(nlohmann::json const& value, std::string& id) {
    if (!value.is_string() && !value.is_number_integer()) { return false; }
    id = value.is_string() ? value.get<std::string>() : value.dump();
    return true;
}

BMAE_INLINE std::string PairLineReader::describe(nlohmann::json const& object, nlohmann::json const* value) {
    if (value != nullptr) { return type_of(*value); }
    std::string keys;
    for (auto const& [key, ignored] : object.items()) { keys += (keys.empty() ? "" : ", ") + key; }
    return keys.empty() ? "no key" : "the keys " + detail::excerpt(keys);
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
