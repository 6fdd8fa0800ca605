// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Judgments by answer strings, as in open-domain question answering: a passage is relevant that contains an answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/nfc.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// What a character is to the tokenizer of answers.
enum class AnswerCharacter { blank, word, symbol };

inline AnswerCharacter answer_character(char32_t c) noexcept {
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_NO:
            return AnswerCharacter::word;
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
            return AnswerCharacter::blank;
        default:
            return AnswerCharacter::symbol;
    }
}

/// Whether the capital sigma at `i` ends a word by Unicode's rule: behind a letter with case, and not before one. Marks between are passed over.
inline bool is_final_sigma(std::u32string const& text, std::size_t i) noexcept {
    auto const is_mark = [&](std::size_t at) {
        return utf8proc_category(static_cast<utf8proc_int32_t>(text[at])) == UTF8PROC_CATEGORY_MN;
    };
    auto const has_case = [&](std::size_t at) {
        auto const c = static_cast<utf8proc_int32_t>(text[at]);
        return utf8proc_tolower(c) != c || utf8proc_toupper(c) != c;
    };
    std::size_t before = i, after = i + 1;
    while (before > 0 && is_mark(before - 1)) { --before; }
    while (after < text.size() && is_mark(after)) { ++after; }
    return before > 0 && has_case(before - 1) && !(after < text.size() && has_case(after));
}

/// The text in lower-case tokens, each between separators: "\x1fNew\x1fYork\x1f". Form NFD; runs of letters, digits and marks are tokens, and
/// every other visible character.
inline std::string answer_tokens(std::string_view text) {
    constexpr char separator = '\x1f';   // a control character is in no token
    std::u32string decomposed;
    while (!text.empty()) {
        Utf8Step const step = read_utf8(text);
        CanonicalTable::instance().decompose(step.character, decomposed);
        text.remove_prefix(step.bytes);
    }
    order_canonically(decomposed);
    std::string tokens(1, separator);
    bool in_word = false;
    for (std::size_t i = 0; i < decomposed.size(); ++i) {
        AnswerCharacter const kind = answer_character(decomposed[i]);
        bool const word = kind == AnswerCharacter::word;
        if (in_word && !word) { tokens += separator; }
        bool const final_sigma =
            decomposed[i] == U'\u03a3' && is_final_sigma(decomposed, i);   // whose lower case depends on its place
        if (kind != AnswerCharacter::blank) {
            append_utf8(tokens, final_sigma
                                    ? U'\u03c2'
                                    : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(decomposed[i]))));
        }
        if (kind == AnswerCharacter::symbol) { tokens += separator; }
        in_word = word;
    }
    if (in_word) { tokens += separator; }
    return tokens;
}

}  // namespace detail

/// Finds the answers of one question in texts, by the rules of DPR (Karpukhin et al., EMNLP 2020): a text matches where the tokens of an answer are
/// in it one behind the other, without regard to case.
class AnswerMatcher {
public:
    /// \throws InputError for an answer without a token, which every text would contain
    explicit AnswerMatcher(std::vector<std::string> const& answers) {
        for (std::string const& answer : answers) {
            answers_.push_back(detail::answer_tokens(answer));
            if (answers_.back().size() > 1) { continue; }
            throw InputError(Diagnostic{.file = {},
                                        .expected = "answers with a letter, a digit or a symbol",
                                        .found = '\'' + answer + '\'',
                                        .hint = "Every text contains it: drop it."});
        }
    }

    [[nodiscard]] bool matches(std::string_view text) const {
        std::string const tokens = detail::answer_tokens(text);
        return std::any_of(answers_.begin(), answers_.end(),
                           [&](std::string const& answer) { return tokens.find(answer) != std::string::npos; });
    }

private:
    std::vector<std::string> answers_;
};

/// A question and the strings of which one answers it.
struct QuestionAnswers {
    std::string query = {};                  ///< id
    std::vector<std::string> answers = {};   ///< at least one
};

/// Title and text of a document.
struct AnswerPassage {
    std::string title = {};
    std::string text = {};
};

struct AnswerOptions {
    std::size_t depth = 100;   ///< hits of a query that are read: the largest k of the measures
    bool titles = false;       ///< an answer in the title counts too; DPR reads the text alone
};

/// Judgments of the first hits of a run: grade 1 where the passage contains an answer, else 0. `Success{k}` over them is DPR's accuracy of the first k
/// passages. Hits are taken in the order of the run; questions without hits are judged too, and so counted as missing.
/// \param passage_of  nothing for an unknown document
/// \throws InputError  for a question without answers, twice, or a document that `passage_of` does not know
inline Qrels judge_by_answers(Run const& run, std::vector<QuestionAnswers> const& questions,
                              std::function<std::optional<AnswerPassage>(std::string_view document)> const& passage_of,
                              AnswerOptions const& options = {}) {
    auto const refuse = [](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    Qrels qrels;
    for (QuestionAnswers const& question : questions) {
        if (question.answers.empty()) {
            throw refuse("an answer per question", "none of '" + question.query + '\'', "Drop the question.");
        }
        if (qrels.find(question.query)) {
            throw refuse("every question once", "'" + question.query + "' again", "Join its answers.");
        }
        qrels.add(question.query, {}, 0);   // no document has the empty id
        AnswerMatcher const matcher(question.answers);
        auto const place = run.find(question.query);
        if (!place) { continue; }
        auto const hits = run.hits(*place);
        for (Hit const& hit : hits.first(std::min(options.depth, hits.size()))) {
            std::string_view const id = run.document(hit.document);
            auto const passage = passage_of(id);
            if (!passage) {
                throw refuse("the text of every hit", "no document '" + std::string(id) + '\'', "Is the run of this corpus?");
            }
            qrels.add(question.query, id,
                      matcher.matches(passage->text) || (options.titles && matcher.matches(passage->title)) ? 1 : 0);
        }
    }
    return qrels;
}

}  // namespace bmae
