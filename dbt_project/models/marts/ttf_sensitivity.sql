-- Grain: trial (and ALL_TRIALS) x HPD definition that uses TTF x TTF event x TTF cut.
-- Inputs: cleaned_patient_hpd (chosen reader, no control arms), cleaned_ttf; cuts: var ttf_sensitivity_cuts.
-- The same patients and scans, with another event or another reading of "2 months": how much of the answer
-- that decides. Patients are added up by their TTF before they meet the cuts. A TTF that a source prints as
-- below 2 months, without days, is known for the default cut only.
with patients as (

    select *
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader and treatment_class not in ('other', 'unknown') and uses_ttf

),

ttf as (

    select * from {{ ref('cleaned_ttf') }}

),

cuts as (

    {{ rows_of(var('ttf_sensitivity_cuts'), 'ttf_cut_days') }}

),

alike as (

    select
        patients.trial_id,
        patients.hpd_definition,
        patients.is_simulated,
        ttf.ttf_event,
        patients.scan_reason is null as is_scan_evaluable,
        patients.is_ttf_cut_included,
        patients.is_hpd_if_early,
        patients.is_hpd_if_late,
        ttf.ttf_days,
        ttf.is_observed,
        ttf.is_early_printed,
        count(*) as n_patients
    from patients
    left join ttf
        on
            patients.trial_id = ttf.trial_id
            and patients.patient_id = ttf.patient_id
            and patients.is_simulated = ttf.is_simulated
    group by
        patients.trial_id,
        patients.hpd_definition,
        patients.is_simulated,
        ttf.ttf_event,
        patients.scan_reason is null,
        patients.is_ttf_cut_included,
        patients.is_hpd_if_early,
        patients.is_hpd_if_late,
        ttf.ttf_days,
        ttf.is_observed,
        ttf.is_early_printed

),

sides as (

    select
        alike.*,
        {{ exact_days('cuts.ttf_cut_days') }} as ttf_cut_days,
        case
            when alike.is_scan_evaluable
                then {{ ttf_side(
                    'alike.ttf_days',
                    'alike.is_observed',
                    'case when cuts.ttf_cut_days = ' ~ var('ttf_cut_days') ~ ' then alike.is_early_printed end',
                    'cuts.ttf_cut_days',
                    'alike.is_ttf_cut_included'
                ) }}
        end as ttf_side
    from alike
    cross join cuts

),

of_trials as (

    select
        trial_id,
        hpd_definition,
        ttf_event,
        ttf_cut_days,
        is_simulated,
        cast(sum(n_patients) as bigint) as n_patients,
        cast(coalesce(sum(n_patients) filter (where ttf_side is not null), 0) as bigint) as n_evaluable,
        cast(
            coalesce(
                sum(n_patients) filter (
                    where (ttf_side = 'early' and is_hpd_if_early) or (ttf_side = 'late' and is_hpd_if_late)
                ),
                0
            ) as bigint
        ) as n_hpd
    from sides
    group by trial_id, hpd_definition, ttf_event, ttf_cut_days, is_simulated

),

with_total as (

    select * from of_trials
    union all
    select
        'ALL_TRIALS' as trial_id,
        hpd_definition,
        ttf_event,
        ttf_cut_days,
        is_simulated,
        cast(sum(n_patients) as bigint) as n_patients,
        cast(sum(n_evaluable) as bigint) as n_evaluable,
        cast(sum(n_hpd) as bigint) as n_hpd
    from of_trials
    group by hpd_definition, ttf_event, ttf_cut_days, is_simulated

),

judged as (

    select
        *,
        {{ has_small_cell(['n_hpd', 'n_evaluable - n_hpd', 'n_evaluable', 'n_patients']) }} as is_suppressed
    from with_total

),

shown as (

    select
        trial_id,
        hpd_definition,
        ttf_event,
        cast(ttf_cut_days as double) as ttf_cut_days,
        is_simulated,
        case when not {{ has_small_cell(['n_patients']) }} then n_patients end as n_patients,
        case when not {{ has_small_cell(['n_evaluable']) }} then n_evaluable end as n_evaluable,
        case when not is_suppressed then n_hpd end as n_hpd,
        is_suppressed
    from judged

),

final as (

    select
        trial_id,
        hpd_definition,
        ttf_event,
        ttf_cut_days,
        is_simulated,
        n_patients,
        n_evaluable,
        n_hpd,
        {{ fraction('n_hpd', 'n_evaluable') }} as hpd_incidence,
        {{ wilson_low('n_hpd', 'n_evaluable') }} as hpd_ci_low,
        {{ wilson_high('n_hpd', 'n_evaluable') }} as hpd_ci_high,
        is_suppressed
    from shown

)

select * from final
