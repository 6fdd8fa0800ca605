// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fine-tunes an encoder as a retriever, a reranker, a sparse or a late-interaction model: `finetune`. The compositions
// are compiled in the library bmae::compiled.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/edge/finetuning_presets.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/values/option.hpp>

#include "common.hpp"
#include "contrast_choices.hpp"
#include "evaluation.hpp"
#include "finetuned_folders.hpp"
#include "finetuning_pairs.hpp"
#include "hybrid_models.hpp"
#include "models.hpp"
#include "option_text.hpp"
#include "pending_store.hpp"
#include "refresh.hpp"
#include "sample_pairs.hpp"
#include "teacher.hpp"
#include "token_head.hpp"
#include "training.hpp"
#include "two_encoders.hpp"

namespace bmae::program {

namespace {

/// Presets of the program by what they make and how they learn.
bool makes_vectors(std::string const& preset) { return preset.starts_with("retriever") || preset == scored_pairs; }
bool is_distilled(std::string const& preset) { return preset == "retriever-distilled" || preset == "retriever-margin-mse"; }
/// `retriever`, also with the settings of a paper.
bool is_contrastive(std::string const& preset) { return preset.starts_with("retriever") && !is_distilled(preset); }

/// Names of the preset's hyperparameters.
std::set<std::string> hyperparameters_of(std::string const& preset) {
    std::set<std::string> names;
    for_each_finetuning_preset([&](auto known) {
        if (known.name != preset) { return; }
        for (OptionEntry const& entry : option_entries(known.hyperparameters)) { names.insert(entry.path); }
    });
    return names;
}

/// Presets that distill read a teacher's scores, and so do two settings.
void check_teacher_scores(FinetuneOptions const& options) {
    bool const is_set = std::ranges::any_of(options.settings, [](std::string const& setting) {
        return setting.ends_with("=ambiguous") || setting.ends_with("=teacher") || setting.ends_with("=teacher_relative");
    });
    static_cast<void>(normalization_of(options));
    std::string const given = !options.teacher_scores.empty() ? "--teacher-scores" : !options.teachers.empty() ? "--teacher" : "";
    if (given.empty() || is_distilled(options.preset) || is_set) { return; }
    throw refuse(
        given + " with a preset that distills", "--preset " + options.preset,
        "retriever-distilled and retriever-margin-mse read them, and so do --set sampling=ambiguous and margin_mask=teacher; "
        "leave " +
            given + " out elsewhere.");
}

/// The value of a hyperparameter of the preset; nothing where it has none of that name.
std::optional<OptionValue> preset_value(std::string const& preset, std::string_view name) {
    std::optional<OptionValue> value;
    for_each_finetuning_preset([&](auto known) {
        if (known.name != preset) { return; }
        std::vector<OptionEntry> const entries = option_entries(known.hyperparameters);
        if (OptionEntry const* const entry = find_option(entries, name)) { value = entry->number.value(); }
    });
    return value;
}

/// Scored pairs are ranked within a batch.
void check_scored_batches(FinetuneOptions const& options, std::map<std::string, std::string> const& overrides) {
    if (options.preset != scored_pairs || options.training.batch.examples != 1) { return; }
    auto const loss = overrides.find("loss");
    if (loss != overrides.end() && loss->second == "cosine") { return; }
    throw refuse("batches of at least 2 pairs, whose similarities are put in order", "--batch-examples 1",
                 "Raise it, or train by --set loss=cosine.");
}

/// The options of the command line by the names of the preset.
std::map<std::string, std::string> overrides_of(FinetuneOptions const& options) {
    std::map<std::string, std::string> overrides;
    std::set<std::string> const known = hyperparameters_of(options.preset);
    /// \param names  of the hyperparameter, which papers call differently
    auto const set = [&](char const* option, std::initializer_list<char const*> names, std::string value) {
        for (char const* const name : names) {
            if (known.contains(name)) { return static_cast<void>(overrides.emplace(name, std::move(value))); }
        }
        throw refuse("an option that the preset " + options.preset + " reads", option,
                     "Leave it out; `bmae presets " + options.preset + "` lists what --set can set.");
    };
    auto const count = [&](char const* option, std::initializer_list<char const*> names, std::size_t value) {
        if (value != 0) { set(option, names, std::to_string(value)); }
    };
    count("--passages-per-query", {"passages"}, options.passages_per_query);
    count("--query-length", {"query_length", "query_maxlen"}, options.query_length);
    count("--passage-length", {"passage_length", "max_length", "doc_maxlen"}, options.passage_length);
    if (options.temperature > 0) { set("--temperature", {"temperature"}, std::to_string(options.temperature)); }
    if (options.normalize) { set("--normalize", {"similarity"}, "cosine"); }
    if (!options.contrast.empty()) { set("--contrast", {"contrast"}, options.contrast); }
    for (auto& [name, value] : parse_settings(options.settings)) {
        if (!overrides.emplace(name, value).second) {
            throw refuse(
                "one value of " + name, "an option of its own and --set " + name,
                name == "similarity" ? "--normalize is similarity=cosine; by dot and euclidean vectors keep their length." : "");
        }
    }
    auto const passages = overrides.find("passages");
    if (passages != overrides.end() && passages->second == "1" && !options.negatives.empty()) {
        throw refuse("at least 2 passages per query with --negatives", "1, the relevant one",
                     "Raise --passages-per-query or leave it out: the negatives are not read otherwise.");
    }
    return overrides;
}

/// Without hard negatives a contrast has one passage per query, unless told.
void choose_passages(FinetuneOptions const& options, PairStore const& pairs, std::map<std::string, std::string>& overrides) {
    bool const has_negatives = pairs.statistics().negatives != 0;
    bool const by_batch = is_contrastive(options.preset) || options.preset == hybrid_preset;
    if (by_batch && !has_negatives && !overrides.contains("passages")) {
        say("no hard negatives: one passage per query, the others of its batch are its negatives");
        overrides["passages"] = "1";
    }
    auto const passages = overrides.find("passages");
    bool const one = passages != overrides.end() && passages->second == "1";
    if (one && has_negatives) { warn("the hard negatives of the pairs are not read: one passage per query"); }
}

/// What makes the vectors: --pooling, or what made them so far; empty: the preset's own.
std::string bottleneck_of(FinetuneOptions const& options, LoadedModel const& model) {
    std::string name;
    if (!options.pooling.empty()) {
        name = to_string(pooling_from(options.pooling));
    } else if (makes_vectors(options.preset) && model.sentence) {
        name = to_string(model.sentence->pooling);
    }
    if (name.empty() || name == ClsBottleneck::name || name == MeanBottleneck::name) { return name; }
    throw refuse("the pooling cls or mean, since the result is a sentence-transformers folder", name,
                 "Name one of them by --pooling.");
}

/// The head of a reranker's folder, where training goes on from one; else nothing: a new head is trained.
NamedTensors score_head(FinetuneOptions const& options, LoadedModel const& model) {
    if (!options.preset.starts_with("reranker") || !detail::holds_classifier(model.path)) { return {}; }
    detail::Classifier read = detail::load_classifier(model.path);
    std::int64_t const labels = detail::labels_of(read);
    bool const fits = labels == 1 && !read.is_mean;
    say(fits ? "training goes on from the classification head of " + model.path.string()
             : "a new classification head: that of the folder " +
                   (labels == 1 ? "reads the mean over the tokens" : "has " + std::to_string(labels) + " labels"));
    return fits ? std::move(read.head) : NamedTensors();
}

/// The pairs are trained as the saved folder will read them.
void require_pair_form(AnyModel const& model, PairForm const& form) {
    std::size_t const separators = count_option(model, "passes.0.view.source.separators", 1);
    bool const typed = option_at(model, "passes.0.view.source.token_types") == OptionValue(true);
    if (separators == form.separators && typed == form.token_types) { return; }
    auto const in_words = [](std::size_t count, bool types) {
        return std::to_string(count) + " separators, " + (types ? "token types" : "no token types");
    };
    throw refuse("pairs in the form of the model's tokenizer: " + in_words(form.separators, form.token_types),
                 in_words(separators, typed), "Leave out --set separators and token_types.");
}

/// The prompts that the texts are trained with. \throws InputError where the result cannot keep them
Prompts prompts_of(FinetuneOptions const& options, LoadedModel const& model) {
    bool const reads = makes_vectors(options.preset) || options.preset.starts_with("splade") || options.preset == hybrid_preset;
    PromptOptions const& given = options.prompts;
    if (!reads) {
        if (given.query || given.document || !given.name.empty()) {
            throw refuse("prompts with the presets of retrievers, scored-pairs, splade, splade-doc and bge-m3",
                         "--preset " + options.preset, "The folders of other models have none; write the prompt into the texts.");
        }
        if (model.sentence && !model.sentence->prompts.are_empty()) {
            say("the prompts of the model are not read by --preset " + options.preset);
        }
        return {};
    }
    Prompts prompts = prompts_by(model.sentence ? model.sentence->prompts : Prompts(), given);
    if (model.sentence && !model.sentence->pools_prompt && !prompts.are_empty()) {
        throw refuse("a model that pools its prompts", "\"include_prompt\": false",
                     "Training pools all tokens: train without prompts by --query-prompt '' --document-prompt ''.");
    }
    say_prompts("queries", prompts.of_queries());
    say_prompts("documents", prompts.of_documents());
    return prompts;
}

/// Training compares as the model's vectors were compared so far, unless told; cosines get a temperature at which they learn.
void choose_comparison(FinetuneOptions const& options, LoadedModel const& model, std::map<std::string, std::string>& overrides) {
    if (options.preset.starts_with("retriever") && model.sentence && !overrides.contains("similarity")) {
        VectorSimilarity const before = model.sentence->ranks_by();
        if (before == VectorSimilarity::manhattan) {
            throw refuse("a model whose vectors are compared by dot, cosine or euclidean, as training does",
                         "\"similarity_fn_name\": \"" + std::string(to_string(before)) + '"',
                         "Name another by --set similarity=dot, cosine or euclidean: the result then ranks by it.");
        }
        bool const by_distance = before == VectorSimilarity::euclidean;
        if (model.sentence->normalize || before == VectorSimilarity::cosine) {
            overrides["similarity"] = "cosine";
            if (by_distance) {
                say("similarity cosine: of vectors of length 1, as the model makes them, distances are in its order");
            }
        } else if (by_distance) {
            overrides["similarity"] = "euclidean";
            say("similarity euclidean, as the model's folder names it");
        }
    }
    auto const similarity = overrides.find("similarity");
    if (!is_contrastive(options.preset) || similarity == overrides.end() || overrides.contains("temperature")) { return; }
    bool const cosine = similarity->second == "cosine";
    if (preset_value(options.preset, "temperature") != OptionValue(1.)) {   // that of a paper, for cosines
        if (!cosine) {
            say("the temperature of " + options.preset + " is one for cosines, and divides the scores of " + similarity->second +
                ", too; --temperature sets another");
        }
        return;
    }
    if (!cosine) { return; }
    overrides["temperature"] = "0.05";
    say("temperature 0.05: cosines differ by 2 at most, and hardly train at the preset's 1; --temperature sets another");
}

/// Lengths beyond the positions of the model are cut, as texts are when they are encoded.
void cut_lengths(FinetuneOptions const& options, std::size_t positions, std::map<std::string, std::string>& overrides) {
    for_each_finetuning_preset([&](auto known) {
        if (known.name != options.preset) { return; }
        for (OptionEntry const& entry : option_entries(known.hyperparameters)) {
            std::string const& name = entry.path;
            if (!name.ends_with("length") && !name.ends_with("maxlen")) { continue; }
            auto const given = overrides.find(name);
            OptionValue const preset = entry.number.value();
            auto const* const number = std::get_if<std::uint64_t>(&preset);
            std::uint64_t length = number != nullptr ? *number : 0;
            if (given != overrides.end()) {
                auto const read = detail::number_from<std::uint64_t>(given->second);
                if (!read) { continue; }   // refused where it is set
                length = *read;
            }
            if (length <= positions) { continue; }
            overrides[name] = std::to_string(positions);
            say(name + ": texts are cut to " + count_text(positions) + " tokens, the positions of the model, instead of " +
                count_text(length));
        }
    });
}

/// Sparse vectors, and those with a sparse part, are searched by products: training by another similarity would be lost.
void require_products(AnyModel const& model, std::string const& kind, std::string const& preset) {
    if (kind != "sparse-encoder" && kind != "dense-lexical-encoder") { return; }
    for (std::size_t t = 0; t < model.terms(); ++t) {
        std::string const path = "terms." + std::to_string(t) + ".similarity";
        std::optional<OptionValue> const compared = option_at(model, path);
        if (!compared || *compared == OptionValue(std::string("dot"))) { continue; }
        throw refuse(path + "=dot, by which the vectors of --preset " + preset + " are searched",
                     std::get<std::string>(*compared), "Leave out --set " + path + '.');
    }
}

/// The folder of sparse vectors has one bottleneck, whose weights are not below 0.
void check_lexical(AnyModel const& objective) {
    auto const options = objective.option_values();
    LexicalBottleneck::Options const texts = lexical_options(options, "passes.1.bottleneck");
    bool const counted = objective.passes().front().bottleneck != LexicalBottleneck::name;
    if (!texts.saturated) { throw refuse("--set passes.1.bottleneck.saturated=true: sparse vectors are not below 0", "false"); }
    if (counted && !(texts.first_row_counts && texts.separator_counts)) {
        throw refuse("with splade-doc weights over all rows of a passage", "rows that are left out",
                     "Leave out --set passes.1.bottleneck.first_row_counts and separator_counts.");
    }
    if (!counted && texts != lexical_options(options, "passes.0.bottleneck")) {
        throw refuse("equal options of passes.0.bottleneck and passes.1.bottleneck, as one encoder reads queries and texts",
                     "others", "--set both.");
    }
}

/// Refuses what options and model alone decide, before a teacher scores and pairs are prepared: the model is composed on a few made-up
/// pairs.
void check_composition(Common const& common, FinetuneOptions const& options, PretrainingRequest const& request,
                       LoadedModel const& model, PairForm const& form) {
    SamplePairs const sample(model.tokenizer, options.preset == scored_pairs ? PairLabels::similarity : PairLabels::relevance);
    auto const objective = make_finetuning(request, first_encoder(model), sample.store());
    if (options.preset.starts_with("reranker")) { require_pair_form(*objective, form); }
    std::string const kind = finetuned_folder(*objective).name;
    require_products(*objective, kind, options.preset);
    std::size_t const tokens = model.tokenizer.traits().size();
    if (options.preset == "splade-doc" && tokens != static_cast<std::size_t>(model.encoder.shape().vocabulary)) {
        throw refuse("with splade-doc an encoder whose vocabulary is the tokenizer's, " + count_text(tokens) + " tokens",
                     count_text(static_cast<std::size_t>(model.encoder.shape().vocabulary)),
                     "sentence-transformers counts the tokens of a query by the tokenizer's vocabulary.");
    }
    if (kind == "sparse-encoder") { check_lexical(*objective); }
    require_refreshable(options, kind);
    if (!options.training.eval.data.empty() && kind != "sentence-transformer") {
        throw refuse("--eval-data with a preset that makes dense vectors", options.preset,
                     "Evaluate a " + kind + " after its training.");
    }
    check_ranking(options.training.eval);
    check_training(common, options.training, *objective);
}

/// The pairs of a refresh: those of the run with other negatives.
PairStore refreshed_pairs(Common const& common, FinetuneOptions options, std::uint64_t refresh, AnyTokenizer const& tokenizer,
                          Prompts const& prompts, PendingStore& pending) {
    options.negatives = refreshed_negatives(common, options, refresh);
    options.training.resume = false;   // they differ from the pairs that the run began with
    ReadReport read;
    return open_pairs(common, options, tokenizer, prompts, pending, read);
}

/// Exit status of a run that goes on with other negatives.
constexpr int paused = -1;

/// The run until its end, an interrupt or a refresh.
/// \param resumed_from  where the command took up the run: set by the first call
int finetune_once(Common const& common, FinetuneOptions const& given, std::optional<std::uint64_t>& resumed_from) {
    FinetuneOptions options = given;
    use_threads(common);
    options.training.pause_every = options.refresh.every;
    TrainingOptions const& training = options.training;
    if (!options.stage.empty()) {
        if (!options.preset.empty()) { throw refuse("--preset or --stage", "both", "--stage is another name of --preset."); }
        options.preset = options.stage;
    }
    if (options.preset.empty()) { options.preset = "retriever"; }
    require_finetuning_preset(options.preset);
    if (!training.has_length()) { throw refuse("--steps, --epochs or --minutes", "none"); }
    check_teacher_scores(options);
    check_two_encoders(options.two_encoders, options.preset);
    check_numbers(common, training);
    check_output(training);
    at::Device const device = device_from(common.device);
    auto const load = [&] {
        LoadedModel model = load_start(options.model, options.two_encoders);
        if (training.dropout >= 0) {
            model.encoder = with_dropout(model.encoder, training.dropout);
            if (model.queries) { model.queries->encoder = with_dropout(model.queries->encoder, training.dropout); }
        }
        return model;
    };
    LoadedModel model = load();
    PretrainingRequest request{.preset = options.preset, .two_encoders = options.two_encoders, .seed = common.seed};
    request.bottleneck = bottleneck_of(options, model);
    Prompts const prompts = prompts_of(options, model);
    request.overrides = overrides_of(options);
    bool const reranks = options.preset.starts_with("reranker");
    PairForm const form = reranks ? pair_form(model.tokenizer, model.encoder.shape()) : PairForm();
    if (reranks) {   // what the command line says otherwise, `require_pair_form` refuses
        request.overrides.emplace("separators", std::to_string(form.separators));
        request.overrides.emplace("token_types", form.token_types ? "true" : "false");
    }
    choose_comparison(options, model, request.overrides);
    check_scored_batches(options, request.overrides);
    if (!options.contrasted.matryoshka.empty() || options.contrasted.truncate_dim != 0) {
        if (!makes_vectors(options.preset)) {
            throw refuse("--matryoshka and --truncate-dim with a preset that makes one vector per text",
                         "--preset " + options.preset);
        }
        set_matryoshka(options.contrasted, static_cast<std::size_t>(model.encoder.shape().width),
                       options.preset == "retriever-distilled" ? 2 : 1, request.overrides);
    }
    cut_lengths(options, static_cast<std::size_t>(model.encoder.shape().positions), request.overrides);
    request.settings.max_length = static_cast<std::size_t>(model.encoder.shape().positions);
    check_composition(common, options, request, model, form);
    if (!options.teachers.empty()) {
        std::vector<Path> const scores = scores_of_teachers(common, options);
        if (scores.empty()) {
            print_result(common, {{"command", "finetune"}, {"preset", options.preset}, {"end", "interrupted"}});
            return interrupted;
        }
        options.teacher_scores = scores;
    }
    PendingStore pending(training.output);
    ReadReport read;
    PairStore const first = open_pairs(common, options, model.tokenizer, prompts, pending, read);
    std::uint64_t const refresh = refreshes_done(options);
    PendingStore refreshed_place(training.output / "refresh");
    std::optional<PairStore> const mined =
        refresh == 0 ? std::nullopt
                     : std::optional(refreshed_pairs(common, options, refresh, model.tokenizer, prompts, refreshed_place));
    PairStore const& pairs = mined ? *mined : first;
    choose_passages(options, pairs, request.overrides);
    NamedTensors head = score_head(options, model);
    head.merge(hybrid_heads_of(options.preset, model));
    std::size_t length = length_of(model);   // of the result, once it is known what it is trained with
    std::size_t query_length = 0;
    request.sidecars = [&model, &length, &query_length, &prompts](Path const& folder) {
        detail::write_file(folder / "config.json", encoder_config_text(model.encoder, /*with_head=*/false));
        write_length(folder, length, query_length);
        write_prompts(folder, prompts);
        model.tokenizer.save(folder);
    };
    auto const build = [&](LoadedModel const& from) {
        auto objective = make_finetuning(request, first_encoder(from), pairs);
        set_second_encoder(*objective, from);
        objective->for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
            if (auto const found = head.find(name); found != head.end()) { value.detach().copy_(found->second); }
        });
        if (!device.is_cpu()) {
            objective->for_each_parameter(
                [&](std::string const&, at::Tensor& value, bool) { value = value.detach().to(device); });
        }
        return objective;
    };
    auto const objective = build(model);
    length = finetuned_length(*objective, length);
    query_length = reranks ? 0 : own_query_length(*objective, length);
    warn_of_new_token_head(options.model, *objective);
    say(options.preset + ": " + objective->composition());
    say(count_text(pairs.size()) + " training queries, " + count_text(pairs.texts()) + " texts");
    say_coverage(pairs);
    bool const draws_at_random =
        count_option(*objective, "passes.1.view.source.passages", 2) != 1 && pairs.statistics().queries_without_negatives != 0;
    if (draws_at_random) {
        warn(count_text(pairs.statistics().queries_without_negatives) + " of " + count_text(pairs.size()) +
             " queries have no hard negatives: theirs are drawn at random from all texts");
    }

