-- Grain: treated patient x reader. HPD as Saada-Bouzid et al. 2017, doi 10.1093/annonc/mdx178.
-- Growth kinetics (TGK) at least twice those before treatment; mm over days, multiplied out, exactly.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

judged as (

    select
        *,
        {{ wide('evaluation_burden_mm - baseline_burden_mm') }} * (baseline_day - pre_day)
        >= 2 * {{ wide('baseline_burden_mm - pre_burden_mm') }} * (evaluation_day - baseline_day) as is_hpd
    from growth

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'SAADA_BOUZID_2017' as hpd_definition,
        coalesce(burden_reason, pre_reason, ratio_reason) as not_evaluable_reason,
        false as uses_ttf,
        false as is_ttf_cut_included,
        is_hpd as is_hpd_if_early,
        is_hpd as is_hpd_if_late
    from judged

)

select * from final
