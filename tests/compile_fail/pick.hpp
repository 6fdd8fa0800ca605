// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The two forms of a case: right where PASSING is defined, else wrong.
#pragma once

#ifdef PASSING
constexpr bool right = true;
template <class Right, class Wrong>
using Pick = Right;
#else
constexpr bool right = false;
template <class Right, class Wrong>
using Pick = Wrong;
#endif
