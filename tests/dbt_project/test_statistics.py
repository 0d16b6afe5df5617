"""The statistics agree with R: metafor 3.8 and lme4 1.1-31 (tests/data/pool_reference_out.csv), and with calls of R 4.2.2
that stand beside the values."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from dbt_project import hpd_statistics as hpd

DATA = Path(__file__).parent.parent / "data"
METHODS = {
    "crude-ClopperPearson": "crude_clopper_pearson",
    "crude-Wilson": "crude_wilson",
    "GLMM-logit-ML": "glmm_logit_ml",
    "IV-logit-DL": "iv_logit_dl",
    "IV-logit-REML": "iv_logit_reml",
    "IV-logit-REML-HKSJ": "iv_logit_reml_hksj",
    "IV-logit-PM": "iv_logit_pm",
    "IV-logit-FE": "iv_logit_fixed",
    "PFT-DL": "freeman_tukey_dl",
    "PFT-REML": "freeman_tukey_reml",
}
COLUMNS = {
    "est": "estimate", "lo": "ci_low", "hi": "ci_high", "pi_lo": "prediction_low", "pi_hi": "prediction_high",
    "tau2": "tau2", "I2": "i2", "H2": "h2", "Q": "q", "Q_p": "q_p", "Q_LRT": "q_lrt",
}  # fmt: skip
# closed forms; metafor solves Paule and Mandel's equation to 1.2e-4 only; its GLMM stands on 7 nodes, ours on 25
TOLERANCE = {
    "PM": {"tau2": 1e-4, "I2": 1e-2, "H2": 1e-4, "": 1e-5},
    "GLMM": {"est": 1e-4, "I2": 1e-2, "H2": 1e-2, "": 1e-3},
}


def reports(cancer: str = "ALL") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, n and amplified percentage of the reports of a cancer type."""
    with (DATA / "pool_tiny.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if cancer in ("ALL", row["cancer"])]
    return tuple(np.array([float(row[c]) for row in rows]) for c in ("events", "n", "mdm2_amp_pct"))


def pooled(events: list[float] | np.ndarray, n: list[float] | np.ndarray) -> dict[str, hpd.Pooled]:
    return {result.method: result for result in hpd.pool(np.array(events), np.array(n))}


def reference() -> list[dict[str, str]]:
    with (DATA / "pool_reference_out.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", reference(), ids=lambda row: f"{row['cancer']} {row['method']}")
def test_pooling_agrees_with_metafor(row: dict[str, str]) -> None:
    events, n, _ = reports(row["cancer"])
    ours = pooled(events, n)[METHODS[row["method"]]]
    compared = {c: value for c, value in row.items() if c in COLUMNS and value != "NA"}
    assert compared or ours.note
    allowed = next((v for key, v in TOLERANCE.items() if key in row["method"]), {"": 1e-6})
    for column, value in compared.items():
        assert getattr(ours, COLUMNS[column]) == pytest.approx(float(value), abs=allowed.get(column, allowed[""])), (
            column
        )


def test_the_mixed_model_is_the_maximum_that_more_nodes_find() -> None:
    # rma.glmm(measure="PLO", xi=events, ni=n, data=d, method="ML", nAGQ=25); the same at 50 and 100
    events, n, _ = reports()
    model = hpd.fit_glmm(events, n, np.ones((13, 1)))
    assert model.beta[0] == pytest.approx(-2.820044424730, abs=1e-5)
    assert math.sqrt(model.covariance[0, 0]) == pytest.approx(0.379958783958, abs=1e-5)
    assert model.tau2 == pytest.approx(1.311655843210, abs=1e-5)


def test_one_report_falls_back_on_the_exact_interval() -> None:
    result = pooled([1], [102])["glmm_logit_ml"]
    assert (result.ci_low, result.ci_high) == pytest.approx((0.000248183001269945, 0.0534154103971862), abs=1e-12)
    assert (result.tau2, result.prediction_low) == (None, None)
    assert result.note == "one report: exact interval of the counts"


@pytest.mark.parametrize("events", [0, 36])
def test_no_event_and_nothing_but_events_fall_back_on_the_exact_interval(events: int) -> None:
    result = pooled([events, events], [36, 36])["glmm_logit_ml"]
    expected = stats.binomtest(2 * events, 72).proportion_ci(method="exact")
    assert (result.ci_low, result.ci_high) == pytest.approx((expected.low, expected.high))
    assert "exact interval of the counts" in str(result.note)


def test_reports_that_have_no_finite_variance_fall_back_and_say_so() -> None:
    everybody_here_and_few_there = pooled([9, 3], [9, 11])
    ours, reml = everybody_here_and_few_there["glmm_logit_ml"], everybody_here_and_few_there["iv_logit_reml"]
    assert (ours.estimate, ours.ci_high, ours.tau2) == (reml.estimate, reml.ci_high, reml.tau2)
    assert ours.note == "the mixed model has no finite maximum: inverse variance with REML instead"


def test_small_study_effects_need_ten_reports() -> None:
    events, n, _ = reports()
    # regtest(yi, vi, ni=n, model="lm", predictor="ninv")
    assert hpd.small_study_p(events, n) == pytest.approx(0.908136535617309, abs=1e-9)
    assert hpd.small_study_p(events[:9], n[:9]) is None


@pytest.mark.parametrize(
    ("by_cancer", "intercept", "slope", "se", "tau2"),
    [
        # rma.glmm(measure="PLO", xi=events, ni=n, mods=~mdm2_amp_pct, data=d, method="ML")
        (False, -3.37299813548, 0.161243932475, 0.138792694569, 1.17832614451),
        # the same on aggregate(cbind(events, n) ~ cancer + mdm2_amp_pct, d, sum)
        (True, -3.59906988824, 0.225995626487, 0.176519012629, 1.05082003308),
    ],
)
def test_meta_regression_agrees_with_metafor(
    by_cancer: bool, intercept: float, slope: float, se: float, tau2: float
) -> None:
    events, n, share = reports()
    if by_cancer:
        values = np.unique(share)
        events, n = (np.array([column[share == value].sum() for value in values]) for column in (events, n))
        share = values
    model = hpd.fit_glmm(events, n, np.column_stack([np.ones(len(n)), share]))
    assert model.beta == pytest.approx([intercept, slope], abs=3e-4)
    assert math.sqrt(model.covariance[1, 1]) == pytest.approx(se, abs=3e-4)
    assert model.tau2 == pytest.approx(tau2, abs=1e-3)


def test_the_slope_across_cancers_agrees_with_metafor() -> None:
    events, n, percent = reports()
    y, v = hpd.logit_with_variance(events, n)
    # rma(yi, vi, mods = ~ mdm2_amp_pct, data = escalc("PLO", xi = events, ni = n, data = d), test = "adhoc"), metafor 3.8.1
    expected = {
        "intercept": -2.9848411396527, "slope": 0.1223413374034, "intercept_se": 0.5905124083310, "slope_se": 0.1327599066856,
        "slope_p": 0.3765459913264, "slope_low": -0.1698612470667, "slope_high": 0.4145439218734, "slope_tau2": 0.9857362172512,
        "intercept_slope_covariance": -0.0648951413774,
    }  # fmt: skip
    assert hpd.meta_regression(y, np.sqrt(v), percent / 10) == pytest.approx(expected, abs=1e-6)


def test_points_that_happen_to_lie_on_a_line_do_not_make_its_slope_surer_than_they_are() -> None:
    """EGFR against the pooled incidence of eight cancer types: the residuals are smaller than the standard errors."""
    pooled = np.array([0.1569308, 0.1142857, 0.1978732, 0.04865337, 0.1577103, 0.09615385, 0.1162791, 0.1627907])
    low = np.array([0.1198477, 0.09046133, 0.1491108, 0.0113479, 0.1017565, 0.04707943, 0.06656183, 0.06805209])
    high = np.array([0.2028438, 0.1433954, 0.2577515, 0.1855778, 0.2363367, 0.1697278, 0.1845247, 0.3070109])
    amplified = np.array([20, 2, 51, 1, 55, 0, 4, 17]) / np.array([441, 370, 522, 367, 1017, 184, 257, 408])
    y, se = hpd.log_odds_with_se(pooled, low, high, np.ones(8), np.ones(8))
    slope = hpd.meta_regression(y, se, amplified)
    # rma(y, sei = se, mods = ~ I(10 * amplified), test = "adhoc")
    told = [slope[name] for name in ("intercept", "slope", "slope_se", "slope_p", "slope_low", "slope_high")]
    assert told == pytest.approx(
        [-2.1063505790, 0.7752421348, 0.2222973827, 0.0130243699, 0.2313000344, 1.3191842351], abs=1e-5
    )
    assert slope["slope_tau2"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("table", "ratio", "low", "high", "p"),
    [
        # fisher.test: IMvigor210, progressive disease by MDM2 amplification; OAK-like; a table with an empty cell
        ((9, 11, 131, 100), 0.625766, 0.219943, 1.733188, 0.353159234365),
        ((16, 360, 1, 323), 14.3232, 2.20085, 602.215, 7.18136376661e-4),
        ((6, 0, 40, 56), math.inf, 1.5338918, math.inf, 0.0069561681976),
    ],
)
def test_odds_ratios_agree_with_fisher_test(
    table: tuple[int, int, int, int], ratio: float, low: float, high: float, p: float
) -> None:
    ours = hpd.odds_ratio(*table)
    # R looks for its bounds with an absolute tolerance of 1.2e-4 on their inverse
    assert (ours.odds_ratio, ours.ci_low, ours.ci_high) == pytest.approx((ratio, low, high), rel=4e-3)
    assert ours.fisher_p == pytest.approx(p, rel=1e-9)


def test_a_table_with_an_empty_margin_says_nothing() -> None:
    assert hpd.odds_ratio(0, 0, 5, 7) == hpd.odds_ratio(0, 4, 0, 7) == hpd.OddsRatio()


def test_mantel_haenszel_agrees_with_r() -> None:
    # mantelhaen.test(array(c(2,5,3,40, 4,6,10,80, 1,9,2,50), dim=c(2,2,3)), correct=FALSE)
    tables = [[[2, 3], [5, 40]], [[4, 10], [6, 80]], [[1, 2], [9, 50]]]
    ours = hpd.mantel_haenszel(np.array(tables))
    assert (ours.odds_ratio, ours.ci_low, ours.ci_high) == pytest.approx(
        (4.71002710027100, 1.64978800835878, 13.44679145010658), abs=1e-9
    )
    assert ours.fisher_p == pytest.approx(0.00198835403959, abs=1e-12)
    with_an_empty_stratum = hpd.mantel_haenszel(np.array([*tables, [[0, 0], [9, 50]]]))
    assert with_an_empty_stratum == ours


def test_permutation_p_is_exact_for_few_cancers() -> None:
    # cor.test(method="spearman", exact=TRUE): rho 0.6, p 0.35
    x, y = np.array([0.0098, 0.0124, 0.1759, 0.1261, 0.0986]), np.array([0.6, 1.3, 2.1, 4.2, 8.5])
    assert hpd.permutation_p(x, y) == (pytest.approx(0.35), True)


def test_permutation_p_of_many_cancers_comes_close_to_the_exact_one() -> None:
    x = np.arange(9.0)
    y = np.array([2, 1, 4, 3, 6, 5, 8, 7, 9.0])
    p, is_exact = hpd.permutation_p(x, y)
    assert not is_exact
    # cor.test(x, y, method="spearman", exact=TRUE)$p.value
    assert p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=2e-3)


