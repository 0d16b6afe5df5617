-- Grain: one sample of one study; one row in, one row out.
-- Inputs: stg_samples, stg_gene_panels, stg_loads, vocabularies.
-- The cancer type: of a TCGA study the cohort's (GBM and LGG share an OncoTree code), else what the sample or
-- its patient says, code before words; only where they say nothing, what the study says.
with samples as (

    select * from {{ ref('stg_samples') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

labels as (

    select
        vocabulary,
        lower(label) as label,
        cancer_type_code
    from {{ ref('cancer_type_labels') }}

),

sources as (

    select * from {{ ref('amplification_sources') }}

),

panels as (

    select
        gene_panels.panel_id,
        loads.item_id,
        row_number() over (partition by gene_panels.panel_id order by min(loads.input_number), loads.item_id)
            as preference
    from {{ ref('stg_gene_panels') }} as gene_panels
    left join loads on gene_panels.load_id = loads.load_id
    group by gene_panels.panel_id, loads.item_id

),

mapped as (

    select
        samples.*,
        loads.item_id,
        loads.input_number,
        coalesce(sample_code.cancer_type_code, sample_name.cancer_type_code, sample_word.cancer_type_code)
            as cancer_type_of_sample,
        coalesce(study_code.cancer_type_code, study_name.cancer_type_code) as cancer_type_of_study,
        tcga.cancer_type_code as cancer_type_of_cohort,
        coalesce(samples.cancer_type_reported, samples.oncotree_code) as sample_label,
        coalesce(
            case when samples.source = 'TCGA' then 'tcga' end, sources.source_class, 'institutional'
        ) as source_class,
        upper(samples.gene_panel_id) in ('WGS', 'WXS') as is_whole_genome,
        panels.item_id as other_panel_item_id,
        samples.in_cna_list and samples.sample_number is not null as is_profiled,
        -- the same sample in two inputs counts once: the input named first has it
        row_number() over (
            partition by samples.study_id, samples.sample_id, samples.is_simulated
            order by loads.input_number, samples.load_id
        ) > 1 as is_repeated
    from samples
    left join loads on samples.load_id = loads.load_id
    left join labels as tcga on tcga.vocabulary = 'tcga' and {{ folded('samples.tcga_code') }} = tcga.label
    left join labels as sample_code
        on sample_code.vocabulary = 'oncotree' and {{ folded('samples.oncotree_code') }} = sample_code.label
    left join labels as sample_name
        on
            sample_name.vocabulary = 'name'
            and {{ folded('samples.cancer_type_reported') }} = sample_name.label
    -- a bare OncoTree code where words should stand is understood too
    left join labels as sample_word
        on
            sample_word.vocabulary = 'oncotree'
            and {{ folded('samples.cancer_type_reported') }} = sample_word.label
    left join labels as study_code
        on study_code.vocabulary = 'oncotree' and {{ folded('samples.study_cancer_type') }} = study_code.label
    left join labels as study_name
        on study_name.vocabulary = 'name' and {{ folded('samples.study_cancer_type') }} = study_name.label
    left join sources on samples.source = sources.source
    left join panels on samples.gene_panel_id = panels.panel_id and panels.preference = 1

),

typed as (

    select
        *,
        coalesce(
            cancer_type_of_cohort,
            -- words that nobody knows stay the sample's own: the study's type does not stand for them
            case when sample_label is not null then cancer_type_of_sample else cancer_type_of_study end
        ) as known_cancer_type_code,
        case
            when cancer_type_of_cohort is not null then tcga_code
            else coalesce(sample_label, study_cancer_type, 'not given')
        end as cancer_type_label,
        case
            when gene_panel_id is not null
                then is_whole_genome or coalesce(is_panel_known, false) or other_panel_item_id is not null
        end as is_panel_found,
        -- the panel as the sample's own study describes it; only where it does not, as another input does
        case
            when gene_panel_id is null or is_whole_genome then null
            when is_panel_known then item_id
            else other_panel_item_id
        end as panel_item_id,
        in_study_list or is_profiled as is_in_study
    from mapped

),

final as (

    select
        study_id,
        sample_id,
        patient_id,
        coalesce(trial_id, study_id) as trial_id,
        source,
        source_class,
        study_group,
        tcga_code,
        cancer_type_reported,
        oncotree_code,
        study_cancer_type,
        cancer_type_label,
        coalesce(known_cancer_type_code, 'UNMAPPED: ' || {{ folded('cancer_type_label') }})
            as cancer_type_code,
        known_cancer_type_code is not null as is_cancer_type_mapped,
        sample_type,
        is_normal,
        in_study_list,
        in_cna_list,
        is_in_study,
        sample_number,
        gene_panel_id,
        is_panel_found as is_panel_known,
        panel_item_id,
        call_method,
        is_repeated,
        case
            when is_repeated then 'the same sample stands in an input named earlier'
            when is_normal then 'normal tissue, not a tumour'
            when not is_in_study then 'not in the list of all samples of the study'
            when not in_cna_list then 'not in the list of samples profiled for copy number'
            when sample_number is null then 'no copy-number calls of it'
            when not is_panel_found then 'the genes of its panel are not known'
        end as exclusion_reason,
        {{ compact([
            "case when known_cancer_type_code is null then 'cancer_type_unmapped' end",
            "case when is_normal then 'normal_sample' end",
            "case when patient_id is null then 'patient_not_given' end",
            "case when not in_study_list and sample_number is not null then 'not_in_study_list' end",
            "case when in_cna_list and sample_number is null then 'in_cna_list_without_calls' end",
            "case when not in_cna_list and sample_number is not null then 'calls_but_not_in_cna_list' end",
            "case when not is_panel_found then 'panel_unknown' end",
            "case when is_repeated then 'repeated' end",
        ]) }} as flags,
        item_id,
        input_number,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from typed

)

select * from final
