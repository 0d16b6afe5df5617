-- Grain: treated patient x reader. HPD as Ferrara et al. 2018, doi 10.1001/jamaoncol.2018.3676.
-- Progression at the first evaluation and a growth rate (TGR) more than 50 percentage points per month above
-- that before treatment; shrinkage before treatment does no harm.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

judged as (

    select
        *,
        is_progression and delta_tgr > 50 as is_hpd
    from growth

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'FERRARA_2018' as hpd_definition,
        coalesce(burden_reason, pre_reason) as not_evaluable_reason,
        false as uses_ttf,
        false as is_ttf_cut_included,
        is_hpd as is_hpd_if_early,
        is_hpd as is_hpd_if_late
    from judged

)

select * from final
