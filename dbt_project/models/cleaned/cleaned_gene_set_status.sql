-- Grain: tumour sample x gene set.
-- Inputs: cleaned_gene_status, cleaned_gene_set_genes.
-- Assayed when every gene of the set is, amplified when any of them is. A sample with an amplified gene and
-- one that was not assayed is in neither numerator nor denominator: it would bias the share upwards.
with genes as (

    select * from {{ ref('cleaned_gene_status') }}

),

members as (

    select * from {{ ref('cleaned_gene_set_genes') }}

),

summed as (

    select
        genes.study_id,
        genes.sample_id,
        members.gene_set,
        genes.is_simulated,
        count(*) filter (where genes.gene_status = 'not_assayed') > 0 as has_gene_not_assayed,
        count(*) filter (where genes.gene_status = 'amplified') > 0 as has_gene_amplified
    from genes
    left join members on genes.gene = members.gene
    group by genes.study_id, genes.sample_id, members.gene_set, genes.is_simulated

),

final as (

    select
        study_id,
        sample_id,
        gene_set,
        is_simulated,
        case
            when has_gene_not_assayed then 'not_assayed'
            when has_gene_amplified then 'amplified'
            else 'not_amplified'
        end as gene_set_status,
        has_gene_not_assayed and has_gene_amplified as is_partially_assayed_amplified
    from summed

)

select * from final
