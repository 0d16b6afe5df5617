-- Grain: cancer type x HPD definition x basis x report that is pooled; a trial with patients here is one.
-- Inputs: hpd_reports, cleaned_trial_counts.
with reports as (

    select * from {{ ref('hpd_reports') }}

),

final as (

    select
        cancer_type_code,
        hpd_definition,
        'reported' as basis,
        is_simulated,
        report_id || ' / ' || cancer_type_reported as report_id,
        coalesce(first_author || ' ' || publication_year, report_id) as label,
        publication_year,
        n_evaluable,
        n_hpd
    from reports
    where in_definition_pool and n_evaluable > 0 and hpd_definition <> 'ANY_PUBLISHED'
    union all
    select
        cancer_type_code,
        'ANY_PUBLISHED' as hpd_definition,
        'reported' as basis,
        is_simulated,
        report_id || ' / ' || cancer_type_reported as report_id,
        coalesce(first_author || ' ' || publication_year, report_id) as label,
        publication_year,
        n_evaluable,
        n_hpd
    from reports
    where in_any_pool and n_evaluable > 0
    union all
    select
        cancer_type_code,
        hpd_definition,
        'computed' as basis,
        is_simulated,
        trial_id as report_id,
        trial_id as label,
        cast(null as bigint) as publication_year,
        n_evaluable,
        n_hpd
    from {{ ref('cleaned_trial_counts') }}
    where n_evaluable > 0

)

select * from final
