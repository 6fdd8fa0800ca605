// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What is odd about the texts of a corpus, counted in one pass before a model is trained on them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include <bmae/corpus/near_duplicates.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/language_guess.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae {

/// An oddity of one text.
enum class TextIssue {
    empty,         ///< no visible character
    control,       ///< control characters other than tab, line feed and carriage return
    replacement,   ///< U+FFFD, which stands where a decoder lost a character
    invisible,     ///< zero-width characters, soft hyphens, marks of direction, byte order marks
    mojibake,      ///< UTF-8 that was read as Latin-1 or Windows-1252 and encoded again
    markup,        ///< tags or character references of HTML
};

/// Names in reports.
constexpr std::array<std::string_view, 6> names_of(TextIssue) noexcept {
    return {"empty", "control", "replacement", "invisible", "mojibake", "markup"};
}

namespace detail {

/// A tag `<b>`, `</p>`, `<br/>` or a reference `&amp;`, `&#39;` that begins at the start of `text`.
inline bool begins_markup(std::string_view text) noexcept {
    auto const is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
    auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
    bool const is_tag = text[0] == '<';
    std::size_t i = 1;
    if (is_tag && i < text.size() && text[i] == '/') { ++i; }
    if (!is_tag && i < text.size() && text[i] == '#') { ++i; }
    std::size_t const name = i;
    while (i < text.size() && i - name < 10 &&
           (is_letter(text[i]) || (i > name && is_digit(text[i])) || (!is_tag && is_digit(text[i])))) {
        ++i;
    }
    if (i == name || i == text.size()) { return false; }
    if (!is_tag) { return text[i] == ';'; }
    if (text[i] == '>' || text.substr(i).starts_with("/>")) { return true; }
    std::size_t const close = text.find_first_of("<>", i);   // attributes
    return text[i] == ' ' && close != text.npos && text[close] == '>' && text.substr(i, close - i).find('=') != text.npos;
}

/// The oddities of a text, by TextIssue.
inline std::array<bool, names_of(TextIssue{}).size()> issues_of(std::string_view text) noexcept {
    std::array<bool, names_of(TextIssue{}).size()> found{};
    auto const mark = [&](TextIssue issue) { found[static_cast<std::size_t>(issue)] = true; };
    bool visible = false;
    char32_t before = 0;
    for (std::size_t i = 0; i < text.size();) {
        Utf8Step const step = read_utf8(text.substr(i));
        char32_t const c = step.character;
        auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
        bool const blank = c == ' ' || (c >= 0x9 && c <= 0xd) || category == UTF8PROC_CATEGORY_ZS ||
                           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
        bool const control = category == UTF8PROC_CATEGORY_CC, format = category == UTF8PROC_CATEGORY_CF;
        if (control && c != '\t' && c != '\n' && c != '\r') { mark(TextIssue::control); }
        bool const joiner = c == 0x200c || c == 0x200d;   // part of the spelling of Persian, Hindi and emoji
        if (format && !joiner) { mark(TextIssue::invisible); }
        if (c == replacement_character) { mark(TextIssue::replacement); }
        // The lead bytes C2, C3 and E2 80 as characters, before a character that a continuation byte becomes.
        bool const continuation = (c >= 0x80 && c <= 0xbf) || c == 0x2122 || c == 0x0153 || c == 0x2018 || c == 0x2019 ||
                                  c == 0x201c || c == 0x201d || c == 0x2013 || c == 0x2014 || c == 0x2022 || c == 0x2026;
        if ((before == 0xc3 && continuation) || (before == 0xc2 && c >= 0xa0 && c <= 0xbf) ||
            (before == 0xe2 && (c == 0x20ac || c == 0x80))) {
            mark(TextIssue::mojibake);
        }
        if ((c == '<' || c == '&') && begins_markup(text.substr(i))) { mark(TextIssue::markup); }
        visible = visible || (!blank && !control && !format);
        before = c;
        i += step.bytes;
    }
    if (!visible) { mark(TextIssue::empty); }
    return found;
}

/// The text with runs of blanks as one blank, and none around it: what two copies have in common.
inline std::uint64_t copy_key(std::string_view text) {
    std::string plain;
    for (char const c : text) {
        bool const blank = c == ' ' || (c >= 0x9 && c <= 0xd);
        if (!blank) {
            plain += c;
        } else if (!plain.empty() && plain.back() != ' ') {
            plain += ' ';
        }
    }
    if (plain.ends_with(' ')) { plain.pop_back(); }
    return xxh64(plain);
}

/// Hashes of the words of a text in lower case, in their order.
inline std::vector<std::uint64_t> word_hashes(Analyzer const& analyzer, std::string_view text) {
    std::vector<std::uint64_t> hashes;
    std::string buffer;
    analyzer.for_each_word(text, buffer, [&](std::string_view word) { hashes.push_back(xxh64(word)); });
    return hashes;
}

/// Counts of words, of which the rare ones are dropped where there are too many: bounded memory.
class WordCounts {
public:
    void add(std::string const& word) {
        ++counts_[word];
        if (counts_.size() <= most) { return; }
        ++least_;
        std::erase_if(counts_, [this](auto const& entry) { return entry.second <= least_; });
    }
    /// The most frequent words, those of one count by their bytes.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> top(std::size_t number) const {
        std::vector<std::pair<std::string, std::uint64_t>> words(counts_.begin(), counts_.end());
        std::stable_sort(words.begin(), words.end(), [](auto const& a, auto const& b) { return a.second > b.second; });
        words.resize(std::min(number, words.size()));
        return words;
    }

private:
    static constexpr std::size_t most = 100'000;
    std::map<std::string, std::uint64_t> counts_;
    std::uint64_t least_ = 0;
};

}  // namespace detail

