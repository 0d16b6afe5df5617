-- Per kind of evidence and load, the raw table holds the rows that the load says, no more and no fewer.
with raw_rows as (

    select
        'trials' as table_name,
        _load_id as load_id
    from {{ source('raw', 'trials') }}
    union all
    select
        'patients' as table_name,
        _load_id as load_id
    from {{ source('raw', 'patients') }}
    union all
    select
        'tumor_measurements' as table_name,
        _load_id as load_id
    from {{ source('raw', 'tumor_measurements') }}
    union all
    select
        'amplification_counts' as table_name,
        _load_id as load_id
    from {{ source('raw', 'amplification_counts') }}
    union all
    select
        'hpd_by_amplification' as table_name,
        _load_id as load_id
    from {{ source('raw', 'hpd_by_amplification') }}
    union all
    select
        'samples' as table_name,
        _load_id as load_id
    from {{ source('raw', 'samples') }}
    union all
    select
        'copy_number_profiles' as table_name,
        _load_id as load_id
    from {{ source('raw', 'copy_number_profiles') }}
    union all
    select
        'gene_panels' as table_name,
        _load_id as load_id
    from {{ source('raw', 'gene_panels') }}

),

counted as (

    select
        table_name,
        load_id,
        count(*) as n_rows
    from raw_rows
    group by table_name, load_id

)

select
    coalesce(loads.table_name, counted.table_name) as table_name,
    coalesce(loads.load_id, counted.load_id) as load_id,
    loads.rows_loaded,
    counted.n_rows
from {{ ref('stg_loads') }} as loads
full outer join counted on loads.load_id = counted.load_id and loads.table_name = counted.table_name
where loads.rows_loaded is distinct from coalesce(counted.n_rows, 0)
