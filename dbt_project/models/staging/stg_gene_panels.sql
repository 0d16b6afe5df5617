-- Grain: one gene that a panel covers, as an input gives it.
with source as (

    select * from {{ source('raw', 'gene_panels') }}

),

renamed as (

    select
        panel_id,
        gene,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