struct TextDiagnosisOptions {
    std::optional<AnyTokenizer> tokenizer = {};   ///< nothing: no lengths and no unknown tokens
    double threshold = .8;                        ///< least similarity of near duplicates
    std::size_t shingle = 3;                      ///< words of a phrase that near duplicates share
    std::size_t compared = 2'000'000;             ///< the first texts, among which duplicates are looked for: some 200 bytes each
    unsigned threads = 0;                         ///< 0: one per processor; the result does not depend on it
};

/// Texts with one oddity, and the first of them.
struct CountedTexts {
    static constexpr std::size_t kept = 5;

    std::uint64_t count = 0;
    std::vector<std::string> first = {};   ///< ids

    void add(std::string const& id) {
        if (++count <= kept) { first.push_back(id); }
    }
};

/// Copies or near copies among the compared texts.
struct DuplicateCounts {
    std::uint64_t groups = 0;
    std::uint64_t redundant = 0;                        ///< texts that another of their group could stand for
    std::uint64_t held_out = 0;                         ///< held-out texts that a training text is a copy of
    std::vector<std::vector<std::string>> first = {};   ///< ids of the first groups, at most five of each
    std::vector<std::string> held_out_first = {};       ///< ids of the first of them
};

/// What was counted.
struct TextDiagnosis {
    std::uint64_t texts = 0;   ///< held-out ones, too
    std::uint64_t held_out = 0;
    std::uint64_t compared = 0;                                           ///< of these, looked for duplicates in
    std::array<CountedTexts, names_of(TextIssue{}).size()> issues = {};   ///< by TextIssue
    std::map<std::string, std::uint64_t> languages = {};                  ///< \see guess_language; empty: too short
    DuplicateCounts copies = {};                                          ///< equal up to blanks
    DuplicateCounts near = {};                                            ///< similar, and not equal

    bool has_tokens = false;                                                 ///< a tokenizer was given: what follows was counted
    std::uint64_t tokens = 0;                                                ///< without the special tokens around a text
    std::uint64_t unknown = 0;                                               ///< of these
    std::uint64_t without_token = 0;                                         ///< texts
    std::size_t wrapping = 0;                                                ///< special tokens around a text
    std::map<std::size_t, std::uint64_t> lengths = {};                       ///< texts by tokens, special ones included
    std::vector<std::pair<std::string, std::uint64_t>> unknown_words = {};   ///< the most frequent words with an unknown piece

    [[nodiscard]] CountedTexts const& of(TextIssue issue) const noexcept { return issues[static_cast<std::size_t>(issue)]; }

