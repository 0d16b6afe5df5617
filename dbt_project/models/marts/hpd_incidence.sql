-- Grain: cancer type x HPD definition x basis. ANY_PUBLISHED is the labelled pool over all definitions.
-- Inputs: hpd_reports. Counts are added up; a report counts once in its definition and once in the pool.
-- A cancer type with no pooled report keeps its row: counts and incidence are null, the printed range stays.
with reports as (

    select
        *,
        -- a percentage of something else than HPD, or of everybody treated, is not in the printed range
        case
            when coalesce(pool_exclusion_code, '') not in ('not_hpd', 'wrong_denominator')
                then hpd_incidence_reported
        end as printed_incidence
    from {{ ref('hpd_reports') }}

),

assigned as (

    select
        cancer_type_code,
        cancer_type,
        hpd_definition,
        is_simulated,
        in_definition_pool as is_pooled,
        n_evaluable,
        n_hpd,
        printed_incidence
    from reports
    where hpd_definition <> 'ANY_PUBLISHED'
    union all
    select
        cancer_type_code,
        cancer_type,
        'ANY_PUBLISHED' as hpd_definition,
        is_simulated,
        in_any_pool as is_pooled,
        n_evaluable,
        n_hpd,
        printed_incidence
    from reports

),

counted as (

    select
        cancer_type_code,
        min(cancer_type) as cancer_type,
        hpd_definition,
        'reported' as basis,
        is_simulated,
        count(*) as n_reports,
        count(*) filter (where is_pooled) as n_reports_pooled,
        cast(sum(n_evaluable) filter (where is_pooled) as bigint) as n_evaluable,
        cast(sum(n_hpd) filter (where is_pooled) as bigint) as n_hpd,
        min(printed_incidence) as reported_incidence_low,
        max(printed_incidence) as reported_incidence_high
    from assigned
    group by cancer_type_code, hpd_definition, is_simulated

),

final as (

    select
        cancer_type_code,
        cancer_type,
        hpd_definition,
        basis,
        is_simulated,
        n_reports,
        n_reports_pooled,
        n_evaluable,
        n_hpd,
        {{ fraction('n_hpd', 'n_evaluable') }} as hpd_incidence,
        {{ wilson_low('n_hpd', 'n_evaluable') }} as hpd_ci_low,
        {{ wilson_high('n_hpd', 'n_evaluable') }} as hpd_ci_high,
        case when n_reports_pooled > 0 then 'crude pooled counts, Wilson 95 % interval' end as pooling_method,
        reported_incidence_low,
        reported_incidence_high
    from counted

)

select * from final
