"""Pooling and association on the bundled evidence. Expected values are counted by hand, or computed by R."""

from __future__ import annotations

import math

import duckdb
import pytest

Marts = duckdb.DuckDBPyConnection


def test_a_cancer_with_one_report_has_the_exact_interval_of_its_counts(marts: Marts) -> None:
    (row,) = marts.sql(
        "select n_hpd, n_evaluable, pooled_incidence, pooled_ci_low, pooled_ci_high, prediction_low, pooling_method"
        " from hpd_incidence where cancer_type_code = 'SARCOMA' and hpd_definition = 'ANY_PUBLISHED'"
    ).fetchall()
    # binom.test(15, 129)$conf.int
    assert row[:2] == (15, 129)
    assert row[2:5] == pytest.approx((15 / 129, 0.0666, 0.1845), abs=1e-4)
    assert row[5:] == (None, "one report: exact interval of the counts")


@pytest.mark.parametrize(
    ("cancer", "expected"),
    [
        # rma.glmm(measure="PLO", xi=c(98, 1), ni=c(1004, 75), method="ML", nAGQ=25), predict(..., transf=transf.ilogit)
        (
            "MELANOMA",
            (0.0486532907, 0.0113478886, 0.1855773870, 0.0055601257, 0.3186985211, 0.6941762270, 57.5322197219),
        ),
        # xi=c(4, 14, 16, 26, 39, 54, 56), ni=c(121, 46, 83, 231, 152, 263, 406)
        ("NSCLC", (0.157709804, 0.101756069, 0.236336124, 0.047196902, 0.414436253, 0.394546125, 89.908550882)),
    ],
)
def test_reports_that_differ_are_pooled_as_metafor_pools_them(
    cancer: str, expected: tuple[float, ...], marts: Marts
) -> None:
    (row,) = marts.execute(
        "select pooled_incidence, pooled_ci_low, pooled_ci_high, prediction_low, prediction_high, tau2, i2"
        " from hpd_incidence where cancer_type_code = ? and hpd_definition = 'ANY_PUBLISHED' and basis = 'reported'",
        [cancer],
    ).fetchall()
    assert row == pytest.approx(expected, rel=1e-4)


def test_every_pooled_cancer_has_every_method(marts: Marts) -> None:
    rows = marts.sql(
        "select cancer_type_code, count(*), count(distinct method) from hpd_incidence_methods"
        " where hpd_definition = 'ANY_PUBLISHED' group by all"
    ).fetchall()
    assert len(rows) == 10
    assert {tuple(row[1:]) for row in rows} == {(10, 10)}


def test_the_last_year_of_the_cumulative_rows_is_the_pooled_incidence(marts: Marts) -> None:
    assert marts.sql(
        "select count(*) from hpd_incidence_by_year where hpd_definition = 'ANY_PUBLISHED' and cancer_type_code = 'NSCLC'"
    ).fetchall() == [(5,)]
    wrong = marts.sql(
        "from (from hpd_incidence_by_year qualify up_to_year = max(up_to_year) over (partition by cancer_type_code,"
        " hpd_definition)) as last join hpd_incidence as whole using (cancer_type_code, hpd_definition, is_simulated)"
        " select * where whole.basis = 'reported' and last.n_reports_pooled = whole.n_reports_pooled"
        " and (last.pooled_incidence <> whole.pooled_incidence or last.n_hpd <> whole.n_hpd)"
    ).fetchall()
    assert wrong == []


def test_the_association_over_all_definitions_has_a_row_per_gene_set(marts: Marts) -> None:
    rows = marts.sql(
        "select gene_set, n_cancers, is_p_exact from hpd_amplification_association where hpd_definition = 'ANY_PUBLISHED'"
        " and source_class = 'tcga' and left_out_cancer_type_code = 'NONE' and basis = 'reported'"
    ).fetchall()
    assert {row[0] for row in rows} == {
        gene_set for (gene_set,) in marts.sql("select gene_set from vocabulary.gene_sets").fetchall()
    }
    assert {row[1:] for row in rows} == {(8, True)}


def test_no_association_of_mdm2_and_mdm4_is_said_in_words(marts: Marts) -> None:
    (row,) = marts.sql(
        "select spearman, spearman_p, slope_low, slope_high, finding from hpd_amplification_association"
        " where hpd_definition = 'ANY_PUBLISHED' and gene_set = 'MDM2|MDM4' and source_class = 'tcga'"
        " and left_out_cancer_type_code = 'NONE'"
    ).fetchall()
    # ranks of the eight cancers by hand: sum of squared differences 74, rho = 1 - 6 * 74 / 504
    assert row[0] == pytest.approx(1 - 6 * 74 / 504, abs=1e-6)
    assert row[1] > 0.5
    assert row[2] < 0 < row[3]
    assert "shows no association" in row[4]
    assert "compares cancer types, not patients" in row[4]


