// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scalable vector graphics as text: escaping, and the few shapes that figures here are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bmae::detail {

/// A text for XML and HTML, in attributes too. Control characters, which XML 1.0 has none of, become U+FFFD.
inline std::string escaped_markup(std::string_view text) {
    std::string made;
    for (char const c : text) {
        bool const control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
        switch (c) {
            case '&':
                made += "&amp;";
                break;
            case '<':
                made += "&lt;";
                break;
            case '>':
                made += "&gt;";
                break;
            case '"':
                made += "&quot;";
                break;
            case '\'':
                made += "&#39;";
                break;
            default:
                made += control ? std::string("\xEF\xBF\xBD") : std::string(1, c);
        }
    }
    return made;
}

/// A place in pixels, from the upper left corner.
struct SvgPoint {
    double x = 0;
    double y = 0;
};

/// "12.5": at most two decimals, the same on every machine.
inline std::string svg_number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f", value);
    std::string number = text;
    while (number.back() == '0') { number.pop_back(); }
    if (number.back() == '.') { number.pop_back(); }
    return number == "-0" ? "0" : number;
}

/// Collects shapes, then writes the document.
class Svg {
public:
    /// Pixels that a text is given: more than it takes in the usual sans-serif fonts.
    static double width_of(std::string_view text, double size = 12) {
        auto const characters =
            std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
        return static_cast<double>(characters) * size * .6;
    }

    /// \param style  attributes, as `fill="none"`
    void rectangle(SvgPoint at, double width, double height, std::string_view style) {
        body_ += "<rect x=\"" + svg_number(at.x) + "\" y=\"" + svg_number(at.y) + "\" width=\"" + svg_number(width) +
                 "\" height=\"" + svg_number(height) + "\" " + std::string(style) + "/>\n";
    }

    void text(SvgPoint at, std::string_view text, std::string_view style = {}) {
        body_ += "<text x=\"" + svg_number(at.x) + "\" y=\"" + svg_number(at.y) + "\"" + (style.empty() ? "" : " ") +
                 std::string(style) + '>' + escaped_markup(text) + "</text>\n";
    }

    void polyline(std::span<SvgPoint const> points, std::string_view style) {
        body_ += "<polyline points=\"";
        for (std::size_t i = 0; i < points.size(); ++i) {
            body_ += (i == 0 ? "" : " ") + svg_number(points[i].x) + ',' + svg_number(points[i].y);
        }
        body_ += "\" fill=\"none\" " + std::string(style) + "/>\n";
    }

    /// A line with a head at its last point.
    void arrow(std::vector<SvgPoint> const& points, std::string_view style = "stroke=\"#444\"") {
        polyline(points, style);
        SvgPoint const end = points.back();
        SvgPoint const before = points[points.size() - 2];
        double const along_x = end.x == before.x ? 0 : end.x > before.x ? 1 : -1;   // lines are horizontal or vertical
        double const along_y = along_x != 0 ? 0 : end.y > before.y ? 1 : -1;
        auto const corner = [&](double back, double aside) {
            return svg_number(end.x - back * along_x - aside * along_y) + ',' +
                   svg_number(end.y - back * along_y - aside * along_x);
        };
        body_ += "<polygon points=\"" + corner(0, 0) + ' ' + corner(7, 3.5) + ' ' + corner(7, -3.5) + "\" fill=\"#444\"/>\n";
    }

    /// The whole document.
    /// \param title  for screen readers
    [[nodiscard]] std::string document(double width, double height, std::string_view title) const {
        std::string const size_x = svg_number(width);
        std::string const size_y = svg_number(height);
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size_x + "\" height=\"" + size_y + "\" viewBox=\"0 0 " +
               size_x + ' ' + size_y + "\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>" +
               escaped_markup(title) + "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n" + body_ + "</svg>\n";
    }

private:
    std::string body_ = {};
};

}  // namespace bmae::detail
