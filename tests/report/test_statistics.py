import math

import pytest

from cl_bench.report.statistics import Difference, apart, holm, paired, smallest_p, spread


def test_student_interval_by_hand():
    found = spread([1, 2, 3, 4, 5])
    half = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)  # t(0.975, 4) from a table
    assert (found.n, found.mean, found.std) == (5, 3, pytest.approx(math.sqrt(2.5)))
    assert (found.low, found.high) == (pytest.approx(3 - half), pytest.approx(3 + half))


def test_one_value_has_no_spread():
    assert spread([0.5]) == (1, 0.5, None, None, None)


def test_bootstrap_by_hand():
    # resamples of {0, 1} have the means 0, 1/2 and 1 with 1/4, 1/2 and 1/4
    assert spread([0, 1], "bootstrap")[3:] == (0, 1)
    low, high = spread([0, 0, 0, 1, 1, 1], "bootstrap")[3:]
    assert (low, high) == (pytest.approx(1 / 6), pytest.approx(5 / 6))
    assert spread([0.2, 0.4, 0.9], "bootstrap") == spread([0.2, 0.4, 0.9], "bootstrap")


def test_paired_test_by_hand():
    found = paired([2, 4, 6], [1, 2, 3])  # differences 1, 2, 3: t = 2 √3 with 2 degrees of freedom
    assert (found.n, found.mean) == (3, 2)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14))
    half = 4.3026527 / math.sqrt(3)
    assert (found.low, found.high) == (pytest.approx(2 - half), pytest.approx(2 + half))


def test_pairing_sees_what_the_spread_hides():
    found = paired([0.51, 0.71, 0.92], [0.50, 0.70, 0.90])
    assert found.p < 0.07
    assert found.low > -0.01


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.6, 0.7]])
def test_no_p_value_where_the_test_is_undefined(values):
    found = paired(values, [value - 0.1 for value in values])
    assert found.p is None
    assert found.mean == pytest.approx(0.1)


def test_holm_by_hand():
    # sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1; none below the one before it
    assert holm([0.04, 0.01, 0.03, 0.02]) == [pytest.approx(p) for p in (0.06, 0.04, 0.06, 0.06)]
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([]) == []


def test_five_pairs_of_signed_ranks_cannot_reach_a_twentieth():
    assert smallest_p(5, "wilcoxon") == 0.0625
    assert smallest_p(6, "wilcoxon") == 0.03125
    assert paired([1.1, 2.2, 3.3, 4.4, 5.5], [1, 2, 3, 4, 5], test="wilcoxon").p == 0.0625
    assert smallest_p(1, "t") is smallest_p(1, "wilcoxon") is None
    assert smallest_p(2, "t") == 0


def test_what_is_told_apart_is_so_among_all_that_are_compared():
    def of(p, mean=0.1, n=5):
        return Difference(n, mean, None, None, p)

    assert apart([of(0.04)]) == [True]
    assert apart([of(0.04), of(0.03)]) == [False, False]
    assert apart([of(0.04), of(0.02)]) == [True, True]
    assert apart([of(None), of(None, n=1), of(None, mean=0.0)]) == [True, False, False]


def test_the_standard_error_is_that_of_the_mean():
    assert spread([1, 2, 3, 4, 5]).se == pytest.approx(math.sqrt(2.5 / 5))
    assert spread([1]).se is None
