-- Grain: treated patient x reader. HPD as Kato et al. 2017, doi 10.1158/1078-0432.CCR-16-3133.
-- TTF below 2 months, burden more than 50 % above the baseline, and a pace of progression more than twice
-- that before treatment. Pace is change over the earlier sum over days; here both sides are multiplied out,
-- exactly.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'KATO_2017' as hpd_definition,
        coalesce(burden_reason, pre_reason, ratio_reason) as not_evaluable_reason,
        true as uses_ttf,
        false as is_ttf_cut_included,
        evaluation_burden_mm * 100 > baseline_burden_mm * 150
        and {{ wide('evaluation_burden_mm - baseline_burden_mm') }} * pre_burden_mm * (baseline_day - pre_day)
        > 2
        * {{ wide('baseline_burden_mm - pre_burden_mm') }}
        * baseline_burden_mm
        * (evaluation_day - baseline_day)
            as is_hpd_if_early,
        false as is_hpd_if_late
    from growth

)

select * from final
