// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Draws a composition as papers draw theirs: what is read, the encoder, the bottleneck, decoders and losses, joined by arrows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/detail/svg.hpp>
#include <bmae/model/composition_text.hpp>

namespace bmae {

/// A figure of a composition as an SVG document, the same bytes for the same arguments.
/// \param options  values by path, as "passes.0.view.masker.rate"; those that papers print are written into the boxes
/// \param title    above the figure, as the preset's name
BMAE_INLINE std::string composition_figure(CompositionText const& composition, std::map<std::string, std::string> const& options,
                                           std::string_view title);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

/// A box of the figure before it has a place: the first line is bold.
struct FigureBox {
    std::vector<std::string> lines = {};

    [[nodiscard]] double width() const {
        double widest = 0;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            widest = std::max(widest, Svg::width_of(lines[i]) * (i == 0 ? 1.05 : 1));
        }
        return lines.empty() ? 0 : widest + 16;
    }
    [[nodiscard]] double height() const { return lines.empty() ? 0 : 16 * static_cast<double>(lines.size()) + 12; }
};

/// One row of a pass: a term, from left to right.
struct FigureRow {
    FigureBox view = {};
    FigureBox part = {};   ///< decoder or head
    FigureBox loss = {};
    bool reads_tokens = false;   ///< hidden states of all tokens
    bool reads_bottleneck = false;

    /// Both come from the encoder's side: the tokens enter above the vector, whose line goes on downwards.
    [[nodiscard]] bool reads_both() const { return reads_tokens && reads_bottleneck && view.lines.empty(); }

    /// With room above the box of the view for the line that comes from the bottleneck.
    [[nodiscard]] double height() const {
        double const left = view.lines.empty() ? 0 : view.height() + (reads_bottleneck ? 22 : 0);
        double const both = reads_tokens && reads_bottleneck ? 48 : 0;   // two lines come in
        return std::max({left, part.height(), loss.height(), both});
    }
};

/// `TermPresence`, whose pass runs no encoder, by its name in a composition.
inline constexpr std::string_view reads_tokens_alone = "term_presence";

struct FigurePass {
    std::string encoder = {};   ///< empty: none runs
    FigureBox view = {};
    FigureBox bottleneck = {};
    std::vector<FigureRow> rows = {};   ///< first those that do not read the bottleneck, then those that read the tokens, too
    double top = 0;
    double bottom = 0;

    [[nodiscard]] double middle() const { return (top + bottom) / 2; }
};

/// Lays the figure out in columns, and draws it.
class CompositionFigure {
public:
    CompositionFigure(CompositionText const& text, std::map<std::string, std::string> const& options, std::string_view title)
        : options_(options), title_(title), encoder_(text.encoder) {
        for (std::size_t p = 0; p < text.passes.size(); ++p) { add_pass(text.passes[p], "passes." + std::to_string(p)); }
        for (std::size_t t = 0; t < text.terms.size(); ++t) { add_cross_term(text.terms[t], "terms." + std::to_string(t)); }
        place_columns();
        place_passes();
    }

    std::string draw() {
        draw_title();
        draw_encoders();
        for (FigurePass const& pass : passes_) { draw_pass(pass); }
        draw_cross_terms();
        return svg_.document(right_, std::max(height_, cross_bottom_) + margin, std::string(title_) + ": composition");
    }

private:
    static constexpr double margin = 16;
    static constexpr double gap = 34;   ///< between columns
    static constexpr double row_gap = 12;
    static constexpr double pass_gap = 22;

    static std::string readable(std::string text) {
        std::ranges::replace(text, '_', ' ');
        return text;
    }

    /// The value of an option; empty where there is none.
    [[nodiscard]] std::string value(std::string const& path) const {
        auto const found = options_.find(path);
        return found == options_.end() ? std::string() : found->second;
    }
    /// " 0.3"; empty where there is no such option.
    [[nodiscard]] std::string number(std::string const& path) const {
        std::string const text = value(path);
        return text.empty() ? text : ' ' + text;
    }

    [[nodiscard]] FigureBox view_box(ViewText const& view, std::string const& path) const {
        FigureBox box{.lines = {readable(view.source)}};
        if (view.masker != "none") { box.lines.push_back("mask: " + readable(view.masker) + number(path + ".masker.rate")); }
        bool const replaces = view.masker != "none" || (view.corruptor != "bert" && view.corruptor != "mask_only");
        if (replaces && view.corruptor != "none") {
            box.lines.push_back("corrupt: " + readable(view.corruptor) + number(path + ".corruptor.rate"));
        }
        return box;
    }

