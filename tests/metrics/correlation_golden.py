# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes correlation_golden.hpp: invented lists with many ties and what scipy makes of them.

usage: correlation_golden.py > correlation_golden.hpp        (numpy and scipy; nothing else needs them)
"""
import numpy
import scipy
from scipy import stats

random = numpy.random.default_rng(7)
cases = [(2, 9, 9), (3, 2, 5), (5, 3, 3), (8, 4, 100), (13, 6, 2), (30, 5, 12), (60, 1000, 1000)]
print("// SPDX-FileCopyrightText: the bmae authors\n// SPDX-License-Identifier: Apache-2.0")
print("/// \\file\n/// Made by correlation_golden.py with scipy", scipy.__version__ + ".")
print("#pragma once\n\n#include <vector>\n\nnamespace golden {\n")
print("struct Pairs {\n    std::vector<double> x;\n    std::vector<double> y;\n    double spearman;\n    double pearson;\n};\n")
print("inline std::vector<Pairs> const correlations = {")
for count, x_values, y_values in cases:
    x = y = numpy.zeros(count)
    while len(set(x)) < 2 or len(set(y)) < 2:
        x = random.integers(x_values, size=count) / 4
        y = (random.integers(y_values, size=count) + 2 * x.astype(int)) / 8
    rho, r = stats.spearmanr(x, y).statistic, stats.pearsonr(x, y).statistic

    def listed(values):
        lines, line = [], ""
        for value in values:
            item = f"{float(value)!r}, "
            if len(line) + len(item) > 110:
                lines.append(line.rstrip())
                line = ""
            line += item
        return "{" + "\n      ".join(lines + [line[:-2]]) + "}"

    print(f"    {{{listed(x)},\n     {listed(y)},\n     {float(rho)!r}, {float(r)!r}}},")
print("};\n\n}  // namespace golden")
