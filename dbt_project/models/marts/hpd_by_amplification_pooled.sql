-- Grain: basis x HPD definition x gene set: all complete 2x2 tables of hyperprogression together.
-- Inputs: stat_odds_ratios. A report or trial and cancer type is a stratum (Mantel-Haenszel). Reported tables
-- of all definitions are one row, ANY_PUBLISHED.
with pooled as (

    select * from {{ ref('stat_odds_ratios') }} where report_id is null

),

final as (

    select
        basis,
        hpd_definition,
        gene_set,
        is_simulated,
        n_strata,
        n_altered_with_outcome,
        n_altered_without_outcome,
        n_unaltered_with_outcome,
        n_unaltered_without_outcome,
        odds_ratio,
        ci_low as odds_ratio_ci_low,
        ci_high as odds_ratio_ci_high,
        fisher_p as mantel_haenszel_p
    from pooled

)

select * from final
