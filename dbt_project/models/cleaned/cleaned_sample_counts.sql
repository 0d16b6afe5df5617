-- Grain: source x study x cancer type x gene set x unit (sample, patient), counted from samples.
-- Inputs: cleaned_samples, cleaned_gene_set_status.
-- A patient is assayed when any sample is, amplified when any assayed sample is, and counts once within a
-- cancer type. A cancer type with nothing assayed keeps its row.
with samples as (

    select
        *,
        -- a sample without patient is a patient of its own
        case when patient_id is null then 'sample' else 'patient' end as patient_kind,
        coalesce(patient_id, sample_id) as patient_key
    from {{ ref('cleaned_samples') }}
    where not is_repeated and not is_normal and is_in_study

),

statuses as (

    select * from {{ ref('cleaned_gene_set_status') }}

),

of_samples as (

    select
        samples.source,
        samples.source_class,
        samples.study_id,
        samples.study_group,
        samples.cancer_type_code,
        samples.cancer_type_label,
        statuses.gene_set,
        samples.is_simulated,
        samples.patient_kind,
        samples.patient_key,
        samples.call_method,
        samples.input_number,
        case when statuses.gene_set_status <> 'not_assayed' then 1 else 0 end as is_assayed,
        case when statuses.gene_set_status = 'amplified' then 1 else 0 end as is_amplified,
        case when statuses.is_partially_assayed_amplified then 1 else 0 end as is_partially_assayed_amplified
    from samples
    left join statuses
        on
            samples.study_id = statuses.study_id
            and samples.sample_id = statuses.sample_id
            and samples.is_simulated = statuses.is_simulated

),

of_patients as (

    select
        source,
        source_class,
        study_id,
        study_group,
        cancer_type_code,
        min(cancer_type_label) as cancer_type_label,
        gene_set,
        is_simulated,
        min(call_method) as call_method,
        min(input_number) as input_number,
        max(is_assayed) as is_assayed,
        max(is_amplified) as is_amplified,
        -- in neither: another sample of the patient may be assayed
        max(is_partially_assayed_amplified) * (1 - max(is_assayed)) as is_partially_assayed_amplified
    from of_samples
    group by
        source,
        source_class,
        study_id,
        study_group,
        cancer_type_code,
        gene_set,
        is_simulated,
        patient_kind,
        patient_key

),

of_both as (

    select
        'sample' as unit,
        source,
        source_class,
        study_id,
        study_group,
        cancer_type_code,
        cancer_type_label,
        gene_set,
        is_simulated,
        call_method,
        input_number,
        is_assayed,
        is_amplified,
        is_partially_assayed_amplified
    from of_samples
    union all
    select
        'patient' as unit,
        source,
        source_class,
        study_id,
        study_group,
        cancer_type_code,
        cancer_type_label,
        gene_set,
        is_simulated,
        call_method,
        input_number,
        is_assayed,
        is_amplified,
        is_partially_assayed_amplified
    from of_patients

),

final as (

    select
        source,
        min(source_class) as source_class,
        study_id,
        min(study_group) as study_group,
        cancer_type_code,
        min(cancer_type_label) as cancer_type_label,
        gene_set,
        unit,
        is_simulated,
        count(*) as n_samples_all,
        cast(sum(is_assayed) as bigint) as n_assayed,
        cast(sum(is_amplified) as bigint) as n_amplified,
        cast(sum(is_partially_assayed_amplified) as bigint) as n_partially_assayed_amplified,
        {{ text_list('call_method') }} as call_method,
        min(input_number) as input_number
    from of_both
    group by source, study_id, cancer_type_code, gene_set, unit, is_simulated

)

select * from final
