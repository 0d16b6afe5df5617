-- Grain: treated patient x reader. HPD as Ju et al., ASCO 2019, abstract 2557, doi
-- 10.1200/JCO.2019.37.15_suppl.2557.
-- TTF below 2 months and a burden more than 50 % above the baseline.
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
        'JU_2019' as hpd_definition,
        burden_reason as not_evaluable_reason,
        true as uses_ttf,
        false as is_ttf_cut_included,
        evaluation_burden_mm * 100 > baseline_burden_mm * 150 as is_hpd_if_early,
        false as is_hpd_if_late
    from growth

)

select * from final
