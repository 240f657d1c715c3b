"""Anybody can tell the colours of runs apart: any two, in light and dark, with each kind of colour-blindness."""

import re
from itertools import combinations

import numpy as np
import pytest

from dashboard.compare_charts import NUM_COLOURS
from dashboard.style import asset

# What an eye without one kind of cone sees, in linear RGB. Machado, Oliveira and Fernandes 2009, severity 1.
SEEN = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)  # sRGB, D65
APART = 23.0  # CIE76; about 2.3 is the least that anybody sees


def linear(colour: str) -> np.ndarray:
    """#rrggbb as linear RGB."""
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB."""
    parts = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    f = np.where(parts > 216 / 24389, np.cbrt(parts), (24389 / 27 * parts + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_white_and_black_are_100_apart():
    assert np.linalg.norm(lab(linear("#ffffff")) - lab(linear("#000000"))) == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize("theme", [0, 1])
def test_any_two_colours_of_runs_can_be_told_apart(eye, theme):
    themes = re.findall(r"--lab-run-\d: light-dark\((#\w{6}), (#\w{6})\)", asset("lab.css"))
    assert len(themes) == NUM_COLOURS
    seen = [lab(np.array(SEEN[eye]) @ linear(pair[theme])) for pair in themes]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= APART
