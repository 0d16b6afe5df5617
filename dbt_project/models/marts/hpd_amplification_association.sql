-- Grain: HPD definition x basis x gene set x source of amplification x cancer type left out.
-- Inputs: stat_association. Is amplification associated with hyperprogression across cancer types? An
-- ecological correlation: it compares cancers, not patients.
with associations as (

    select * from {{ ref('stat_association') }}

),

final as (

    select
        hpd_definition,
        basis,
        gene_set,
        source_class,
        coalesce(left_out_cancer_type_code, 'NONE') as left_out_cancer_type_code,
        is_simulated,
        n_cancers,
        spearman,
        spearman_low,
        spearman_high,
        spearman_p,
        is_p_exact,
        pearson,
        pearson_weighted,
        slope,
        slope_low,
        slope_high,
        slope_p,
        slope_tau2,
        intercept,
        finding
    from associations

)

select * from final
