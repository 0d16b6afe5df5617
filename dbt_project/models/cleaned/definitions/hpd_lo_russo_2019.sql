-- Grain: treated patient x reader. HPD as Lo Russo et al. 2019, doi 10.1158/1078-0432.CCR-18-1390.
-- Progression at the first evaluation and at least 3 of 5: TTF below 2 months; burden 50 % or more above the
-- baseline; two new lesions or more in an organ that had one; a new organ; ECOG 2 or worse in the first 2
-- months.
-- Inputs: cleaned_growth_metrics.
with growth as (

    select * from {{ ref('cleaned_growth_metrics') }}

),

counted as (

    select
        *,
        case when evaluation_burden_mm * 100 >= baseline_burden_mm * 150 then 1 else 0 end
        + case when n_new_lesions_involved_organ >= 2 then 1 else 0 end
        + case when has_new_organ then 1 else 0 end
        + case when ecog_worst_2_months >= 2 then 1 else 0 end as n_met_without_ttf
    from growth

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        'LO_RUSSO_2019' as hpd_definition,
        coalesce(burden_reason, involved_organ_reason, new_organ_reason, ecog_reason) as not_evaluable_reason,
        true as uses_ttf,
        false as is_ttf_cut_included,
        is_progression and n_met_without_ttf >= 2 as is_hpd_if_early,
        is_progression and n_met_without_ttf >= 3 as is_hpd_if_late
    from counted

)

select * from final
