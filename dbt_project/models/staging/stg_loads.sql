-- Grain: one file of the last run.
with source as (

    select * from {{ source('audit', 'loads') }}

),

renamed as (

    select
        load_id,
        item_id,
        input_number,
        input_name,
        source_file,
        table_name,
        data_origin,
        rows_read,
        rows_loaded,
        rows_rejected,
        loaded_at
    from source

)

select * from renamed
