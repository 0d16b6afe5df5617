-- Grain: tumour sample x gene of the gene sets; normal tissue and repeated samples have no rows.
-- Inputs: cleaned_samples, stg_copy_number_profiles, stg_gene_panels, stg_loads, cleaned_gene_set_genes.
-- Three values: amplified (call 2; 1 is a gain, which is none), not_amplified, not_assayed with the reason.
-- A gene that the sample's panel does not cover is not assayed, whatever its line says: files write 0 there.
with samples as (

    select * from {{ ref('cleaned_samples') }} where not is_repeated and not is_normal

),

genes as (

    select distinct gene from {{ ref('cleaned_gene_set_genes') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

-- a whole genome stays cheap: only the genes of the sets are unrolled
profiles as (

    select
        loads.item_id,
        profiles.study_id,
        profiles.gene,
        profiles.calls
    from {{ ref('stg_copy_number_profiles') }} as profiles
    left join loads on profiles.load_id = loads.load_id
    where profiles.gene in (select gene from genes)

),

calls as (

    {{ unnest('profiles', 'item_id, study_id, gene', 'calls') }}

),

panel_genes as (

    select distinct
        loads.item_id,
        gene_panels.panel_id,
        gene_panels.gene
    from {{ ref('stg_gene_panels') }} as gene_panels
    left join loads on gene_panels.load_id = loads.load_id

),

judged as (

    select
        samples.study_id,
        samples.sample_id,
        genes.gene,
        samples.is_simulated,
        -- kept as twice the call, so that -1.5 is a whole number
        calls.item / 2.0 as discrete_call,
        case
            when samples.exclusion_reason is not null then samples.exclusion_reason
            when samples.panel_item_id is not null and panel_genes.gene is null
                then 'its panel does not cover the gene'
            when calls.item is null then 'the gene was not called in it'
        end as not_assayed_reason
    from samples
    cross join genes
    left join calls
        on
            samples.item_id = calls.item_id
            and samples.study_id = calls.study_id
            and samples.sample_number = calls.item_number
            and genes.gene = calls.gene
    left join panel_genes
        on
            samples.panel_item_id = panel_genes.item_id
            and samples.gene_panel_id = panel_genes.panel_id
            and genes.gene = panel_genes.gene

),

final as (

    select
        study_id,
        sample_id,
        gene,
        is_simulated,
        cast(discrete_call as double) as discrete_call,
        case
            when not_assayed_reason is not null then 'not_assayed'
            when discrete_call = 2 then 'amplified'
            else 'not_amplified'
        end as gene_status,
        not_assayed_reason
    from judged

)

select * from final
