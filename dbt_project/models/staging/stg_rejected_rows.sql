-- Grain: one rejected row and reason.
with source as (

    select * from {{ source('audit', 'rejected_rows') }}

),

renamed as (

    select
        load_id,
        table_name,
        source_file,
        source_line,
        column_name,
        value,
        rule,
        message
    from source

)

select * from renamed