    [[nodiscard]] FigureBox loss_box(std::string const& what, std::string const& path) const {
        FigureBox box{.lines = {"loss"}};
        if (!what.empty()) { box.lines.push_back(what); }
        std::string const weight = value(path + ".weight");
        if (!weight.empty() && weight != "1.0" && weight != "1") { box.lines.push_back("times " + weight); }
        return box;
    }

    [[nodiscard]] FigureRow row_of(TermText const& term, PassText const& pass, std::string const& path) const {
        FigureRow row;
        row.reads_tokens = term.kind == "masked_language_model" || term.decoder == "tap";
        row.reads_bottleneck = term.kind != "masked_language_model";
        if (term.view) { row.view = view_box(*term.view, path + ".view"); }
        if (term.decoder.empty()) {
            row.part.lines = {readable(term.kind)};
            row.loss = loss_box(row.reads_tokens ? "masked tokens" : "", path);
            return row;
        }
        row.part.lines = {readable(term.decoder) + " decoder"};
        if (term.kind != "branch") { row.part.lines.push_back(readable(term.kind)); }
        std::string const layers = value(path + ".decoder.layers");
        if (!layers.empty()) { row.part.lines.push_back(layers + (layers == "1" ? " layer" : " layers")); }
        if (term.shared) { row.part.lines.emplace_back("shared"); }
        if (!term.bottleneck.empty()) { row.part.lines.push_back("via " + readable(term.bottleneck)); }
        row.loss = loss_box(readable(term.view ? term.view->source : pass.view.source), path);
        return row;
    }

    void add_pass(PassText const& text, std::string const& path) {
        FigurePass pass{.encoder = text.bottleneck == reads_tokens_alone ? ""
                                   : text.encoder == "tied"              ? "encoder"
                                                                         : readable(text.encoder) + " encoder",
                        .view = view_box(text.view, path + ".view"),
                        .bottleneck = {.lines = {readable(text.bottleneck)}}};
        for (std::size_t t = 0; t < text.terms.size(); ++t) {
            pass.rows.push_back(row_of(text.terms[t], text, path + ".terms." + std::to_string(t)));
        }
        std::ranges::stable_sort(pass.rows, {}, [](FigureRow const& row) {
            return row.reads_bottleneck ? (row.reads_both() ? 1 : 2) : 0;   // so that no line crosses that of the vector
        });
        bool const reads = std::ranges::any_of(pass.rows, &FigureRow::reads_bottleneck);
        if (!reads) { pass.rows.emplace_back(); }   // the bottleneck has a row of its own
        passes_.push_back(std::move(pass));
    }

    void add_cross_term(std::string const& kind, std::string const& path) {
        FigureBox box{.lines = {readable(kind)}};
        for (char const* const name : {"similarity", "temperature"}) {
            std::string const text = value(path + '.' + name);
            if (!text.empty()) { box.lines.push_back(std::string(name) + ' ' + text); }
        }
        std::string const weight = value(path + ".weight");
        if (!weight.empty() && weight != "1.0" && weight != "1") { box.lines.push_back("times " + weight); }
        cross_.push_back(std::move(box));
    }

    /// The left edge of a column after one of that width; a column without boxes takes no room.
    static double after(double x, double width) { return width == 0 ? x : x + width + gap; }

    void place_columns() {
        FigureBox const encoder{.lines = {encoder_line(), "momentum encoder"}};
        encoder_width_ = encoder.width();
        for (FigurePass const& pass : passes_) {
            view_width_ = std::max(view_width_, pass.view.width());
            bottleneck_width_ = std::max(bottleneck_width_, pass.bottleneck.width());
            for (FigureRow const& row : pass.rows) {
                branch_width_ = std::max(branch_width_, row.view.width());
                part_width_ = std::max(part_width_, row.part.width());
                loss_width_ = std::max(loss_width_, row.loss.width());
            }
        }
        for (FigureBox const& box : cross_) { cross_width_ = std::max(cross_width_, box.width()); }
        encoder_x_ = after(margin, view_width_);
        bottleneck_x_ = after(encoder_x_, encoder_width_);
        branch_x_ = after(bottleneck_x_, bottleneck_width_);
        part_x_ = after(branch_x_, branch_width_);
        loss_x_ = after(part_x_, part_width_);
        cross_x_ = after(loss_x_, loss_width_);
        right_ = after(cross_x_, cross_width_) - gap + margin;
        right_ = std::max(right_, 2 * margin + Svg::width_of(title_, 15));
    }

