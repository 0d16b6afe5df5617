-- Grain: treated patient x reader of the trial: every reader's selection, one of them chosen per trial.
-- Inputs: cleaned_tumor_measurements, cleaned_patients, stg_rejected_scans.
-- Baseline is the last measurable scan up to the first dose (var baseline_last_day), the first evaluation the
-- next measurable one, pre-baseline the last measurable one before the baseline. Readers are never mixed.
-- Where a scan that was rejected would have been one of them, no other steps into its place.
with patients as (

    select
        *,
        coalesce('|' || partial_dates || '|', '') like '%|treatment_start_date|%' as is_start_partial
    from {{ ref('cleaned_patients') }}
    where exclusion_reason is null

),

scans as (

    select
        *,
        exclusion_reason is null as is_usable
    from {{ ref('cleaned_tumor_measurements') }}
    where not is_repeated and coalesce(exclusion_reason, '') <> 'its patient is not among the patients'

),

-- the day of the next measurable scan: the baseline is the last one up to the first dose
days as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        count(*) as n_scans,
        count(*) filter (where is_usable) as n_usable_scans,
        count(*) filter (where day is null) as n_scans_day_partial,
        max(case when is_reader_named then 1 else 0 end) as is_reader_named,
        max(day) filter (where is_usable and day <= {{ var('baseline_last_day') }}) as baseline_day,
        min(day) filter (where is_usable and day > {{ var('baseline_last_day') }}) as next_day
    from scans
    group by trial_id, patient_id, reader, is_simulated

),

-- a reader has one scan of a patient on a day: max and min only pick it out
picked as (

    select
        days.trial_id,
        days.patient_id,
        days.reader,
        days.is_simulated,
        max(scans.day) filter (where scans.day < days.baseline_day) as pre_day,
        max_by(scans.tumor_burden_mm, scans.day) filter (where scans.day < days.baseline_day)
            as pre_burden_mm,
        max(scans.tumor_burden_mm) filter (where scans.day = days.baseline_day) as baseline_burden_mm,
        max(scans.is_baseline_reported) filter (where scans.day = days.baseline_day) as is_baseline_reported,
        max(scans.tumor_burden_mm) filter (where scans.day = days.next_day) as evaluation_burden_mm,
        max(scans.response) filter (where scans.day = days.next_day) as evaluation_response,
        max(scans.n_new_lesions) filter (where scans.day = days.next_day) as n_new_lesions,
        max(scans.n_new_lesions_involved_organ) filter (where scans.day = days.next_day)
            as n_new_lesions_involved_organ,
        max(scans.has_new_organ) filter (where scans.day = days.next_day) as has_new_organ
    from days
    left join scans
        on
            scans.is_usable
            and days.trial_id = scans.trial_id
            and days.patient_id = scans.patient_id
            and days.reader = scans.reader
            and days.is_simulated = scans.is_simulated
    where days.baseline_day is not null
    group by days.trial_id, days.patient_id, days.reader, days.is_simulated

),

-- a rejected scan whose reader was at fault stands in the way of every reader
rejected as (

    select
        days.trial_id,
        days.patient_id,
        days.reader,
        days.is_simulated,
        count(*) filter (where rejected_scans.day is null) > 0 as is_somewhere,
        count(*) filter (
            where rejected_scans.day between days.baseline_day and {{ var('baseline_last_day') }}
        ) > 0 as is_baseline,
        count(*) filter (
            where
            rejected_scans.day > {{ var('baseline_last_day') }}
            and rejected_scans.day <= coalesce(days.next_day, rejected_scans.day)
        ) > 0 as is_evaluation,
        count(*) filter (
            where
            rejected_scans.day < days.baseline_day
            and rejected_scans.day >= coalesce(picked.pre_day, rejected_scans.day)
        ) > 0 as is_pre
    from {{ ref('stg_rejected_scans') }} as rejected_scans
    inner join days
        on
            rejected_scans.trial_id = days.trial_id
            and rejected_scans.patient_id = days.patient_id
            and coalesce(rejected_scans.reader, days.reader) = days.reader
            and rejected_scans.is_simulated = days.is_simulated
    left join picked
        on
            days.trial_id = picked.trial_id
            and days.patient_id = picked.patient_id
            and days.reader = picked.reader
            and days.is_simulated = picked.is_simulated
    group by days.trial_id, days.patient_id, days.reader, days.is_simulated

),

