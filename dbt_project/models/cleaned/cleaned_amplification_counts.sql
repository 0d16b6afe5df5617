-- Grain: one row of an input: a source, study, cancer type and gene set; one row in, one row out.
-- Inputs: stg_amplification_counts, stg_loads, vocabularies.
-- The cancer type: by TCGA code (GBM and LGG share an OncoTree code), else by name, else by OncoTree code.
with counts as (

    select * from {{ ref('stg_amplification_counts') }}

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

sources as (

    select * from {{ ref('amplification_sources') }}

),

mapped as (

    select
        counts.*,
        loads.input_number,
        coalesce(
            tcga.cancer_type_code,
            named.cancer_type_code,
            coded.cancer_type_code,
            'UNMAPPED: ' || {{ folded('counts.cancer_type_reported') }}
        ) as cancer_type_code,
        coalesce(tcga.cancer_type_code, named.cancer_type_code, coded.cancer_type_code) is not null
            as is_cancer_type_mapped,
        coalesce(gene_sets.gene_set, counts.genes) as gene_set,
        gene_sets.gene_set is not null as is_gene_set_known,
        tcga.label as tcga_code,
        -- an own source is a hospital's unless the vocabulary says otherwise
        coalesce(sources.source_class, 'institutional') as source_class
    from counts
    left join loads on counts.load_id = loads.load_id
    left join labels as tcga
        on
            tcga.vocabulary = 'tcga'
            and counts.source = 'TCGA'
            and tcga.label = counts.cancer_type_code_reported
    left join labels as named
        on named.vocabulary = 'name' and lower(named.label) = {{ folded('counts.cancer_type_reported') }}
    left join labels as coded
        on
            coded.vocabulary = 'oncotree'
            and coded.label = coalesce(counts.oncotree_code, counts.cancer_type_code_reported)
    left join gene_sets on counts.genes = gene_sets.genes
    left join sources on counts.source = sources.source

),

-- the same counts twice (in two inputs, or as MDM2|MDM4 and MDM4|MDM2) count once: the first have it
repeated as (

    select
        *,
        row_number() over (
            partition by source, study_id, {{ folded('cancer_type_reported') }}, genes, unit, is_simulated
            order by input_number, source_line
        ) > 1 as is_repeated
    from mapped

),

final as (

    select
        source,
        source_class,
        study_id,
        -- as cBioPortal names the studies of a TCGA cohort: sarc_tcga, sarc_tcga_pan_can_atlas_2018
        case
            when source <> 'TCGA' then study_id
            when split_part(study_id, '_tcga', 1) <> study_id
                then 'tcga_' || lower(split_part(study_id, '_tcga', 1))
            else coalesce('tcga_' || lower(tcga_code), study_id)
        end as study_group,
        cancer_type_code_reported,
        cancer_type_reported,
        oncotree_code,
        cancer_type_code,
        is_cancer_type_mapped,
        genes,
        gene_set,
        is_gene_set_known,
        n_samples_all,
        n_assayed,
        n_amplified,
        unit,
        call_method,
        source_reference,
        is_repeated,
        {{ compact([
            "case when not is_cancer_type_mapped then 'cancer_type_unmapped' end",
            "case when not is_gene_set_known then 'gene_set_unknown' end",
            "case when is_repeated then 'repeated' end",
            "case when call_method = 'not stated' then 'call_method_not_stated' end",
            "case when call_method = 'gistic2_like_recomputed' then 'calls_recomputed_not_published' end",
            "case when n_assayed = 0 then 'nothing_assayed' end",
        ]) }} as flags,
        input_number,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from repeated

)

select * from final