COUNTS = st.lists(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_a_fixed_effect_lies_within_its_reports(counts: list[tuple[int, int]]) -> None:
    events, n = np.array(counts, float).T
    shifted = np.where((events == 0) | (events == n), (events + 0.5) / (n + 1), events / n)
    estimate = pooled(events, n)["iv_logit_fixed"].estimate
    assert shifted.min() - 1e-12 <= estimate <= shifted.max() + 1e-12


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.randoms())
def test_the_order_of_reports_changes_nothing_and_nothing_is_nan(counts: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(counts, len(counts))
    for one, other in zip(hpd.pool(*np.array(counts, float).T), hpd.pool(*np.array(shuffled, float).T), strict=True):
        a, b = hpd.rounded(one), hpd.rounded(other)
        for name, value in a.items():
            assert value == pytest.approx(b[name], rel=1e-5, abs=1e-6) if isinstance(value, float) else value == b[name]
            assert not isinstance(value, float) or math.isfinite(value)
        assert one.estimate is None or 0 <= one.ci_low <= one.estimate <= one.ci_high <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(2, 12))
def test_intervals_shrink_as_patients_are_added(events: int, factor: int) -> None:
    n = 50
    for interval in (hpd.wilson, hpd.clopper_pearson):
        few, many = interval(events, n), interval(events * factor, n * factor)
        assert many[1] - many[0] < few[1] - few[0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(61, 200), st.integers(0, 40)), min_size=5, max_size=9))
