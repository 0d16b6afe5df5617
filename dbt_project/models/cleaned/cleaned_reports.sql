-- Grain: one report of HPD in one cancer type; one row in, one row out.
-- Inputs: stg_trials, stg_loads, vocabularies.
-- Adds canonical keys, the pools a report counts in, and the reasons it does not; nothing is dropped.
with trials as (

    select * from {{ ref('stg_trials') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

labels as (

    select * from {{ ref('cancer_type_labels') }}

),

agents as (

    select * from {{ ref('agents') }}

),

definitions as (

    select * from {{ ref('hpd_definitions') }}

),

pool_exclusions as (

    select * from {{ ref('pool_exclusions') }}

),

mapped as (

    select
        trials.*,
        loads.input_number,
        -- the report's own words first; a bare OncoTree code is understood too
        coalesce(
            named.cancer_type_code,
            coded.cancer_type_code,
            'UNMAPPED: ' || {{ folded('trials.cancer_type_reported') }}
        ) as cancer_type_code,
        coalesce(named.cancer_type_code, coded.cancer_type_code) is not null as is_cancer_type_mapped,
        agents.agent_class,
        agents.has_anti_pd1_pdl1,
        agents.is_combination,
        agents.agent_label is not null as is_agent_class_known,
        -- the pool over all definitions is no definition that a report can have
        coalesce(definitions.hpd_definition <> 'ANY_PUBLISHED', false) as is_definition_known,
        coalesce(pool_exclusions.counts_in_definition_pool, false) as counts_in_definition_pool,
        {{ fraction('trials.n_hpd', 'trials.n_evaluable') }} as hpd_incidence
    from trials
    left join loads on trials.load_id = loads.load_id
    left join labels as named
        on named.vocabulary = 'name' and lower(named.label) = {{ folded('trials.cancer_type_reported') }}
    left join labels as coded
        on coded.vocabulary = 'oncotree' and coded.label = {{ trimmed('trials.cancer_type_reported') }}
    left join agents on lower(agents.agent_label) = {{ folded('trials.agent_class_reported') }}
    left join definitions on trials.hpd_definition = definitions.hpd_definition
    left join pool_exclusions on trials.pool_exclusion_code = pool_exclusions.pool_exclusion_code

),

-- the same report in two inputs counts once: the input named first has it
repeated as (

    select
        *,
        row_number() over (
            partition by report_id, {{ folded('cancer_type_reported') }}, is_simulated
            order by input_number, source_line
        ) > 1 as is_repeated
    from mapped

),

-- one report per cohort: where several ask to be pooled, the one with most evaluable patients is
ranked as (

    select
        *,
        in_pool and not is_repeated as may_count,
        (in_pool or counts_in_definition_pool) and not is_repeated
        and n_hpd is not null and n_evaluable > 0 as may_count_in_definition
    from repeated

),

pooled as (

    select
        *,
        may_count and row_number() over (
            partition by cohort_id, cancer_type_code, is_simulated, may_count
            order by n_evaluable desc, input_number, report_id, source_line
        ) = 1 as in_any_pool,
        may_count_in_definition and row_number() over (
            partition by cohort_id, cancer_type_code, hpd_definition, is_simulated, may_count_in_definition
            order by in_pool desc, n_evaluable desc, input_number, report_id, source_line
        ) = 1 as in_definition_pool
    from ranked

),

final as (

    select
        report_id,
        cohort_id,
        first_author,
        publication_year,
        cancer_type_reported,
        cancer_type_code,
        is_cancer_type_mapped,
        agent_class_reported,
        agent_class,
        has_anti_pd1_pdl1,
        is_combination,
        agents,
        hpd_definition,
        n_evaluable,
        n_hpd,
        is_n_hpd_derived,
        hpd_incidence,
        hpd_incidence_reported,
        study_design,
        setting,
        pmid,
        doi,
        source_url,
        source_kind,
        in_any_pool,
        in_definition_pool,
        is_repeated,
        case
            when in_any_pool then null
            when is_repeated then 'repeated'
            when in_pool then 'overlap'
            else pool_exclusion_code
        end as pool_exclusion_code,
        case
            when in_any_pool then null
            when is_repeated then 'the same report stands in an input named earlier'
            when in_pool then 'another report of the same cohort is pooled'
            else pool_exclusion_reason
        end as pool_exclusion_reason,
        {{ compact([
            "case when not is_cancer_type_mapped then 'cancer_type_unmapped' end",
            "case when not is_definition_known then 'definition_unknown' end",
            "case when hpd_definition = 'NOT_SHOWN' then 'definition_not_printed' end",
            "case when agent_class_reported is not null and not is_agent_class_known then 'agent_class_unmapped' end",
            "case when is_repeated then 'repeated' end",
            "case when in_pool and not is_repeated and not in_any_pool then 'cohort_pooled_already' end",
            "case when is_n_hpd_derived then 'n_hpd_derived_from_percentage' end",
            "case when abs(hpd_incidence - hpd_incidence_reported) > 0.0051 then 'incidence_disagrees_with_counts' end",
            "case when coalesce(doi, pmid, source_url) is null then 'source_not_given' end",
        ]) }} as flags,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from pooled

)

select * from final
