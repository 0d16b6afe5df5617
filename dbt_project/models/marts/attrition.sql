-- Grain: evidence x data origin x step x reason: where rows of the inputs went, and why.
-- Inputs: stg_loads and every cleaned model. Per evidence and origin, the first step is the sum of the rest.
with loads as (

    select * from {{ ref('stg_loads') }}

),

reports as (

    select
        'trials' as evidence,
        data_origin,
        case
            when is_repeated then 'repeated'
            when in_any_pool then 'pooled'
            else 'shown, not pooled'
        end as step,
        case when not in_any_pool then pool_exclusion_reason end as reason,
        n_evaluable
    from {{ ref('cleaned_reports') }}

),

patients as (

    select
        'patients' as evidence,
        data_origin,
        case when is_repeated then 'repeated' else 'not counted' end as step,
        exclusion_reason as reason,
        cast(1 as bigint) as n_evaluable
    from {{ ref('cleaned_patients') }}

),

amplification as (

    select
        'amplification_counts' as evidence,
        data_origin,
        case when is_repeated then 'repeated' else 'counted' end as step,
        case
            when is_repeated then 'the same counts stand on an earlier line or in an earlier input'
            when not is_cancer_type_mapped then 'under its own label: not a cancer type of the vocabulary'
        end as reason,
        n_assayed as n_evaluable
    from {{ ref('cleaned_amplification_counts') }}

),

two_by_two as (

    select
        'hpd_by_amplification' as evidence,
        data_origin,
        case
            when is_repeated then 'repeated'
            when is_complete then 'complete table'
            else 'shown, incomplete'
        end as step,
        case
            when is_repeated then 'the same table stands on an earlier line or in an earlier input'
            when not is_complete then 'the source does not print all four cells'
        end as reason,
        cast(null as bigint) as n_evaluable
    from {{ ref('cleaned_hpd_by_amplification') }}

),

gone_and_kept as (

    select * from reports
    union all
    select * from patients
    union all
    select * from amplification
    union all
    select * from two_by_two

),

steps as (

    select
        table_name as evidence,
        data_origin,
        1 as step_number,
        'read' as step,
        'rows of the inputs' as reason,
        cast(sum(rows_read) as bigint) as n_rows,
        cast(null as bigint) as n_patients
    from loads
    group by table_name, data_origin
    union all
    select
        table_name as evidence,
        data_origin,
        2 as step_number,
        'rejected' as step,
        'cannot be a row: see data_quality' as reason,
        cast(sum(rows_rejected) as bigint) as n_rows,
        cast(null as bigint) as n_patients
    from loads
    group by table_name, data_origin
    having sum(rows_rejected) > 0
    union all
    select
        evidence,
        data_origin,
        case step
            when 'repeated' then 3
            when 'shown, not pooled' then 4
            when 'not counted' then 4
            when 'shown, incomplete' then 4
            else 5
        end as step_number,
        step,
        coalesce(reason, 'nothing against it') as reason,
        count(*) as n_rows,
        -- the same patients may stand in several counts: only for reports and patients is the sum people
        cast(sum(n_evaluable) filter (where evidence in ('trials', 'patients')) as bigint) as n_patients
    from gone_and_kept
    group by evidence, data_origin, step, reason

),

final as (

    select
        evidence,
        data_origin,
        cast(step_number as bigint) as step_number,
        step,
        reason,
        n_rows,
        n_patients
    from steps

)

select * from final
