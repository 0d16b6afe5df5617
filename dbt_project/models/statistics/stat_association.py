"""Grain: HPD definition x basis x gene set x source of amplification x is_simulated x left_out (null: nothing left out).

Inputs: stat_association_points. The mathematics and the words are in hpd_statistics.py.
"""

import polars as pl

from dbt_project import hpd_statistics

KEY = ["hpd_definition", "basis", "gene_set", "source_class", "is_simulated"]
SCHEMA = {
    **dict.fromkeys(KEY[:4], pl.String), "is_simulated": pl.Boolean, "left_out_cancer_type_code": pl.String,
    "n_cancers": pl.Int64,
    **dict.fromkeys(("spearman", "spearman_low", "spearman_high", "spearman_p"), pl.Float64), "is_p_exact": pl.Boolean,
    **dict.fromkeys(
        ("pearson", "pearson_weighted", "slope", "slope_low", "slope_high", "slope_p", "slope_se", "slope_tau2",
         "intercept", "intercept_se", "intercept_slope_covariance"), pl.Float64),
    "finding": pl.String,
}  # fmt: skip


def model(dbt, session):
    """The association of each set of points, and without each cancer type."""
    dbt.config(materialized="table")
    points = dbt.ref("stat_association_points").pl().filter(pl.col("exclusion_reason").is_null())
    points = points.sort(*KEY, "cancer_type_code")
    rows = []
    for key, group in points.group_by(KEY, maintain_order=True):
        name = dict(zip(KEY, key, strict=True))
        counts = (
            "n_hpd",
            "n_evaluable",
            "n_amplified",
            "n_assayed",
            "pooled_incidence",
            "pooled_ci_low",
            "pooled_ci_high",
        )
        hpd, evaluable, amplified, assayed, pooled, low, high = (group[c].cast(pl.Float64).to_numpy() for c in counts)
        log_odds, se = hpd_statistics.log_odds_with_se(pooled, low, high, hpd, evaluable)
        columns = (log_odds, se, amplified, assayed)
        words = (group["definition_words"][0], group["amplification_words"][0])
        whole = hpd_statistics.associate(*columns)
        rows.append(name | _row(whole, None, words))
        if whole.n_cancers > hpd_statistics.MIN_CANCERS:
            without = hpd_statistics.leave_one_out(*columns)
            rows += [
                name | _row(one, code, words) for code, one in zip(group["cancer_type_code"], without, strict=True)
            ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(result: hpd_statistics.Association, left_out: str | None, words: tuple[str, str]) -> dict:
    return {
        "left_out_cancer_type_code": left_out,
        **hpd_statistics.rounded(result),
        "finding": hpd_statistics.finding(result, *words),
    }
