// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Compositions that stand in no paper, for good reason: one slot of each is wrong.
// expect: Pass: the first slot is the encoder's view
// expect: Pass: the second slot after the encoder's view must be a bottleneck
// expect: Pass: after view and bottleneck come the terms of this pass
// expect: Pass: a decoder reads sentence vectors as wide as hidden states
// expect: Pass: the encoder's view must hide tokens, not context
// expect: Pass: the encoder's view comes first; a masker that depends on it belongs into a branch
// expect: Pass: terms that read the encoder's own view must ask for the same tokens of it
// expect: Concatenated: at least two bottlenecks stand side by side
// expect: Concatenated: every slot holds a bottleneck
// expect: StopGradient, Normalized: the slot holds a bottleneck
// expect: Reduced: the slot holds a bottleneck without parameters
// expect: MomentumPass: the momentum encoder gets no gradient
// expect: Branch: the first slot is the view to rebuild
// expect: Branch: the second slot is a decoder
// expect: Branch: this view hides context by row masks, which the decoder does not read
// expect: Branch: this decoder reads the clean text under row masks, but the view has none
// expect: Branch: a tap reads the encoder's layers, which belong to the encoder's view
// expect: Branch: the head is EncoderHead \(the encoder's, shared\) or OwnHead
// expect: ReplacedTokenDetection: the first slot is the view to judge
// expect: ReplacedTokenDetection: no token of this view is replaced by a network
// expect: ReplacedTokenDetection: a decoder under row masks would not see the text it judges
// expect: Pretraining: after the encoder come its passes
// expect: Pretraining: passes come first, terms that look across them last
// expect: Pretraining: without a term nothing would be learned
// expect: Pretraining: this part is neither a Pass nor a term that looks across passes
// expect: Pretraining: at least one pass must be run by the model's own encoder
// expect: Contrast: at least two passes are needed
// expect: satisfaction of .TokenLoss<Loss>. \[with Loss = bmae::BasicDecoder\]
// expect: RetroMaeNumbers. has no non-static data member named .encoder_rate
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/dual.hpp>
#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/pretraining/contrast.hpp>
#include <bmae/pretraining/replaced_token_detection.hpp>

using namespace bmae;

#ifdef PASSING
template <class Right, class Wrong>
using Pick = Right;
#else
template <class Right, class Wrong>
using Pick = Wrong;
#endif

using Words = View<Passage, WholeWordMasker>;
using Rows = View<Passage, RowVisibility>;
using Related = View<Passage, ComplementMasker>;
using Filled = View<Passage, WholeWordMasker, GeneratorReplacement>;
using Mlm = MaskedLanguageModel;

/// Makes the compiler look into a type.
template <class... T>
constexpr std::size_t looked_into = (sizeof(T) + ...);

// ---- passes
constexpr std::size_t passes =
    looked_into<Pass<Pick<Words, Passage>, ClsBottleneck, Mlm>,
                Pass<Words, Pick<ClsBottleneck, BasicDecoder>, Mlm>,
                Pass<Words, ClsBottleneck, Mlm, Pick<Mlm, Contrast>>,
                Pass<Pick<Words, Rows>, ClsBottleneck, Mlm>,
                Pass<Pick<Words, Related>, ClsBottleneck, Mlm>,
                Pass<Words, ClsBottleneck, Mlm, EncoderPrediction<Pick<TokenCrossEntropy, AllTokens>>>,
                Pass<Words, Pick<ClsBottleneck, Concatenated<ClsBottleneck, MeanBottleneck>>, Mlm, Branch<Words, BasicDecoder>>,
                PassOf<Pick<TiedEncoder, MomentumEncoder>, Words, ClsBottleneck, Mlm>>;

// ---- bottlenecks around bottlenecks
constexpr std::size_t bottlenecks =
    looked_into<Pick<Concatenated<ClsBottleneck, MeanBottleneck>, Concatenated<ClsBottleneck>>,
                Concatenated<ClsBottleneck, Pick<MeanBottleneck, Passage>>,
                StopGradient<Pick<LexiconBottleneck, BasicDecoder>>,
                Normalized<Pick<ClsBottleneck, Passage>>,
                Reduced<Pick<ClsBottleneck, LexiconBottleneck>>,
                Pass<Words, DualBottleneck, Mlm>>;

// ---- branches
constexpr std::size_t branches =
    looked_into<Branch<Pick<Words, Passage>, BasicDecoder>,
                Branch<Words, Pick<BasicDecoder, ClsBottleneck>>,
                Branch<Pick<Words, Rows>, BasicDecoder>,
                Branch<Pick<Rows, Words>, EnhancedDecoder>,
                Branch<Pick<OwnView, Words>, TapDecoder>,
                Branch<Words, BasicDecoder, TokenCrossEntropy, Pick<OwnHead, BasicDecoder>>,
                ReplacedTokenDetection<Pick<Filled, Passage>, FullDepthDecoder>,
                ReplacedTokenDetection<Pick<Filled, View<Passage, WholeWordMasker, MaskOnly>>, FullDepthDecoder>,
                ReplacedTokenDetection<Filled, Pick<FullDepthDecoder, EnhancedDecoder>>>;

// ---- models
using One = Pass<Words, ClsBottleneck, Mlm>;
using Silent = Pass<Words, ClsBottleneck>;
using Second = SecondPass<Words, ClsBottleneck, Mlm>;
#ifdef PASSING
constexpr std::size_t models = looked_into<Pretraining<BertEncoder, One>, Pretraining<BertEncoder, One, One, Contrast>>;
#else
constexpr std::size_t models =
    looked_into<Pretraining<BertEncoder>,
                Pretraining<BertEncoder, One, Contrast, One>,
                Pretraining<BertEncoder, Silent, Silent>,
                Pretraining<BertEncoder, One, One, Mlm>,
                Pretraining<BertEncoder, Second>,
                Pretraining<BertEncoder, Silent, Contrast>>;
#endif

// ---- a slot of the wrong kind is told by the concept that is not met
#ifdef PASSING
using Rebuilt = Branch<Words, BasicDecoder, TokenCrossEntropy>;
#else
using Rebuilt = Branch<Words, BasicDecoder, BasicDecoder>;
#endif

// ---- numbers by a name that there is not
#ifdef PASSING
constexpr RetroMaeNumbers numbers{.encoder_mask = .15};
#else
constexpr RetroMaeNumbers numbers{.encoder_rate = .15};
#endif
