-- Grain: one report of HPD in one cancer type. The rows of a forest plot, pooled or not.
-- Inputs: cleaned_reports. A report that stands in two inputs is here once; attrition counts the other.
with reports as (

    select * from {{ ref('cleaned_reports') }}

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

definitions as (

    select * from {{ ref('hpd_definitions') }}

),

final as (

    select
        reports.report_id,
        reports.cancer_type_code,
        coalesce(cancer_types.cancer_type, reports.cancer_type_reported) as cancer_type,
        reports.cancer_type_reported,
        reports.is_cancer_type_mapped,
        reports.cohort_id,
        reports.first_author,
        reports.publication_year,
        reports.agent_class,
        reports.has_anti_pd1_pdl1,
        reports.is_combination,
        reports.agents,
        reports.hpd_definition,
        definitions.definition_family,
        definitions.computed_as,
        reports.n_evaluable,
        reports.n_hpd,
        reports.is_n_hpd_derived,
        reports.hpd_incidence,
        {{ wilson_low('reports.n_hpd', 'reports.n_evaluable') }} as hpd_ci_low,
        {{ wilson_high('reports.n_hpd', 'reports.n_evaluable') }} as hpd_ci_high,
        reports.hpd_incidence_reported,
        reports.in_any_pool,
        reports.in_definition_pool,
        reports.pool_exclusion_code,
        reports.pool_exclusion_reason,
        reports.study_design,
        reports.setting,
        reports.pmid,
        reports.doi,
        reports.source_url,
        reports.source_kind,
        reports.data_origin,
        reports.is_simulated
    from reports
    left join cancer_types on reports.cancer_type_code = cancer_types.cancer_type_code
    left join definitions on reports.hpd_definition = definitions.hpd_definition
    where not reports.is_repeated

)

select * from final
