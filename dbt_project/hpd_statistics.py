"""What SQL cannot express: pooling proportions over reports, their association with another, and odds ratios.

Pure functions on arrays; the Python models of dbt call them on small tables of counts. Random draws are seeded. Results
are rounded where an optimiser has done its work (`DIGITS`), so that they are the same on every machine.

Symbols: events and n are the numerator and denominator of each report (or cancer type), all intervals are 95 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import permutations
from math import factorial

import numpy as np
from scipy import optimize, special, stats

Array = np.ndarray
Z = float(special.ndtri(0.975))
DIGITS = 7
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(25)
MIN_REPORTS_SMALL_STUDY = 10  # below, a test for small-study effects has no power (Sterne 2011, doi 10.1136/bmj.d4002)
EXACT_PERMUTATIONS = 8  # up to 8 cancer types all 40,320 orders are tried
N_PERMUTATIONS, N_BOOTSTRAP, SEED = 9_999, 2_000, 2557


@dataclass(frozen=True)
class Pooled:
    """One way of pooling proportions.

    Attributes:
        method: crude_clopper_pearson, crude_wilson, glmm_logit_ml, iv_logit_dl, iv_logit_reml, iv_logit_reml_hksj,
            iv_logit_pm, iv_logit_fixed, freeman_tukey_dl or freeman_tukey_reml.
        estimate, ci_low, ci_high: pooled proportion; null where the method is undefined (`note` says why).
        prediction_low, prediction_high: where the proportion of a further report is expected; null where there is none.
        tau2: between-report variance, on the scale of the method (logit, or double arcsine).
        i2: share of the variance that is between reports, %. h2: total over sampling variance.
        q, q_p: Cochran's Q and its p; of the GLMM the Wald test of a saturated model. q_lrt: its likelihood-ratio test.
    """

    method: str
    k: int
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    prediction_low: float | None = None
    prediction_high: float | None = None
    tau2: float | None = None
    i2: float | None = None
    h2: float | None = None
    q: float | None = None
    q_p: float | None = None
    q_lrt: float | None = None
    note: str | None = None


# --- one proportion -----------------------------------------------------------------------------------


def wilson(events: float, n: float) -> tuple[float, float]:
    """Wilson score interval (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    p, z2 = events / n, Z * Z
    centre, half = p + z2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n)
    return 0.0 if events == 0 else float(low), 1.0 if events == n else float(high)


def clopper_pearson(events: float, n: float) -> tuple[float, float]:
    """Exact binomial interval (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404)."""
    low = 0.0 if events == 0 else float(special.betaincinv(events, n - events + 1, 0.025))
    high = 1.0 if events == n else float(special.betaincinv(events + 1, n - events, 0.975))
    return low, high


# --- pooling ------------------------------------------------------------------------------------------


PRIMARY = "glmm_logit_ml"


def pool_primary(events: Array, n: Array) -> Pooled:
    """The primary way alone; see `pool`."""
    events, n = _in_order(events, n)
    return _pooled_glmm(events, n, logit_with_variance(events, n)[1])


def pool(events: Array, n: Array) -> list[Pooled]:
    """Every way of pooling the proportions of k >= 1 reports; the primary one is `PRIMARY`.

    Args:
        events: k counts, 0 <= events <= n.
        n: k denominators, above 0.

    Returns:
        One `Pooled` per method, in the order of the class's documentation. What a method cannot give is null: for one
        report, or with no event (or nothing but events) in all of them, `glmm_logit_ml` falls back on the exact interval
        of the sum and says so.
    """
    events, n = _in_order(events, n)
    k, total, size = len(n), float(events.sum()), float(n.sum())
    crude = [
        Pooled(f"crude_{name}", k, total / size, *interval(total, size))
        for name, interval in (("clopper_pearson", clopper_pearson), ("wilson", wilson))
    ]
    y, v = logit_with_variance(events, n)
    logit = [
        _inverse_variance("iv_logit_dl", y, v, tau2_dl(y, v), special.expit),
        _inverse_variance("iv_logit_reml", y, v, tau2_reml(y, v), special.expit),
        _hartung_knapp("iv_logit_reml_hksj", y, v, tau2_reml(y, v), special.expit),
        _inverse_variance("iv_logit_pm", y, v, tau2_pm(y, v), special.expit),
        _inverse_variance("iv_logit_fixed", y, v, None, special.expit),
    ]
    return [*crude, _pooled_glmm(events, n, v), *logit, *_freeman_tukey(events, n)]


