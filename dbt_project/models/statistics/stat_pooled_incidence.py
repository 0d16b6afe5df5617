"""Grain: cancer type x HPD definition x basis x is_simulated x method, and up_to_year of the cumulative rows (null: all).

Inputs: stat_pool_members. Every way of pooling, with its heterogeneity; the mathematics are in hpd_statistics.py.
"""

import polars as pl

from dbt_project import hpd_statistics

KEY = ["cancer_type_code", "hpd_definition", "basis", "is_simulated"]
SCHEMA = {
    **dict.fromkeys(KEY[:3], pl.String), "is_simulated": pl.Boolean, "up_to_year": pl.Int64, "method": pl.String,
    "k": pl.Int64,
    **dict.fromkeys(
        ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high", "tau2", "i2", "h2", "q", "q_p", "q_lrt",
         "small_study_p"), pl.Float64),
    "note": pl.String,
}  # fmt: skip


def model(dbt, session):
    """All methods on all reports, and the primary one on those up to each year."""
    dbt.config(materialized="table")
    members = dbt.ref("stat_pool_members").pl().sort(*KEY, "report_id")
    rows = []
    for key, group in members.group_by(KEY, maintain_order=True):
        name = dict(zip(KEY, key, strict=True))
        events, n = group["n_hpd"].to_numpy(), group["n_evaluable"].to_numpy()
        for result in hpd_statistics.pool(events, n):
            row = name | {"up_to_year": None} | hpd_statistics.rounded(result)
            if result.method == hpd_statistics.PRIMARY:
                row["small_study_p"] = hpd_statistics.small_study_p(events, n)
            rows.append(row)
        years = sorted(group["publication_year"].drop_nulls().unique())
        # how the evidence moved; a report without a year is in no cumulative row
        for year in years:
            until = group.filter(pl.col("publication_year") <= year)
            primary = hpd_statistics.pool_primary(until["n_hpd"].to_numpy(), until["n_evaluable"].to_numpy())
            rows.append(name | {"up_to_year": int(year)} | hpd_statistics.rounded(primary))
    return pl.DataFrame(rows, schema=SCHEMA)
