-- Grain: one source, study, cancer type and gene set, as an input gives it.
-- Genes are put in alphabetical order: MDM4|MDM2 is MDM2|MDM4.
with source as (

    select * from {{ source('raw', 'amplification_counts') }}

),

renamed as (

    select
        source,
        study_id,
        cancer_type_code_reported,
        cancer_type_reported,
        oncotree_code,
        {{ sorted_genes('genes') }} as genes,
        n_samples_all,
        n_assayed,
        n_amplified,
        unit,
        coalesce(call_method, 'not stated') as call_method,
        source_reference,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
