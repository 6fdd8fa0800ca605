// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A preset: a paper's model, its name, and its hyperparameters.
#pragma once

#include <string>
#include <string_view>

#include <bmae/model/model.hpp>
#include <bmae/values/option.hpp>

namespace bmae {

/// A paper's model and its name.
template <class ModelT>
struct Preset {
    using Model = ModelT;
    std::string_view name;
    std::string_view citation;
    typename PresetHyperparameters<ModelT>::type hyperparameters = {};   ///< the paper's own
};

/// Sets the hyperparameter called `name` of a preset from text; an unknown name throws InputError and lists the known ones.
template <OffersOptions Hyperparameters>
void set_option(Hyperparameters& hyperparameters, std::string_view name, std::string const& text) {
    set_option(option_entries(hyperparameters), name, text);
}

}  // namespace bmae