def test_the_regression_line_and_its_interval_are_those_of_r(marts: Marts) -> None:
    # y <- qlogis(pooled); se <- (qlogis(high) - qlogis(low)) / (2 * qnorm(.975)); x <- 10 * amplified / assayed of the
    # eight points; f <- rma(y, sei = se, mods = ~ x, test = "adhoc"); predict(f, newmods = ., transf = plogis)
    # at the least, the middle and the most of x; R 4.2.2, metafor 3.8.1
    expected = [
        (0.142986784, 0.1003914304, 0.199644235),
        (0.133772149, 0.0899099491, 0.194460203),
        (0.125064683, 0.0539504675, 0.263780846),
    ]
    rows = marts.sql(
        "select fitted_incidence, fitted_ci_low, fitted_ci_high from hpd_amplification_line where gene_set = 'MDM2|MDM4'"
        " and hpd_definition = 'ANY_PUBLISHED' and source_class = 'tcga' and step_number % 10 = 0 order by step_number"
    ).fetchall()
    assert rows == [pytest.approx(row, abs=1e-6) for row in expected]


def test_the_points_are_the_main_mart_turned_and_those_counted_are_the_points_of_the_association(marts: Marts) -> None:
    for side in ("tcga", "institutional"):
        columns = f"{side}_n_amplified, {side}_n_assayed, {side}_amplified_fraction, {side}_amplified_ci_low, {side}_amplified_ci_high"
        key = "hpd_definition, basis, gene_set, cancer_type_code, pooled_incidence, n_hpd, n_evaluable"
        expected = marts.sql(
            f"select {key}, {columns} from hpd_amplification_by_cancer where n_evaluable > 0 and n_hpd is not null"
            f" and pooled_incidence is not null and {side}_n_assayed > 0 order by all"
        ).fetchall()
        found = marts.sql(
            f"select {key}, {columns.replace(f'{side}_', '')} from hpd_amplification_points where source_class = '{side}'"
            " order by all"
        ).fetchall()
        assert found == expected
        assert found
    assert marts.sql(
        "select count(*) from hpd_amplification_association as whole left join (select hpd_definition, basis, gene_set,"
        " source_class, is_simulated, count(*) filter (where is_counted) as n from hpd_amplification_points group by all)"
        " as points using (hpd_definition, basis, gene_set, source_class, is_simulated)"
        " where left_out_cancer_type_code = 'NONE' and n_cancers is distinct from n"
    ).fetchall() == [(0,)]


def test_the_members_of_a_pool_add_up_to_it(marts: Marts) -> None:
    assert marts.sql(
        "select count(*) from hpd_incidence left join (select cancer_type_code, hpd_definition, basis, is_simulated,"
        " count(*) as n, sum(n_hpd) as hpd, sum(n_evaluable) as evaluable from hpd_pool_members group by all) as members"
        " using (cancer_type_code, hpd_definition, basis, is_simulated) where (coalesce(n, 0), hpd, evaluable) is distinct"
        " from (n_reports_pooled, n_hpd, n_evaluable)"
    ).fetchall() == [(0,)]
    assert marts.sql("select count(*) from hpd_pool_members where hpd_definition = 'ANY_PUBLISHED'").fetchall() == [
        (26,)
    ]


def test_each_cancer_is_left_out_once(marts: Marts) -> None:
    rows = marts.sql(
        "select left_out_cancer_type_code, n_cancers from hpd_amplification_association where gene_set = 'MDM2|MDM4'"
        " and hpd_definition = 'ANY_PUBLISHED' and source_class = 'tcga' and left_out_cancer_type_code <> 'NONE'"
    ).fetchall()
    assert len({cancer for cancer, _ in rows}) == 8
    assert {n for _, n in rows} == {7}


def test_imvigor210_is_a_negative_and_incomplete_tables_have_no_odds_ratio(marts: Marts) -> None:
    (row,) = marts.sql(
        "select odds_ratio, odds_ratio_ci_low, odds_ratio_ci_high, fisher_p from hpd_by_amplification_status"
        " where report_id = 'IMVIGOR210'"
    ).fetchall()
    assert row == pytest.approx((0.63, 0.22, 1.73, 0.35), abs=5e-3)
    assert marts.sql(
        "select count(*), count(odds_ratio) from hpd_by_amplification_status where not is_complete"
    ).fetchall() == [(5, 0)]


def test_nothing_that_is_no_number_reaches_a_mart(marts: Marts) -> None:
    columns = marts.sql(
        "select table_name, column_name from duckdb_columns() where data_type = 'DOUBLE' and schema_name = 'main'"
    ).fetchall()
    assert len(columns) > 50
    for table, column in columns:
        ((n,),) = marts.sql(f'select count(*) from "{table}" where isnan("{column}")').fetchall()
        assert n == 0, f"{table}.{column}"


def test_cumulative_and_pooled_values_are_finite(marts: Marts) -> None:
    rows = marts.sql("select pooled_incidence, tau2, i2, heterogeneity_q from hpd_incidence").fetchall()
    assert all(value is None or math.isfinite(value) for row in rows for value in row)
