// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// `pretrain` and `presets`; the compositions themselves are compiled in the library bmae::compiled.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/batch/planner.hpp>
#include <bmae/edge/decoder_places.hpp>
#include <bmae/edge/finetuning_presets.hpp>
#include <bmae/edge/make_pretraining.hpp>
#include <bmae/maskers/word_dictionary.hpp>
#include <bmae/model/encoder_generator.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/text/wordpiece.hpp>

#include "common.hpp"
#include "evaluation.hpp"
#include "models.hpp"
#include "option_text.hpp"
#include "token_head.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

/// Pre-training reads texts without prompts, and its folders have none.
void warn_of_prompts(Path const& model) {
    if (model.empty()) { return; }
    Path const file = find_checkpoint(model).value_or(model) / prompts_file;
    if (!std::filesystem::exists(file) || detail::read_prompts(detail::JsonObject::read(file)).are_empty()) { return; }
    warn("the prompts of " + model.string() +
         " are not kept: pre-training reads texts without them. Give them to `bmae finetune` or `bmae export` by --query-prompt "
         "and "
         "--document-prompt");
}

/// True where the command line sets a size of the config.
bool is_shaped(PretrainOptions const& options) {
    return options.layers != 0 || options.hidden != 0 || options.heads != 0 || options.intermediate != 0;
}

/// A config of BERT by name, or of any family by file, with the overrides of the command line.
AnyEncoder::Options config_from(PretrainOptions const& options, TokenStore const& corpus) {
    BertConfig config;
    bool named = true;
    if (options.config == "base") {
        config = BertConfig::base();
    } else if (options.config == "small") {
        config = BertConfig::small();
    } else if (options.config == "mini") {
        config = BertConfig::mini();
    } else if (options.config == "tiny") {
        config = BertConfig::tiny();
    } else if (std::filesystem::exists(options.config)) {
        if (!is_shaped(options)) { return read_encoder_config(options.config); }
        config = read_bert_config(options.config);
        named = false;
    } else {
        throw refuse("--config base, small, mini, tiny or a config.json", '"' + options.config + '"',
                     "No file of that name is there either.");
    }
    if (named) { config.vocab_size = static_cast<std::int64_t>(corpus.traits().size()); }
    if (named) { config.pad_token_id = corpus.traits().special().pad; }
    if (options.hidden != 0) {
        BertConfig const shape = BertConfig::of_size(config.num_hidden_layers, options.hidden);
        config.hidden_size = options.hidden;
        config.num_attention_heads = shape.num_attention_heads;
        config.intermediate_size = shape.intermediate_size;
    }
    if (options.layers != 0) { config.num_hidden_layers = options.layers; }
    if (options.heads != 0) { config.num_attention_heads = options.heads; }
    if (options.intermediate != 0) { config.intermediate_size = options.intermediate; }
    config.validate();
    return AnyEncoder::Options::of<BertEncoder>(config);
}

/// The start of a run: weights or a config, and the tokenizer that is saved in its checkpoints.
class Start {
public:
    Start(Common const& common, PretrainOptions const& options, TokenStore const& corpus)
        : options_(options), seed_(common.seed), tokenizer_(read_tokenizer(corpus)) {
        if (is_shaped(options) && options.config.empty()) {
            throw refuse("--config with --layers, --hidden, --heads or --intermediate", "none",
                         "A loaded model has a fixed shape.");
        }
        if (options.positions != 0 && options.model.empty()) {
            throw refuse("--model with --positions", "a checkpoint or a config",
                         "Name the run by --model to start from its encoder; a config tells max_position_embeddings itself.");
        }
        if (!options.config.empty()) {
            config_ = config_from(options, corpus);
        } else if (options.model.empty()) {
            config_ = read_encoder_config(*find_checkpoint(options.init) / "config.json");
        }
    }

    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }

    /// The encoder, with new tensors each time.
    [[nodiscard]] AnyEncoder make() const {
        AnyEncoder encoder = options_.model.empty() ? AnyEncoder(config_, seed_) : load_encoder_to_train();
        if (options_.positions != 0) { encoder = with_positions(encoder, options_.positions); }
        return options_.training.dropout >= 0 ? with_dropout(encoder, options_.training.dropout) : encoder;
    }

