-- Grain: one sample of one study, as an input gives it.
with source as (

    select * from {{ source('raw', 'samples') }}

),

renamed as (

    select
        study_id,
        sample_id,
        patient_id,
        trial_id,
        source,
        study_group,
        tcga_code,
        cancer_type_reported,
        oncotree_code,
        study_cancer_type,
        sample_type,
        is_normal,
        in_study_list,
        in_cna_list,
        sample_number,
        gene_panel_id,
        is_panel_known,
        coalesce(call_method, 'not stated') as call_method,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
