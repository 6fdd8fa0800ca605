// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Members of JSON that others wrote, which may be missing.
#pragma once

#include "common.hpp"

namespace bmae::program {

/// A member of an object; null where there is none.
inline Json const& member(Json const& object, char const* key) {
    static Json const none;
    auto const found = object.is_object() ? object.find(key) : object.end();
    return found == object.end() ? none : *found;
}

}  // namespace bmae::program
