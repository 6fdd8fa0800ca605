// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// `pretrain` and `presets`; the compositions themselves are compiled in family_*.cpp.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/batch/planner.hpp>
#include <bmae/edge/make_pretraining.hpp>
#include <bmae/io/decoder_places.hpp>
#include <bmae/pretraining/encoder_generator.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/token_store.hpp>

#include "common.hpp"
#include "families.hpp"
#include "models.hpp"
#include "training.hpp"

namespace bmae::program {

namespace {

InputError refuse(std::string expected, std::string found, std::string remedy = {}) {
    return InputError(
        Complaint{.file = {}, .expected = std::move(expected), .found = std::move(found), .remedy = std::move(remedy)});
}

std::map<std::string, std::string> parse_numbers(std::vector<std::string> const& settings) {
    std::map<std::string, std::string> numbers;
    for (std::string const& setting : settings) {
        std::size_t const mark = setting.find('=');
        if (mark == std::string::npos || mark == 0 || mark + 1 == setting.size()) {
            throw refuse("--set NAME=VALUE", '"' + setting + '"', "For example --set encoder_mask=0.3.");
        }
        if (!numbers.emplace(setting.substr(0, mark), setting.substr(mark + 1)).second) {
            throw refuse("each number set once", setting.substr(0, mark) + " twice");
        }
    }
    return numbers;
}

/// A config by name or file, with the numbers of the command line in place of its own.
BertConfig config_from(PretrainOptions const& options, TokenStore const& corpus) {
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
    return config;
}

/// Where a run starts: weights or a shape, and the tokenizer that goes into its checkpoints.
class Start {
public:
    Start(Common const& common, PretrainOptions const& options, TokenStore const& corpus)
        : options_(options), seed_(common.seed), tokenizer_(read_tokenizer(corpus)) {
        bool const shaped = options.layers != 0 || options.hidden != 0 || options.heads != 0 || options.intermediate != 0;
        if (shaped && options.config.empty()) {
            throw refuse("--config with --layers, --hidden, --heads or --intermediate", "none",
                         "A model that is loaded has its shape.");
        }
        if (!options.config.empty()) {
            config_ = config_from(options, corpus);
        } else if (options.model.empty()) {
            config_ = read_bert_config(*find_checkpoint(options.init) / "config.json");
        }
        if (options.training.dropout >= 0) {
            config_.hidden_dropout_prob = config_.attention_probs_dropout_prob = options.training.dropout;
        }
    }

    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }

    /// The encoder, with tensors of its own each time.
    [[nodiscard]] BertEncoder make() const {
        if (options_.model.empty()) { return BertEncoder(config_, seed_); }
        HfBert files = to_hf_bert(load_model(options_.model).encoder);
        if (options_.training.dropout >= 0) {
            files.config.hidden_dropout_prob = files.config.attention_probs_dropout_prob = options_.training.dropout;
        }
        return make_bert(files, seed_);
    }

private:
    /// That of the model, of the checkpoint, of the command line or of the store, whichever is there first. All that are there
    /// must be the one that made the store.
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
    BertConfig config_ = {};
};

/// `--init` with the folder of a model, which has no decoders, is `--model`.
PretrainOptions with_model(PretrainOptions options) {
    bool const is_folder =
        !options.init.empty() && std::filesystem::exists(options.init / "config.json") && !find_checkpoint(options.init);
    if (is_folder && options.model.empty() && options.config.empty()) { options.model = std::exchange(options.init, {}); }
    return options;
}

/// The network that fills masks. \throws InputError where it has no head, another vocabulary, or too few positions
BertEncoder load_generator_for(Path const& path, TokenStore const& corpus, std::size_t length) {
    BertEncoder generator = load_generator(path);
    auto const complain = [&](std::string expected, std::string found, std::string remedy) {
        throw InputError(Complaint{
            .file = path.string(), .expected = std::move(expected), .found = std::move(found), .remedy = std::move(remedy)});
    };
    std::string const remedy = "Pre-train one on the same corpus: --preset mlm.";
    if (Path const place = find_checkpoint(path).value_or(path); holds_tokenizer(place)) {
        AnyTokenizer const tokenizer = AnyTokenizer::from_file(place);
        if (tokenizer.fingerprint() != corpus.fingerprint()) {
            complain("a generator with the tokenizer of " + corpus.path().string(),
                     "another, " + std::string(tokenizer.kind()) + " of " + std::to_string(tokenizer.size()) + " tokens", remedy);
        }
    }
    if (auto const size = static_cast<std::size_t>(generator.vocabulary_size()); size != corpus.traits().size()) {
        complain("a generator with the model's vocabulary of " + std::to_string(corpus.traits().size()) + " tokens",
                 std::to_string(size), remedy);
    }
    auto const positions = static_cast<std::size_t>(generator.config().usable_positions());
    if (positions < length) {
        complain("a generator that reads views of " + std::to_string(length) + " tokens", "positions for " + std::to_string(positions),
                 "Lower --max-length, or choose another generator.");
    }
    return generator;
}

/// Copies every parameter whose name the checkpoint has too. A decoder that several branches share goes on with that of a branch,
/// and the reverse, where the checkpoint has one of its kind.
void load_equal_names(AnyPretraining& objective, Path const& init) {
    Path const file = *find_checkpoint(init) / "model.safetensors";
    NamedTensors const tensors = load_tensors(file, Loading::mapped);
    DecoderPlaces const decoders(objective.description());
    DecoderPlaces const theirs(objective_of_checkpoint(file.parent_path()));
    at::NoGradGuard const no_gradients;
    std::size_t loaded = 0;
    std::string fresh;
    objective.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        auto at = tensors.find(name);
        if (at == tensors.end()) {
            if (auto const names = decoders.names_in(theirs, name); names.size() == 1) { at = tensors.find(names.front()); }
        }
        if (at == tensors.end()) {
            fresh += ' ' + name;
            return;
        }
        if (at->second.sizes() != value.sizes()) {
            throw InputError(Complaint{.file = file.string(),
                                       .expected = name + ' ' + shape_text(value.sizes().vec()) + " as in this model",
                                       .found = shape_text(at->second.sizes().vec()),
                                       .remedy = "Choose a checkpoint of the same size and vocabulary."});
        }
        value.copy_(at->second);
        ++loaded;
    });
    if (loaded == 0) {
        throw InputError(Complaint{
            .file = file.string(), .expected = "parameters of this model", .found = "none of the same name", .remedy = {}});
    }
    say("init: " + std::to_string(loaded) + " parameters from " + file.string() + (fresh.empty() ? "" : "; fresh:" + fresh));
}

void dump_first_step(AnyPretraining& objective, Common const& common, PretrainOptions const& options) {
    TrainingOptions const& training = options.training;
    BatchPlanner planner(objective.examples(), [&](std::size_t example) { return objective.cost(example); }, common.seed,
                         {.tokens = training.batch_examples != 0 ? 0 : training.batch_tokens,
                          .examples = training.batch_examples,
                          .sort_window = training.sort_window});
    PlannedBatch const first = planner.next();
    objective.dump_step(objective.collate(first.examples, {.seed = common.seed, .epoch = first.epoch}), options.dump_step);
    say("dumped a step of " + std::to_string(first.examples.size()) + " texts to " + options.dump_step.string());
}

}  // namespace