def _in_order(events: Array, n: Array) -> tuple[Array, Array]:
    """The reports by size: in whatever order they come, sums and searches take the same steps."""
    events, n = np.asarray(events, float), np.asarray(n, float)
    order = np.lexsort((events, n))
    return events[order], n[order]


def logit_with_variance(events: Array, n: Array) -> tuple[Array, Array]:
    """Log odds and their variance 1/x + 1/(n - x); 1/2 is added to both cells of a report with an empty one."""
    add = np.where((events == 0) | (events == n), 0.5, 0.0)
    x, rest = events + add, n - events + add
    return np.log(x / rest), 1 / x + 1 / rest


def tau2_dl(y: Array, v: Array) -> float:
    """Moment estimate (DerSimonian and Laird 1986, doi 10.1016/0197-2456(86)90046-2)."""
    w = 1 / v
    spare = w.sum() - (w**2).sum() / w.sum()
    return max(0.0, (_cochran_q(y, v) - (len(y) - 1)) / spare) if len(y) > 1 else 0.0


def tau2_reml(y: Array, v: Array, x: Array | None = None, threshold: float = 1e-5) -> float:
    """Restricted maximum likelihood by Fisher scoring (Viechtbauer 2005, doi 10.3102/10769986030003261).

    `x`: columns of a regression whose residual variance it is; default a mean. Starts from the Hedges estimate; a step
    below 0 is halved; ends when a step is no longer than `threshold`, so that a variance of 0 may come out as a few
    millionths, as in metafor.
    """
    x = np.ones((len(y), 1)) if x is None else x
    spare = len(y) - x.shape[1]
    if spare < 1:
        return 0.0
    inverse = np.linalg.inv(x.T @ x)
    residual, leverage = y - x @ (inverse @ (x.T @ y)), ((x @ inverse) * x).sum(axis=1)
    tau2 = max(0.0, float((residual @ residual - (1 - leverage) @ v) / spare))
    for _ in range(100):
        w = 1 / (v + tau2)
        inverse, x2, x3 = np.linalg.inv((x.T * w) @ x), (x.T * w**2) @ x, (x.T * w**3) @ x
        residual = y - x @ (inverse @ (x.T @ (w * y)))
        trace_p = w.sum() - np.trace(inverse @ x2)
        trace_pp = (w**2).sum() - 2 * np.trace(inverse @ x3) + np.trace(inverse @ x2 @ inverse @ x2)
        step = float(((w * residual) @ (w * residual) - trace_p) / trace_pp)
        while tau2 + step < 0:
            step /= 2
        tau2 += step
        if abs(step) <= threshold:
            break
    return tau2


def tau2_pm(y: Array, v: Array) -> float:
    """The tau2 at which Q is its expectation, k - 1 (Paule and Mandel 1982, doi 10.6028/jres.087.022)."""
    if len(y) == 1 or _cochran_q(y, v) <= len(y) - 1:
        return 0.0
    high = 1.0
    while _cochran_q(y, v + high) > len(y) - 1:
        high *= 2
    return float(optimize.brentq(lambda tau2: _cochran_q(y, v + tau2) - (len(y) - 1), 0.0, high, xtol=1e-12))


def _cochran_q(y: Array, v: Array) -> float:
    w = 1 / v
    return float((w * (y - (w @ y) / w.sum()) ** 2).sum())


def _typical_variance(v: Array) -> float:
    """Sampling variance of a typical report (Higgins and Thompson 2002, doi 10.1002/sim.1186)."""
    w = 1 / v
    return float((len(v) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))


