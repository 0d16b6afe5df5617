-- Grain: treated patient x reader. HPD as Champiat et al. 2017, doi 10.1158/1078-0432.CCR-16-1741.
-- Progression at the first evaluation and a growth rate (TGR) at least twice that before treatment.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

judged as (

    select
        *,
        is_progression and tgr_ratio >= 2 as is_hpd
    from growth

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'CHAMPIAT_2017' as hpd_definition,
        coalesce(burden_reason, pre_reason, ratio_reason) as not_evaluable_reason,
        false as uses_ttf,
        false as is_ttf_cut_included,
        is_hpd as is_hpd_if_early,
        is_hpd as is_hpd_if_late
    from judged

)

select * from final
