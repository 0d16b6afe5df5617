-- Grain: one row of an input: a 2x2 table of an outcome by an alteration; one row in, one row out.
-- Inputs: stg_hpd_by_amplification, stg_loads, vocabularies.
with tables as (

    select * from {{ ref('stg_hpd_by_amplification') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

labels as (

    select * from {{ ref('cancer_type_labels') }}

),

gene_sets as (

    select gene_set, {{ sorted_genes('genes') }} as genes from {{ ref('gene_sets') }}

),

mapped as (

    select
        tables.*,
        coalesce(labels.cancer_type_code, 'UNMAPPED: ' || {{ folded('tables.cancer_type_reported') }})
            as cancer_type_code,
        coalesce(gene_sets.gene_set, tables.genes) as gene_set,
        -- four cells, or no odds ratio
        tables.n_altered_with_outcome is not null and tables.n_altered_without_outcome is not null
        and tables.n_unaltered_with_outcome is not null and tables.n_unaltered_without_outcome is not null
            as is_complete,
        -- the same table twice (in two inputs, or with its genes in another order) counts once
        row_number() over (
            partition by
                tables.report_id,
                tables.cancer_type_reported,
                tables.genes,
                tables.outcome,
                tables.is_simulated
            order by loads.input_number, tables.source_line
        ) > 1 as is_repeated
    from tables
    left join loads on tables.load_id = loads.load_id
    left join labels
        on labels.vocabulary = 'name' and lower(labels.label) = {{ folded('tables.cancer_type_reported') }}
    left join gene_sets on tables.genes = gene_sets.genes

),

final as (

    select
        report_id,
        cancer_type_reported,
        cancer_type_code,
        genes,
        gene_set,
        alteration,
        assay,
        outcome,
        hpd_definition,
        n_altered_with_outcome,
        n_altered_without_outcome,
        n_unaltered_with_outcome,
        n_unaltered_without_outcome,
        is_complete,
        pmid,
        doi,
        source_url,
        is_repeated,
        {{ compact([
            "case when cancer_type_code like 'UNMAPPED: %' then 'cancer_type_unmapped' end",
            "case when not is_complete then 'table_incomplete' end",
            "case when alteration <> 'amplification' then 'alteration_is_not_amplification' end",
            "case when hpd_definition is null then 'outcome_under_no_known_definition' end",
            "case when is_repeated then 'repeated' end",
        ]) }} as flags,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from mapped

)

select * from final
