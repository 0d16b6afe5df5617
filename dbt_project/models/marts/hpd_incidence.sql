-- Grain: cancer type x HPD definition x basis. ANY_PUBLISHED is the labelled pool over all definitions.
-- Inputs: hpd_reports, cleaned_patient_hpd, cleaned_cancer_type_groups, the vocabulary cancer_types.
-- Reported: counts are added up; a report counts once in its definition and once in the pool. A cancer type
-- with no pooled report keeps its row: counts and incidence are null, the printed range stays.
-- Computed: patients of all trials under each definition, in their cancer type and every wider one; never
-- those of a control arm. What a patient's cancer is called in words that the vocabulary does not know stays
-- private.
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

-- few rows of many patients, before they are spread over wider cancer types
of_trials as (

    select
        trial_id,
        coalesce(cancer_type_code, 'UNMAPPED') as cancer_type_code,
        hpd_definition,
        is_simulated,
        count(*) filter (where outcome <> 'not_evaluable') as n_evaluable,
        count(*) filter (where outcome = 'hpd') as n_hpd
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader and treatment_class <> 'other'
    group by trial_id, coalesce(cancer_type_code, 'UNMAPPED'), hpd_definition, is_simulated

),

type_groups as (

    select cancer_type_code, group_code from {{ ref('cleaned_cancer_type_groups') }}
    union all
    select 'UNMAPPED' as cancer_type_code, 'UNMAPPED' as group_code
    union all
    select 'UNMAPPED' as cancer_type_code, 'ALL_CANCERS' as group_code

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

computed as (

    select
        type_groups.group_code as cancer_type_code,
        coalesce(min(cancer_types.cancer_type), 'Not in the vocabulary') as cancer_type,
        of_trials.hpd_definition,
        'computed' as basis,
        of_trials.is_simulated,
        count(distinct of_trials.trial_id) as n_reports,
        count(distinct of_trials.trial_id) as n_reports_pooled,
        cast(sum(of_trials.n_evaluable) as bigint) as n_evaluable,
        cast(sum(of_trials.n_hpd) as bigint) as n_hpd,
        cast(null as double) as reported_incidence_low,
        cast(null as double) as reported_incidence_high
    from of_trials
    left join type_groups
        on
            type_groups.cancer_type_code
            = case
                when of_trials.cancer_type_code like 'UNMAPPED%' then 'UNMAPPED'
                else of_trials.cancer_type_code
            end
    left join cancer_types on type_groups.group_code = cancer_types.cancer_type_code
    group by type_groups.group_code, of_trials.hpd_definition, of_trials.is_simulated

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
        case
            when basis = 'computed' then 'patients of all trials together, Wilson 95 % interval'
            when n_reports_pooled > 0 then 'crude pooled counts, Wilson 95 % interval'
        end as pooling_method,
        reported_incidence_low,
        reported_incidence_high,
        is_suppressed
    from shown

)

select * from final
