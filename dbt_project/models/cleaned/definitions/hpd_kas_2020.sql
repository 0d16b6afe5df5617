-- Grain: treated patient x reader. HPD as Kas et al. 2020, doi 10.1001/jamaoncol.2020.1634.
-- A growth rate (TGR) more than 100 percentage points per month above that before treatment.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

judged as (

    select
        *,
        delta_tgr > 100 as is_hpd
    from growth

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'KAS_2020' as hpd_definition,
        coalesce(burden_reason, pre_reason) as not_evaluable_reason,
        false as uses_ttf,
        false as is_ttf_cut_included,
        is_hpd as is_hpd_if_early,
        is_hpd as is_hpd_if_late
    from judged

)

select * from final