    struct Truncation {
        std::uint64_t texts = 0;    ///< longer than the length
        std::uint64_t tokens = 0;   ///< that are cut off
    };
    /// What a model of this maximum length does not read.
    [[nodiscard]] Truncation truncation(std::size_t length) const noexcept {
        Truncation cut;
        for (auto it = lengths.upper_bound(length); it != lengths.end(); ++it) {
            cut.texts += it->second;
            cut.tokens += it->second * (it->first - length);
        }
        return cut;
    }
    /// The length that this share of the texts does not exceed; 0 without texts.
    [[nodiscard]] std::size_t length_of(double share) const noexcept {
        std::uint64_t seen = 0;
        for (auto const& [length, count] : lengths) {
            seen += count;
            if (static_cast<double>(seen) >= share * static_cast<double>(texts)) { return length; }
        }
        return 0;
    }
};

/// Counts texts as they come; `finish` looks for duplicates.
class TextDiagnoser {
public:
    explicit TextDiagnoser(TextDiagnosisOptions options)
        : options_(std::move(options)),
          near_(options_.threshold),
          pipeline_(
              options_.threads, 0, [this](Batch&& batch) { return look_at(std::move(batch)); },
              [this](Looked&& looked) { count(std::move(looked)); }) {
        result_.has_tokens = options_.tokenizer.has_value();
        if (options_.tokenizer) {
            auto const wrapping = options_.tokenizer->wrapping();
            result_.wrapping = wrapping.before.size() + wrapping.after.size();
        }
    }

    /// \param held_out  a text that is not trained on: copies of training texts among them are counted
    void add(std::string id, std::string text, bool held_out = false) {
        batch_.push_back({std::move(id), std::move(text), held_out, given_++ < options_.compared});
        if (batch_.size() == batch_texts) { pipeline_.push(std::exchange(batch_, {})); }
    }

    [[nodiscard]] TextDiagnosis finish() {
        if (!batch_.empty()) { pipeline_.push(std::exchange(batch_, {})); }
        pipeline_.finish();
        find_copies();
        for (DuplicateGroup const& group : near_.groups()) {
            std::vector<std::size_t> members;
            for (std::uint32_t const member : group.members) { members.push_back(distinct_[member]); }
            note(result_.near, members);
        }
        result_.unknown_words = unknown_.top(10);
        return std::move(result_);
    }

private:
    static constexpr std::size_t batch_texts = 256;

    struct Given {
        std::string id;
        std::string text;
        bool held_out = false;
        bool compared = false;
    };
    using Batch = std::vector<Given>;

    struct Facts {
        std::array<bool, names_of(TextIssue{}).size()> issues = {};
        std::string language = {};
        std::uint64_t key = 0;
        std::optional<MinHash> signature = {};
        std::size_t tokens = 0;
        std::size_t unknown = 0;
        std::vector<std::string> unknown_words = {};
    };
    struct Looked {
        Batch batch;
        std::vector<Facts> facts;
    };

    [[nodiscard]] Looked look_at(Batch&& batch) const {
        Looked looked{std::move(batch), {}};
        for (Given const& given : looked.batch) { looked.facts.push_back(facts_of(given)); }
        return looked;
    }

    [[nodiscard]] Facts facts_of(Given const& given) const {
        Facts facts{.issues = detail::issues_of(given.text), .language = guess_language(given.text)};
        if (given.compared) {
            facts.key = detail::copy_key(given.text);
            auto const features = shingles_of(detail::word_hashes(analyzer_, given.text), options_.shingle);
            if (!features.empty()) { facts.signature.emplace(features); }
        }
        if (!options_.tokenizer) { return facts; }
        TokenId const unknown = options_.tokenizer->traits().special().unk;
        auto const unknown_in = [&](std::vector<TokenId> const& ids) {
            return unknown < 0 ? 0 : static_cast<std::size_t>(std::count(ids.begin(), ids.end(), unknown));
        };
        std::vector<TokenId> const ids = options_.tokenizer->encode(given.text);
        facts.tokens = ids.size();
        facts.unknown = unknown_in(ids);
        if (facts.unknown == 0) { return facts; }
        for_each_part(given.text, [&](std::string const& word) {
            if (unknown_in(options_.tokenizer->encode(word)) != 0) { facts.unknown_words.push_back(word); }
        });
        return facts;
    }

