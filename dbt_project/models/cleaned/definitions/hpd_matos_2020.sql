-- Grain: treated patient x reader. HPD as Matos et al. 2020, doi 10.1158/1078-0432.CCR-19-2226.
-- TTF of 2 months or less, and a burden more than 40 % above the baseline by 10 mm or more, or more than 20 %
-- above it with two new lesions or more.
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
        'MATOS_2020' as hpd_definition,
        coalesce(burden_reason, new_lesions_reason) as not_evaluable_reason,
        true as uses_ttf,
        true as is_ttf_cut_included,
        (
            evaluation_burden_mm * 100 > baseline_burden_mm * 140
            and evaluation_burden_mm - baseline_burden_mm >= 10
        )
        or (evaluation_burden_mm * 100 > baseline_burden_mm * 120 and n_new_lesions >= 2)
            as is_hpd_if_early,
        false as is_hpd_if_late
    from growth

)

select * from final
