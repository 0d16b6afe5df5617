-- Grain: report or trial x cancer type as reported x gene set x outcome x basis.
-- Inputs: stat_two_by_two, stat_odds_ratios. Counts as stat_two_by_two has them; an odds ratio where all four
-- cells are known. Nothing is pooled here: hpd_by_amplification_pooled.
with tables as (

    select * from {{ ref('stat_two_by_two') }}

),

ratios as (

    select * from {{ ref('stat_odds_ratios') }} where report_id is not null

),

final as (

    select
        tables.report_id,
        tables.cancer_type_code,
        tables.cancer_type,
        tables.cancer_type_reported,
        tables.gene_set,
        tables.alteration,
        tables.assay,
        tables.outcome,
        tables.hpd_definition,
        tables.basis,
        tables.n_altered_with_outcome,
        tables.n_altered_without_outcome,
        tables.n_unaltered_with_outcome,
        tables.n_unaltered_without_outcome,
        tables.altered_outcome_fraction,
        tables.unaltered_outcome_fraction,
        tables.is_complete,
        tables.pmid,
        tables.doi,
        tables.source_url,
        tables.data_origin,
        tables.is_simulated,
        tables.is_suppressed,
        ratios.odds_ratio,
        ratios.ci_low as odds_ratio_ci_low,
        ratios.ci_high as odds_ratio_ci_high,
        ratios.fisher_p
    from tables
    left join ratios
        on
            tables.report_id = ratios.report_id
            and tables.cancer_type_reported = ratios.cancer_type_reported
            and tables.gene_set = ratios.gene_set
            and tables.outcome = ratios.outcome
            and tables.is_simulated = ratios.is_simulated

)

select * from final
