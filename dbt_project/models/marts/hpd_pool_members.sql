-- Grain: cancer type x HPD definition x basis x report, or trial with patients here, that is pooled.
-- Inputs: stat_pool_members, hpd_incidence. The rows of a forest plot above their pooled value.
with members as (

    select
        *,
        basis = 'computed'
        and {{ has_small_cell(['n_hpd', 'n_evaluable - n_hpd', 'n_evaluable']) }} as is_suppressed,
        basis = 'computed' and {{ has_small_cell(['n_evaluable']) }} as is_total_suppressed
    from {{ ref('stat_pool_members') }}

),

shown as (

    select
        cancer_type_code,
        hpd_definition,
        basis,
        report_id,
        label,
        publication_year,
        is_simulated,
        case when not is_suppressed then n_hpd end as n_hpd,
        case when not is_total_suppressed then n_evaluable end as n_evaluable,
        is_suppressed
    from members

),

final as (

    select
        shown.cancer_type_code,
        pools.cancer_type,
        shown.hpd_definition,
        shown.basis,
        shown.report_id,
        shown.label,
        shown.publication_year,
        shown.is_simulated,
        shown.n_hpd,
        shown.n_evaluable,
        {{ fraction('shown.n_hpd', 'shown.n_evaluable') }} as hpd_incidence,
        {{ wilson_low('shown.n_hpd', 'shown.n_evaluable') }} as hpd_ci_low,
        {{ wilson_high('shown.n_hpd', 'shown.n_evaluable') }} as hpd_ci_high,
        shown.is_suppressed
    from shown
    left join {{ ref('hpd_incidence') }} as pools
        on
            shown.cancer_type_code = pools.cancer_type_code
            and shown.hpd_definition = pools.hpd_definition
            and shown.basis = pools.basis
            and shown.is_simulated = pools.is_simulated

)

select * from final
