// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Generates texts for a corpus with language models: `generate`.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/generation/generate.hpp>
#include <bmae/generation/gpt2.hpp>
#include <bmae/generation/resumable_lines.hpp>
#include <bmae/generation/t5.hpp>
#include <bmae/text/byte_level_bpe.hpp>
#include <bmae/text/unigram.hpp>

#include "common.hpp"
#include "model_checksum.hpp"
#include "models.hpp"
#include "option_text.hpp"

namespace bmae::program {

namespace {

/// The options with the defaults of the model filled in.
struct Plan {
    bool asks = false;   ///< T5 generates queries, GPT-2 continuations
    std::size_t per_text = 1;
    std::size_t texts_per_batch = 1;
    bmae::GenerateOptions generation = {};
};

Plan make_plan(Common const& common, GenerateOptions const& options, bool asks) {
    if (options.method != "greedy" && options.method != "sample") {
        throw refuse("--method greedy or sample", '"' + options.method + '"');
    }
    Plan plan{.asks = asks, .per_text = options.per_text != 0 ? options.per_text : asks && options.method == "sample" ? 5 : 1};
    if (!asks && plan.per_text != 1) {
        throw refuse("--per-text 1 with GPT-2", std::to_string(plan.per_text),
                     "A row holds one continuation; run again with another --seed for a second file.");
    }
    if (options.method == "greedy" && plan.per_text != 1) {
        throw refuse("--per-text 1 with --method greedy", std::to_string(plan.per_text),
                     "Greedy texts are all equal: use --method sample.");
    }
    plan.texts_per_batch = std::max<std::size_t>(1, options.batch_size / plan.per_text);
    plan.generation = {.max_new_tokens = static_cast<std::int64_t>(options.max_new_tokens != 0 ? options.max_new_tokens
                                                                   : asks                      ? 64
                                                                                               : 128),
                       .samples = static_cast<std::int64_t>(plan.per_text),
                       .sampler = {.greedy = options.method == "greedy",
                                   .temperature = options.temperature,
                                   .top_k = options.top_k.value_or(asks ? 10 : 50),
                                   .top_p = options.top_p},
                       .stop = detail::read_stop_tokens(options.model),
                       .seed = common.seed};
    plan.generation.sampler.validate();
    if (plan.generation.stop.empty()) { warn("the model has no end-of-text token: all texts will have full length"); }
    return plan;
}

/// The settings that determine the rows, besides the input: resuming requires the same.
std::string generation_settings(GenerateOptions const& options, Plan const& plan) {
    bmae::GenerateOptions const& g = plan.generation;
    Json const settings{{"model", model_checksum(options.model)},
                        {"prefix", options.prefix},
                        {"method", options.method},
                        {"per_text", plan.per_text},
                        {"texts_per_batch", plan.texts_per_batch},
                        {"top_k", g.sampler.top_k},
                        {"top_p", g.sampler.top_p},
                        {"temperature", g.sampler.temperature},
                        {"max_new_tokens", g.max_new_tokens},
                        {"max_prompt_tokens", options.max_prompt_tokens},
                        {"seed", g.seed}};
    return settings.dump() + '\n';
}

/// T5 reads the start of a text and </s>, GPT-2 its end, which it continues. Empty for a text without tokens.
template <class Model, class Words>
std::vector<TokenId> read_prompt(Model const& model, Words const& tokenizer, std::string const& text,
                                 GenerateOptions const& options, Plan const& plan) {
    std::vector<TokenId> ids = tokenizer.encode(options.prefix + text);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos || ids.empty()) { return {}; }
    std::size_t limit = options.max_prompt_tokens;
    if constexpr (std::is_same_v<Model, Gpt2>) {
        auto const most =
            static_cast<std::size_t>(std::max<std::int64_t>(0, model.config().positions - plan.generation.max_new_tokens));
        limit = limit == 0 ? most : std::min(limit, most);
        if (ids.size() > limit) { ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(limit)); }
        return ids;
    } else {
        auto const& [before, after] = tokenizer.wrapping();
        limit = limit == 0 ? static_cast<std::size_t>(model.config().positions) : limit;
        limit = limit > before.size() + after.size() ? limit - before.size() - after.size() : 0;
        if (ids.size() > limit) { ids.resize(limit); }
        ids.insert(ids.begin(), before.begin(), before.end());
        ids.insert(ids.end(), after.begin(), after.end());
        return ids;
    }
}

