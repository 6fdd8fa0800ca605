// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reads the text that `Model::composition()` writes, for reports about models whose type is not at hand.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The names in one view: what is read, what is masked, what replaces it.
struct ViewText {
    std::string source = {};
    std::string masker = {};
    std::string corruptor = {};
};

/// The names in one term of a pass.
struct TermText {
    std::string kind = {};               ///< masked_language_model, branch ...
    std::string bottleneck = {};         ///< behind "via"; empty: that of the pass
    std::optional<ViewText> view = {};   ///< of a term that reads a text of its own
    std::string decoder = {};            ///< with its query, "enhanced plain"; empty: none
    bool shared = false;                 ///< the decoder is one for several terms
};

/// The names in one pass.
struct PassText {
    std::string encoder = "tied";   ///< tied, momentum or second
    ViewText view = {};
    std::string bottleneck = {};
    std::vector<TermText> terms = {};
};

/// The names in a composition.
struct CompositionText {
    std::string encoder = {};
    std::vector<PassText> passes = {};
    std::vector<std::string> terms = {};   ///< those across the passes: contrast, distillation ...
};

/// \param text  as "bert; pass(passage, whole_word, bert) -> cls -> masked_language_model"
/// \throws InputError where the text is none of `Model::composition()`
BMAE_INLINE CompositionText read_composition(std::string_view text);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

/// The parts of a text between separators. At least one.
BMAE_INLINE std::vector<std::string> split_text(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    for (std::size_t at = 0;;) {
        std::size_t const end = text.find(separator, at);
        parts.emplace_back(text.substr(at, end == text.npos ? text.npos : end - at));
        if (end == text.npos) { return parts; }
        at = end + separator.size();
    }
}

BMAE_INLINE InputError no_composition(std::string const& expected, std::string_view found) {
    return InputError(
        Diagnostic{.file = {}, .expected = expected + " in a composition", .found = '"' + std::string(found) + '"'});
}

/// "branch(passage, keyword)" as "branch" and its words; no words where there are no parentheses.
BMAE_INLINE std::pair<std::string, std::vector<std::string>> call_of(std::string_view text) {
    std::size_t const open = text.find('(');
    if (open == text.npos) {
        if (text.empty() || text.find(')') != text.npos) { throw no_composition("a name", text); }
        return {std::string(text), {}};
    }
    if (open == 0 || text.find(')') != text.size() - 1 || text.find('(', open + 1) != text.npos) {
        throw no_composition("NAME(...)", text);
    }
    return {std::string(text.substr(0, open)), split_text(text.substr(open + 1, text.size() - open - 2), ", ")};
}

BMAE_INLINE TermText read_term(std::string_view text) {
    auto [kind, words] = call_of(text);
    TermText term;
    std::size_t const via = kind.find(" via ");
    if (via != kind.npos) { term.bottleneck = kind.substr(via + 5); }
    term.kind = kind.substr(0, via);
    if (words.size() >= 3) {
        term.view = ViewText{.source = words[0], .masker = words[1], .corruptor = words[2]};
        words.erase(words.begin(), words.begin() + 3);
    }
    if (words.size() > 1) { throw no_composition("a view of three names and a decoder", text); }
    if (words.empty()) { return term; }
    constexpr std::string_view shared = "shared ";
    term.shared = words.front().starts_with(shared);
    term.decoder = words.front().substr(term.shared ? shared.size() : 0);
    return term;
}

BMAE_INLINE PassText read_pass(std::string_view text) {
    std::vector<std::string> const parts = split_text(text, " -> ");
    auto const [name, words] = call_of(parts.front());
    if (words.size() != 3 || parts.size() < 2) {
        throw no_composition("a pass over a view of three names, and a bottleneck", text);
    }
    PassText pass{.view = {.source = words[0], .masker = words[1], .corruptor = words[2]}, .bottleneck = parts[1]};
    if (name != "pass") { pass.encoder = name.substr(0, name.find(' ')); }
    for (std::size_t i = 2; i < parts.size(); ++i) { pass.terms.push_back(read_term(parts[i])); }
    return pass;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE CompositionText read_composition(std::string_view text) {
    std::vector<std::string> const parts = detail::split_text(text, "; ");
    CompositionText composition{.encoder = parts.front()};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        std::string_view const head = std::string_view(parts[i]).substr(0, parts[i].find('('));
        if (head == "pass" || head.ends_with(" pass")) {
            if (!composition.terms.empty()) { throw detail::no_composition("passes before the terms across them", parts[i]); }
            composition.passes.push_back(detail::read_pass(parts[i]));
        } else {
            composition.terms.push_back(detail::call_of(parts[i]).first);
        }
    }
    if (composition.encoder.empty() || composition.passes.empty()) {
        throw detail::no_composition("an encoder and its passes", text);
    }
    return composition;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
