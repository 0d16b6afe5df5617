-- Grain: one treated patient of one trial or paper, as an input gives it.
with source as (

    select * from {{ source('raw', 'patients') }}

),

renamed as (

    select
        trial_id,
        patient_id,
        cancer_type_reported,
        agents,
        genes,
        amplification_status,
        assay,
        other_alteration,
        hpd_definition,
        is_hpd_reported,
        is_ttf_below_2_months,
        ttf_days,
        is_ttf_censored,
        ttf_event,
        ttf_cut_days,
        last_dose_day,
        off_treatment_day,
        progression_day,
        death_day,
        last_known_day,
        ecog_worst_2_months,
        partial_dates,
        burden_change_low,
        burden_change_high,
        progression_pace_fold,
        source_url,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
