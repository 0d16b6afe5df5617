-- Grain: trial x cancer type x treatment class x HPD definition x outcome x reason.
-- Inputs: cleaned_patient_hpd (chosen reader), the vocabulary cancer_types. From treated to evaluable to HPD:
-- per trial and definition the rows add up to the treated patients. Words for a cancer type that the
-- vocabulary does not know stay private, and the day on which a patient was last seen too.
with patients as (

    select
        *,
        case when cancer_type_code not like 'UNMAPPED%' then cancer_type_code else 'UNMAPPED' end
            as shown_cancer_type_code,
        case
            when reason like 'still without the event on day %'
                then 'still without the event when last known, before the cut'
            else reason
        end as shown_reason
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

counted as (

    select
        trial_id,
        shown_cancer_type_code as cancer_type_code,
        treatment_class,
        hpd_definition,
        outcome,
        shown_reason as reason,
        is_simulated,
        count(*) as n_patients
    from patients
    group by
        trial_id,
        shown_cancer_type_code,
        treatment_class,
        hpd_definition,
        outcome,
        shown_reason,
        is_simulated

),

final as (

    select
        counted.trial_id,
        counted.cancer_type_code,
        coalesce(cancer_types.cancer_type, 'Not in the vocabulary') as cancer_type,
        counted.treatment_class,
        counted.hpd_definition,
        counted.outcome,
        counted.reason,
        counted.is_simulated,
        case when not {{ has_small_cell(['counted.n_patients']) }} then counted.n_patients end as n_patients,
        {{ has_small_cell(['counted.n_patients']) }} as is_suppressed
    from counted
    left join cancer_types on counted.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
