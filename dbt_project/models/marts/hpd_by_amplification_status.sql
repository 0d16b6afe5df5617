-- Grain: report x cancer type as reported x gene set x outcome.
-- Inputs: cleaned_hpd_by_amplification. 2x2 tables as printed, incomplete ones too; nothing is pooled.
with tables as (

    select
        *,
        n_altered_with_outcome + n_altered_without_outcome as n_altered,
        n_unaltered_with_outcome + n_unaltered_without_outcome as n_unaltered
    from {{ ref('cleaned_hpd_by_amplification') }}
    where not is_repeated

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

final as (

    select
        tables.report_id,
        tables.cancer_type_code,
        coalesce(cancer_types.cancer_type, tables.cancer_type_reported) as cancer_type,
        tables.cancer_type_reported,
        tables.gene_set,
        tables.alteration,
        tables.assay,
        tables.outcome,
        tables.hpd_definition,
        'reported' as basis,
        tables.n_altered_with_outcome,
        tables.n_altered_without_outcome,
        tables.n_unaltered_with_outcome,
        tables.n_unaltered_without_outcome,
        {{ fraction('tables.n_altered_with_outcome', 'tables.n_altered') }} as altered_outcome_fraction,
        {{ fraction('tables.n_unaltered_with_outcome', 'tables.n_unaltered') }} as unaltered_outcome_fraction,
        tables.is_complete,
        tables.pmid,
        tables.doi,
        tables.source_url,
        tables.data_origin,
        tables.is_simulated
    from tables
    left join cancer_types on tables.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
