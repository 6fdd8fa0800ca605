// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The options of a composition by name, for command lines and checkpoints.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

class OptionList;

/// A part that offers its options: `part.for_each_option(visit)` calls `visit("rate", rate, "share of tokens masked")` for each
/// of them, by reference, named as the member. Floating point, integers, bool, and choices: enums whose `names_of(value)` gives
/// their names in order. Not required of a part: without it a command line cannot set its options.
template <class P>
concept OffersOptions = requires(P& part, OptionList& visit) { part.for_each_option(visit); };

/// An enum with names: `names_of(E{})`, counted from the enumerator 0, found beside the enum.
template <class E>
concept NamedChoice = std::is_enum_v<E> && requires(E value) {
    { names_of(value).size() } -> std::convertible_to<std::size_t>;
    { names_of(value)[0] } -> std::convertible_to<std::string_view>;
};

namespace detail {

/// The number that `text` is as a whole: a finite one for `double`; for an integer one without a fraction that the type holds,
/// also in the form 1e3.
template <class Number>
std::optional<Number> number_from(std::string_view text) {
    std::string_view const digits = text.starts_with('+') ? text.substr(1) : text;
    char const* const last = digits.data() + digits.size();
    Number number{};
    auto const [end, error] = std::from_chars(digits.data(), last, number);
    if constexpr (std::floating_point<Number>) {
        if (error != std::errc{} || end != last || !std::isfinite(number)) { return std::nullopt; }
        return number;
    } else {
        if (error == std::errc{} && end == last) { return number; }
        auto const real = number_from<double>(text);
        constexpr double exact = 9007199254740992;   // 2^53: below it, a double is the integer that was meant
        bool const fits = real && std::trunc(*real) == *real && std::abs(*real) <= exact &&
                          *real >= static_cast<double>(std::numeric_limits<Number>::min()) &&
                          *real <= static_cast<double>(std::numeric_limits<Number>::max());
        return fits ? std::optional(static_cast<Number>(*real)) : std::nullopt;
    }
}

}  // namespace detail

/// The value of an option, for reports: an enumerator as its name.
using OptionValue = std::variant<double, std::int64_t, std::uint64_t, bool, std::string>;

/// A reference to an option. Valid as long as the part that offered it.
class OptionReference {
    struct Choice {
        std::span<std::string_view const> names;
        std::function<std::size_t()> get;
        std::function<void(std::size_t)> set;
    };

public:
    template <class Number>
        requires(std::same_as<Number, double> || std::same_as<Number, std::int64_t> || std::same_as<Number, std::uint64_t> ||
                 std::same_as<Number, bool>)
    explicit OptionReference(Number& number) : place_(&number) {}
    template <NamedChoice E>
    explicit OptionReference(E& value)
        : place_(Choice{.names = names<E>,
                        .get = [&value] { return static_cast<std::size_t>(value); },
                        .set = [&value](std::size_t chosen) { value = static_cast<E>(chosen); }}) {}

    [[nodiscard]] OptionValue value() const;

    /// Sets the option from `text`. Throws InputError, which names `path`, for an invalid value.
    void set(std::string_view path, std::string_view text) const;

private:
    template <NamedChoice E>
    static constexpr auto names = names_of(E{});

    [[noreturn]] static void refuse(std::string_view path, std::string_view text, std::string const& kind,
                                    std::string_view example);
    template <class Number>
    static Number parse(std::string_view path, std::string_view text, char const* kind, char const* example) {
        if (auto const number = detail::number_from<Number>(text)) { return *number; }
        refuse(path, text, kind, example);
    }

    std::variant<double*, std::int64_t*, std::uint64_t*, bool*, Choice> place_;
};

/// An option of a part, with its path from the root: `passes.0.view.masker.rate`.
struct OptionEntry {
    std::string path = {};
    OptionReference number;
    std::string_view meaning = {};   ///< one line
};

/// Collects the options of a part and of the parts within it: the visitor that `for_each_option` is given.
class OptionList {
public:
    /// One option. An empty name means the part itself: its first option.
    template <class Number>
    void operator()(std::string_view name, Number& number, std::string_view meaning) {
        static_assert(!std::is_enum_v<Number> || NamedChoice<Number>, "OptionList: an enum needs `names_of(value)` beside it.");
        entries_.push_back({.path = joined(name), .number = OptionReference(number), .meaning = meaning});
    }

    /// The options of a nested part; none where it offers none.
    template <class Part>
    void inside(std::string_view name, Part& part) {
        if constexpr (OffersOptions<Part>) {
            std::string outer = std::exchange(prefix_, joined(name));
            part.for_each_option(*this);
            prefix_ = std::move(outer);
        }
    }

    /// Parts in a row: `name.0`, `name.1` ...
    template <class... Part>
    void inside_each(std::string_view name, std::tuple<Part...>& parts) {
        std::size_t index = 0;
        std::apply([&](Part&... part) { (inside(std::string(name) + '.' + std::to_string(index++), part), ...); }, parts);
    }

