// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rows of fine-tuning data in JSON: the keys of FlagEmbedding, Tevatron, Sentence Transformers, MS MARCO's dumps and DPR.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/training_row.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// A string or an integer as an id; false for another value or an empty one.
BMAE_INLINE bool take_id(nlohmann::json const* value, std::string& id);

/// Adds the ids of a list or, as Sentence Transformers publishes mined negatives, of an object of lists by the system that found them:
/// the first of each list, the second of each, and so on. False for another value.
BMAE_INLINE bool take_ids(nlohmann::json const& value, std::vector<std::string>& ids);

/// Reads one object at a time. A fault is thrown or counted by the lines, and there is no row then.
class TrainingJson {
public:
    explicit TrainingJson(RecordLines& lines) : lines_(lines) {}

    std::optional<TrainingRow> parse(nlohmann::json const& object);

private:
    using Keys = std::initializer_list<char const*>;

    std::optional<TrainingRow> parse_ids(nlohmann::json const& object);
    std::optional<TrainingRow> parse_label(nlohmann::json const& object, nlohmann::json const& label, PairRow row);
    bool parse_query(nlohmann::json const& object, PairRow& row);
    bool parse_texts(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts);
    bool parse_text(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts);
    bool parse_negatives(nlohmann::json const& object, PairRow& row);
    bool parse_scores(nlohmann::json const& object, char const* key, std::size_t count, std::vector<float>& scores);

    /// The first of the keys that the object has; it is marked as read.
    nlohmann::json const* take(nlohmann::json const& object, Keys keys);
    void count_unread(nlohmann::json const& object);
    bool fault(std::string expected, std::string found, std::string hint = {});

    static std::string type_of(nlohmann::json const& value) { return std::string("a JSON ") + value.type_name(); }
    static std::string describe(nlohmann::json const& object, nlohmann::json const* value);

    RecordLines& lines_;
    std::vector<std::string> read_keys_ = {};
};

}  // namespace bmae::detail

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE bool take_id(nlohmann::json const* value, std::string& id) {
    if (value == nullptr || !(value->is_string() || value->is_number_integer())) { return false; }
    id = value->is_string() ? value->get<std::string>() : value->dump();
    return !id.empty();
}

BMAE_INLINE bool take_ids(nlohmann::json const& value, std::vector<std::string>& ids) {
    std::vector<nlohmann::json const*> lists;
    if (value.is_array()) { lists.push_back(&value); }
    if (value.is_object()) {
        for (nlohmann::json const& list : value) { lists.push_back(&list); }
    }
    std::size_t longest = 0;
    for (nlohmann::json const* const list : lists) {
        if (!list->is_array()) { return false; }
        longest = std::max(longest, list->size());
    }
    for (std::size_t rank = 0; rank < longest; ++rank) {
        for (nlohmann::json const* const list : lists) {
            if (rank < list->size() && !take_id(&(*list)[rank], ids.emplace_back())) { return false; }
        }
    }
    return value.is_array() || value.is_object();
}

BMAE_INLINE std::optional<TrainingRow> TrainingJson::parse(nlohmann::json const& object) {
    read_keys_.clear();
    PairRow row;
    if (object.contains("gold_label")) {
        fault("a query with its texts", "a row of SNLI or MNLI, with 'gold_label'", "`bmae prepare --format nli` reads it.");
        return std::nullopt;
    }
    nlohmann::json const* const query = take(object, {"query", "anchor", "question", "sentence1", "sent0"});
    if (query == nullptr && take(object, {"query_id", "qid"}) != nullptr) { return parse_ids(object); }
    if (query == nullptr || !query->is_string()) {
        fault("a query: a string at 'query', 'anchor', 'question' or 'sentence1'", describe(object, query));
        return std::nullopt;
    }
    row.query = joined_text({}, query->get_ref<std::string const&>());
    if (!parse_query(object, row)) { return std::nullopt; }
    nlohmann::json const* const positives =
        take(object, {"pos", "positive", "positives", "positive_passages", "positive_ctxs", "sentence2", "sent1"});
    if (positives == nullptr) {
        fault("positives: a key 'pos', 'positive', 'positives', 'positive_passages', 'positive_ctxs' or 'sentence2'",
              describe(object, nullptr), "Rows of ids have no query, but a 'query_id' or 'qid'.");
        return std::nullopt;
    }
    if (!parse_texts(*positives, "positives", row.positives)) { return std::nullopt; }
    nlohmann::json const* const label = positives->is_string() ? take(object, {"label", "score"}) : nullptr;
    if (label != nullptr && !label->is_null()) { return parse_label(object, *label, std::move(row)); }
    if (!parse_negatives(object, row) || !parse_scores(object, "pos_scores", row.positives.size(), row.positive_scores) ||
        !parse_scores(object, "neg_scores", row.negatives.size(), row.negative_scores)) {
        return std::nullopt;
    }
    count_unread(object);
    return row;
}

BMAE_INLINE bool TrainingJson::parse_query(nlohmann::json const& object, PairRow& row) {
    if (nlohmann::json const* const id = take(object, {"query_id", "qid", "id", "_id"}); id != nullptr) {
        if (!take_id(id, row.query_id) && !(id->is_string() && row.query_id.empty())) {
            return fault("a query id that is a string or an integer", type_of(*id));
        }
    }
    if (nlohmann::json const* const prompt = take(object, {"prompt"}); prompt != nullptr && !prompt->is_null()) {
        if (!prompt->is_string()) { return fault("a string at 'prompt'", type_of(*prompt)); }
        row.prompt = prompt->get<std::string>();
    }
    nlohmann::json const* const type = take(object, {"type"});
    if (type != nullptr && !type->is_null() && *type != "normal") {
        return fault("a row of type 'normal'", excerpt(type->dump()),
                     "FlagEmbedding trains on rows of other types without the negatives of the batch, which bmae does not.");
    }
    return true;
}

