-- Grain: one report of HPD in one cancer type, as an input gives it.
-- Blank flags get their documented default; nothing else is decided here.
with source as (

    select * from {{ source('raw', 'trials') }}

),

renamed as (

    select
        report_id,
        coalesce(cohort_id, report_id) as cohort_id,
        first_author,
        publication_year,
        cancer_type_reported,
        agent_class_reported,
        agents,
        hpd_definition,
        n_evaluable,
        n_hpd,
        coalesce(is_n_hpd_derived, false) as is_n_hpd_derived,
        hpd_incidence_reported,
        study_design,
        setting,
        pmid,
        doi,
        source_url,
        source_kind,
        coalesce(in_pool, true) as in_pool,
        pool_exclusion_code,
        pool_exclusion_reason,
        data_origin,
        data_origin = 'simulated' as is_simulated,
        _load_id as load_id,
        _source_file as source_file,
        _source_line as source_line
    from source

)

select * from renamed
