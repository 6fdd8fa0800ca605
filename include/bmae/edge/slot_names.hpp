// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The type of each slot of a composition: a run resumes only with the types that it was started with.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/detail/type_name.hpp>

namespace bmae::detail {

inline std::string without_namespace(std::string_view name) {
    constexpr std::string_view own = "bmae::";
    return std::string(name.starts_with(own) ? name.substr(own.size()) : name);
}

/// "Branch<View<Passage, TokenMasker, BertCorruptor>, BasicDecoder, TokenCrossEntropy, EncoderHead>": the type, not its `name`,
/// which a derived part inherits. Composed slot by slot, independent of how compilers print default arguments.
template <class T>
struct SlotName {
    static std::string text() { return without_namespace(compiler_name<T>()); }
};

template <template <class...> class Part, class... Slot>
struct SlotName<Part<Slot...>> {
    static std::string text() {
        std::string text = without_namespace(compiler_name<Part<Slot...>>());
        text.resize(text.find('<'));
        std::string_view separator = "<";
        ((text += separator, text += SlotName<Slot>::text(), separator = ", "), ...);
        return text + '>';
    }
};

/// Path -> type of slots, in order.
using SlotNames = std::vector<std::pair<std::string, std::string>>;

template <class View>
void add_view_slots(std::string const& path, SlotNames& slots) {
    slots.emplace_back(path + ".source", SlotName<typename View::Source>::text());
    slots.emplace_back(path + ".masker", SlotName<typename View::Masker>::text());
    if constexpr (requires { typename View::Corruptor; }) {
        slots.emplace_back(path + ".corruptor", SlotName<typename View::Corruptor>::text());
    }
}

/// The type of every slot by its path; those within a term come before the term as a whole, to report differences by slot.
template <class Model>
SlotNames slot_names(Model const& model) {
    SlotNames slots;
    if constexpr (requires { model.encoder().held_type(); }) {
        slots.emplace_back("encoder", without_namespace(model.encoder().held_type()));
    } else {
        slots.emplace_back("encoder", SlotName<typename Model::EncoderType>::text());
    }
    model.for_each_pass([&]<class Pass>(Pass const& pass, std::size_t p) {
        std::string const path = "passes." + std::to_string(p);
        add_view_slots<typename Pass::View>(path + ".view", slots);
        slots.emplace_back(path + ".bottleneck", SlotName<typename Pass::BottleneckType>::text());
        pass.for_each_term([&]<class Term>(Term const&, std::size_t t) {
            std::string const place = path + ".terms." + std::to_string(t);
            if constexpr (Term::has_view) { add_view_slots<typename Term::View>(place + ".view", slots); }
            if constexpr (requires { typename Term::BottleneckType; }) {
                slots.emplace_back(place + ".bottleneck", SlotName<typename Term::BottleneckType>::text());
            }
            if constexpr (requires(Term& term) { term.decoder(); }) {
                using Decoder = std::remove_cvref_t<decltype(std::declval<Term&>().decoder())>;
                slots.emplace_back(place + ".decoder", SlotName<Decoder>::text());
            }
            if constexpr (requires { typename Term::Labels; }) {
                slots.emplace_back(place + ".loss", SlotName<typename Term::Labels>::text());
            }
            slots.emplace_back(place, SlotName<Term>::text());
        });
    });
    model.for_each_cross_term([&]<class Term>(Term const&, std::size_t t) {
        slots.emplace_back("terms." + std::to_string(t), SlotName<Term>::text());
    });
    return slots;
}

}  // namespace bmae::detail