def test_renaming_the_cancers_leaves_the_association_and_a_mirror_turns_it(rows: list[tuple[int, int, int]]) -> None:
    events, n, amplified = np.array(rows, float).T
    assume(np.unique(amplified).size > 2 and np.unique(events / n).size > 2)
    log_odds = np.log(events / (n - events))
    one = hpd.permutation_p(log_odds, amplified)[0]
    swapped = hpd.permutation_p(log_odds[::-1].copy(), amplified[::-1].copy())[0]
    mirrored = hpd.permutation_p(-log_odds, amplified)[0]
    assert one == pytest.approx(mirrored)
    assert one == pytest.approx(swapped, abs=0 if len(rows) <= hpd.EXACT_PERMUTATIONS else 0.03)


def test_an_association_is_the_same_twice_and_null_below_five_cancers() -> None:
    events, n, share = reports()
    y, v = hpd.logit_with_variance(events, n)
    columns = (y, np.sqrt(v), share * 10, np.full(13, 1000.0))
    one = hpd.associate(*columns)
    assert one == hpd.associate(*columns)
    assert one.spearman == pytest.approx(stats.spearmanr(y, share).statistic)
    assert one.spearman_low < one.spearman < one.spearman_high
    few = hpd.associate(*(c[:4] for c in columns))
    assert few == hpd.Association(4)
    assert [a.n_cancers for a in hpd.leave_one_out(*columns)] == [12] * 13


def test_the_finding_says_what_was_seen_and_what_it_is_worth() -> None:
    none = hpd.Association(8, 0.12, -0.71, 0.69, 0.793, True)
    assert hpd.finding(none, "HPD", "MDM2 amplification") == (
        "Across 8 cancer types, HPD shows no association with MDM2 amplification (Spearman rho 0.12, 95 % interval -0.71 to "
        "0.69, permutation p 0.79). With so few points only a very strong one could be seen. It compares cancer types, not "
        "patients, and is no evidence of cause."
    )
    some = hpd.Association(8, 0.88, -0.17, 0.9, 0.0072, True)
    assert hpd.finding(some, "HPD", "CCND1 amplification") == (
        "Across 8 cancer types, HPD is higher where CCND1 amplification is more frequent (Spearman rho 0.88, 95 % interval "
        "-0.17 to 0.90, permutation p 0.0072). The uncertainty of both proportions leaves room for none. One in twenty gene "
        "sets looked at would seem so by chance. It compares cancer types, not patients, and is no evidence of cause."
    )
    assert hpd.finding(hpd.Association(1), "HPD", "EGFR amplification") == (
        "1 cancer type with both HPD and EGFR amplification: fewer than 5 say nothing about a correlation."
    )
