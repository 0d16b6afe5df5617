-- Grain: treated patient x reader of the trial.
-- Inputs: cleaned_scan_selection.
-- How fast the sum of diameters D (mm) grew from the pre-baseline scan to the baseline (pre, REF) and from
-- there to the first evaluation (post, EXP), t apart:
--   TGR, tumour growth rate (Ferte 2013, doi 10.1158/1078-0432.CCR-12-2098): 100 (exp(3 ln(D2/D1) / t) - 1),
--     % of volume per month; delta_tgr = EXP - REF, tgr_ratio = EXP / REF. A tumour that is gone is -100.
--   TGK, tumour growth kinetics (Saada-Bouzid 2017, doi 10.1093/annonc/mdx178): (D2 - D1) / t, mm per day.
--   pace (Kato 2017, doi 10.1158/1078-0432.CCR-16-3133; its formula is inferred from the numbers it prints):
--     100 (D2 - D1) / D1 / t, % per month.
-- Ratios over shrinkage before treatment are kept as numbers, and ratio_reason says that they mean nothing.
-- Thresholds are for the definitions to compare, on the exact mm and days beside these doubles.
with selection as (

    select
        *,
        burden_reason is null as has_change,
        burden_reason is null and pre_reason is null as has_growth,
        cast(pre_burden_mm as double) as pre_mm,
        cast(baseline_burden_mm as double) as base_mm,
        cast(evaluation_burden_mm as double) as eval_mm,
        cast(baseline_day - pre_day as double) as pre_days,
        cast(evaluation_day - baseline_day as double) as post_days
    from {{ ref('cleaned_scan_selection') }}

),

rates as (

    select
        *,
        case when has_change then 100 * (eval_mm - base_mm) / base_mm end as burden_change_percent,
        -- baseline sums are above 0; beyond exp(600) there is no number, nor a tumour
        case
            when has_growth
                then least(3 * ln(base_mm / pre_mm) * {{ var('days_per_month') }} / pre_days, 600)
        end as tg_ref,
        case
            when has_change and eval_mm > 0
                then least(3 * ln(eval_mm / base_mm) * {{ var('days_per_month') }} / post_days, 600)
        end as tg_exp,
        case when has_growth then (base_mm - pre_mm) / pre_days end as tgk_pre_mm_per_day,
        case when has_change then (eval_mm - base_mm) / post_days end as tgk_post_mm_per_day,
        case
            when has_growth then 100 * (base_mm - pre_mm) / pre_mm * {{ var('days_per_month') }} / pre_days
        end as pace_pre_pct_per_month,
        case
            when has_change then 100 * (eval_mm - base_mm) / base_mm * {{ var('days_per_month') }} / post_days
        end as pace_post_pct_per_month
    from selection

),

growth as (

    select
        *,
        100 * (exp(tg_ref) - 1) as tgr_ref,
        case when has_change and eval_mm = 0 then -100.0 else 100 * (exp(tg_exp) - 1) end as tgr_exp
    from rates

),

final as (

    select
        trial_id,
        patient_id,
        reader,
        is_simulated,
        is_chosen_reader,
        cancer_type_code,
        treatment_class,
        pre_day,
        pre_burden_mm,
        baseline_day,
        baseline_burden_mm,
        evaluation_day,
        evaluation_burden_mm,
        burden_change_percent,
        case when has_change then evaluation_burden_mm * 100 > baseline_burden_mm * 150 end
            as is_burden_above_50,
        tgr_ref,
        tgr_exp,
        case when base_mm <> pre_mm then tgr_exp / tgr_ref end as tgr_ratio,
        tgr_exp - tgr_ref as delta_tgr,
        tgk_pre_mm_per_day,
        tgk_post_mm_per_day,
        case when base_mm <> pre_mm then tgk_post_mm_per_day / tgk_pre_mm_per_day end as tgk_ratio,
        pace_pre_pct_per_month,
        pace_post_pct_per_month,
        case when base_mm <> pre_mm then pace_post_pct_per_month / pace_pre_pct_per_month end as pace_ratio,
        -- the response as assessed decides; else RECIST 1.1 (doi 10.1016/j.ejca.2008.10.026) on what is known
        case
            when not has_change then null
            when evaluation_response <> 'NE' then evaluation_response in ('PD', 'iUPD', 'iCPD')
            else
                (
                    evaluation_burden_mm * 100 >= baseline_burden_mm * 120
                    and evaluation_burden_mm - baseline_burden_mm >= 5
                )
                or coalesce(n_new_lesions, 0) > 0
        end as is_progression,
        n_new_lesions,
        n_new_lesions_involved_organ,
        has_new_organ,
        ecog_worst_2_months,
        burden_reason,
        pre_reason,
        case
            when has_growth and baseline_burden_mm <= pre_burden_mm
                then 'pre-treatment growth <= 0: ratio undefined'
        end as ratio_reason,
        case when n_new_lesions is null then 'new lesions not recorded' end as new_lesions_reason,
        case when n_new_lesions_involved_organ is null then 'new lesions in involved organs not recorded' end
            as involved_organ_reason,
        case when has_new_organ is null then 'new organ not recorded' end as new_organ_reason,
        case when ecog_worst_2_months is null then 'ECOG not recorded' end as ecog_reason
    from growth

)

select * from final