private:
    [[nodiscard]] AnyEncoder load_encoder_to_train() const {
        LoadedModel model = load_model(options_.model);
        require_one_encoder(model, "pre-training");
        return std::move(model.encoder);
    }

    /// That of the model, of the checkpoint, of the command line or of the store, the first that exists. All that exist
    /// must be the tokenizer of the store.
    [[nodiscard]] AnyTokenizer read_tokenizer(TokenStore const& corpus) const {
        int const given = (options_.model.empty() ? 0 : 1) + (options_.config.empty() ? 0 : 1);
        if (given == 2 || (given == 0 && options_.init.empty())) {
            throw refuse("either --model or --config", given == 2 ? "both" : "neither",
                         "--model DIR starts from weights, --config mini from random ones.");
        }
        if (!options_.init.empty() && !find_checkpoint(options_.init)) {
            throw refuse("--init with a checkpoint or the output folder of a run", options_.init.string());
        }
        std::vector<Path> places;
        for (Path const& folder : {options_.model, options_.init}) {
            if (!folder.empty()) { places.push_back(find_checkpoint(folder).value_or(folder)); }
        }
        std::erase_if(places, [](Path const& place) { return !holds_tokenizer(place); });
        if (!options_.tokenizer.empty()) { places.push_back(options_.tokenizer); }
        if (holds_tokenizer(corpus.path())) { places.push_back(corpus.path()); }
        if (places.empty()) { throw refuse("a tokenizer in --model or --data", "none", "Name it by --tokenizer."); }
        std::optional<AnyTokenizer> first;
        for (Path const& place : places) {
            AnyTokenizer tokenizer = AnyTokenizer::from_file(place);
            corpus.require_tokenizer(tokenizer, place);
            require_encoder_tokens(tokenizer, /*for_training=*/true, place);
            if (!first) { first = std::move(tokenizer); }
        }
        return *first;
    }

    PretrainOptions const& options_;
    std::uint64_t seed_;
    AnyTokenizer tokenizer_;
    AnyEncoder::Options config_ = {};   ///< where no weights are loaded
};

/// `--init` with the folder of a model is `--model`; `load_reference` adds its decoders, if it has any.
PretrainOptions with_model(PretrainOptions options) {
    Path const encoder = encoder_folder(options.init);
    bool const is_folder =
        !options.init.empty() && std::filesystem::exists(encoder / "config.json") && !find_checkpoint(options.init);
    if (is_folder && options.model.empty() && options.config.empty()) {
        options.model = encoder;
        options.init.clear();
    }
    return options;
}