def _heterogeneity(y: Array, v: Array, tau2: float | None) -> dict[str, float]:
    """tau2, I2, H2, Q and its p; `tau2` None: fixed effect, I2 then from Q."""
    k = len(y)
    if k == 1:
        return {"tau2": 0.0, "i2": 0.0, "h2": 1.0, "q": 0.0, "q_p": 1.0}
    q = _cochran_q(y, v)
    if tau2 is None:
        i2, h2 = max(0.0, 100 * (q - (k - 1)) / q) if q > 0 else 0.0, q / (k - 1)
    else:
        typical = _typical_variance(v)
        i2, h2 = 100 * tau2 / (typical + tau2), 1 + tau2 / typical
    return {"tau2": tau2 or 0.0, "i2": i2, "h2": h2, "q": q, "q_p": float(stats.chi2.sf(q, k - 1))}


def _inverse_variance(method: str, y: Array, v: Array, tau2: float | None, back) -> Pooled:
    """Weighted mean on the transformed scale, normal interval; `back` leads from there to proportions."""
    w = 1 / (v + (tau2 or 0.0))
    mean, se = float((w @ y) / w.sum()), float(w.sum() ** -0.5)
    spread = np.hypot(se, np.sqrt(tau2 or 0.0))
    low, high, p_low, p_high = (float(back(mean + side * Z * s)) for s in (se, spread) for side in (-1, 1))
    if tau2 is None:
        p_low = p_high = None  # a fixed effect says nothing of another report
    return Pooled(method, len(y), float(back(mean)), low, high, p_low, p_high, **_heterogeneity(y, v, tau2))


def _hartung_knapp(method: str, y: Array, v: Array, tau2: float, back) -> Pooled:
    """Random effects with the interval of Hartung and Knapp 2001 (doi 10.1002/sim.791), t with k - 1 degrees."""
    k = len(y)
    if k == 1:
        return Pooled(method, k, note="one report: no between-report variance to scale with")
    w = 1 / (v + tau2)
    mean = float((w @ y) / w.sum())
    se = float(np.sqrt((w * (y - mean) ** 2).sum() / (k - 1) / w.sum()))
    half = float(stats.t.ppf(0.975, k - 1)) * se
    return Pooled(
        method, k, float(back(mean)), float(back(mean - half)), float(back(mean + half)), **_heterogeneity(y, v, tau2)
    )


def _freeman_tukey(events: Array, n: Array) -> list[Pooled]:
    """Double arcsine (Freeman and Tukey 1950, doi 10.1214/aoms/1177729756), turned back at the harmonic mean of n
    (Miller 1978, doi 10.1080/00031305.1978.10479283). A sensitivity row only: the way back can mislead (Schwarzer 2019,
    doi 10.1002/jrsm.1348)."""
    y = (np.arcsin(np.sqrt(events / (n + 1))) + np.arcsin(np.sqrt((events + 1) / (n + 1)))) / 2
    v, size = 1 / (4 * n + 2), len(n) / (1 / n).sum()

    def at(p: float) -> float:
        return float(np.arcsin(np.sqrt(size * p / (size + 1))) + np.arcsin(np.sqrt((size * p + 1) / (size + 1)))) / 2

    def back(t: float) -> float:
        if t <= at(0.0):
            return 0.0
        if t >= at(1.0):
            return 1.0
        sine = np.sin(2 * t)
        return float((1 - np.sign(np.cos(2 * t)) * np.sqrt(1 - (sine + (sine - 1 / sine) / size) ** 2)) / 2)

    return [
        _inverse_variance("freeman_tukey_dl", y, v, tau2_dl(y, v), back),
        _inverse_variance("freeman_tukey_reml", y, v, tau2_reml(y, v), back),
    ]


# --- the binomial-normal model ------------------------------------------------------------------------


@dataclass(frozen=True)
class Glmm:
    """A fitted binomial-normal model: events ~ Bin(n, expit(X beta + u)), u ~ N(0, tau2).

    Attributes:
        beta: coefficients. covariance: of `beta`, from the observed information of beta and tau together.
        tau2: variance of u; exactly 0 where the likelihood is highest there. log_likelihood: without the binomial terms.
    """

    beta: Array
    covariance: Array
    tau2: float
    log_likelihood: float


class NoMaximum(ArithmeticError):
    """The likelihood has no finite maximum."""


