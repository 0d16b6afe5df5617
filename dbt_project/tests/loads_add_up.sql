-- Rows read are rows loaded and rows rejected, and every rejected row is there with its reason. A line of a
-- matrix of calls stays when single cells of it are rejected, and one of tumor measurements may hold several
-- scans, each of which is a row.
with kept as (

    select distinct
        load_id,
        source_line
    from {{ ref('stg_copy_number_profiles') }}

),

rejected as (

    select
        rejected_rows.load_id,
        count(distinct rejected_rows.source_line) as n_lines
    from {{ ref('stg_rejected_rows') }} as rejected_rows
    left join kept
        on rejected_rows.load_id = kept.load_id and rejected_rows.source_line = kept.source_line
    where kept.load_id is null
    group by rejected_rows.load_id

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
    or (
        loads.table_name <> 'tumor_measurements'
        and loads.rows_rejected <> coalesce(rejected.n_lines, 0)
    )
    or loads.rows_rejected < coalesce(rejected.n_lines, 0)
    or (loads.rows_rejected > 0 and rejected.n_lines is null)
