// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Compositions that stand in no paper, for good reason: one slot of each is wrong.
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/dual.hpp>
#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/corruptors/deletion.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/decoders/tied.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/model/cached_contrast.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/queue_contrast.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/model/replaced_token_detection.hpp>
#include <bmae/model/via.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/sources/neighbors.hpp>

#include "../concepts/poor_encoder.hpp"
#include "pick.hpp"

using namespace bmae;

using Words = View<Passage, WholeWordMasker>;
using Rows = View<Passage, RowVisibility>;
using Related = View<Passage, ComplementMasker>;
using Filled = View<Passage, WholeWordMasker, GeneratorReplacement>;
using Mlm = MaskedLanguageModel;

/// Makes the compiler look into a type.
template <class... T>
constexpr std::size_t looked_into = (sizeof(T) + ...);

using One = Pass<Words, ClsBottleneck, Mlm>;
using Silent = Pass<Words, ClsBottleneck>;
using Second = SecondPass<Words, ClsBottleneck, Mlm>;

/// Sentence vectors of two halves may be compared, where no decoder reads them.
constexpr std::size_t dual = sizeof(Pass<Words, DualBottleneck, Mlm>);

// ---- passes

// case: the_encoder_reads_no_view
// expect: Pass: the first slot is the encoder's view
constexpr std::size_t the_encoder_reads_no_view = looked_into<Pass<Pick<Words, Passage>, ClsBottleneck, Mlm>>;

// case: a_decoder_is_no_bottleneck
// expect: Pass: the second slot after the encoder's view must be a bottleneck
constexpr std::size_t a_decoder_is_no_bottleneck = looked_into<Pass<Words, Pick<ClsBottleneck, BasicDecoder>, Mlm>>;

// case: a_contrast_is_no_term_of_one_pass
// expect: Pass: after view and bottleneck come the terms of this pass
constexpr std::size_t a_contrast_is_no_term_of_one_pass = looked_into<Pass<Words, ClsBottleneck, Mlm, Pick<Mlm, Contrast>>>;

// case: a_sentence_wider_than_the_decoder
// expect: Pass: a decoder reads sentence vectors as wide as hidden states
constexpr std::size_t a_sentence_wider_than_the_decoder =
    looked_into<Model<BertEncoder, Pass<Words, Pick<ClsBottleneck, Concatenated<ClsBottleneck, MeanBottleneck>>, Mlm,
                                        Branch<Words, BasicDecoder>>>>;

// case: the_encoder_reads_row_masks
// expect: Pass: the encoder's view must mask tokens, not context
constexpr std::size_t the_encoder_reads_row_masks = looked_into<Pass<Pick<Words, Rows>, ClsBottleneck, Mlm>>;

// case: the_encoder_reads_a_view_that_depends_on_it
// expect: Pass: the encoder's view comes first; a masker that depends on it belongs into a branch
constexpr std::size_t the_encoder_reads_a_view_that_depends_on_it = looked_into<Pass<Pick<Words, Related>, ClsBottleneck, Mlm>>;

// case: two_terms_label_different_tokens
// expect: Pass: terms that read the encoder's own view must label the same tokens of it
constexpr std::size_t two_terms_label_different_tokens =
    looked_into<Pass<Words, ClsBottleneck, Mlm, EncoderPrediction<Pick<TokenCrossEntropy, AllTokens>>>>;

// case: a_branch_relates_to_the_mask_of_another_text
// expect: View: a masker that uses the encoder's mask .* must read the text source of that view
constexpr std::size_t a_branch_relates_to_the_mask_of_another_text =
    looked_into<Pass<Words, ClsBottleneck, Mlm, Branch<View<Pick<Passage, NextPassage>, ComplementMasker>, BasicDecoder>>>;

