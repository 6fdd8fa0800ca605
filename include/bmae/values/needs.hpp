// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a text source reads that a corpus may lack.
#pragma once

namespace bmae {

/// A source that reads more than the passage says it by `static constexpr Needs needs = Needs::queries`: a run over a corpus
/// without it is refused before training, and warned where it is rare. What is not listed here is no need: it does not compile.
enum class Needs {
    queries,        ///< at least one query of the document
    triplets,       ///< a second query, in a store of natural-language inference
    continuation,   ///< what a language model wrote after the document
    neighbours,     ///< a second passage in the document
    spans,          ///< more tokens in the document than `source.length`
    sentences,      ///< a second sentence in the document
    field,          ///< the field `S::key` of the document
};

}  // namespace bmae