MAX_TAU = 10.0  # on the logit scale: reports from 0.005 % to 99.995 %; what looks larger runs away


def fit_glmm(events: Array, n: Array, x: Array) -> Glmm:
    """Maximum likelihood with adaptive Gauss-Hermite quadrature, 25 nodes (Pinheiro and Bates 1995, doi
    10.1080/10618600.1995.10474663; for meta-analysis Stijnen 2010, doi 10.1002/sim.4040).

    Args:
        events: k counts. n: k denominators. x: k x p design, its first column 1.

    Raises:
        NoMaximum: the likelihood grows without end, as it does with no event, or with reports of all and of none.
    """
    events, n, x = (np.asarray(a, float) for a in (events, n, x))
    if not 0 < events.sum() < n.sum():
        raise NoMaximum("no event, or nothing but events")
    fixed = _fit_fixed(events, n, x)
    best, value = None, np.inf
    # the likelihood is even in tau: 0 is always stationary, so the search starts away from it, near and far
    for start in (0.3, 1.0):
        found = optimize.minimize(
            lambda p: _deviance(p, events, n, x),
            np.append(fixed, start),
            jac=True,
            method="BFGS",
            options={"gtol": 1e-8},
        )
        if found.fun < value - 1e-9:
            best, value = found.x, found.fun
    assert best is not None
    at_zero = -_binomial(events, n, x @ fixed).sum()
    if abs(best[-1]) < 1e-3 or value > at_zero - 1e-9:
        p = special.expit(x @ fixed)
        information = (x.T * (n * p * (1 - p))) @ x
        return Glmm(fixed, np.linalg.inv(information), 0.0, -at_zero)
    if abs(best[-1]) > MAX_TAU:
        raise NoMaximum("the variance between reports grows without end")
    best = _polish(best, events, n, x)
    information = _hessian(best, events, n, x)
    if abs(best[-1]) > MAX_TAU or not (np.linalg.eigvalsh(information) > 1e-10).all():
        raise NoMaximum("the variance between reports grows without end")
    covariance = np.linalg.inv(information)[:-1, :-1]
    return Glmm(best[:-1], covariance, float(best[-1] ** 2), -float(_deviance(best, events, n, x)[0]))


def _binomial(events: Array, n: Array, eta: Array) -> Array:
    return events * eta - n * np.logaddexp(0, eta)


def _fit_fixed(events: Array, n: Array, x: Array) -> Array:
    """Logistic regression without a random effect, by Newton's method."""
    beta = np.zeros(x.shape[1])
    beta[0] = special.logit(events.sum() / n.sum())
    for _ in range(100):
        p = special.expit(x @ beta)
        step = np.linalg.solve((x.T * (n * p * (1 - p))) @ x, x.T @ (events - n * p))
        step *= min(1.0, 5 / max(1e-12, np.abs(step).max()))
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    return beta


def _deviance(p: Array, events: Array, n: Array, x: Array) -> tuple[float, Array]:
    """Minus the log likelihood and its gradient in (beta, tau); u = tau z is integrated out over z ~ N(0, 1)."""
    beta, tau = p[:-1], p[-1]
    mean = x @ beta
    z = np.zeros_like(mean)
    for _ in range(50):  # the mode of every report's integrand
        prob = special.expit(mean + tau * z)
        curve = 1 + tau**2 * n * prob * (1 - prob)
        step = (tau * (events - n * prob) - z) / curve
        z = z + np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-10:
            break
    prob = special.expit(mean + tau * z)
    scale = np.sqrt(2 / (1 + tau**2 * n * prob * (1 - prob)))
    at = z[:, None] + scale[:, None] * NODES
    eta = mean[:, None] + tau * at
    log_integrand = _binomial(events[:, None], n[:, None], eta) - at**2 / 2 + NODES**2 + np.log(WEIGHTS)
    top = log_integrand.max(axis=1, keepdims=True)
    share = np.exp(log_integrand - top)
    total = share.sum(axis=1, keepdims=True)
    log_likelihood = (top + np.log(total))[:, 0] + np.log(scale) - np.log(2 * np.pi) / 2
    residual = events[:, None] - n[:, None] * special.expit(eta)
    share /= total
    gradient = np.append(x.T @ (share * residual).sum(axis=1), (share * residual * at).sum())
    return -float(log_likelihood.sum()), -gradient