int pretrain(Common const& common, PretrainOptions const& given) {
    PretrainOptions const options = with_model(given);
    use_threads(common);
    TrainingOptions const& training = options.training;
    bool const trains = training.steps != 0 || training.epochs != 0 || training.minutes > 0;
    if (!trains && options.dump_step.empty()) {
        throw refuse("--steps, --epochs or --minutes", "none", "For a look at one step: --dump-step FILE.");
    }
    if (trains && training.output.empty()) { throw refuse("--output", "none", "Checkpoints and the finished model go there."); }
    require_preset(options.preset);   // an unknown name is told first
    if (trains) { check_output(training); }
    if (!options.dump_step.empty() && std::filesystem::exists(options.dump_step)) {
        throw detail::exists_failure(options.dump_step, "a file of that name");
    }

    TokenStore const corpus = TokenStore::open(options.data);
    if (corpus.size() == 0) {
        throw InputError(Complaint{.file = options.data.string(),
                                   .expected = "a store with passages",
                                   .found = "none",
                                   .remedy = "Check what prepare was given."});
    }
    Start const start(common, options, corpus);
    at::Device const device = device_from(common.device);
    PretrainingRequest request{.preset = options.preset, .numbers = parse_numbers(options.numbers), .seed = common.seed};
    auto const build = [&] {
        BertEncoder encoder = start.make();
        auto const positions = static_cast<std::size_t>(encoder.config().usable_positions());
        request.settings.max_length = options.max_length != 0 ? options.max_length : std::min(corpus.max_length(), positions);
        request.sidecars = [&, config = encoder.config()](Path const& folder) {
            detail::write_file(folder / "config.json", to_json(config, class_name(config.model_type, "ForMaskedLM")));
            start.tokenizer().save(folder);
        };
        if (!options.generator.empty() && request.generator == nullptr) {
            BertEncoder generator = load_generator_for(options.generator, corpus, request.settings.max_length);
            move_encoder(generator, device);
            request.generator = std::make_shared<EncoderGenerator<BertEncoder> const>(std::move(generator), encoder.vocabulary_size());
        }
        auto objective = make_pretraining(request, encoder, corpus);
        if (!device.is_cpu()) {
            objective->for_each_parameter(
                [&](std::string const&, at::Tensor& value, bool) { value = value.detach().to(device); });
            objective->for_each_state([&](std::string const&, at::Tensor& value) { value = value.detach().to(device); });
        }
        if (!options.init.empty()) { load_equal_names(*objective, options.init); }
        return objective;
    };
    auto const objective = build();
    say(options.preset + ": " + objective->composition());
    say(count_text(corpus.size()) + " passages of up to " + std::to_string(request.settings.max_length) + " tokens");

    Json result{{"command", "pretrain"}, {"preset", options.preset}};
    if (!options.dump_step.empty()) {
        dump_first_step(*objective, common, options);
        result["dump_step"] = options.dump_step.string();
    }
    if (!trains) {
        print_result(common, result, options.dump_step.string() + '\n');
        return done;
    }
    Trained const trained = train(common, training, *objective, build);
    result.update(trained.json);
    if (trained.to == TrainedTo::an_interrupt) {
        print_result(common, result);
        return interrupted;
    }
    BertEncoder& encoder = objective->encoder();
    move_encoder(encoder, at::Device(at::kCPU));
    std::string text;
    if (Path const folder = result_folder(trained, training, "model"); !folder.empty()) {
        write_hf_folder(folder, to_hf_bert(encoder), [&](Path const& unfinished) { start.tokenizer().save(unfinished); });
        result["model"] = folder.string();
        text += folder.string() + '\n';
    }
    if (Path const folder = result_folder(trained, training, "sentence-transformer"); !folder.empty()) {
        save_sentence_transformer(
            SentenceEncoder(encoder, start.tokenizer(), {.pooling = objective->pooling(), .max_length = request.settings.max_length}),
            folder);
        result["sentence_transformer"] = folder.string();
        text += folder.string() + '\n';
    }
    print_result(common, result, text);
    return done;
}

int presets(Common const& common) {
    Json list = Json::array();
    std::string text;
    for (PresetDescription const& preset : describe_presets()) {
        Json entry{{"name", preset.name}, {"citation", preset.citation}, {"composition", preset.composition}, {"numbers", Json::array()}};
        text += preset.name + "\n  " + preset.citation + "\n  " + preset.composition + '\n';
        for (PresetDescription::Number const& number : preset.numbers) {
            Json const value = number.value;
            entry["numbers"].push_back({{"name", number.name}, {"value", value}, {"meaning", number.meaning}});
            text += "  " + number.name + '=' + value.dump() + "  " + number.meaning + '\n';
        }
        list.push_back(std::move(entry));
    }
    print_result(common, {{"command", "presets"}, {"presets", std::move(list)}}, text);
    return done;
}

}  // namespace bmae::program
