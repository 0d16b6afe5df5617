-- Grain: one published 2x2 table, as an input gives it.
with source as (

    select * from {{ source('raw', 'hpd_by_amplification') }}

),

renamed as (

    select
        report_id,
        cancer_type_reported,
        {{ sorted_genes('genes') }} as genes,
        alteration,
        assay,
        outcome,
        hpd_definition,
        n_altered_with_outcome,
        n_altered_without_outcome,
        n_unaltered_with_outcome,
        n_unaltered_without_outcome,
        pmid,
        doi,
        source_url,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