    /// Parts between ASCII blanks.
    template <class Use>
    static void for_each_part(std::string_view text, Use&& use) {
        constexpr std::string_view blanks = " \t\n\v\f\r";
        while (true) {
            std::size_t const begin = text.find_first_not_of(blanks);
            if (begin == text.npos) { return; }
            std::size_t const end = std::min(text.find_first_of(blanks, begin), text.size());
            use(std::string(text.substr(begin, end - begin)));
            text.remove_prefix(end);
        }
    }

    void count(Looked&& looked) {
        for (std::size_t i = 0; i < looked.batch.size(); ++i) {
            Given& given = looked.batch[i];
            Facts const& facts = looked.facts[i];
            ++result_.texts;
            result_.held_out += given.held_out ? 1U : 0U;
            for (std::size_t issue = 0; issue < facts.issues.size(); ++issue) {
                if (facts.issues[issue]) { result_.issues[issue].add(given.id); }
            }
            ++result_.languages[facts.language];
            if (result_.has_tokens) {
                result_.tokens += facts.tokens;
                result_.unknown += facts.unknown;
                result_.without_token += facts.tokens == 0 ? 1U : 0U;
                ++result_.lengths[facts.tokens + result_.wrapping];
                for (std::string const& word : facts.unknown_words) { unknown_.add(word); }
            }
            if (given.compared && !facts.issues[static_cast<std::size_t>(TextIssue::empty)]) { compare(std::move(given), facts); }
        }
    }

    void compare(Given&& given, Facts const& facts) {
        ++result_.compared;
        std::size_t const place = ids_.size();
        bool const is_new = first_.try_emplace(facts.key, place).second;
        keys_.push_back(facts.key);
        ids_.push_back(std::move(given.id));
        held_out_.push_back(given.held_out);
        if (!is_new || !facts.signature) { return; }   // copies are not near duplicates, too
        near_.add(*facts.signature);
        distinct_.push_back(place);
    }

    void find_copies() {
        std::map<std::size_t, std::vector<std::size_t>> groups;   // by the first member
        for (std::size_t place = 0; place < keys_.size(); ++place) {
            std::size_t const first = first_.at(keys_[place]);
            if (first == place) { continue; }
            auto& members = groups[first];
            if (members.empty()) { members.push_back(first); }
            members.push_back(place);
        }
        for (auto const& [first, members] : groups) { note(result_.copies, members); }
    }

    void note(DuplicateCounts& counts, std::vector<std::size_t> const& members) {
        constexpr std::size_t shown = 5;
        ++counts.groups;
        counts.redundant += members.size() - 1;
        if (counts.first.size() < shown) {
            auto& names = counts.first.emplace_back();
            for (std::size_t i = 0; i < std::min(members.size(), shown); ++i) { names.push_back(ids_[members[i]]); }
        }
        if (std::all_of(members.begin(), members.end(), [&](std::size_t member) { return held_out_[member]; })) { return; }
        for (std::size_t const member : members) {
            if (!held_out_[member]) { continue; }
            ++counts.held_out;
            if (counts.held_out_first.size() < shown) { counts.held_out_first.push_back(ids_[member]); }
        }
    }

    TextDiagnosisOptions options_;
    Analyzer analyzer_{{.stop_words = StopWords::none}};
    std::size_t given_ = 0;
    Batch batch_;
    TextDiagnosis result_;
    detail::WordCounts unknown_;
    NearDuplicates near_;
    std::vector<std::size_t> distinct_;                      // [near_] places
    std::vector<std::uint64_t> keys_;                        // [compared]
    std::vector<std::string> ids_;                           // [compared]
    std::vector<bool> held_out_;                             // [compared]
    std::unordered_map<std::uint64_t, std::size_t> first_;   // place of the first text with this key
    detail::OrderedPipeline<Batch, Looked> pipeline_;        // last: its threads end before what they read
};

}  // namespace bmae
