"""What the report shows, read from the marts of one release.

Each dataset is some columns of one mart (`forest`: of two), with what a figure needs to put its rows in order. Nothing
is computed here: a number in the report is a number of a mart.
"""

from __future__ import annotations

import duckdb
import polars as pl

# A row of a figure is named by its place and its label: the place puts it in order, the label is what is shown.
ROW = "lpad({place}::varchar, 5, '0') || {label}"

DATASETS = {
    "release": "from release",
    "inputs": "from release_inputs order by input_number",
    "gene_sets": "select gene_set, description from vocabulary.gene_sets order by all",
    "definitions": "select hpd_definition, cited_as, rule, citation_doi from vocabulary.hpd_definitions order by all",
    "main": """
        select is_simulated, basis, hpd_definition, gene_set, cancer_type_code, cancer_type, has_hpd, has_amplification,
            n_reports, n_reports_pooled, n_hpd, n_evaluable, pooled_incidence, pooled_ci_low, pooled_ci_high,
            prediction_low, prediction_high, reported_incidence_low, reported_incidence_high, is_suppressed,
            tcga_n_samples_all, tcga_n_assayed, tcga_n_amplified, tcga_amplified_fraction, tcga_amplified_ci_low,
            tcga_amplified_ci_high, institutional_source, institutional_unit, institutional_n_samples_all,
            institutional_n_assayed, institutional_n_amplified, institutional_amplified_fraction,
            institutional_amplified_ci_low, institutional_amplified_ci_high
        from hpd_amplification_by_cancer
        where has_hpd
        order by is_simulated, basis, hpd_definition, gene_set, pooled_incidence desc nulls last, cancer_type,
            cancer_type_code
    """,
    "points": "from hpd_amplification_points order by all",
    "line": "from hpd_amplification_line order by all",
    "association": """
        from hpd_amplification_association
        order by is_simulated, basis, hpd_definition, gene_set, source_class,
            left_out_cancer_type_code <> 'NONE', left_out_cancer_type_code
    """,
    "incidence": f"""
        select is_simulated, basis, hpd_definition, cancer_type_code, cancer_type, n_reports, n_reports_pooled, n_hpd,
            n_evaluable, pooled_incidence, pooled_ci_low, pooled_ci_high, prediction_low, prediction_high, tau2, i2,
            heterogeneity_q, heterogeneity_p, small_study_p, small_study_note, pooling_method, reported_incidence_low,
            reported_incidence_high, is_suppressed,
            {ROW.format(place="row_number() over by_cancer", label="cancer_type")} as cancer_row,
            {ROW.format(place="row_number() over by_definition", label="hpd_definition")} as definition_row
        from hpd_incidence
        window
            by_cancer as (
                partition by is_simulated, basis, hpd_definition order by pooled_incidence desc nulls last, cancer_type
            ),
            by_definition as (
                partition by is_simulated, basis, cancer_type_code
                order by hpd_definition = 'ANY_PUBLISHED', pooled_incidence desc nulls last, hpd_definition
            )
        order by is_simulated, basis, hpd_definition, cancer_row
    """,
    "forest": f"""
        with rows as (
            select is_simulated, basis, hpd_definition, cancer_type_code, cancer_type, 'report' as part, label, report_id,
                publication_year, n_hpd, n_evaluable, hpd_incidence as incidence, hpd_ci_low as ci_low,
                hpd_ci_high as ci_high, null as prediction_low, null as prediction_high, is_suppressed
            from hpd_pool_members
            union all
            select is_simulated, basis, hpd_definition, cancer_type_code, cancer_type, 'pooled',
                case when n_reports_pooled > 1 then 'Pooled' || coalesce(', I² ' || round(i2)::int || ' %', '')
                    when basis = 'computed' then 'One trial' else 'One report' end, null, null,
                n_hpd, n_evaluable, pooled_incidence, pooled_ci_low, pooled_ci_high, prediction_low, prediction_high, false
            from hpd_incidence
            where pooled_incidence is not null
        )
        select * exclude (report_id, publication_year), {ROW.format(place="row_number() over place", label="label")} as row
        from rows
        window place as (
            partition by is_simulated, basis, hpd_definition, cancer_type_code
            order by part = 'pooled', publication_year, label, report_id
        )
        order by is_simulated, basis, hpd_definition, cancer_type_code, row
    """,
    "reports": """
        select is_simulated, report_id, first_author, publication_year, cancer_type_code, cancer_type,
            cancer_type_reported, hpd_definition, agents, has_anti_pd1_pdl1, is_combination, n_hpd, n_evaluable, is_n_hpd_derived,
            hpd_incidence, hpd_ci_low, hpd_ci_high, hpd_incidence_reported, in_any_pool, in_definition_pool,
            pool_exclusion_reason, study_design, pmid, doi, source_url, source_kind, data_origin
        from hpd_reports
        order by cancer_type, publication_year, report_id, cancer_type_reported
    """,
    # a figure has one row per source, of samples where those are counted, as in the main mart
    "amplification": f"""
        select source, source_class, is_simulated, gene_set, cancer_type_code, cancer_type, unit, n_studies,
            n_samples_all, n_amplified, n_assayed, amplified_fraction, amplified_ci_low, amplified_ci_high, call_method,
            row_number() over (
                partition by is_simulated, gene_set, cancer_type_code, source order by unit = 'sample' desc, unit
            ) = 1 and cancer_type_code in (select cancer_type_code from hpd_incidence where n_reports_pooled > 0) as is_drawn,
            {ROW.format(place="dense_rank() over place", label="cancer_type")} as row
        from (
            select *, max(amplified_fraction) over (partition by is_simulated, gene_set, cancer_type_code) as most
            from amplification_by_cancer
        )
        window place as (partition by is_simulated, gene_set order by most desc nulls last, cancer_type)
        order by is_simulated, gene_set, row, source, unit
    """,
    "by_year": "from hpd_incidence_by_year order by all",
    "methods": """
        select is_simulated, basis, hpd_definition, cancer_type_code, method, n_reports_pooled, n_hpd, n_evaluable,
            pooled_incidence, pooled_ci_low, pooled_ci_high, prediction_low, prediction_high, tau2, i2, note
        from hpd_incidence_methods
        order by all
    """,
    "two_by_two": """
        select is_simulated, basis, gene_set, report_id, cancer_type, alteration, outcome, hpd_definition,
            n_altered_with_outcome, n_altered_with_outcome + n_altered_without_outcome as n_altered,
            n_unaltered_with_outcome, n_unaltered_with_outcome + n_unaltered_without_outcome as n_unaltered,
            odds_ratio, odds_ratio_ci_low, odds_ratio_ci_high, fisher_p, is_complete, is_suppressed, doi, source_url
        from hpd_by_amplification_status
        order by all
    """,
    "two_by_two_pooled": "from hpd_by_amplification_pooled order by all",
    "ttf": "select *, trial_id = 'ALL_TRIALS' as is_all_trials from ttf_sensitivity order by all",
    "agreement": """
        select is_simulated, trial_id, reader, treatment_class, hpd_definition, other_definition, n_patients,
            n_both_evaluable, n_hpd, n_hpd_other, n_hpd_both, n_hpd_either, agreement_kappa, is_suppressed
        from hpd_by_definition
        where is_chosen_reader and hpd_definition < other_definition
        order by all
    """,
    "evaluability": "from hpd_evaluability order by all",
    "reference": "from reference_study order by all",
    "attrition": "from attrition order by evidence, data_origin, step_number, n_rows desc nulls last, reason",
    "quality": "from data_quality order by all",
    "dictionary": "select mart, column_name, unit, description from data_dictionary order by mart, column_number",
}


def read(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """The datasets of the release that `connection` has open: name → frame; one that nothing is loaded for is empty."""
    return {name: connection.sql(sql).pl() for name, sql in DATASETS.items()}
