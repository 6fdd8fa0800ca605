// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The texts that a source needs and a corpus may lack.
#pragma once

namespace bmae {

/// A source that reads more than the passage has `static constexpr Needs needs = Needs::queries`: a run over a corpus
/// without it is refused before training, and warned about where it is rare. Needs that are not listed here do not compile.
enum class Needs {
    queries,        ///< at least one query of the document
    triplets,       ///< a second query, in a store of natural-language inference
    continuation,   ///< continuation of the document by a language model
    neighbors,      ///< a second passage in the document
    spans,          ///< more tokens in the document than `source.length`
    sentences,      ///< a second sentence in the document
    field,          ///< the field `S::key` of the document
    title,          ///< its title and [SEP] before the text of the document (`TitleUse::section`)
};

}  // namespace bmae
