// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Forward declarations of the public classes, for headers that need names but no definitions.
///
/// Compositions and presets are aliases of `Model<...>`, a template: a header that names one includes it.
#pragma once

namespace bmae {

// values
class Draw;
struct DrawKey;
class Error;
class InputError;
class RunError;
struct Example;
struct PairExample;
struct MaskedText;
struct PackedInput;
struct Encoded;
struct SpecialIds;
class TokenTraits;
class TokenSpan;
struct Visibility;

// text and batches
class WordPiece;
class AnyTokenizer;
class VocabularyBuilder;
class TokenStore;
class PairStore;
struct PackedView;
struct HostBatch;

// networks
struct BertConfig;
class BertEncoder;
class AnyEncoder;
class BasicDecoder;

// training
class AnyModel;
class Objective;
class Trainer;
struct TrainerOptions;
struct TrainerCallbacks;
struct TrainResult;

// retrieval and evaluation
class SentenceEncoder;
class ExactIndex;
class Bm25Index;
class Run;
class Qrels;
struct Hit;
struct Profile;
struct Report;

}  // namespace bmae
