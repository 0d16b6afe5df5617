-- Grain: treated patient x reader of the trial x HPD definition.
-- Inputs: the models of definitions/, cleaned_growth_metrics, cleaned_ttf.
-- Outcome, reason and the numbers it rests on. A patient is evaluable when everything the definition needs is
-- known, whatever the known parts say: +5 % without a TTF is no evidence against HPD under a TTF rule, or
-- else the patients without a TTF would only ever count as not having HPD.
with judged as (

    select * from {{ ref('hpd_ju_2019') }}
    union all
    select * from {{ ref('hpd_kato_2017') }}
    union all
    select * from {{ ref('hpd_champiat_2017') }}
    union all
    select * from {{ ref('hpd_saada_bouzid_2017') }}
    union all
    select * from {{ ref('hpd_ferrara_2018') }}
    union all
    select * from {{ ref('hpd_kas_2020') }}
    union all
    select * from {{ ref('hpd_matos_2020') }}
    union all
    select * from {{ ref('hpd_lo_russo_2019') }}

),

growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

ttf as (

    select * from {{ ref('cleaned_ttf') }} where is_patient_event

),

timed as (

    select
        judged.*,
        growth.is_chosen_reader,
        growth.cancer_type_code,
        growth.treatment_class,
        growth.burden_change_percent,
        growth.tgr_ratio,
        growth.delta_tgr,
        growth.tgk_ratio,
        growth.pace_ratio,
        growth.is_progression,
        growth.n_new_lesions,
        ttf.ttf_event,
        ttf.ttf_days,
        ttf.is_observed,
        ttf.ttf_cut_days,
        ttf.unknown_reason,
        {{ ttf_side(
            'ttf.ttf_days',
            'ttf.is_observed',
            'ttf.is_early_printed',
            'ttf.ttf_cut_days',
            'judged.is_ttf_cut_included'
        ) }} as ttf_side
    from judged
    left join growth
        on
            judged.trial_id = growth.trial_id
            and judged.patient_id = growth.patient_id
            and judged.reader = growth.reader
            and judged.is_simulated = growth.is_simulated
    left join ttf
        on
            judged.trial_id = ttf.trial_id
            and judged.patient_id = ttf.patient_id
            and judged.is_simulated = ttf.is_simulated

),

decided as (

    select
        *,
        case
            when not_evaluable_reason is not null then 'not_evaluable'
            when not uses_ttf then case when is_hpd_if_early then 'hpd' else 'not_hpd' end
            when ttf_side = 'early' then case when is_hpd_if_early then 'hpd' else 'not_hpd' end
            when ttf_side = 'late' then case when is_hpd_if_late then 'hpd' else 'not_hpd' end
            else 'not_evaluable'
        end as outcome
    from timed

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        hpd_definition,
        is_simulated,
        is_chosen_reader,
        cancer_type_code,
        treatment_class,
        outcome,
        case
            when outcome = 'hpd' then 'the rule is met'
            when outcome = 'not_hpd' and uses_ttf and is_hpd_if_early
                then 'met but for the TTF, which is not below the cut'
            when outcome = 'not_hpd' then 'the rule is not met'
            when not_evaluable_reason is not null then not_evaluable_reason
            when unknown_reason is not null then unknown_reason
            else
                'still without the event on day '
                || cast(cast(floor(ttf_days) as integer) as string)
                || ', before the cut'
        end as reason,
        not_evaluable_reason as scan_reason,
        uses_ttf,
        is_ttf_cut_included,
        is_hpd_if_early,
        is_hpd_if_late,
        burden_change_percent,
        tgr_ratio,
        delta_tgr,
        tgk_ratio,
        pace_ratio,
        is_progression,
        n_new_lesions,
        case when uses_ttf then ttf_event end as ttf_event,
        case when uses_ttf then ttf_days end as ttf_days,
        case when uses_ttf then is_observed end as is_ttf_observed,
        case when uses_ttf then ttf_cut_days end as ttf_cut_days
    from decided

)

select * from final
