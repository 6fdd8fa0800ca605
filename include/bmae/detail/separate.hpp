// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Header-only, or compiled once: where the definitions of functions are that need no template parameter.
///
/// By default a header defines everything that it declares. With the macro BMAE_SEPARATE_COMPILATION, which the CMake targets
/// `bmae::compiled_core` and `bmae::compiled` set for what links them, headers only declare those functions, and the definitions
/// below `#if BMAE_DEFINITIONS` (without LibTorch) and `#if BMAE_TORCH_DEFINITIONS` are compiled in the library, from
/// `bmae/impl/core.hpp` and `bmae/impl/torch.hpp`. All translation units of a program take one form or the other.
#pragma once

#if defined(BMAE_SEPARATE_COMPILATION) && defined(BMAE_CUDA) && !defined(BMAE_COMPILED_WITH_CUDA)
#error "bmae::compiled was compiled without CUDA kernels: link bmae::bmae, or call bmae_enable_cuda(bmae_compiled)."
#endif

#if defined(BMAE_SEPARATE_COMPILATION)
#define BMAE_INLINE
#if defined(BMAE_COMPILES_CORE)
#define BMAE_DEFINITIONS 1
#endif
#if defined(BMAE_COMPILES_TORCH)
#define BMAE_TORCH_DEFINITIONS 1
#endif
#else
#define BMAE_INLINE inline
#define BMAE_DEFINITIONS 1
#define BMAE_TORCH_DEFINITIONS 1
#endif
