// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Prompts: what a model reads before a text.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace bmae {

/// The prompts of a model by name, as a folder of sentence-transformers stores them: "query: " before queries of E5, an
/// instruction before those of BGE.
struct Prompts {
    std::map<std::string, std::string> texts = {};   ///< name -> text that is put before the input, without a blank of its own
    std::optional<std::string> standard = {};        ///< a name of `texts`: the one for texts of no role

    /// Before queries: the prompt `query`; of a model that names none the standard one, else nothing.
    [[nodiscard]] std::string of_queries() const {
        auto const found = texts.find("query");
        return found != texts.end() ? found->second : of_texts();
    }
    /// Before documents: the prompt `document`, `passage` or `corpus`; of a model that names none the standard one, else nothing.
    [[nodiscard]] std::string of_documents() const {
        for (char const* const name : {"document", "passage", "corpus"}) {
            if (auto const found = texts.find(name); found != texts.end()) { return found->second; }
        }
        return of_texts();
    }
    /// Before texts of which nobody says whether they are queries: the standard prompt, or nothing.
    [[nodiscard]] std::string of_texts() const {
        auto const found = standard ? texts.find(*standard) : texts.end();
        return found != texts.end() ? found->second : std::string();
    }
    /// True where no text gets a prompt.
    [[nodiscard]] bool are_empty() const { return of_queries().empty() && of_documents().empty() && of_texts().empty(); }

    friend bool operator==(Prompts const&, Prompts const&) = default;
};

}  // namespace bmae