/// A row of the output: the fields of the input, then the new texts.
template <class Words>
std::string row_of(Record const& record, std::span<std::vector<TokenId> const> written, Words const& tokenizer, Plan const& plan,
                   std::uint64_t& blank) {
    std::vector<std::string> queries = record.queries;
    std::string continuation = record.continuation;
    for (std::vector<TokenId> const& ids : written) {
        std::string text = tokenizer.decode(ids);
        if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
            ++blank;
        } else if (plan.asks) {
            queries.push_back(std::move(text));
        } else {
            continuation = std::move(text);
        }
    }
    Json row{{"id", record.id}};
    if (!record.title.empty()) { row["title"] = record.title; }
    row["text"] = record.text;
    if (plan.asks || !queries.empty()) { row["queries"] = queries; }
    if (!plan.asks || !continuation.empty()) { row["continuation"] = continuation; }
    return row.dump() + '\n';
}

template <class Model, class Words>
int write_rows(Common const& common, GenerateOptions const& options, Model const& model, Words const& tokenizer, bool asks) {
    Plan plan = make_plan(common, options, asks);
    if (tokenizer.size() > static_cast<std::size_t>(model.config().vocab_size)) {
        throw InputError(Diagnostic{
            .file = options.model.string(),
            .expected = "a tokenizer of at most " + std::to_string(model.config().vocab_size) + " tokens, as the model has",
            .found = std::to_string(tokenizer.size()),
            .hint = "Use model and tokenizer of one folder."});
    }
    if (tokenizer.size() + 1024 < static_cast<std::size_t>(model.config().vocab_size)) {
        warn("the model has " + count_text(static_cast<std::uint64_t>(model.config().vocab_size)) +
             " tokens, its tokenizer only " + count_text(tokenizer.size()));
    }
    if constexpr (std::is_same_v<Model, Gpt2>) {
        if (plan.generation.max_new_tokens >= model.config().positions) {
            throw refuse("--max-new-tokens below the " + std::to_string(model.config().positions) + " positions of the model",
                         std::to_string(plan.generation.max_new_tokens));
        }
    } else if (options.max_prompt_tokens != 0 &&
               options.max_prompt_tokens <= tokenizer.wrapping().before.size() + tokenizer.wrapping().after.size()) {
        throw refuse("--max-prompt-tokens with room for a text", std::to_string(options.max_prompt_tokens));
    }
    plan.generation.vocabulary = tokenizer.size();

    ReadOptions const reading = reading_by(options.skip_malformed);
    std::optional<JsonlReader> reader(std::in_place, options.inputs, reading);
    ResumableLines output(options.output, generation_settings(options, plan), options.resume);
    Json result{{"command", "generate"}, {"output", options.output.string()}, {"kind", asks ? "queries" : "continuation"}};
    if (output.is_complete()) {
        say(options.output.string() + " is finished already");
        result.update({{"end", "finished"},
                       {"texts", nullptr},
                       {"resumed_from", nullptr},
                       {"tokens", nullptr},
                       {"tokens_per_second", nullptr},
                       {"empty", nullptr},
                       {"blank", nullptr},
                       {"malformed", Json::object()}});
        print_result(common, result);
        return done;
    }
    Record record;
    std::uint64_t number = 0;
    std::size_t const resumed = output.keep_groups(plan.texts_per_batch, [&](std::string_view line) {
        auto const row = detail::parse_json_or_nothing<nlohmann::json>(line);
        bool const is_same = reader->next(record) && row.is_object() && row.contains("id") && row["id"] == record.id &&
                             row.contains("text") && row["text"] == record.text;
        if (!is_same) {
            throw InputError(Diagnostic{.file = options.output.string() + ".partial",
                                        .line = number + 1,
                                        .expected = "the row of the same text as in --input",
                                        .found = "another one",
                                        .hint = "Resume with the input that the run began with."});
        }
        ++number;
        return true;
    });
    if (number != resumed) {   // read ahead too far: restart and skip to that row
        reader.emplace(options.inputs, reading);
        for (number = 0; number < resumed; ++number) { static_cast<void>(reader->next(record)); }
    }

    std::atomic<bool> stop = false;
    Interrupt const interrupt([&] { stop = true; });
    plan.generation.canceled = [&] { return stop.load(); };
    Progress progress("generate", "texts", 0, resumed);
    std::uint64_t tokens = 0;
    std::uint64_t blank = 0;
    std::uint64_t empty = 0;
    double seconds = 0;
    bool more = true;
    while (more && !stop) {
        std::vector<Record> records;
        while (records.size() < plan.texts_per_batch && (more = reader->next(record))) {
            records.push_back(std::exchange(record, {}));
        }
        std::vector<Prompt> prompts;
        std::vector<std::optional<std::size_t>> place;   // of each record among the prompts
        for (std::size_t i = 0; i < records.size(); ++i) {
            std::vector<TokenId> ids = read_prompt(model, tokenizer, records[i].text, options, plan);
            place.push_back(ids.empty() ? std::nullopt : std::optional(prompts.size()));
            if (ids.empty()) {
                ++empty;
            } else {
                prompts.push_back({.example = number + i, .ids = std::move(ids)});
            }
        }
        auto const start = std::chrono::steady_clock::now();
        Generated const written = bmae::generate(model, prompts, plan.generation);
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (written.canceled) { break; }
        std::string rows;
        for (std::size_t i = 0; i < records.size(); ++i) {
            std::span<std::vector<TokenId> const> texts;
            if (place[i]) { texts = std::span(written.texts).subspan(*place[i] * plan.per_text, plan.per_text); }
            rows += row_of(records[i], texts, tokenizer, plan, blank);
        }
        output.append(rows);
        number += records.size();
        tokens += written.tokens;
        progress.update(number, count_text(tokens) + " tokens");
    }
    bool const finished = !more && !stop;
    if (finished) { output.commit(); }
    progress.finish();
    say_report(reader->report(), "generate");
    if (empty != 0) { warn(count_text(empty) + " texts without words were skipped"); }
    if (blank != 0) { warn(count_text(blank) + " generated texts were blank and were skipped"); }
    result.update({{"end", finished ? "finished" : "interrupted"},
                   {"texts", number},
                   {"resumed_from", resumed},
                   {"tokens", tokens},
                   {"tokens_per_second", seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0},
                   {"empty", empty},
                   {"blank", blank},
                   {"malformed", malformed_json(reader->report())}});
    if (!finished) { say("saved " + options.output.string() + ".partial; the same command with --resume continues"); }
    print_result(common, result,
                 finished
                     ? options.output.string() + ": " + count_text(number) + " texts, " + count_text(tokens) + " new tokens\n"
                     : std::string());
    return finished ? done : interrupted;
}

}  // namespace