BMAE_INLINE std::optional<TrainingRow> TrainingJson::parse_label(nlohmann::json const& object, nlohmann::json const& label,
                                                                 PairRow row) {
    double const value = label.is_number() ? label.get<double>() : std::nan("");
    if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()))) {
        fault("a finite number as label", excerpt(label.dump()));
        return std::nullopt;
    }
    count_unread(object);
    return LabeledPair{.first = row.prompt + row.query, .second = row.positives[0].text, .label = static_cast<float>(value)};
}

BMAE_INLINE std::optional<TrainingRow> TrainingJson::parse_ids(nlohmann::json const& object) {
    IdRow row;
    bool const named = take_id(take(object, {"query_id", "qid"}), row.query_id);
    nlohmann::json const* const positives = take(object, {"pos", "positives", "positive_document_ids"});
    nlohmann::json const* const negatives = take(object, {"neg", "negatives", "negative_document_ids"});
    bool const sound = named && positives != nullptr && take_ids(*positives, row.positives) &&
                       (negatives == nullptr || negatives->is_null() || take_ids(*negatives, row.negatives));
    if (!sound) {
        fault("qid, pos and neg: ids of the query and of documents", describe(object, nullptr));
        return std::nullopt;
    }
    count_unread(object);
    return row;
}

BMAE_INLINE bool TrainingJson::parse_negatives(nlohmann::json const& object, PairRow& row) {
    nlohmann::json const* const all =
        take(object, {"neg", "negative", "negatives", "negative_passages", "hard_negative_ctxs", "hard_neg"});
    if (all != nullptr && !parse_texts(*all, "negatives", row.negatives)) { return false; }
    for (std::size_t number = 1;; ++number) {   // columns of Sentence Transformers
        std::string const key = "negative_" + std::to_string(number);
        nlohmann::json const* const one = take(object, {key.c_str()});
        if (one == nullptr) { return true; }
        if (!parse_texts(*one, "negatives", row.negatives)) { return false; }
    }
}

BMAE_INLINE bool TrainingJson::parse_texts(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts) {
    if (value.is_null()) { return true; }
    if (!value.is_array()) { return parse_text(value, what, texts); }
    for (nlohmann::json const& element : value) {
        if (!parse_text(element, what, texts)) { return false; }
    }
    return true;
}

BMAE_INLINE bool TrainingJson::parse_text(nlohmann::json const& value, std::string const& what, std::vector<PairText>& texts) {
    if (value.is_string()) {
        texts.push_back({.text = joined_text({}, value.get_ref<std::string const&>())});
        return true;
    }
    if (!value.is_object()) { return fault(what + " that are strings or objects with 'text'", type_of(value)); }
    nlohmann::json const* const text = find_key(value, {"text", "contents"});
    nlohmann::json const* const title = find_key(value, {"title"});
    if (text == nullptr || !text->is_string()) {
        return fault(what + " with a string at 'text'", text == nullptr ? "an object without" : type_of(*text));
    }
    if (title != nullptr && !title->is_null() && !title->is_string()) {
        return fault(what + " with a string at 'title'", type_of(*title));
    }
    PairText& added = texts.emplace_back();
    if (title != nullptr && title->is_string()) { added.title = title->get<std::string>(); }
    added.text = text->get<std::string>();
    nlohmann::json const* const id = find_key(value, {"docid", "doc_id", "_id", "id", "passage_id", "psg_id"});
    if (id != nullptr && !take_id(id, added.id) && !id->is_string()) {
        return fault(what + " whose 'docid' is a string or an integer", type_of(*id));
    }
    return true;
}

BMAE_INLINE bool TrainingJson::parse_scores(nlohmann::json const& object, char const* key, std::size_t count,
                                            std::vector<float>& scores) {
    nlohmann::json const* const value = take(object, {key});
    if (value == nullptr || value->is_null()) { return true; }
    if (!value->is_array() || value->size() != count) {
        return fault(std::string("as many scores at '") + key + "' as texts",
                     (value->is_array() ? std::to_string(value->size()) : type_of(*value)) + " for " + std::to_string(count));
    }
    for (nlohmann::json const& score : *value) {
        double const number = score.is_number() ? score.get<double>() : std::nan("");
        if (!score.is_null() && !(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
            return fault(std::string("finite numbers at '") + key + "', or null for none", excerpt(score.dump()));
        }
        scores.push_back(static_cast<float>(number));
    }
    return true;
}

BMAE_INLINE nlohmann::json const* TrainingJson::take(nlohmann::json const& object, Keys keys) {
    for (char const* key : keys) {
        if (auto const found = object.find(key); found != object.end()) {
            read_keys_.emplace_back(key);
            return &*found;
        }
    }
    return nullptr;
}

BMAE_INLINE void TrainingJson::count_unread(nlohmann::json const& object) {
    for (auto const& [key, value] : object.items()) {
        if (std::find(read_keys_.begin(), read_keys_.end(), key) == read_keys_.end()) {
            ++lines_.report().left_out["values of the key '" + key + "', which is not read"];
        }
    }
}

BMAE_INLINE bool TrainingJson::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return false;
}

BMAE_INLINE std::string TrainingJson::describe(nlohmann::json const& object, nlohmann::json const* value) {
    if (value != nullptr) { return type_of(*value); }
    std::string keys;
    for (auto const& [key, ignored] : object.items()) { keys += (keys.empty() ? "" : ", ") + key; }
    return keys.empty() ? "no key" : "the keys " + excerpt(keys);
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