/// The generator of masked tokens. \throws InputError where it has no head, another vocabulary, or too few positions
AnyEncoder load_generator_for(Path const& path, TokenStore const& corpus, std::size_t length) {
    AnyEncoder generator = load_generator(path);
    auto const complain = [&](std::string expected, std::string found, std::string hint) {
        throw InputError(Diagnostic{
            .file = path.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    std::string const hint = "Pre-train one on the same corpus: --preset mlm.";
    if (Path const place = find_checkpoint(path).value_or(path); holds_tokenizer(place)) {
        AnyTokenizer const tokenizer = AnyTokenizer::from_file(place);
        if (tokenizer.fingerprint() != corpus.fingerprint()) {
            complain("a generator with the tokenizer of " + corpus.path().string(),
                     "another, " + std::string(tokenizer.kind()) + " of " + std::to_string(tokenizer.size()) + " tokens", hint);
        }
    }
    if (auto const size = static_cast<std::size_t>(generator.shape().vocabulary); size < corpus.traits().size()) {
        complain("a generator with the tokenizer's vocabulary of " + std::to_string(corpus.traits().size()) + " tokens",
                 std::to_string(size), hint);
    }
    auto const positions = static_cast<std::size_t>(generator.shape().positions);
    if (positions < length) {
        complain("a generator that reads views of " + std::to_string(length) + " tokens",
                 "positions for " + std::to_string(positions), "Lower --max-length, or choose another generator.");
    }
    return generator;
}

/// \throws InputError for a tokenizer other than WordPiece, whose "##" a dictionary uses, and for a damaged file
std::shared_ptr<WordWeights const> read_words(Path const& file, AnyTokenizer const& tokenizer) {
    WordPiece const* const pieces = tokenizer.as<WordPiece>();
    if (pieces == nullptr) {
        throw InputError(Diagnostic{.file = file.string(),
                                    .expected = "a WordPiece tokenizer with --dictionary, whose words join pieces at \"##\"",
                                    .found = std::string(tokenizer.kind()),
                                    .hint = "Leave it out: keyword masking then counts the words of the corpus."});
    }
    auto words = std::make_shared<WordWeights const>(read_word_dictionary(file, *pieces));
    say("dictionary: " + count_text(words->size()) + " words of " + file.string());
    return words;
}

/// The checkpoint that `--init` names: its tensors and the names of its decoders.
class InitFile {
public:
    explicit InitFile(Path const& init)
        : folder_(*find_checkpoint(init)), tensors_(checkpoint_tensors(folder_)), decoders_(objective_of_checkpoint(folder_)) {
        if (Path const state = folder_ / "state.safetensors"; std::filesystem::exists(state)) { state_ = load_tensors(state); }
    }

    [[nodiscard]] Path file() const { return folder_ / "model.safetensors"; }
    [[nodiscard]] DecoderPlaces const& decoders() const noexcept { return decoders_; }
    [[nodiscard]] NamedTensors const& state() const noexcept { return state_; }

    [[nodiscard]] bool holds(std::string const& name) const { return tensors_.contains(name); }
    /// \throws InputError where the file has `source` in another shape
    void copy(std::string const& source, std::string const& name, at::Tensor& value) const {
        at::Tensor const& found = tensors_.at(source);
        if (found.sizes() != value.sizes()) {
            throw InputError(Diagnostic{.file = file().string(),
                                        .expected = name + ' ' + shape_text(value.sizes().vec()) + " as in this model",
                                        .found = shape_text(found.sizes().vec()),
                                        .hint = "Choose a checkpoint of the same size and vocabulary."});
        }
        value.copy_(found);
    }

private:
    Path folder_;
    NamedTensors tensors_;
    NamedTensors state_ = {};   // momentum encoder, queues
    DecoderPlaces decoders_;
};

/// The encoder of `--init`, before towers and decoders are copied from it.
void load_parameters_of(AnyEncoder& encoder, InitFile const& init) {
    at::NoGradGuard const no_gradients;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        if (init.holds(name)) { init.copy(name, name, value); }
    });
}

/// Loads a momentum encoder or a queue from the checkpoint, all tensors of one owner or none: a queue of another length is new.
/// \returns  names that were loaded
std::vector<std::string> load_state(AnyModel& objective, InitFile const& init) {
    auto const owner = [](std::string const& name) {
        return name.starts_with("momentum.") ? std::string("momentum") : name.substr(0, name.rfind('.'));
    };
    std::set<std::string> fresh;
    objective.for_each_state([&](std::string const& name, at::Tensor& value) {
        auto const found = init.state().find(name);
        bool const fits = found != init.state().end() && found->second.sizes() == value.sizes() &&
                          found->second.scalar_type() == value.scalar_type();
        if (!fits) { fresh.insert(owner(name)); }
    });
    std::vector<std::string> loaded;
    objective.for_each_state([&](std::string const& name, at::Tensor& value) {
        if (fresh.contains(owner(name))) { return; }
        value.copy_(init.state().at(name));
        if (loaded.empty() || loaded.back() != owner(name)) { loaded.push_back(owner(name)); }
    });
    return loaded;
}

/// Copies every parameter whose name the checkpoint has too. A shared decoder is loaded from that of a branch,
/// and the reverse, where the checkpoint has one of its kind.
void load_equal_names(AnyModel& objective, InitFile const& init) {
    DecoderPlaces const decoders(objective.description());
    at::NoGradGuard const no_gradients;
    std::size_t loaded = 0;
    std::size_t copied = 0;
    std::string fresh;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        std::string source = name;
        if (!init.holds(source)) {
            auto const names = decoders.names_in(init.decoders(), name);
            source = names.size() == 1 && init.holds(names.front()) ? names.front() : std::string();
        }
        if (!source.empty()) {
            init.copy(source, name, value);
            ++loaded;
        } else if (name.starts_with("second.")) {
            ++copied;
        } else {
            fresh += ' ' + name;
        }
    });
    if (loaded == 0) {
        throw InputError(Diagnostic{
            .file = init.file().string(), .expected = "parameters of this model", .found = "none of the same name", .hint = {}});
    }
    std::string text = "init: " + std::to_string(loaded) + " parameters from " + init.file().string();
    for (std::string const& name : load_state(objective, init)) { text += "; " + name + " goes on"; }
    if (copied != 0) { text += "; the second encoder starts as a copy of the first"; }
    say(text + (fresh.empty() ? "" : "; fresh:" + fresh));
}

