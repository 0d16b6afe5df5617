-- Grain: one treated patient; one row in, one row out.
-- Inputs: stg_patients, stg_loads, the vocabulary cancer_type_labels.
-- Patients described one by one in a paper were chosen for their outcome: they have no denominator.
with patients as (

    select * from {{ ref('stg_patients') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

labels as (

    select * from {{ ref('cancer_type_labels') }}

),

mapped as (

    select
        patients.*,
        coalesce(labels.cancer_type_code, 'UNMAPPED: ' || lower(trim(patients.cancer_type_reported)))
            as cancer_type_code,
        -- the same patient in two inputs counts once: the input named first has the patient
        row_number() over (
            partition by patients.trial_id, patients.patient_id, patients.is_simulated
            order by loads.input_number, patients.source_line
        ) > 1 as is_repeated
    from patients
    left join loads on patients.load_id = loads.load_id
    left join labels
        on labels.vocabulary = 'name' and lower(labels.label) = lower(trim(patients.cancer_type_reported))

),

final as (

    select
        trial_id,
        patient_id,
        cancer_type_reported,
        cancer_type_code,
        agents,
        genes,
        amplification_status,
        assay,
        other_alteration,
        hpd_definition,
        is_hpd_reported,
        is_ttf_below_2_months,
        ttf_days,
        burden_change_low,
        burden_change_high,
        progression_pace_fold,
        source_url,
        is_repeated,
        case
            when is_repeated then 'the same patient stands in an input named earlier'
            when data_origin = 'published' then 'described one by one for the outcome: no denominator'
            else 'no serial tumour measurements: hyperprogression cannot be computed'
        end as exclusion_reason,
        {{ compact([
            "case when cancer_type_reported is null then 'cancer_type_not_printed' end",
            "case when cancer_type_code like 'UNMAPPED: %' then 'cancer_type_unmapped' end",
            "case when is_repeated then 'repeated' end",
            "case when ttf_days is null and is_ttf_below_2_months is null then 'ttf_not_given' end",
            "case when burden_change_low is null then 'burden_change_not_given' end",
        ]) }} as flags,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from mapped

)

select * from final
