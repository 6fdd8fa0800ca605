// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "line_chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>

#include <bmae/detail/svg.hpp>

namespace bmae::program {

namespace {

using detail::Svg;
using detail::SvgPoint;

constexpr double width = 460, height = 260, left = 64, right = 14, top = 32, bottom = 38;

/// A readable number: "0.0001", "12000".
std::string tick_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

/// One axis from its least number to its greatest, over some pixels.
class Axis {
public:
    /// \param logarithmic  only where all numbers are above 0
    Axis(double least, double most, double from, double to, bool logarithmic)
        : least_(scaled(least, logarithmic)), most_(scaled(most, logarithmic)), from_(from), to_(to), logarithmic_(logarithmic) {
        double const spread = most_ - least_;
        if (spread > 0) { return; }
        double const least_room = logarithmic ? .1 : 0;
        double const room = most_ == 0 ? .5 : std::max(std::abs(most_) * .05, least_room);   // a constant in the middle
        least_ -= room;
        most_ += room;
    }

    [[nodiscard]] double at(double value) const {
        return from_ + (scaled(value, logarithmic_) - least_) / (most_ - least_) * (to_ - from_);
    }

    /// Round numbers inside of the axis.
    [[nodiscard]] std::vector<double> ticks() const {
        std::vector<double> values;
        if (logarithmic_ && most_ - least_ >= 1) {
            for (double power = std::ceil(least_); power <= most_; ++power) { values.push_back(std::pow(10, power)); }
            if (values.size() >= 2) { return values; }
            values.clear();
        }
        double const least = logarithmic_ ? std::pow(10, least_) : least_;
        double const most = logarithmic_ ? std::pow(10, most_) : most_;
        double const rough = (most - least) / 4;
        double const power = std::pow(10, std::floor(std::log10(rough)));
        double const step = rough / power < 1.5   ? power
                            : rough / power < 3.5 ? 2 * power
                            : rough / power < 7.5 ? 5 * power
                                                  : 10 * power;
        for (double k = std::ceil(least / step); k * step <= most; ++k) { values.push_back(k * step); }
        return values;
    }

private:
    static double scaled(double value, bool logarithmic) { return logarithmic ? std::log10(value) : value; }

    double least_;
    double most_;
    double from_;
    double to_;
    bool logarithmic_;
};

/// At most some hundred points: the least and the greatest of each stretch, so that peaks stay.
std::vector<std::pair<double, double>> thinned(std::vector<std::pair<double, double>> const& points) {
    constexpr std::size_t stretches = 300;
    if (points.size() <= 2 * stretches) { return points; }
    std::vector<std::pair<double, double>> kept{points.front()};
    for (std::size_t s = 0; s < stretches; ++s) {
        auto const begin = points.begin() + static_cast<std::ptrdiff_t>(s * points.size() / stretches);
        auto const end = points.begin() + static_cast<std::ptrdiff_t>((s + 1) * points.size() / stretches);
        auto const by_value = [](auto const& a, auto const& b) { return a.second < b.second; };
        auto const [least, most] = std::minmax_element(begin, end, by_value);
        kept.push_back(*std::min(least, most));
        kept.push_back(*std::max(least, most));
    }
    kept.push_back(points.back());
    return kept;
}

/// Values over more than two orders of magnitude are drawn by their logarithms.
bool is_wide(double least, double most) { return least > 0 && most / least > 100; }

void draw_axes(Svg& svg, Axis const& x, Axis const& y) {
    double last = -1e9;
    for (double const tick : y.ticks()) {
        svg.polyline(std::vector<SvgPoint>{{left, y.at(tick)}, {width - right, y.at(tick)}}, "stroke=\"#ddd\"");
        svg.text({left - 6, y.at(tick) + 4}, tick_text(tick), "text-anchor=\"end\" font-size=\"11\"");
    }
    for (double const tick : x.ticks()) {
        double const half = Svg::width_of(tick_text(tick), 11) / 2;
        if (x.at(tick) - half < last || x.at(tick) + half > width) { continue; }
        last = x.at(tick) + half + 8;
        svg.text({x.at(tick), height - bottom + 15}, tick_text(tick), "text-anchor=\"middle\" font-size=\"11\"");
    }
    svg.polyline(std::vector<SvgPoint>{{left, top}, {left, height - bottom}, {width - right, height - bottom}},
                 "stroke=\"#555\"");
}

}  // namespace

std::string series_stroke(std::size_t number) {
    static constexpr std::array<std::string_view, 4> dashes{"", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 3\"",
                                                            " stroke-dasharray=\"8 3 2 3\""};
    std::string const color(series_colors[number % series_colors.size()]);
    return "stroke=\"" + color + "\" stroke-width=\"1.6\"" + std::string(dashes[number / series_colors.size() % dashes.size()]);
}

std::string line_chart(std::string_view title, std::string_view unit, std::vector<ChartSeries> const& series) {
    bool found = false;
    double low_x = 0, high_x = 0, low_y = 0, high_y = 0;
    for (ChartSeries const& one : series) {
        for (auto const& [x, y] : one.points) {
            low_x = found ? std::min(low_x, x) : x;
            high_x = found ? std::max(high_x, x) : x;
            low_y = found ? std::min(low_y, y) : y;
            high_y = found ? std::max(high_y, y) : y;
            found = true;
        }
    }
    if (!found) { return {}; }
    Axis const across(low_x, high_x, left, width - right, false);
    Axis const up(low_y, high_y, height - bottom, top, is_wide(low_y, high_y));
    Svg svg;
    svg.text({left, 18}, title, "font-weight=\"bold\"");
    draw_axes(svg, across, up);
    svg.text({(left + width - right) / 2, height - 6}, unit, "text-anchor=\"middle\" font-size=\"11\"");
    for (ChartSeries const& one : series) {
        std::vector<SvgPoint> line;
        for (auto const& [x, y] : thinned(one.points)) { line.push_back({across.at(x), up.at(y)}); }
        if (line.size() == 1) {
            svg.rectangle({line.front().x - 2.5, line.front().y - 2.5}, 5, 5, "fill=\"none\" " + series_stroke(one.number));
        } else if (!line.empty()) {
            svg.polyline(line, series_stroke(one.number));
        }
    }
    return svg.document(width, height, title);
}

}  // namespace bmae::program