    Evaluate evaluate;
    if (!training.eval.data.empty()) {
        evaluate = ranking_evaluation(common, training.eval, *objective, model.tokenizer,
                                      sentence_options(*objective, length, prompts, options.contrasted.truncate_dim));
    }
    pending.keep(is_resumed(training));
    std::optional<RefreshedObjective> same_run;
    if (options.refresh.is_used()) { same_run.emplace(*objective, options.refresh, first.content_hash()); }
    Trained const trained = train(common, training, same_run ? *same_run : static_cast<Objective&>(*objective), evaluate);
    if (!resumed_from) { resumed_from = trained.resumed_from; }
    if (trained.to == TrainedTo::a_pause) { return paused; }
    Json result{{"command", "finetune"},
                {"preset", options.preset},
                {"stage", options.preset},
                {"queries", pairs.size()},
                {"passages", pairs.texts()}};
    result["queries_with_negatives"] = pairs.size() - pairs.statistics().queries_without_negatives;
    result["malformed"] = malformed_json(read);
    result.update(trained.json);
    result["resumed_from"] = *resumed_from;
    result.update({{"sentence_transformer", nullptr},
                   {"cross_encoder", nullptr},
                   {"sparse_encoder", nullptr},
                   {"dense_lexical_encoder", nullptr},
                   {"token_encoder", nullptr}});
    if (trained.to == TrainedTo::an_interrupt) {
        print_result(common, result);
        return interrupted;
    }
    objective->for_each_parameter(
        [](std::string const&, at::Tensor& value, bool) { value = value.detach().to(at::kCPU, at::kFloat); });
    FinetunedFolder const kind = finetuned_folder(*objective);
    Path const folder = publish(training, trained, kind.name, [&](Path const& unfinished) {
        save_finetuned(*objective, model.tokenizer, length, prompts, unfinished, options.contrasted.truncate_dim);
    });
    result[kind.key] = folder.string();
    print_result(common, result, folder.string() + '\n');
    return done;
}

}  // namespace

int finetune(Common const& common, FinetuneOptions const& given) {
    FinetuneOptions options = given;
    for (std::optional<std::uint64_t> resumed_from;;) {
        int const status = finetune_once(common, options, resumed_from);
        if (status != paused) { return status; }
        options.training.resume = true;   // from the checkpoint of the pause
    }
}

}  // namespace bmae::program