def _hessian(p: Array, events: Array, n: Array, x: Array, h: float = 1e-5) -> Array:
    rows = [
        (_deviance(p + h * unit, events, n, x)[1] - _deviance(p - h * unit, events, n, x)[1]) / (2 * h)
        for unit in np.eye(len(p))
    ]
    return (np.array(rows) + np.array(rows).T) / 2


def _polish(p: Array, events: Array, n: Array, x: Array) -> Array:
    """Two Newton steps, so that where the search stopped leaves no trace in the digits that are shown."""
    for _ in range(2):
        try:
            step = np.linalg.solve(_hessian(p, events, n, x), _deviance(p, events, n, x)[1])
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all() or np.abs(step).max() > 1e-2:
            break
        p = p - step
    return p


def _pooled_glmm(events: Array, n: Array, v: Array) -> Pooled:
    k, total, size = len(n), float(events.sum()), float(n.sum())
    fallback = "one report" if k == 1 else "no event in any report" if total == 0 else "nothing but events"
    if k == 1 or total in (0.0, size):
        low, high = clopper_pearson(total, size)
        return Pooled(PRIMARY, k, total / size, low, high, note=f"{fallback}: exact interval of the counts")
    try:
        model = fit_glmm(events, n, np.ones((k, 1)))
    except NoMaximum:
        y, v = logit_with_variance(events, n)
        instead = _inverse_variance(PRIMARY, y, v, tau2_reml(y, v), special.expit)
        return replace(instead, note="the mixed model has no finite maximum: inverse variance with REML instead")
    mean, se = float(model.beta[0]), float(np.sqrt(model.covariance[0, 0]))
    spread = float(np.hypot(se, np.sqrt(model.tau2)))
    low, high, p_low, p_high = (float(special.expit(mean + side * Z * s)) for s in (se, spread) for side in (-1, 1))
    inside = (events > 0) & (events < n)
    # reports with an empty cell have no finite log odds of their own: no weight in the Wald test
    y, w = special.logit(events[inside] / n[inside]), (events * (n - events) / n)[inside]
    q = float((w * (y - (w @ y) / w.sum()) ** 2).sum()) if inside.any() else 0.0
    at_mean = _binomial(events, n, np.full(k, special.logit(total / size))).sum()
    saturated = (special.xlogy(events, events / n) + special.xlogy(n - events, 1 - events / n)).sum()
    typical = _typical_variance(v)
    return Pooled(
        PRIMARY, k, float(special.expit(mean)), low, high, p_low, p_high, model.tau2,
        100 * model.tau2 / (typical + model.tau2), 1 + model.tau2 / typical, q, float(stats.chi2.sf(q, k - 1)),
        float(2 * (saturated - at_mean)),
    )  # fmt: skip


def small_study_p(events: Array, n: Array) -> float | None:
    """p of Peters' test: do small reports give other proportions? Null below 10 reports.

    Log odds on 1/n, weighted by the inverse variance (Peters 2006, doi 10.1001/jama.295.6.676), t with k - 2 degrees.
    """
    events, n = np.asarray(events, float), np.asarray(n, float)
    k = len(n)
    if k < MIN_REPORTS_SMALL_STUDY or np.unique(n).size < 2:
        return None
    y, v = logit_with_variance(events, n)
    x, w = np.column_stack([np.ones(k), 1 / n]), 1 / v
    inverse = np.linalg.inv((x.T * w) @ x)
    beta = inverse @ (x.T @ (w * y))
    variance = (w * (y - x @ beta) ** 2).sum() / (k - 2)
    return float(2 * stats.t.sf(abs(beta[1]) / np.sqrt(variance * inverse[1, 1]), k - 2))


# --- association across cancer types ------------------------------------------------------------------


