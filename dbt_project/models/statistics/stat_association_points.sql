-- Grain: HPD definition x basis x gene set x source of amplification x cancer type with both sides known.
-- Inputs: hpd_amplification_by_cancer, cleaned_cancer_type_groups.
-- The points of a correlation must be different patients: a cancer type does not count when a wider one has
-- both sides too, and all cancers together are no point.
with both_sides as (

    select
        hpd_definition,
        basis,
        gene_set,
        'tcga' as source_class,
        is_simulated,
        cancer_type_code,
        cancer_type,
        n_reports_pooled,
        n_hpd,
        n_evaluable,
        pooled_incidence,
        pooled_ci_low,
        pooled_ci_high,
        tcga_n_amplified as n_amplified,
        tcga_n_assayed as n_assayed,
        tcga_amplified_fraction as amplified_fraction,
        tcga_amplified_ci_low as amplified_ci_low,
        tcga_amplified_ci_high as amplified_ci_high
    from {{ ref('hpd_amplification_by_cancer') }}
    union all
    select
        hpd_definition,
        basis,
        gene_set,
        'institutional' as source_class,
        is_simulated,
        cancer_type_code,
        cancer_type,
        n_reports_pooled,
        n_hpd,
        n_evaluable,
        pooled_incidence,
        pooled_ci_low,
        pooled_ci_high,
        institutional_n_amplified as n_amplified,
        institutional_n_assayed as n_assayed,
        institutional_amplified_fraction as amplified_fraction,
        institutional_amplified_ci_low as amplified_ci_low,
        institutional_amplified_ci_high as amplified_ci_high
    from {{ ref('hpd_amplification_by_cancer') }}

),

known as (

    select * from both_sides
    where
        n_evaluable > 0
        and n_hpd is not null
        and n_assayed > 0
        and n_amplified is not null
        and pooled_incidence is not null

),

wider as (

    select
        cancer_type_code,
        group_code
    from {{ ref('cleaned_cancer_type_groups') }}
    where group_code not in (cancer_type_code, 'ALL_CANCERS')

),

nested as (

    select
        known.hpd_definition,
        known.basis,
        known.gene_set,
        known.source_class,
        known.is_simulated,
        known.cancer_type_code,
        min(containing.cancer_type) as containing_cancer_type
    from known
    left join wider on known.cancer_type_code = wider.cancer_type_code
    left join known as containing
        on
            wider.group_code = containing.cancer_type_code
            and known.hpd_definition = containing.hpd_definition
            and known.basis = containing.basis
            and known.gene_set = containing.gene_set
            and known.source_class = containing.source_class
            and known.is_simulated = containing.is_simulated
    where containing.cancer_type_code is not null
    group by
        known.hpd_definition,
        known.basis,
        known.gene_set,
        known.source_class,
        known.is_simulated,
        known.cancer_type_code

),

final as (

    select
        known.*,
        case
            when known.cancer_type_code = 'ALL_CANCERS' then 'all cancer types together are no point'
            when known.cancer_type_code like 'UNMAPPED%' then 'a label that the vocabulary does not know'
            when nested.containing_cancer_type is not null
                then 'inside ' || nested.containing_cancer_type || ', which is a point'
        end as exclusion_reason,
        'hyperprogression ('
        || case
            when known.hpd_definition = 'ANY_PUBLISHED' then 'any published definition'
            else known.hpd_definition
        end
        || case when known.basis = 'computed' then ', computed from patients' else '' end
        || ')' as definition_words,
        known.gene_set
        || ' amplification ('
        || case when known.source_class = 'tcga' then 'TCGA' else 'institutional' end
        || ')' as amplification_words
    from known
    left join nested
        on
            known.hpd_definition = nested.hpd_definition
            and known.basis = nested.basis
            and known.gene_set = nested.gene_set
            and known.source_class = nested.source_class
            and known.is_simulated = nested.is_simulated
            and known.cancer_type_code = nested.cancer_type_code

)

select * from final