// case: a_branch_relates_to_the_mask_of_a_text_that_lost_tokens
// expect: View: the corruptor of the encoder's view deletes or inserts tokens
constexpr std::size_t a_branch_relates_to_the_mask_of_a_text_that_lost_tokens = looked_into<
    Pass<View<Passage, WholeWordMasker, Pick<MaskOnly, TokenDeletion>>, ClsBottleneck, Mlm, Branch<Related, BasicDecoder>>>;

// case: two_terms_share_a_loss_without_for_each_option
// expect: Pass: several terms share the labels of the encoder's own view, so a token loss with options must offer them
struct EverySecond : TokenCrossEntropy {
    int first = 0;
#ifdef PASSING
    template <class Visit>
    void for_each_option(Visit&&) {}
#endif
};
constexpr std::size_t two_terms_share_a_loss_without_for_each_option =
    looked_into<Pass<Words, ClsBottleneck, EncoderPrediction<EverySecond>, EncoderPrediction<EverySecond>>>;

// ---- compositions derived from others

// case: a_term_is_removed_that_is_not_there
// expect: Without: the composition has no such pass or term
constexpr std::size_t a_term_is_removed_that_is_not_there =
    looked_into<Without<Model<BertEncoder, Pass<Words, ClsBottleneck, Mlm, Branch<Words, BasicDecoder>>>,
                        Branch<Pick<Words, Related>, BasicDecoder>>>;

// case: a_decoder_is_exchanged_that_is_not_there
// expect: WithDecoder: no branch of the composition has the decoder to exchange
constexpr std::size_t a_decoder_is_exchanged_that_is_not_there =
    looked_into<WithDecoder<Model<BertEncoder, Pass<Words, ClsBottleneck, Mlm, Branch<Words, BasicDecoder>>>,
                            Pick<BasicDecoder, EnhancedDecoder>, Shared<"one", BasicDecoder>>>;

// ---- bottlenecks of terms

// case: a_term_reads_the_vector_of_a_decoder
// expect: Via: the first slot is a bottleneck
constexpr std::size_t a_term_reads_the_vector_of_a_decoder =
    looked_into<Pass<Words, ClsBottleneck, Via<Pick<LexiconBottleneck, BasicDecoder>, Branch<Words, BasicDecoder>>>>;

// case: a_bottleneck_for_a_term_that_reads_none
// expect: Via: this term reads no sentence vector, so a bottleneck would change nothing
constexpr std::size_t a_bottleneck_for_a_term_that_reads_none =
    looked_into<Pass<Words, ClsBottleneck, Via<LexiconBottleneck, Pick<Branch<Words, BasicDecoder>, Mlm>>>>;

// case: two_bottlenecks_for_one_term
// expect: Via: the term has a bottleneck of its own already
constexpr std::size_t two_bottlenecks_for_one_term =
    looked_into<Pass<Words, ClsBottleneck,
                     Via<MeanBottleneck, Pick<Branch<Words, BasicDecoder>, Via<ClsBottleneck, Branch<Words, BasicDecoder>>>>>>;

// case: a_vector_of_a_term_wider_than_its_decoder
// expect: Via: a decoder reads sentence vectors as wide as hidden states
constexpr std::size_t a_vector_of_a_term_wider_than_its_decoder = looked_into<
    Model<BertEncoder, Pass<Words, ClsBottleneck, Via<Pick<LexiconBottleneck, LexicalBottleneck>, Branch<Words, BasicDecoder>>>>>;

// case: a_decoder_tied_to_an_encoder_without_layers
// expect: TiedDecoder: it runs the encoder's own transformer layers one by one
inline TiedDecoder a_decoder_tied_to_an_encoder_without_layers(
    Pick<bmae_test::LayeredPoorEncoder, bmae_test::PoorEncoder> const& encoder) {
    return {{}, encoder, 1, "decoder"};
}

// ---- bottlenecks around bottlenecks

