// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Loss curves as an SVG image.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace quickstart {

struct Curve {
    std::string name;
    std::vector<std::pair<double, double>> points = {};   // (step, loss)
};

inline std::string number(double value, char const* format = "%.1f") {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), format, value);
    return text.data();
}

inline std::string loss_chart(std::vector<Curve> const& curves, std::string const& title) {
    constexpr double width = 720, height = 420, left = 60, right = 20, top = 50, bottom = 50;
    static constexpr std::array<char const*, 6> colors{"#1b6ca8", "#c8553d", "#2e8b57", "#7d5ba6", "#b8860b", "#444444"};
    double last = 1, most = 0, least = 1e300;
    for (Curve const& curve : curves) {
        for (auto const& [x, y] : curve.points) {
            last = std::max(last, x);
            most = std::max(most, y);
            least = std::min(least, y);
        }
    }
    if (most <= 0) { return {}; }
    least = std::max(0.0, least - 0.05 * (most - least));
    auto const place_x = [&](double x) { return left + (width - left - right) * x / last; };
    auto const place_y = [&](double y) {
        return height - bottom - (height - top - bottom) * (y - least) / std::max(1e-9, most - least);
    };
    std::string svg =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 420\" font-family=\"sans-serif\" font-size=\"13\">\n"
        "<rect width=\"720\" height=\"420\" fill=\"white\"/>\n<text x=\"60\" y=\"26\" font-size=\"16\">" +
        title + "</text>\n";
    for (int i = 0; i <= 4; ++i) {
        double const y = least + (most - least) * i / 4;
        double const x = last * i / 4;
        svg += "<line x1=\"60\" x2=\"700\" y1=\"" + number(place_y(y)) + "\" y2=\"" + number(place_y(y)) +
               "\" stroke=\"#dddddd\"/>\n";
        svg += "<text x=\"52\" y=\"" + number(place_y(y) + 4) + "\" text-anchor=\"end\">" + number(y, "%.2f") + "</text>\n";
        svg += "<text x=\"" + number(place_x(x)) + "\" y=\"390\" text-anchor=\"middle\">" + number(x, "%.0f") + "</text>\n";
    }
    svg += "<text x=\"380\" y=\"411\" text-anchor=\"middle\">optimizer step</text>\n";
    for (std::size_t c = 0; c < curves.size(); ++c) {
        std::string line;
        for (auto const& [x, y] : curves[c].points) { line += number(place_x(x)) + ',' + number(place_y(y)) + ' '; }
        svg += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + std::string(colors[c % colors.size()]) + "\" points=\"" +
               line + "\"/>\n";
        svg += "<text x=\"690\" y=\"" + number(top + 18 * static_cast<double>(c)) + "\" text-anchor=\"end\" fill=\"" +
               std::string(colors[c % colors.size()]) + "\">" + curves[c].name + "</text>\n";
    }
    return svg + "</svg>\n";
}

}  // namespace quickstart
