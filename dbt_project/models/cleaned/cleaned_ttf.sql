-- Grain: treated patient x event (last_dose, off_treatment, progression, death).
-- Inputs: cleaned_patients.
-- Time to treatment failure by each event. What the source calls the TTF goes first for the event that it
-- means; then the day of the event, or of death before it; without either, a patient last known on some day
-- was free of the event until then, if the trial records such events at all. Partial dates are never guessed,
-- and progression-free survival is a TTF only where the source, or the variable ttf_event, says so.
with patients as (

    select
        trial_id,
        patient_id,
        is_simulated,
        coalesce(ttf_event, '{{ var("ttf_event") }}') as patient_event,
        {{ exact_days('coalesce(ttf_cut_days, ' ~ var('ttf_cut_days') ~ ')') }} as ttf_cut_days,
        is_ttf_below_2_months,
        {{ exact_days('ttf_days') }} as given_days,
        coalesce(is_ttf_censored, false) as is_given_censored,
        {{ exact_days('last_dose_day') }} as last_dose_day,
        {{ exact_days('off_treatment_day') }} as off_treatment_day,
        {{ exact_days('progression_day') }} as progression_day,
        {{ exact_days('death_day') }} as death_day,
        {{ exact_days('last_known_day') }} as last_known_day,
        coalesce('|' || partial_dates || '|', '') as partial_dates
    from {{ ref('cleaned_patients') }}
    where exclusion_reason is null

),

recorded as (

    select
        trial_id,
        is_simulated,
        count(last_dose_day) + count(given_days) filter (where patient_event = 'last_dose') > 0
            as has_last_dose,
        count(off_treatment_day) + count(given_days) filter (where patient_event = 'off_treatment') > 0
            as has_off_treatment,
        count(progression_day) + count(given_days) filter (where patient_event = 'progression') > 0
            as has_progression
    from patients
    group by trial_id, is_simulated

),

-- the events that death brings about as well: who died was off treatment, and his disease did not wait
events as (

    select 'last_dose' as ttf_event, false as is_death_failure
    union all
    select 'off_treatment' as ttf_event, true as is_death_failure
    union all
    select 'progression' as ttf_event, true as is_death_failure
    union all
    select 'death' as ttf_event, true as is_death_failure

),

dated as (

    select
        patients.trial_id,
        patients.patient_id,
        patients.is_simulated,
        events.ttf_event,
        events.ttf_event = patients.patient_event as is_patient_event,
        patients.ttf_cut_days,
        case when events.ttf_event = patients.patient_event then patients.given_days end as given_days,
        patients.is_given_censored,
        case when events.ttf_event = patients.patient_event then patients.is_ttf_below_2_months end
            as is_early_printed,
        case events.ttf_event
            when 'last_dose' then patients.last_dose_day
            when 'off_treatment' then patients.off_treatment_day
            when 'progression' then patients.progression_day
        end as own_day,
        case when events.is_death_failure then patients.death_day end as death_day,
        case
            when
                events.ttf_event = 'death'
                or (events.ttf_event = 'last_dose' and recorded.has_last_dose)
                or (events.ttf_event = 'off_treatment' and recorded.has_off_treatment)
                or (events.ttf_event = 'progression' and recorded.has_progression)
                then patients.last_known_day
        end as last_known_day,
        patients.partial_dates like '%|treatment_start_date|%' as is_start_partial,
        patients.partial_dates like '%|' || events.ttf_event || '_date|%' as is_own_date_partial,
        events.is_death_failure and patients.partial_dates like '%|death_date|%' as is_death_date_partial
    from patients
    cross join events
    left join recorded
        on patients.trial_id = recorded.trial_id and patients.is_simulated = recorded.is_simulated

),

judged as (

    select
        *,
        case
            when given_days is not null then 'given'
            when is_start_partial then 'start partial'
            when own_day is not null then 'dated'
            when is_own_date_partial then 'event partial'
            when death_day is not null then 'dated'
            when is_death_date_partial then 'event partial'
            when last_known_day is not null then 'last known'
            else 'nothing'
        end as what_is_known
    from dated

),

final as (

    select
        trial_id,
        patient_id,
        is_simulated,
        ttf_event,
        is_patient_event,
        case what_is_known
            when 'given' then given_days
            when 'dated' then least(coalesce(own_day, death_day), coalesce(death_day, own_day))
            when 'last known' then last_known_day
        end as ttf_days,
        case what_is_known
            when 'given' then not is_given_censored
            when 'dated' then true
            when 'last known' then false
        end as is_observed,
        case when what_is_known in ('start partial', 'event partial', 'nothing') then is_early_printed end
            as is_early_printed,
        ttf_cut_days,
        case what_is_known
            when 'start partial' then 'treatment start is partial'
            when 'event partial' then 'date of the TTF event is partial'
            when 'nothing' then 'TTF not given'
        end as unknown_reason
    from judged

)

select * from final