@dataclass(frozen=True)
class Association:
    """How the proportion of one thing goes with the proportion of another, across cancer types.

    Attributes:
        n_cancers: cancer types with both sides known.
        spearman, spearman_low, spearman_high: rank correlation; interval by bootstrap (cancer types drawn anew, both
            proportions drawn from what their counts allow).
        spearman_p: two-sided permutation p, exact up to 8 cancer types (`is_p_exact`).
        pearson: correlation of log odds; `pearson_weighted` by the inverse variance of the log odds of HPD.
        slope, slope_low, slope_high, slope_p, slope_se: log odds of HPD per 10 percentage points of amplification, by
            meta-regression of the pooled incidences; null where the amplified proportions are all one.
        slope_tau2: between-cancer variance that amplification leaves unexplained.
        intercept, intercept_se, intercept_slope_covariance: log odds of HPD where nothing is amplified, its standard
            error, and its covariance with the slope: what the regression line and its interval are drawn from.
    """

    n_cancers: int
    spearman: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    spearman_p: float | None = None
    is_p_exact: bool | None = None
    pearson: float | None = None
    pearson_weighted: float | None = None
    slope: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    slope_p: float | None = None
    slope_se: float | None = None
    slope_tau2: float | None = None
    intercept: float | None = None
    intercept_se: float | None = None
    intercept_slope_covariance: float | None = None


MIN_CANCERS = 5  # fewer points say nothing about a correlation


def associate(
    pooled: Array, pooled_se: Array, amplified: Array, assayed: Array, has_interval: bool = True
) -> Association:
    """Association of HPD incidence with the amplified proportion over cancer types.

    Args:
        pooled, pooled_se: pooled incidence of each cancer type as log odds, and standard error. amplified, assayed: counts.
        has_interval: whether to bootstrap.

    Returns:
        Nulls where fewer than 5 cancer types are given.
    """
    pooled, pooled_se, amplified, assayed = (np.asarray(a, float) for a in (pooled, pooled_se, amplified, assayed))
    k = len(pooled)
    if k < MIN_CANCERS:
        return Association(k)
    share = amplified / assayed
    log_odds, _ = logit_with_variance(amplified, assayed)
    rho = _spearman(pooled, share)
    p, is_exact = permutation_p(pooled, share)
    low, high = bootstrap_interval(pooled, pooled_se, amplified, assayed) if has_interval else (None, None)
    weighted = _pearson(pooled, log_odds, 1 / pooled_se**2)
    whole = Association(k, rho, low, high, p, is_exact, _pearson(pooled, log_odds, np.ones(k)), weighted)
    return replace(whole, **meta_regression(pooled, pooled_se, share))


def leave_one_out(*columns: Array) -> list[Association]:
    """`associate`, without its bootstrap interval, without the first cancer type, without the second, and so on."""
    k = len(columns[0])
    return [associate(*(np.delete(np.asarray(c, float), i) for c in columns), has_interval=False) for i in range(k)]


def log_odds_with_se(estimate: Array, low: Array, high: Array, events: Array, n: Array) -> tuple[Array, Array]:
    """Log odds and standard error of pooled proportions, back from their 95 % interval; where it touches 0 or 1 they have
    none, and those of the counts with 1/2 added stand for them."""
    plain, variance = logit_with_variance(events, n)
    inside = (low > 0) & (high < 1)
    low_, high_, estimate_ = (np.where(inside, a, 0.5) for a in (low, high, estimate))
    se = (special.logit(high_) - special.logit(low_)) / (2 * Z)
    return np.where(inside, special.logit(estimate_), plain), np.where(inside, se, np.sqrt(variance))


def _pearson(x: Array, y: Array, w: Array) -> float | None:
    x, y = x - (w @ x) / w.sum(), y - (w @ y) / w.sum()
    spread = np.sqrt((w @ x**2) * (w @ y**2))
    return float((w @ (x * y)) / spread) if spread > 0 else None


def _spearman(x: Array, y: Array) -> float | None:
    return _pearson(stats.rankdata(x), stats.rankdata(y), np.ones(len(x)))


