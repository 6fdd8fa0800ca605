// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Options that occur twice in a composition and must be the same: refused before training where they differ.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae {

namespace detail {

/// An option's value as a command line would write it.
BMAE_INLINE std::string number_text(OptionValue const& value);

/// The options that a part offers, by name; none where it offers none.
template <class Part>
std::vector<std::pair<std::string, OptionValue>> numbers_of(Part part) {
    std::vector<std::pair<std::string, OptionValue>> numbers;
    if constexpr (OffersOptions<Part>) {
        for (OptionEntry const& entry : option_entries(part)) { numbers.emplace_back(entry.path, entry.number.value()); }
    }
    return numbers;
}

using NamedNumbers = std::vector<std::pair<std::string, OptionValue>>;

/// Refuses an option that both lists have with different values.
/// \param why  ends the sentence "Set both to one value: ..."
BMAE_INLINE void require_same_numbers(NamedNumbers const& one, std::string const& path, NamedNumbers const& other,
                                      std::string const& other_path, std::string const& why);

}  // namespace detail

/// Refuses a composition in which two places contradict each other: sources with one `shared_choice` and different options, and a
/// related masker whose source or options do not fit the encoder's view of its pass. Throws InputError with both paths.
/// \param model  has `for_each_pass`, whose passes have `view()` and `for_each_term`
template <class Composition>
void require_views_agree(Composition const& model) {
    std::map<std::string_view, std::pair<std::string, detail::NamedNumbers>> choices;
    auto const hold = [&]<class ViewT>(ViewT const& view, std::string const& path) {
        if constexpr (requires { ViewT::Source::shared_choice; }) {
            detail::NamedNumbers numbers = detail::numbers_of(view.source);
            auto const [first, is_new] = choices.try_emplace(ViewT::Source::shared_choice, path + ".source", numbers);
            if (is_new) { return; }
            detail::require_same_numbers(
                first->second.second, first->second.first, numbers, path + ".source",
                "the two texts of an example are chosen together (" + std::string(ViewT::Source::shared_choice) + ").");
        }
    };
    model.for_each_pass([&](auto const& pass, std::size_t p) {
        std::string const own = "passes." + std::to_string(p);
        hold(pass.view(), own + ".view");
        pass.for_each_term([&]<class Term>(Term const& term, std::size_t t) {
            if constexpr (Term::has_view) {
                std::string const path = own + ".terms." + std::to_string(t) + ".view";
                hold(term.view(), path);
                if constexpr (Term::View::is_related) {
                    detail::require_same_numbers(detail::numbers_of(pass.view().source), own + ".view.source",
                                                 detail::numbers_of(term.view().source), path + ".source",
                                                 "the masker uses the mask of the encoder's view.");
                    if constexpr (requires { term.view().masker.require_fits(pass.view().masker, own, path); }) {
                        term.view().masker.require_fits(pass.view().masker, path + ".masker", own + ".view.masker");
                    }
                }
            }
        });
    });
}

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string number_text(OptionValue const& value) {
    return std::visit(
        []<class T>(T const& number) {
            if constexpr (std::is_same_v<T, std::string>) {
                return number;
            } else if constexpr (std::is_same_v<T, bool>) {
                return std::string(number ? "1" : "0");
            } else {
                std::string text = std::to_string(number);
                if constexpr (std::is_same_v<T, double>) {
                    text.erase(text.find_last_not_of('0') + 1);
                    if (text.ends_with('.')) { text += '0'; }
                }
                return text;
            }
        },
        value);
}

BMAE_INLINE void require_same_numbers(NamedNumbers const& one, std::string const& path, NamedNumbers const& other,
                                      std::string const& other_path, std::string const& why) {
    for (auto const& [name, value] : one) {
        auto const same = std::ranges::find(other, name, &NamedNumbers::value_type::first);
        if (same == other.end() || same->second == value) { continue; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = path + '.' + name + " and " + other_path + '.' + name + " to be the same",
                                    .found = number_text(value) + " and " + number_text(same->second),
                                    .hint = "Set both to one value: " + why});
    }
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
