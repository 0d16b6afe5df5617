-- Grain: trial x cancer type x HPD definition: patients counted, in their cancer type and every wider one.
-- Inputs: cleaned_patient_hpd, cleaned_cancer_type_groups.
-- The chosen reader, never a control arm. What a patient's cancer is called in words that the vocabulary does
-- not know stays private: UNMAPPED.
with -- few rows of many patients, before they are spread over wider cancer types
of_trials as (

    select
        trial_id,
        coalesce(cancer_type_code, 'UNMAPPED') as cancer_type_code,
        hpd_definition,
        is_simulated,
        count(*) filter (where outcome <> 'not_evaluable') as n_evaluable,
        count(*) filter (where outcome = 'hpd') as n_hpd
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader and treatment_class not in ('other', 'unknown')
    group by trial_id, coalesce(cancer_type_code, 'UNMAPPED'), hpd_definition, is_simulated

),

type_groups as (

    select cancer_type_code, group_code from {{ ref('cleaned_cancer_type_groups') }}
    union all
    select 'UNMAPPED' as cancer_type_code, 'UNMAPPED' as group_code
    union all
    select 'UNMAPPED' as cancer_type_code, 'ALL_CANCERS' as group_code

),

final as (

    select
        of_trials.trial_id,
        type_groups.group_code as cancer_type_code,
        of_trials.hpd_definition,
        of_trials.is_simulated,
        cast(sum(of_trials.n_evaluable) as bigint) as n_evaluable,
        cast(sum(of_trials.n_hpd) as bigint) as n_hpd
    from of_trials
    left join type_groups
        on
            type_groups.cancer_type_code
            = case
                when of_trials.cancer_type_code like 'UNMAPPED%' then 'UNMAPPED'
                else of_trials.cancer_type_code
            end
    group by
        of_trials.trial_id,
        type_groups.group_code,
        of_trials.hpd_definition,
        of_trials.is_simulated

)

select * from final