def permutation_p(x: Array, y: Array) -> tuple[float | None, bool]:
    """Two-sided p of Spearman's rho: the share of orders at least as far from 0. Exact up to 8 pairs, else seeded
    draws, of which the observed order is one (Phipson and Smyth 2010, doi 10.2202/1544-6115.1585)."""
    a, b = stats.rankdata(x), stats.rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    if not a.any() or not b.any():
        return None, False
    observed = abs(a @ b) - 1e-9
    if len(a) <= EXACT_PERMUTATIONS:
        orders = b[np.array(list(permutations(range(len(b)))))]
        return float((np.abs(orders @ a) >= observed).sum() / factorial(len(b))), True
    orders = np.random.default_rng(SEED).permuted(np.tile(b, (N_PERMUTATIONS, 1)), axis=1)
    return float(((np.abs(orders @ a) >= observed).sum() + 1) / (N_PERMUTATIONS + 1)), False


def bootstrap_interval(
    pooled: Array, pooled_se: Array, amplified: Array, assayed: Array
) -> tuple[float | None, float | None]:
    """Percentile interval of Spearman's rho: cancer types drawn with replacement, incidence drawn from the normal of its
    log odds, the amplified proportion from its Jeffreys posterior. A draw of fewer than 3 different cancer types is
    drawn again."""
    rng, k = np.random.default_rng(SEED), len(pooled)
    drawn = rng.integers(k, size=(3 * N_BOOTSTRAP, k))
    distinct = (np.sort(drawn, axis=1)[:, 1:] != np.sort(drawn, axis=1)[:, :-1]).sum(axis=1) + 1
    drawn = drawn[distinct >= min(3, k)][:N_BOOTSTRAP]
    x = pooled[drawn] + pooled_se[drawn] * rng.standard_normal(drawn.shape)
    y = rng.beta(amplified[drawn] + 0.5, assayed[drawn] - amplified[drawn] + 0.5)
    x, y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    rho = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    low, high = np.quantile(rho, [0.025, 0.975])
    return float(low), float(high)


def meta_regression(y: Array, se: Array, share: Array) -> dict[str, float]:
    """Slope, intercept and what belongs to them (see `Association`) of `y` on tenths of `share`; empty: `share` is all one.

    Each point has its standard error and a random effect of its own (REML); t with k - 2 degrees, and the variance of Knapp
    and Hartung (2003, doi 10.1002/sim.1482) where it is not the smaller one (Roever 2015, doi 10.1186/s12874-015-0091-1).
    """
    x = np.column_stack([np.ones(len(y)), share * 10])
    if np.unique(share).size < 2:
        return {}
    tau2, spare = tau2_reml(y, se**2, x), len(y) - 2
    w = 1 / (se**2 + tau2)
    inverse = np.linalg.inv((x.T * w) @ x)
    intercept, slope = beta = inverse @ (x.T @ (w * y))
    covariance = inverse * max(1.0, float((w * (y - x @ beta) ** 2).sum() / spare))
    intercept_se, slope_se = np.sqrt(np.diag(covariance))
    half = stats.t.ppf(0.975, spare) * slope_se
    told = {
        "slope": slope, "slope_low": slope - half, "slope_high": slope + half, "slope_se": slope_se,
        "slope_p": 2 * stats.t.sf(abs(slope) / slope_se, spare), "slope_tau2": tau2, "intercept": intercept,
        "intercept_se": intercept_se, "intercept_slope_covariance": covariance[0, 1],
    }  # fmt: skip
    return {name: float(value) for name, value in told.items()}


