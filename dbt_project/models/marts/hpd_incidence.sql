-- Grain: cancer type x HPD definition x basis. ANY_PUBLISHED is the labelled pool over all definitions.
-- Inputs: hpd_reports, cleaned_trial_counts, stat_pooled_incidence, the vocabulary cancer_types.
-- Reported: a report counts once in its definition and once in the pool. A cancer type with no pooled report
-- keeps its row: counts and incidence are null, the printed range stays.
-- Computed: patients of all trials under each definition, a trial is a report.
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

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

computed as (

    select
        trial_counts.cancer_type_code,
        coalesce(min(cancer_types.cancer_type), 'Not in the vocabulary') as cancer_type,
        trial_counts.hpd_definition,
        'computed' as basis,
        trial_counts.is_simulated,
        count(*) as n_reports,
        count(*) filter (where trial_counts.n_evaluable > 0) as n_reports_pooled,
        cast(sum(trial_counts.n_evaluable) filter (where trial_counts.n_evaluable > 0) as bigint)
            as n_evaluable,
        cast(sum(trial_counts.n_hpd) filter (where trial_counts.n_evaluable > 0) as bigint) as n_hpd,
        cast(null as double) as reported_incidence_low,
        cast(null as double) as reported_incidence_high
    from {{ ref('cleaned_trial_counts') }} as trial_counts
    left join cancer_types on trial_counts.cancer_type_code = cancer_types.cancer_type_code
    group by trial_counts.cancer_type_code, trial_counts.hpd_definition, trial_counts.is_simulated

),

counted_and_computed as (

    select
        *,
        false as is_suppressed,
        false as is_total_suppressed
    from counted
    union all
    select
        *,
        {{ has_small_cell(['n_hpd', 'n_evaluable - n_hpd', 'n_evaluable']) }} as is_suppressed,
        {{ has_small_cell(['n_evaluable']) }} as is_total_suppressed
    from computed

),

shown as (

    select
        cancer_type_code,
        cancer_type,
        hpd_definition,
        basis,
        is_simulated,
        n_reports,
        n_reports_pooled,
        case when not is_total_suppressed then n_evaluable end as n_evaluable,
        case when not is_suppressed then n_hpd end as n_hpd,
        reported_incidence_low,
        reported_incidence_high,
        is_suppressed
    from counted_and_computed

),

pooled as (

    select * from {{ ref('stat_pooled_incidence') }}
    where up_to_year is null and method = 'glmm_logit_ml'

),

final as (

    select
        shown.cancer_type_code,
        shown.cancer_type,
        shown.hpd_definition,
        shown.basis,
        shown.is_simulated,
        shown.n_reports,
        shown.n_reports_pooled,
        shown.n_evaluable,
        shown.n_hpd,
        {{ fraction('shown.n_hpd', 'shown.n_evaluable') }} as hpd_incidence,
        {{ wilson_low('shown.n_hpd', 'shown.n_evaluable') }} as hpd_ci_low,
        {{ wilson_high('shown.n_hpd', 'shown.n_evaluable') }} as hpd_ci_high,
        pooled.estimate as pooled_incidence,
        pooled.ci_low as pooled_ci_low,
        pooled.ci_high as pooled_ci_high,
        pooled.prediction_low,
        pooled.prediction_high,
        case
            when pooled.method is not null
                then coalesce(pooled.note, 'binomial-normal mixed model (logit, maximum likelihood)')
        end as pooling_method,
        pooled.tau2,
        pooled.i2,
        pooled.q as heterogeneity_q,
        pooled.q_p as heterogeneity_p,
        pooled.small_study_p,
        case
            when pooled.method is not null and pooled.small_study_p is null
                then 'needs 10 reports of different size'
        end as small_study_note,
        shown.reported_incidence_low,
        shown.reported_incidence_high,
        shown.is_suppressed
    from shown
    left join pooled
        on
            shown.cancer_type_code = pooled.cancer_type_code
            and shown.hpd_definition = pooled.hpd_definition
            and shown.basis = pooled.basis
            and shown.is_simulated = pooled.is_simulated
            -- what is pooled would give the counts away
            and not shown.is_suppressed

)

select * from final
