-- Grain: one scan of one patient by one reader, as an input gives it.
with source as (

    select * from {{ source('raw', 'tumor_measurements') }}

),

renamed as (

    select
        trial_id,
        patient_id,
        day,
        upper(trim(reader)) as reader,
        sum_diameters_mm,
        change_from_baseline_percent,
        measurement_status,
        response,
        n_new_lesions,
        n_new_lesions_involved_organ,
        has_new_organ,
        is_baseline as is_baseline_reported,
        coalesce(is_day_partial, false) as is_day_partial,
        is_reader_chosen as is_reader_named,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