/// The texts of --eval-data. \throws InputError for another tokenizer, an empty store, and the store that is trained on
TokenStore open_held_out(EvalOptions const& options, AnyTokenizer const& tokenizer, TokenStore const& corpus) {
    TokenStore texts = TokenStore::open(options.data);
    texts.require_tokenizer(tokenizer, options.data);
    auto const complain = [&](std::string expected, std::string found, std::string hint) {
        return InputError(Diagnostic{
            .file = options.data.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    if (texts.size() < 2) {
        throw complain("a store of held-out passages", count_text(texts.size()), "Prepare some that are not trained on.");
    }
    if (texts.content_hash() == corpus.content_hash()) {
        throw complain("held-out passages", "those of --data", "Split the texts before `bmae prepare`.");
    }
    return texts;
}

void dump_first_step(AnyModel& objective, Common const& common, PretrainOptions const& options) {
    TrainingOptions const& training = options.training;
    BatchPlanner planner(
        objective.examples(), [&](std::size_t example) { return objective.cost(example); }, common.seed, training.batch);
    PlannedBatch const first = planner.next();
    objective.dump_step(objective.collate(first.examples, {.seed = common.seed, .epoch = first.epoch}), options.dump_step);
    say("dumped a step of " + std::to_string(first.examples.size()) + " texts to " + options.dump_step.string());
}

}  // namespace

int pretrain(Common const& common, PretrainOptions const& given) {
    PretrainOptions const options = with_model(given);
    use_threads(common);
    TrainingOptions const& training = options.training;
    bool const trains = training.has_length();
    if (!trains && options.dump_step.empty()) {
        throw refuse("--steps, --epochs or --minutes", "none", "To inspect one step: --dump-step FILE.");
    }
    if (training.lora.is_used() && options.model.empty() && options.init.empty()) {
        throw refuse("--model or --init with --lora-rank", "random weights",
                     "Factors are trained beside weights that stay as they are: these must have been trained.");
    }
    if (trains && training.output.empty()) { throw refuse("--output", "none", "Checkpoints and the finished model go there."); }
    require_preset(options.preset);   // an unknown name is reported first
    if (trains) {
        check_numbers(common, training);
        if (!training.eval.data.empty()) { check_figure(training.eval, {"loss", "decoders", "gap.shuffled", "gap.zeroed"}); }
        check_output(training);
    }
    if (!options.dump_step.empty() && std::filesystem::exists(options.dump_step)) {
        throw detail::exists_failure(options.dump_step, "a file of that name");
    }

    TokenStore const corpus = TokenStore::open(options.data);
    if (corpus.size() == 0) {
        throw InputError(Diagnostic{.file = options.data.string(),
                                    .expected = "a store with passages",
                                    .found = "none",
                                    .hint = "Check the input of prepare."});
    }
    Start const start(common, options, corpus);
    at::Device const device = device_from(common.device);
    PretrainingRequest request{.preset = options.preset, .overrides = parse_settings(options.numbers), .seed = common.seed};
    if (!options.dictionary.empty()) { request.words = read_words(options.dictionary, start.tokenizer()); }
    auto const build = [&](TokenStore const& texts) {
        AnyEncoder encoder = start.make();
        std::optional<InitFile> init;
        if (!options.init.empty()) { load_parameters_of(encoder, init.emplace(options.init)); }
        auto const positions = static_cast<std::size_t>(encoder.shape().positions);
        request.settings.max_length = options.max_length != 0 ? options.max_length : std::min(corpus.max_length(), positions);
        request.sidecars = [&, config = encoder_config_text(encoder, /*with_head=*/true)](Path const& folder) {
            detail::write_file(folder / "config.json", config);
            write_length(folder, request.settings.max_length);
            start.tokenizer().save(folder);
        };
        if (!options.generator.empty() && request.generator == nullptr) {
            AnyEncoder generator = load_generator_for(options.generator, corpus, request.settings.max_length);
            move_encoder(generator, device);
            request.generator = std::make_shared<EncoderGenerator<AnyEncoder> const>(
                std::move(generator), static_cast<std::int64_t>(corpus.traits().size()));
        }
        auto objective = make_pretraining(request, encoder, texts);
        if (!device.is_cpu()) {
            objective->for_each_parameter(
                [&](std::string const&, at::Tensor& value, bool) { value = value.detach().to(device); });
            objective->for_each_state([&](std::string const&, at::Tensor& value) {
                if (value.is_floating_point()) {
                    value = value.detach().to(device);
                }   // the host reads its counters in every step
            });
        }
        if (init) { load_equal_names(*objective, *init); }
        if (options.init.empty() && !given.init.empty()) { load_reference(*objective, given.init); }
        return objective;
    };
    auto const objective = build(corpus);
    if (trains) {
        check_training(common, training, *objective);
        for (Path const& from : {options.model, options.init}) { warn_of_prompts(from); }
        if (!options.model.empty()) { warn_of_new_token_head(options.model, *objective); }
    }
    std::optional<TokenStore> held_out_texts;
    std::unique_ptr<AnyModel> held_out_model;
    std::optional<HeldOut> held_out;
    if (!training.eval.data.empty()) {
        held_out_texts = open_held_out(training.eval, start.tokenizer(), corpus);
        held_out_model = build(*held_out_texts);
        held_out.emplace(*held_out_model, *objective,
                         HeldOutOptions{.texts = training.eval.texts, .batch = training.batch, .seed = common.seed});
        check_figure(training.eval, held_out->names());
        say("evaluated on " + count_text(held_out->texts()) + " held-out passages of " + training.eval.data.string());
    }
    say(options.preset + ": " + objective->composition());
    say(count_text(corpus.size()) + " passages of up to " + std::to_string(request.settings.max_length) + " tokens");

    Json result{{"command", "pretrain"}, {"preset", options.preset}, {"dump_step", nullptr}};
    for (char const* const key : {"end", "step", "steps", "resumed_from", "seconds", "tokens_per_second", "checkpoint", "terms",
                                  "model", "pooling", "pooling_note", "sentence_transformer", "second_sentence_transformer"}) {
        result[key] = nullptr;   // until there is one
    }
    if (!options.dump_step.empty()) {
        dump_first_step(*objective, common, options);
        result["dump_step"] = options.dump_step.string();
    }
    if (!trains) {
        print_result(common, result, options.dump_step.string() + '\n');
        return done;
    }
    Trained const trained = train(common, training, *objective, held_out ? held_out_evaluation(*held_out) : Evaluate());
    result.update(trained.json);
    if (trained.to == TrainedTo::an_interrupt) {
        print_result(common, result);
        return interrupted;
    }
    AnyEncoder encoder = objective->encoder();
    move_encoder(encoder, at::Device(at::kCPU));
    std::string text;
    auto const published = [&](std::string const& name, char const* key, std::function<void(Path const&)> const& write) {
        Path const folder = publish(training, trained, name, write);
        result[key] = folder.string();
        text += folder.string() + '\n';
    };
    published("model", "model", [&](Path const& folder) {
        save_encoder(folder, encoder, /*with_head=*/true, [&](Path const& unfinished) {
            write_length(unfinished, request.settings.max_length);
            start.tokenizer().save(unfinished);
        });
    });
    std::string const note = objective->pooling_note();
    auto const export_sentences = [&](AnyEncoder const& sentences, std::string const& name, char const* key) {
        published(name, key, [&](Path const& folder) {
            SentenceEncoderOptions const how{.pooling = objective->pooling(), .max_length = request.settings.max_length};
            save_sentence_transformer(SentenceEncoder(sentences, start.tokenizer(), how), folder);
        });
        if (!note.empty()) { say((training.output / name).string() + ": " + note); }
    };
    result["pooling"] = to_string(objective->pooling());
    if (!note.empty()) { result["pooling_note"] = note; }
    export_sentences(encoder, "sentence-transformer", "sentence_transformer");
    if (std::optional<AnyEncoder> second = objective->second_encoder()) {
        move_encoder(*second, at::Device(at::kCPU));
        export_sentences(*second, "second-sentence-transformer", "second_sentence_transformer");
    }
    print_result(common, result, text);
    return done;
}

int presets(Common const& common, std::string const& name) {
    bool const is_finetuning = [&] {
        bool found = false;
        for_each_finetuning_preset([&](auto const& preset) { found = found || preset.name == name; });
        return found;
    }();
    if (!name.empty() && !is_finetuning) { require_preset(name); }
    std::string text;
    auto const add = [&](std::vector<PresetDescription::Option> const& numbers, bool told) {
        Json entries = Json::array();
        for (PresetDescription::Option const& number : numbers) {
            Json const value = std::visit([](auto const& given) { return Json(given); }, number.value);
            entries.push_back({{"name", number.name}, {"value", value}, {"meaning", number.meaning}});
            std::string const written = value.is_string() ? value.get<std::string>() : value.dump();
            if (told) { text += "  " + number.name + '=' + written + "  " + number.meaning + '\n'; }
        }
        return entries;
    };
    auto const list_of = [&](std::vector<PresetDescription> const& described) {
        Json list = Json::array();
        for (PresetDescription const& preset : described) {
            if (!name.empty() && preset.name != name) { continue; }
            text += preset.name + "\n  " + preset.citation + "\n  " + preset.composition + '\n';
            Json entry{{"name", preset.name}, {"citation", preset.citation}, {"composition", preset.composition}};
            entry["numbers"] = add(preset.hyperparameters, true);
            entry["paths"] = add(preset.paths, !name.empty());
            list.push_back(std::move(entry));
        }
        return list;
    };
    Json pretraining = list_of(is_finetuning ? std::vector<PresetDescription>() : describe_presets());
    if (name.empty()) { text += "\nFine-tuning:\n"; }
    Json finetuning = list_of(describe_finetuning_presets());
    print_result(common, {{"command", "presets"}, {"presets", std::move(pretraining)}, {"finetuning", std::move(finetuning)}},
                 text);
    return done;
}

}  // namespace bmae::program