readers as (

    select
        trial_id,
        reader,
        is_simulated,
        row_number() over (
            partition by trial_id, is_simulated
            order by
                max(is_reader_named) desc,
                {{ place_in('reader', var('reader_preference')) }},
                count(*) desc,
                reader
        ) = 1 as is_chosen_reader
    from days
    group by trial_id, reader, is_simulated

),

selected as (

    select
        patients.trial_id,
        patients.patient_id,
        -- a trial without scans has no readers
        coalesce(readers.reader, 'NOT STATED') as reader,
        patients.is_simulated,
        coalesce(readers.is_chosen_reader, true) as is_chosen_reader,
        patients.cancer_type_code,
        patients.treatment_class,
        patients.ecog_worst_2_months,
        patients.is_start_partial,
        coalesce(days.n_scans, 0) as n_scans,
        coalesce(days.n_usable_scans, 0) as n_usable_scans,
        coalesce(days.n_scans_day_partial, 0) as n_scans_day_partial,
        picked.pre_day,
        picked.pre_burden_mm,
        days.baseline_day,
        picked.baseline_burden_mm,
        picked.is_baseline_reported,
        case when days.baseline_day is not null then days.next_day end as evaluation_day,
        picked.evaluation_burden_mm,
        picked.evaluation_response,
        picked.n_new_lesions,
        picked.n_new_lesions_involved_organ,
        picked.has_new_organ,
        coalesce(rejected.is_somewhere, false) as is_rejected_somewhere,
        coalesce(rejected.is_baseline, false) as is_rejected_baseline,
        coalesce(rejected.is_evaluation, false) as is_rejected_evaluation,
        coalesce(rejected.is_pre, false) as is_rejected_pre
    from patients
    left join readers
        on patients.trial_id = readers.trial_id and patients.is_simulated = readers.is_simulated
    left join days
        on
            patients.trial_id = days.trial_id
            and patients.patient_id = days.patient_id
            and readers.reader = days.reader
            and patients.is_simulated = days.is_simulated
    left join picked
        on
            patients.trial_id = picked.trial_id
            and patients.patient_id = picked.patient_id
            and readers.reader = picked.reader
            and patients.is_simulated = picked.is_simulated
    left join rejected
        on
            patients.trial_id = rejected.trial_id
            and patients.patient_id = rejected.patient_id
            and readers.reader = rejected.reader
            and patients.is_simulated = rejected.is_simulated

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        is_chosen_reader,
        cancer_type_code,
        treatment_class,
        ecog_worst_2_months,
        n_scans,
        n_usable_scans,
        pre_day,
        pre_burden_mm,
        baseline_day,
        baseline_burden_mm,
        is_baseline_reported,
        evaluation_day,
        evaluation_burden_mm,
        evaluation_response,
        n_new_lesions,
        n_new_lesions_involved_organ,
        has_new_organ,
        case
            when n_scans = 0 then 'no scan'
            when baseline_day is null and is_start_partial then 'treatment start is partial'
            when baseline_day is null and n_scans_day_partial > 0 then 'no baseline scan with a full date'
            when baseline_day is null then 'no baseline scan'
            when is_rejected_somewhere then 'a scan without a usable day was rejected'
            when is_rejected_baseline then 'the baseline scan was rejected'
            when baseline_burden_mm = 0 then 'baseline sum is 0 mm: change undefined'
            when is_rejected_evaluation then 'the evaluation scan was rejected'
            when evaluation_day is null and n_scans_day_partial > 0
                then 'no evaluation scan with a full date'
            when evaluation_day is null then 'no evaluation scan'
            when evaluation_day > {{ var('evaluation_window_days') }}
                then 'no evaluation scan by day {{ var("evaluation_window_days") }}'
        end as burden_reason,
        case
            when is_rejected_pre then 'the pre-baseline scan was rejected'
            when pre_day is null then 'no pre-baseline scan'
            when pre_burden_mm = 0 then 'pre-baseline sum is 0 mm: growth undefined'
        end as pre_reason
    from selected

)

select * from final
