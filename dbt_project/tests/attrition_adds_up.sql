-- Per kind of evidence and origin, the rows read are the sum of all later steps; every load is in it. Where a
-- count is suppressed there is nothing to add up.
with steps as (

    select
        evidence,
        data_origin,
        coalesce(sum(n_rows) filter (where step = 'read'), 0) as n_read,
        coalesce(sum(n_rows) filter (where step <> 'read'), 0) as n_gone_and_kept,
        max(is_suppressed) as has_suppressed
    from {{ ref('attrition') }}
    group by evidence, data_origin

),

loads as (

    select
        table_name as evidence,
        data_origin,
        sum(rows_read) as n_rows
    from {{ ref('stg_loads') }}
    group by table_name, data_origin

)

select
    coalesce(steps.evidence, loads.evidence) as evidence,
    coalesce(steps.data_origin, loads.data_origin) as data_origin,
    loads.n_rows as n_rows_of_loads,
    steps.n_read,
    steps.n_gone_and_kept
from steps
full outer join loads on steps.evidence = loads.evidence and steps.data_origin = loads.data_origin
where
    not coalesce(steps.has_suppressed, false)
    and (
        loads.n_rows is distinct from steps.n_read
        or steps.n_read is distinct from steps.n_gone_and_kept
    )
