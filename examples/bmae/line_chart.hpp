// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A line chart as an SVG document. Free of LibTorch.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bmae::program {

/// Colors of series, in order, that people with any color vision can tell apart (Okabe, Ito); then they repeat with dashes.
inline constexpr std::array<std::string_view, 7> series_colors{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                               "#e69f00", "#56b4e9", "#000000"};

/// The stroke of a series by its number: attributes of SVG.
std::string series_stroke(std::size_t number);

/// One line of a chart.
struct ChartSeries {
    std::size_t number = 0;   ///< decides the color
    std::vector<std::pair<double, double>> points = {};
};

/// \param title  above the chart
/// \param unit   of the horizontal axis
/// \returns an SVG document of 460 x 260; an empty text where no series has a point
std::string line_chart(std::string_view title, std::string_view unit, std::vector<ChartSeries> const& series);

}  // namespace bmae::program