    [[nodiscard]] std::string encoder_line() const { return readable(encoder_); }

    void place_passes() {
        double y = margin + 30;
        for (FigurePass& pass : passes_) {
            pass.top = y;
            double below = y;
            for (FigureRow const& row : pass.rows) { below += std::max(row.height(), pass.bottleneck.height()) + row_gap; }
            if (!has_lane(pass)) { below -= row_gap; }
            pass.bottom = std::max(below, y + pass.view.height());
            y = pass.bottom + pass_gap;
        }
        height_ = y - pass_gap;
    }

    /// Whether the vector goes on to the terms across passes below the rows of the pass, which it may not cross.
    [[nodiscard]] bool has_lane(FigurePass const& pass) const {
        return !cross_.empty() && std::ranges::any_of(pass.rows, &FigureRow::reads_bottleneck);
    }

    void box(FigureBox const& content, SvgPoint at, double width, std::string const& fill, double height = 0) {
        double const tall = std::max(height, content.height());
        svg_.rectangle(at, width, tall, "rx=\"5\" fill=\"" + fill + "\" stroke=\"#555\"");
        double y = at.y + (tall - 16 * static_cast<double>(content.lines.size())) / 2 + 12.5;
        for (std::size_t i = 0; i < content.lines.size(); ++i, y += 16) {
            svg_.text({at.x + width / 2, y}, content.lines[i],
                      i == 0 ? "text-anchor=\"middle\" font-weight=\"bold\"" : "text-anchor=\"middle\"");
        }
    }

    void draw_title() { svg_.text({margin, margin + 8}, title_, "font-size=\"15\" font-weight=\"bold\""); }

    /// Passes of one encoder have one box where they follow each other; a pass that reads tokens alone has none.
    void draw_encoders() {
        for (std::size_t first = 0; first < passes_.size();) {
            std::size_t last = first;
            while (last + 1 < passes_.size() && passes_[last + 1].encoder == passes_[first].encoder) { ++last; }
            FigureBox const content{.lines = {passes_[first].encoder, encoder_line()}};
            if (!passes_[first].encoder.empty()) {
                box(content, {encoder_x_, passes_[first].top}, encoder_width_, "#cfe2f3",
                    passes_[last].bottom - passes_[first].top);
            }
            first = last + 1;
        }
    }

    void draw_pass(FigurePass const& pass) {
        bool const encodes = !pass.encoder.empty();
        double const edge = encodes ? encoder_x_ + encoder_width_ : margin + view_width_;
        box(pass.view, {margin, pass.middle() - pass.view.height() / 2}, view_width_, "#f3f3f3");
        if (encodes) { svg_.arrow({{margin + view_width_, pass.middle()}, {encoder_x_, pass.middle()}}); }
        double y = pass.top;
        double vector_y = 0;   // of the line out of the bottleneck; 0: not drawn yet
        double last_y = 0;
        for (FigureRow const& row : pass.rows) {
            double const height = std::max(row.height(), pass.bottleneck.height());
            bool const is_first = vector_y == 0 && (row.reads_bottleneck || row.part.lines.empty());
            double const input = row.reads_both()                              ? y + height - pass.bottleneck.height() / 2
                                 : row.view.lines.empty() && !row.reads_tokens ? y + height / 2
                                                                               : y + 9;
            if (is_first) {
                vector_y = std::max(input, y + pass.bottleneck.height() / 2);
                draw_bottleneck(pass, edge, vector_y);
            }
            if (row.reads_bottleneck) { last_y = is_first ? vector_y : input; }
            draw_row(row, y, height, is_first ? vector_y : input, is_first);
            y += height + row_gap;
        }
        draw_vector_line(pass, vector_y, last_y);
    }

    void draw_bottleneck(FigurePass const& pass, double edge, double y) {
        double const tall = pass.bottleneck.height();
        svg_.arrow({{edge, y}, {bottleneck_x_, y}});
        svg_.rectangle({bottleneck_x_, y - tall / 2}, bottleneck_width_, tall,
                       "rx=\"14\" fill=\"#fce5cd\" stroke=\"#b45f06\" stroke-width=\"2\"");
        svg_.text({bottleneck_x_ + bottleneck_width_ / 2, y + 4.5}, pass.bottleneck.lines.front(),
                  "text-anchor=\"middle\" font-weight=\"bold\"");
    }

