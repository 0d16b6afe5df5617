-- Grain: one scan of one patient by one reader; one row in, one row out.
-- Inputs: stg_tumor_measurements, stg_loads, cleaned_patients.
-- Adds the sum in mm as an exact number. A scan whose lesions are too small to measure is 2 mm by convention
-- (var too_small_to_measure_mm); a percentage is taken of the last sum that the same reader gives for the
-- same patient up to the first dose.
with staged as (

    select * from {{ ref('stg_tumor_measurements') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

patients as (

    select
        trial_id,
        patient_id,
        is_simulated,
        {{ exact_days('death_day') }} as death_day
    from {{ ref('cleaned_patients') }}
    where exclusion_reason is null

),

-- few, as a rule: found by counting, because to number all scans takes ten times as long
there_twice as (

    select
        trial_id,
        patient_id,
        day,
        reader,
        is_simulated
    from staged
    where day is not null
    group by trial_id, patient_id, day, reader, is_simulated
    having count(*) > 1

),

copies as (

    select
        staged.load_id,
        staged.source_line,
        staged.trial_id,
        staged.patient_id,
        staged.day,
        staged.reader,
        row_number() over (
            partition by staged.trial_id, staged.patient_id, staged.day, staged.reader, staged.is_simulated
            order by loads.input_number, staged.load_id, staged.source_line
        ) as copy_number
    from staged
    inner join there_twice
        on
            staged.trial_id = there_twice.trial_id
            and staged.patient_id = there_twice.patient_id
            and staged.day = there_twice.day
            and staged.reader = there_twice.reader
            and staged.is_simulated = there_twice.is_simulated
    left join loads on staged.load_id = loads.load_id

),

scans as (

    select
        staged.*,
        {{ exact_days('staged.day') }} as exact_day,
        copies.copy_number is not null as is_repeated,
        case
            when staged.measurement_status = 'not_evaluable' then null
            when staged.measurement_status = 'too_small_to_measure'
                then {{ exact_mm(var('too_small_to_measure_mm')) }}
            else {{ exact_mm('staged.sum_diameters_mm') }}
        end as own_burden_mm,
        coalesce(staged.measurement_status, 'measured') = 'measured'
        and staged.sum_diameters_mm is null
        and staged.change_from_baseline_percent is not null as is_percentage
    from staged
    left join copies
        on
            copies.copy_number > 1
            and staged.load_id = copies.load_id
            and staged.source_line = copies.source_line
            and staged.trial_id = copies.trial_id
            and staged.patient_id = copies.patient_id
            and staged.day = copies.day
            and staged.reader = copies.reader

),

trials_with_percentages as (

    select distinct
        trial_id,
        is_simulated
    from scans
    where is_percentage

),

reference_days as (

    select
        scans.trial_id,
        scans.patient_id,
        scans.reader,
        scans.is_simulated,
        max(scans.exact_day) as exact_day
    from scans
    inner join trials_with_percentages
        on
            scans.trial_id = trials_with_percentages.trial_id
            and scans.is_simulated = trials_with_percentages.is_simulated
    where
        not scans.is_repeated
        and scans.own_burden_mm is not null
        and scans.exact_day <= {{ var('baseline_last_day') }}
    group by scans.trial_id, scans.patient_id, scans.reader, scans.is_simulated

),

reference_sums as (

    select
        scans.trial_id,
        scans.patient_id,
        scans.reader,
        scans.is_simulated,
        scans.own_burden_mm
    from scans
    inner join reference_days
        on
            scans.trial_id = reference_days.trial_id
            and scans.patient_id = reference_days.patient_id
            and scans.reader = reference_days.reader
            and scans.is_simulated = reference_days.is_simulated
            and scans.exact_day = reference_days.exact_day
    where not scans.is_repeated

),

measured as (

    select
        scans.*,
        patients.patient_id is not null as is_patient_known,
        coalesce(scans.exact_day > patients.death_day, false) as is_after_death,
        case
            when not scans.is_percentage then scans.own_burden_mm
            -- a hundredfold and more is no percentage of a sum
            when scans.change_from_baseline_percent < 100000
                then cast(
                    {{ wide('reference_sums.own_burden_mm') }}
                    * (100 + cast(scans.change_from_baseline_percent as decimal(14, 6))) * 0.01
                    as decimal(12, 5)
                )
        end as tumor_burden_mm
    from scans
    left join patients
        on
            scans.trial_id = patients.trial_id
            and scans.patient_id = patients.patient_id
            and scans.is_simulated = patients.is_simulated
    left join reference_sums
        on
            scans.is_percentage
            and scans.trial_id = reference_sums.trial_id
            and scans.patient_id = reference_sums.patient_id
            and scans.reader = reference_sums.reader
            and scans.is_simulated = reference_sums.is_simulated

),

final as (

    select
        trial_id,
        patient_id,
        exact_day as day,
        reader,
        sum_diameters_mm,
        change_from_baseline_percent,
        measurement_status,
        tumor_burden_mm,
        response,
        n_new_lesions,
        -- no new lesion is none in any organ
        coalesce(n_new_lesions_involved_organ, case when n_new_lesions = 0 then 0 end)
            as n_new_lesions_involved_organ,
        coalesce(has_new_organ, case when n_new_lesions = 0 then false end) as has_new_organ,
        is_baseline_reported,
        is_day_partial,
        is_reader_named,
        is_repeated,
        case
            when is_repeated then 'the same scan stands in an input named earlier'
            when not is_patient_known then 'its patient is not among the patients'
            when exact_day is null then 'its date is partial'
            when is_after_death then 'after the death of the patient'
            when tumor_burden_mm is not null then null
            when is_percentage then 'a percentage of no known baseline sum'
            else 'not measurable'
        end as exclusion_reason,
        {{ compact([
            "case when is_repeated then 'repeated' end",
            "case when not is_patient_known then 'patient_unknown' end",
            "case when exact_day is null then 'day_partial' end",
            "case when is_after_death then 'after_death' end",
            "case when tumor_burden_mm is null and is_percentage then 'percentage_without_baseline_sum' end",
            "case when tumor_burden_mm is null and not is_percentage then 'not_measurable' end",
            "case when measurement_status = 'too_small_to_measure' then 'too_small_to_measure' end",
            "case when is_baseline_reported and exact_day > " ~ var('baseline_last_day') ~ " then 'called_baseline_after_first_dose' end",
        ]) }} as flags,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from measured

)

select * from final