// case: one_bottleneck_stands_beside_none
// expect: Concatenated: at least two bottlenecks are needed
constexpr std::size_t one_bottleneck_stands_beside_none =
    looked_into<Pick<Concatenated<ClsBottleneck, MeanBottleneck>, Concatenated<ClsBottleneck>>>;

// case: a_source_beside_a_bottleneck
// expect: Concatenated: every slot holds a bottleneck
constexpr std::size_t a_source_beside_a_bottleneck = looked_into<Concatenated<ClsBottleneck, Pick<MeanBottleneck, Passage>>>;

// case: no_gradient_to_a_decoder
// expect: StopGradient, Normalized: the slot holds a bottleneck
constexpr std::size_t no_gradient_to_a_decoder = looked_into<StopGradient<Pick<LexiconBottleneck, BasicDecoder>>>;

// case: a_source_of_length_one
// expect: StopGradient, Normalized: the slot holds a bottleneck
constexpr std::size_t a_source_of_length_one = looked_into<Normalized<Pick<ClsBottleneck, Passage>>>;

// case: a_bottleneck_with_parameters_is_reduced
// expect: Reduced: the slot holds a bottleneck without parameters
constexpr std::size_t a_bottleneck_with_parameters_is_reduced = looked_into<Reduced<Pick<ClsBottleneck, LexiconBottleneck>>>;

// case: a_momentum_encoder_with_a_term
// expect: MomentumPass: the momentum encoder gets no gradient
constexpr std::size_t a_momentum_encoder_with_a_term =
    looked_into<PassOf<Pick<TiedEncoder, MomentumEncoder>, Words, ClsBottleneck, Mlm>>;

// ---- branches

// case: a_branch_without_a_view
// expect: Branch: the first slot is the view to reconstruct
constexpr std::size_t a_branch_without_a_view = looked_into<Branch<Pick<Words, Passage>, BasicDecoder>>;

// case: a_branch_without_a_decoder
// expect: Branch: the second slot is a decoder
constexpr std::size_t a_branch_without_a_decoder = looked_into<Branch<Words, Pick<BasicDecoder, ClsBottleneck>>>;

// case: row_masks_that_no_decoder_reads
// expect: Branch: this view masks context by row masks, which the decoder does not read
constexpr std::size_t row_masks_that_no_decoder_reads = looked_into<Branch<Pick<Words, Rows>, BasicDecoder>>;

// case: row_masks_that_the_view_lacks
// expect: Branch: this decoder reads the clean text under row masks, but the view has none
constexpr std::size_t row_masks_that_the_view_lacks = looked_into<Branch<Pick<Rows, Words>, EnhancedDecoder>>;

// case: a_tap_of_another_view
// expect: Branch: a tap reads the encoder's layers, which belong to the encoder's view
constexpr std::size_t a_tap_of_another_view = looked_into<Branch<Pick<OwnView, Words>, TapDecoder>>;

// case: a_decoder_is_no_head
// expect: Branch: the head is EncoderHead \(the encoder's, shared\) or OwnHead
constexpr std::size_t a_decoder_is_no_head =
    looked_into<Branch<Words, BasicDecoder, TokenCrossEntropy, Pick<OwnHead, BasicDecoder>>>;

// case: a_bag_of_masked_words
// expect: BagOfWords: a bag counts the words that the source reads, so a masker or a corruptor would change nothing
constexpr std::size_t a_bag_of_masked_words =
    looked_into<BagOfWords<ClsLogits, View<Passage, Pick<NoMasker, WholeWordMasker>, NoCorruption>>>;

// case: nothing_to_judge
// expect: ReplacedTokenDetection: the first slot is the view to classify
constexpr std::size_t nothing_to_judge = looked_into<ReplacedTokenDetection<Pick<Filled, Passage>, FullDepthDecoder>>;

// case: nothing_is_replaced
// expect: ReplacedTokenDetection: no token of this view is replaced by a network
constexpr std::size_t nothing_is_replaced =
    looked_into<ReplacedTokenDetection<Pick<Filled, View<Passage, WholeWordMasker, MaskOnly>>, FullDepthDecoder>>;