    [[nodiscard]] std::vector<OptionEntry> const& entries() const noexcept { return entries_; }

private:
    [[nodiscard]] std::string joined(std::string_view name) const;

    std::string prefix_;
    std::vector<OptionEntry> entries_;
};

/// All options of `part`, which must outlive them and not be moved.
template <OffersOptions Part>
std::vector<OptionEntry> option_entries(Part& part) {
    OptionList list;
    part.for_each_option(list);
    return list.entries();
}

namespace detail {

/// Insertions, deletions and changes of one letter that lead from `a` to `b` (Levenshtein).
BMAE_INLINE std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace detail

/// The one of `entries` called `path`, or nullptr.
BMAE_INLINE OptionEntry const* find_option(std::vector<OptionEntry> const& entries, std::string_view path);

/// Sets the one of `entries` called `path` from text. Throws InputError, with all paths, the most similar first, where there is
/// none, and for an invalid value.
BMAE_INLINE void set_option(std::vector<OptionEntry> const& entries, std::string_view path, std::string_view text);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE OptionValue OptionReference::value() const {
    if (auto const* const real = std::get_if<double*>(&place_)) { return **real; }
    if (auto const* const whole = std::get_if<std::int64_t*>(&place_)) { return **whole; }
    if (auto const* const count = std::get_if<std::uint64_t*>(&place_)) { return **count; }
    if (auto const* const flag = std::get_if<bool*>(&place_)) { return **flag; }
    auto const& choice = std::get<Choice>(place_);
    return std::string(choice.names[choice.get()]);
}

BMAE_INLINE void OptionReference::set(std::string_view path, std::string_view text) const {
    if (auto const* const real = std::get_if<double*>(&place_)) {
        **real = parse<double>(path, text, "a finite number", "0.3");
    } else if (auto const* const whole = std::get_if<std::int64_t*>(&place_)) {
        **whole = parse<std::int64_t>(path, text, "a whole number", "2");
    } else if (auto const* const count = std::get_if<std::uint64_t*>(&place_)) {
        **count = parse<std::uint64_t>(path, text, "a whole number of at least 0", "2");
    } else if (auto const* const flag = std::get_if<bool*>(&place_)) {
        if (text != "0" && text != "1" && text != "true" && text != "false") { refuse(path, text, "0 or 1", "1"); }
        **flag = text == "1" || text == "true";
    } else {
        auto const& choice = std::get<Choice>(place_);
        std::string known;
        for (std::size_t i = 0; i < choice.names.size(); ++i) {
            if (choice.names[i] == text) { return choice.set(i); }
            known += (known.empty() ? "" : ", ") + std::string(choice.names[i]);
        }
        refuse(path, text, "one of " + known, choice.names[0]);
    }
}

BMAE_INLINE void OptionReference::refuse(std::string_view path, std::string_view text, std::string const& kind,
                                         std::string_view example) {
    throw InputError(Diagnostic{.file = {},
                                .expected = kind + " for " + std::string(path),
                                .found = '"' + std::string(text) + '"',
                                .hint = "Write for example " + std::string(path) + "=" + std::string(example) + "."});
}

BMAE_INLINE std::string OptionList::joined(std::string_view name) const {
    std::string path = prefix_;
    if (!path.empty() && !name.empty()) { path += '.'; }
    return path.append(name);
}

BMAE_INLINE OptionEntry const* find_option(std::vector<OptionEntry> const& entries, std::string_view path) {
    auto const found = std::ranges::find(entries, path, &OptionEntry::path);
    return found == entries.end() ? nullptr : &*found;
}

BMAE_INLINE void set_option(std::vector<OptionEntry> const& entries, std::string_view path, std::string_view text) {
    if (OptionEntry const* const entry = find_option(entries, path)) { return entry->number.set(path, text); }
    std::vector<std::pair<std::size_t, std::string_view>> known;
    for (OptionEntry const& entry : entries) { known.emplace_back(detail::edit_distance(path, entry.path), entry.path); }
    std::ranges::stable_sort(known, {}, &std::pair<std::size_t, std::string_view>::first);
    std::string list;
    for (auto const& [distance, name] : known) { list.append(list.empty() ? "" : ", ").append(name); }
    bool const near = !known.empty() && known.front().first <= std::max<std::size_t>(2, path.size() / 4);
    std::string const guess = near ? "Did you mean \"" + std::string(known.front().second) + "\"? " : "";
    throw InputError(Diagnostic{.file = {},
                                .expected = "an option of this preset",
                                .found = '"' + std::string(path) + '"',
                                .hint = guess + "It has, the most similar first: " + list + '.'});
}

}  // namespace bmae

namespace bmae::detail {

BMAE_INLINE std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            std::size_t const change = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
