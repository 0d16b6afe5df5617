"""Grain: as stat_two_by_two, of which it is the odds ratio; and of strata together, where report_id is null.

Inputs: stat_two_by_two. The mathematics are in hpd_statistics.py.
"""

import numpy as np
import polars as pl

from dbt_project import hpd_statistics

CELLS = [
    "n_altered_with_outcome", "n_altered_without_outcome", "n_unaltered_with_outcome", "n_unaltered_without_outcome",
]  # fmt: skip
KEY = ["report_id", "cancer_type_reported", "gene_set", "outcome", "is_simulated"]
TOGETHER = ["basis", "hpd_definition", "gene_set", "is_simulated"]
SCHEMA = {
    **dict.fromkeys(("report_id", "cancer_type_reported", "gene_set", "outcome"), pl.String), "is_simulated": pl.Boolean,
    "basis": pl.String, "hpd_definition": pl.String, "n_strata": pl.Int64, **dict.fromkeys(CELLS, pl.Int64),
    **dict.fromkeys(("odds_ratio", "ci_low", "ci_high", "fisher_p"), pl.Float64),
}  # fmt: skip


def model(dbt, session):
    """Odds ratio of every complete table, and of all tables of hyperprogression together."""
    dbt.config(materialized="table")
    tables = dbt.ref("stat_two_by_two").pl().drop_nulls(CELLS).sort(KEY)
    rows = []
    for table in tables.iter_rows(named=True):
        result = hpd_statistics.odds_ratio(*(table[c] for c in CELLS))
        rows.append(
            {c: table[c] for c in (*KEY, "basis", "hpd_definition", *CELLS)}
            | {"n_strata": 1}
            | hpd_statistics.rounded(result)
        )
    # hyperprogression only: a fast death or a best response is another outcome; any published definition together
    hpd = tables.filter(pl.col("outcome").str.to_uppercase().str.starts_with("HPD"))
    any_definition = pl.when(pl.col("basis") == "reported").then(pl.lit("ANY_PUBLISHED")).otherwise("hpd_definition")
    for key, group in hpd.with_columns(hpd_definition=any_definition).group_by(TOGETHER, maintain_order=True):
        counts = group.select(CELLS).to_numpy().reshape(-1, 2, 2)
        result = hpd_statistics.mantel_haenszel(counts)
        summed = {c: int(n) for c, n in zip(CELLS, counts.reshape(-1, 4).sum(axis=0), strict=True)}
        rows.append(
            dict(zip(TOGETHER, key, strict=True))
            | summed
            | {"n_strata": len(np.atleast_3d(counts))}
            | hpd_statistics.rounded(result)
        )
    return pl.DataFrame(rows, schema=SCHEMA)
