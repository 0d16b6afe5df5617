-- Grain: one rejected scan whose patient is known.
with source as (

    select * from {{ source('audit', 'rejected_scans') }}

),

renamed as (

    select
        load_id,
        trial_id,
        patient_id,
        day,
        reader,
        data_origin = 'simulated' as is_simulated
    from source

)

select * from renamed
