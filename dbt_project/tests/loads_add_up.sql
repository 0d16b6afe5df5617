-- Rows read are rows loaded and rows rejected, and every rejected row is there with its reason.
with rejected as (

    select
        load_id,
        count(distinct source_line) as n_lines
    from {{ ref('stg_rejected_rows') }}
    group by load_id

)

select
    loads.source_file,
    loads.rows_read,
    loads.rows_loaded,
    loads.rows_rejected,
    coalesce(rejected.n_lines, 0) as n_rejected_lines
from {{ ref('stg_loads') }} as loads
left join rejected on loads.load_id = rejected.load_id
where
    loads.rows_read <> loads.rows_loaded + loads.rows_rejected
    or loads.rows_rejected <> coalesce(rejected.n_lines, 0)
