-- Grain: gene set x gene.
-- Inputs: the vocabulary gene_sets.
with gene_sets as (

    -- a comma, which is no pattern, splits alike on every engine
    select
        gene_set,
        replace(genes, '|', ',') as genes
    from {{ ref('gene_sets') }}

),

members as (

    {{ unnest('gene_sets', 'gene_set', "split(genes, ',')") }}

),

final as (

    select distinct
        gene_set,
        trim(item) as gene
    from members

)

select gene_set, gene from final
