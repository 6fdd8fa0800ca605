// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Precompiled for the tests and examples: LibTorch and the standard library, nothing of bmae.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#if !defined(BMAE_SEPARATE_COMPILATION)   // what only the definitions need
#include <torch/csrc/autograd/custom_function.h>
#endif