// case: a_judge_under_row_masks
// expect: ReplacedTokenDetection: a decoder under row masks cannot see the text it classifies
constexpr std::size_t a_judge_under_row_masks =
    looked_into<ReplacedTokenDetection<Filled, Pick<FullDepthDecoder, EnhancedDecoder>>>;

// ---- models

// case: a_model_without_a_pass
// expect: Model: after the encoder come its passes
constexpr std::size_t a_model_without_a_pass = looked_into<Pick<Model<BertEncoder, One>, Model<BertEncoder>>>;

// case: a_pass_behind_a_contrast
// expect: Model: passes come first, terms that look across them last
constexpr std::size_t a_pass_behind_a_contrast =
    looked_into<Pick<Model<BertEncoder, One, One, Contrast>, Model<BertEncoder, One, Contrast, One>>>;

// case: a_model_without_a_term
// expect: Model: without a term nothing would be trained
constexpr std::size_t a_model_without_a_term =
    looked_into<Pick<Model<BertEncoder, Silent, Silent, Contrast>, Model<BertEncoder, Silent, Silent>>>;

// case: a_term_of_a_pass_across_passes
// expect: Model: this part is neither a Pass nor a term that looks across passes
constexpr std::size_t a_term_of_a_pass_across_passes = looked_into<Model<BertEncoder, One, One, Pick<Contrast, Mlm>>>;

// case: no_pass_of_the_own_encoder
// expect: Model: at least one pass must be run by the model's own encoder
constexpr std::size_t no_pass_of_the_own_encoder = looked_into<Model<BertEncoder, Pick<One, Second>>>;

// case: a_contrast_of_one_pass
// expect: Contrast: at least two passes are needed
constexpr std::size_t a_contrast_of_one_pass =
    looked_into<Pick<Model<BertEncoder, Silent, Silent, Contrast>, Model<BertEncoder, Silent, Contrast>>>;

// case: a_queue_without_a_momentum_encoder
// expect: QueueContrast: it takes the vectors of the second pass as constants
constexpr std::size_t a_queue_without_a_momentum_encoder =
    looked_into<Model<BertEncoder, Silent, Pick<MomentumPass<Words, ClsBottleneck>, Silent>, QueueContrast>>;

// case: a_momentum_encoder_asks_its_queue
// expect: QueueContrast: it takes the vectors of the second pass as constants
constexpr std::size_t a_momentum_encoder_asks_its_queue =
    looked_into<Pick<Model<BertEncoder, Silent, MomentumPass<Words, ClsBottleneck>, QueueContrast>,
                     Model<BertEncoder, MomentumPass<Words, ClsBottleneck>, Silent, QueueContrast>>>;

// case: a_queue_of_token_vectors
// expect: ContrastOver: a queue or a cache keeps vectors for later steps
constexpr std::size_t a_queue_of_token_vectors = looked_into<ContrastOver<Pick<VectorComparison<>, MaxSim>, QueuePool>>;

// case: a_cache_behind_a_projection_that_is_trained
// expect: ContrastOver: a queue or a cache keeps vectors for later steps
constexpr std::size_t a_cache_behind_a_projection_that_is_trained =
    looked_into<ContrastOver<VectorComparison<Pick<NoProjection, TanhProjection>>, CachePool>>;

// ---- own types in the slots

// case: a_decoder_is_no_loss
// expect: Branch: the third slot is the token loss
constexpr std::size_t a_decoder_is_no_loss = looked_into<Branch<Words, BasicDecoder, Pick<TokenCrossEntropy, BasicDecoder>>>;