    /// \param input  height at which the line from the bottleneck enters
    void draw_row(FigureRow const& row, double y, double height, double input, bool is_first) {
        if (row.part.lines.empty()) { return; }
        double const edge = encoder_x_ + encoder_width_;
        double const from = is_first ? bottleneck_x_ + bottleneck_width_ : bus_x();
        if (row.reads_bottleneck) { svg_.arrow({{from, input}, {part_x_, input}}); }
        double const tokens = row.reads_both() ? y + 9 : row.reads_bottleneck ? y + height - 8 : y + height / 2;
        if (row.reads_tokens) { svg_.arrow({{edge, tokens}, {part_x_, tokens}}); }
        if (!row.view.lines.empty()) {
            double const top = y + height - row.view.height();
            box(row.view, {branch_x_, top}, branch_width_, "#f3f3f3");
            svg_.arrow({{branch_x_ + branch_width_, top + row.view.height() / 2}, {part_x_, top + row.view.height() / 2}});
        }
        box(row.part, {part_x_, y}, part_width_, "#d9ead3", height);
        box(row.loss, {loss_x_, y + height / 2 - row.loss.height() / 2}, loss_width_, "#f4cccc");
        svg_.arrow({{part_x_ + part_width_, y + height / 2}, {loss_x_, y + height / 2}});
    }

    [[nodiscard]] double bus_x() const { return bottleneck_x_ + bottleneck_width_ + gap / 2; }
    [[nodiscard]] double cross_bus_x() const { return cross_x_ - gap / 2; }

    /// The vector's way down to further rows, and on to the terms across passes.
    void draw_vector_line(FigurePass const& pass, double vector_y, double last_y) {
        bool const lane = has_lane(pass);
        double const end = lane ? pass.bottom : last_y;
        std::vector<SvgPoint> line{{bus_x(), vector_y}};
        if (end > vector_y) { line.push_back({bus_x(), end}); }
        if (!cross_.empty()) {
            if (!lane) { line.front().x = bottleneck_x_ + bottleneck_width_; }
            line.push_back({cross_bus_x(), line.back().y});
            cross_lines_.push_back(line.back().y);
        }
        if (line.size() > 1) { svg_.polyline(line, "stroke=\"#444\""); }
    }

    void draw_cross_terms() {
        if (cross_.empty()) { return; }
        double tall = -row_gap;
        for (FigureBox const& each : cross_) { tall += each.height() + row_gap; }
        auto [top, bottom] = std::ranges::minmax(cross_lines_);
        double y = std::max(margin + 30, (top + bottom - tall) / 2);
        for (FigureBox const& each : cross_) {
            double const middle = y + each.height() / 2;
            svg_.arrow({{cross_bus_x(), middle}, {cross_x_, middle}});
            box(each, {cross_x_, y}, cross_width_, "#d9d2e9");
            top = std::min(top, middle);
            bottom = std::max(bottom, middle);
            y += each.height() + row_gap;
        }
        cross_bottom_ = y - row_gap;
        svg_.polyline(std::vector<SvgPoint>{{cross_bus_x(), top}, {cross_bus_x(), bottom}}, "stroke=\"#444\"");
    }

    std::map<std::string, std::string> const& options_;
    std::string_view title_;
    std::string encoder_;
    std::vector<FigurePass> passes_ = {};
    std::vector<FigureBox> cross_ = {};
    std::vector<double> cross_lines_ = {};
    Svg svg_ = {};
    double view_width_ = 0, encoder_width_ = 0, bottleneck_width_ = 0, branch_width_ = 0, part_width_ = 0, loss_width_ = 0,
           cross_width_ = 0;
    double encoder_x_ = 0, bottleneck_x_ = 0, branch_x_ = 0, part_x_ = 0, loss_x_ = 0, cross_x_ = 0;
    double right_ = 0, height_ = 0, cross_bottom_ = 0;
};

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE std::string composition_figure(CompositionText const& composition, std::map<std::string, std::string> const& options,
                                           std::string_view title) {
    return detail::CompositionFigure(composition, options, title).draw();
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
