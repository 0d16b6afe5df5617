-- Grain: one gene of one study, with the calls of all its samples, as an input gives them.
with source as (

    select * from {{ source('raw', 'copy_number_profiles') }}

),

renamed as (

    select
        study_id,
        gene,
        entrez_gene_id,
        calls,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