// case: a_loss_that_is_not_const
// expect: TokenLoss: a member `void label\(MaskedText& text, TokenTraits const& traits\) const` is missing
struct Counted {
#ifdef PASSING
    void label(MaskedText&, TokenTraits const&) const {}
#else
    void label(MaskedText&, TokenTraits const&) {}
#endif
};
constexpr std::size_t a_loss_that_is_not_const = looked_into<Branch<Words, BasicDecoder, Counted>>;

// case: a_prediction_without_a_loss
// expect: EncoderPrediction: the slot holds a token loss
constexpr std::size_t a_prediction_without_a_loss = looked_into<EncoderPrediction<Pick<TokenCrossEntropy, Passage>>>;

// case: an_encoder_without_a_shape
// expect: Encoder: `Shape shape\(\) const` is missing: decoders, heads and bottlenecks are built from it
struct Shapeless {
    using Options = BertConfig;
    static constexpr std::string_view name = "shapeless";
    Shapeless(Options config, std::uint64_t seed) : inner(std::move(config), seed), embeddings(inner.embeddings) {}
    Encoded encode(PackedInput const& input, ForwardContext& context, bool keep_layers) const {
        return inner.encode(input, context, keep_layers);
    }
#ifdef PASSING
    Shape shape() const { return inner.shape(); }
#endif
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        inner.for_each_parameter(prefix, visit);
    }
    BertEncoder inner;
    decltype(BertEncoder::embeddings) embeddings;
};
using Rebuilt = Branch<Words, BasicDecoder, TokenCrossEntropy, OwnHead>;
constexpr std::size_t an_encoder_without_a_shape = looked_into<Model<Shapeless, Pass<Words, ClsBottleneck, Rebuilt>>>;

// case: a_source_is_no_encoder
// expect: Model: the first slot is the encoder
constexpr std::size_t a_source_is_no_encoder = looked_into<Model<Pick<BertEncoder, Passage>, One>>;

// case: a_preset_over_a_bottleneck
// expect: Model: the first slot is the encoder
constexpr std::size_t a_preset_over_a_bottleneck = looked_into<WithEncoder<RetroMae, Pick<BertEncoder, ClsBottleneck>>>;

// case: a_bottleneck_of_a_pass_without_a_name
// expect: Bottleneck: `static constexpr std::string_view name` is missing
struct Unnamed {
#ifdef PASSING
    static constexpr std::string_view name = "unnamed";
#else
    std::string name = "unnamed";
#endif
    at::Tensor pool(Encoded const& encoded, PackedInput const&) const { return encoded.hidden; }
};
constexpr std::size_t a_bottleneck_of_a_pass_without_a_name = looked_into<Pass<Words, Unnamed, Mlm>>;

// case: a_bottleneck_with_options_that_is_not_built_from_them
// expect: Bottleneck: a constructor \(Options, Encoder const&, seed, name\) is missing
struct Unbuilt {
#ifdef PASSING
#else
    struct Options {};
#endif
    static constexpr std::string_view name = "unbuilt";
    at::Tensor pool(Encoded const& encoded, PackedInput const&) const { return encoded.hidden; }
};
constexpr std::size_t a_bottleneck_with_options = looked_into<Model<BertEncoder, Pass<Words, Unbuilt, Mlm>>>;

// case: a_decoder_that_reads_row_masks_by_object
// expect: Branch: the second slot is a decoder: a nested `Options`, `static constexpr std::string_view kind` or
struct PerObject : BasicDecoder {
    using BasicDecoder::BasicDecoder;
#ifdef PASSING
#else
    bool reads_visibility = false;
#endif
};
constexpr std::size_t a_decoder_that_says_it_per_object = looked_into<Branch<Words, PerObject>>;

// ---- hyperparameters by a wrong name

// case: a_hyperparameter_by_another_name
// expect: RetroMaeHyperparameters. has no non-static data member named .encoder_rate
#ifdef PASSING
constexpr RetroMaeHyperparameters wrong_name{.encoder_mask = .15};
#else
constexpr RetroMaeHyperparameters wrong_name{.encoder_rate = .15};
#endif