int generate(Common const& common, GenerateOptions const& options) {
    use_threads(common);
    if (options.output.extension() == ".gz") {
        throw InputError(Diagnostic{.file = options.output.string(),
                                    .expected = "an output that is not named .gz, as lines are appended to it and resumed",
                                    .found = "that ending",
                                    .hint = "Compress it afterwards: every command reads gzip."});
    }
    if (std::filesystem::exists(options.output) && !options.resume) {
        throw detail::exists_failure(options.output, "a file of that name");
    }
    static_cast<void>(JsonlReader(options.inputs));   // a missing input is reported before the weights are read
    if (!std::filesystem::exists(options.model / "config.json")) { detail::require_generator_folder(options.model); }
    auto const config = detail::JsonObject::read(options.model / "config.json");
    auto const type = config.require<std::string>("model_type");
    if (type == "gpt2") { static_cast<void>(read_gpt2_config(options.model / "config.json")); }   // before anything is loaded
    if (type == "t5" || type == "mt5") { static_cast<void>(read_t5_config(options.model / "config.json")); }
    detail::require_generator_folder(options.model);
    at::Device const device = device_from(common.device);
    if (type == "gpt2") {
        return write_rows(common, options, Gpt2::load(options.model, device), ByteLevelBpe::from_file(options.model), false);
    }
    if (type == "t5" || type == "mt5") {
        return write_rows(common, options, T5::load(options.model, device), Unigram::from_file(options.model), true);
    }
    throw config.refuse("\"model_type\": \"gpt2\", \"t5\" or \"mt5\"", '"' + type + '"', "These are supported for generation.");
}

}  // namespace bmae::program
