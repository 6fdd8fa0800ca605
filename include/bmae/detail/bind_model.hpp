// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A model of any type bound to data, as what a trainer trains. Declared before all models, so that the header of a preset can say
/// that the library `bmae::compiled` holds its training.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace bmae {

class AnyModel;
class PairStore;
class TokenStore;
struct ViewSettings;

namespace detail {

/// A `ComposedObjective` of the model, which trainers need not know by its type; see there.
template <class Model, class Data>
std::unique_ptr<AnyModel> bind_model(std::shared_ptr<Model> model, Data const& data, ViewSettings const& settings,
                                     std::string name, std::function<void(std::filesystem::path const&)> sidecars);

}  // namespace detail

}  // namespace bmae

/// Explicit instantiation of `bind_model` in namespace bmae; behind `extern`: that it is in the library.
#define BMAE_BIND_MODEL(Model, Data)                                                                                             \
    template std::unique_ptr<AnyModel> detail::bind_model<Model, Data>(std::shared_ptr<Model>, Data const&, ViewSettings const&, \
                                                                       std::string,                                              \
                                                                       std::function<void(std::filesystem::path const&)>)