def finding(result: Association, hpd: str, amplified: str) -> str:
    """The finding and its limits in plain words.

    Args:
        hpd: what is pooled, e.g. "hyperprogression (any published definition)".
        amplified: what it is set beside, e.g. "MDM2|MDM4 amplification (tcga)".
    """
    k = result.n_cancers
    if result.spearman is None or result.spearman_p is None:
        why = (
            f"fewer than {MIN_CANCERS} say nothing about a correlation" if k < MIN_CANCERS else "one side does not vary"
        )
        return f"{_cancers(k)} with both {hpd} and {amplified}: {why}."
    seen = result.spearman_p < 0.05
    direction = "higher" if result.spearman > 0 else "lower"
    said = f"is {direction} where {amplified} is more frequent" if seen else f"shows no association with {amplified}"
    bounds, limit = "", "With so few points only a very strong one could be seen. "
    if seen:
        limit = "One in twenty gene sets looked at would seem so by chance. "
    if result.spearman_low is not None and result.spearman_high is not None:
        bounds = f", 95 % interval {result.spearman_low:.2f} to {result.spearman_high:.2f}"
        if seen and result.spearman_low < 0 < result.spearman_high:
            limit = "The uncertainty of both proportions leaves room for none. " + limit
    return (
        f"Across {_cancers(k)}, {hpd} {said} (Spearman rho {result.spearman:.2f}{bounds}, permutation p "
        f"{result.spearman_p:.2g}). {limit}It compares cancer types, not patients, and is no evidence of cause."
    )


def _cancers(k: int) -> str:
    return f"{k} cancer type{'' if k == 1 else 's'}"


# --- 2x2 tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OddsRatio:
    """Conditional maximum-likelihood odds ratio of a 2x2 table, its exact interval and Fisher's p.

    Attributes:
        odds_ratio: infinite (`inf`) or 0 where a cell is empty; null where a margin is (nothing can be said).
        ci_low, ci_high: exact interval; `inf` where there is no upper bound.
        fisher_p: two-sided (Fisher 1935, doi 10.2307/2342435).
    """

    odds_ratio: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    fisher_p: float | None = None


def odds_ratio(a: int, b: int, c: int, d: int) -> OddsRatio:
    """Odds ratio of [[a, b], [c, d]]: rows altered and unaltered, columns with and without the outcome.

    Conditional on the margins (Cornfield 1956), as `fisher.test` of R gives it.
    """
    table = np.array([[a, b], [c, d]], int)
    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return OddsRatio()
    found = stats.contingency.odds_ratio(table, kind="conditional")
    interval = found.confidence_interval(0.95)
    return OddsRatio(
        float(found.statistic), float(interval.low), float(interval.high), float(stats.fisher_exact(table).pvalue)
    )


def mantel_haenszel(tables: Array) -> OddsRatio:
    """Common odds ratio over strata; interval from the variance of Robins 1986 (doi 10.2307/2531052); p of the
    Mantel-Haenszel test without continuity correction (doi 10.1093/jnci/22.4.719), in `fisher_p`.

    Args:
        tables: k x 2 x 2 counts. Strata with an empty margin say nothing and have no weight.
    """
    t = np.asarray(tables, float)
    a, b, c, d = t[:, 0, 0], t[:, 0, 1], t[:, 1, 0], t[:, 1, 1]
    n = t.sum(axis=(1, 2))
    keep = ((a + b) * (c + d) * (a + c) * (b + d)) > 0
    if not keep.any():
        return OddsRatio()
    a, b, c, d, n = (x[keep] for x in (a, b, c, d, n))
    r, s = a * d / n, b * c / n
    expected = (a + b) * (a + c) / n
    variance = (a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))
    p = float(stats.chi2.sf((a - expected).sum() ** 2 / variance.sum(), 1))
    if not r.sum() or not s.sum():
        return OddsRatio(float("inf") if r.sum() else 0.0, None, None, p)
    ratio = r.sum() / s.sum()
    agree, differ = (a + d) / n, (b + c) / n
    log_variance = (
        (agree @ r) / (2 * r.sum() ** 2)
        + (agree @ s + differ @ r) / (2 * r.sum() * s.sum())
        + (differ @ s) / (2 * s.sum() ** 2)
    )
    half = Z * np.sqrt(log_variance)
    return OddsRatio(float(ratio), float(ratio * np.exp(-half)), float(ratio * np.exp(half)), p)


def rounded(result: Pooled | Association | OddsRatio) -> dict:
    """The fields of a result as a row: floats to `DIGITS` significant digits, what is no number null."""
    return {name: _rounded(value) for name, value in asdict(result).items()}


def _rounded(value: object) -> object:
    if not isinstance(value, float):
        return value
    if np.isnan(value):
        return None
    return value if np.isinf(value) else float(f"{value:.{DIGITS}g}")
