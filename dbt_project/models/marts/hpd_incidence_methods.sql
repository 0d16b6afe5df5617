-- Grain: cancer type x HPD definition x basis x pooling method. The sensitivity of a pooled incidence to how
-- it is pooled. Inputs: hpd_incidence, stat_pooled_incidence. Suppressed rows have no method.
with incidence as (

    select * from {{ ref('hpd_incidence') }} where not is_suppressed

),

pooled as (

    select * from {{ ref('stat_pooled_incidence') }} where up_to_year is null

),

final as (

    select
        incidence.cancer_type_code,
        incidence.cancer_type,
        incidence.hpd_definition,
        incidence.basis,
        pooled.method,
        incidence.is_simulated,
        pooled.k as n_reports_pooled,
        incidence.n_evaluable,
        incidence.n_hpd,
        pooled.estimate as pooled_incidence,
        pooled.ci_low as pooled_ci_low,
        pooled.ci_high as pooled_ci_high,
        pooled.prediction_low,
        pooled.prediction_high,
        pooled.tau2,
        pooled.i2,
        pooled.h2,
        pooled.q as heterogeneity_q,
        pooled.q_p as heterogeneity_p,
        pooled.q_lrt as heterogeneity_q_lrt,
        pooled.note
    from incidence
    -- a cancer type whose reports give no counts has nothing to pool
    inner join pooled
        on
            incidence.cancer_type_code = pooled.cancer_type_code
            and incidence.hpd_definition = pooled.hpd_definition
            and incidence.basis = pooled.basis
            and incidence.is_simulated = pooled.is_simulated

)

select * from final
