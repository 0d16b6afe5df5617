-- Grain: cancer type x HPD definition x basis x gene set. The mart: incidence joined with amplification.
-- Inputs: hpd_incidence, amplification_by_cancer, vocabularies. A full outer join: a cancer type with one
-- side only keeps its row (has_hpd, has_amplification); with no report, its definition is ANY_PUBLISHED.
-- TCGA counts are samples, as published ones are; its patients stay in amplification_by_cancer. Institutional
-- counts are those of one source, never a sum over panels: own data first, then most assayed.
with incidence as (

    select * from {{ ref('hpd_incidence') }}

),

amplification as (

    select * from {{ ref('amplification_by_cancer') }}

),

gene_sets as (

    select gene_set from {{ ref('gene_sets') }}
    union
    select gene_set from amplification

),

published_sources as (

    select source from {{ ref('amplification_sources') }}

),

ranked as (

    select
        amplification.*,
        row_number() over (
            partition by
                amplification.source_class,
                amplification.cancer_type_code,
                amplification.gene_set,
                amplification.is_simulated
            order by
                case when amplification.n_assayed > 0 then 0 else 1 end,
                case when published_sources.source is null then 0 else 1 end,
                amplification.n_assayed desc,
                amplification.source,
                amplification.unit desc
        ) as preference
    from amplification
    left join published_sources on amplification.source = published_sources.source
    -- patients are known of some cohorts only: they would be another sum than the samples
    where amplification.source_class <> 'tcga' or amplification.unit = 'sample'

),

tcga as (

    select * from ranked where source_class = 'tcga' and preference = 1

),

institutional as (

    select * from ranked where source_class = 'institutional' and preference = 1

),

institutional_sources as (

    select
        cancer_type_code,
        gene_set,
        is_simulated,
        count(distinct source) as n_sources
    from amplification
    where source_class = 'institutional'
    group by cancer_type_code, gene_set, is_simulated

),

amplified_cancers as (

    select
        cancer_type_code,
        min(cancer_type) as cancer_type,
        gene_set,
        is_simulated
    from amplification
    group by cancer_type_code, gene_set, is_simulated

),

reported_cancers as (

    select distinct cancer_type_code, is_simulated from incidence

),

spine as (

    select
        incidence.cancer_type_code,
        incidence.cancer_type,
        incidence.hpd_definition,
        incidence.basis,
        gene_sets.gene_set,
        incidence.is_simulated
    from incidence
    cross join gene_sets
    union all
    select
        amplified_cancers.cancer_type_code,
        amplified_cancers.cancer_type,
        'ANY_PUBLISHED' as hpd_definition,
        'reported' as basis,
        amplified_cancers.gene_set,
        amplified_cancers.is_simulated
    from amplified_cancers
    left join reported_cancers
        on
            amplified_cancers.cancer_type_code = reported_cancers.cancer_type_code
            and amplified_cancers.is_simulated = reported_cancers.is_simulated
    where reported_cancers.cancer_type_code is null

),

final as (

    select
        spine.cancer_type_code,
        spine.cancer_type,
        spine.hpd_definition,
        spine.basis,
        spine.gene_set,
        spine.is_simulated,
        incidence.n_reports is not null as has_hpd,
        coalesce(tcga.n_assayed, 0) + coalesce(institutional.n_assayed, 0) > 0 as has_amplification,
        coalesce(incidence.n_reports, 0) as n_reports,
        coalesce(incidence.n_reports_pooled, 0) as n_reports_pooled,
        incidence.n_evaluable,
        incidence.n_hpd,
        incidence.hpd_incidence,
        incidence.hpd_ci_low,
        incidence.hpd_ci_high,
        incidence.pooled_incidence,
        incidence.pooled_ci_low,
        incidence.pooled_ci_high,
        incidence.prediction_low,
        incidence.prediction_high,
        incidence.pooling_method,
        incidence.reported_incidence_low,
        incidence.reported_incidence_high,
        coalesce(incidence.is_suppressed, false) as is_suppressed,
        tcga.n_samples_all as tcga_n_samples_all,
        tcga.n_assayed as tcga_n_assayed,
        tcga.n_amplified as tcga_n_amplified,
        tcga.amplified_fraction as tcga_amplified_fraction,
        tcga.amplified_ci_low as tcga_amplified_ci_low,
        tcga.amplified_ci_high as tcga_amplified_ci_high,
        tcga.call_method as tcga_call_method,
        tcga.cancer_types_included as tcga_cancer_types_included,
        coalesce(institutional_sources.n_sources, 0) as n_institutional_sources,
        institutional.source as institutional_source,
        institutional.unit as institutional_unit,
        institutional.n_samples_all as institutional_n_samples_all,
        institutional.n_assayed as institutional_n_assayed,
        institutional.n_amplified as institutional_n_amplified,
        institutional.amplified_fraction as institutional_amplified_fraction,
        institutional.amplified_ci_low as institutional_amplified_ci_low,
        institutional.amplified_ci_high as institutional_amplified_ci_high,
        institutional.call_method as institutional_call_method,
        institutional.cancer_types_included as institutional_cancer_types_included
    from spine
    left join incidence
        on
            spine.cancer_type_code = incidence.cancer_type_code
            and spine.hpd_definition = incidence.hpd_definition
            and spine.basis = incidence.basis
            and spine.is_simulated = incidence.is_simulated
    left join tcga
        on
            spine.cancer_type_code = tcga.cancer_type_code
            and spine.gene_set = tcga.gene_set
            and spine.is_simulated = tcga.is_simulated
    left join institutional
        on
            spine.cancer_type_code = institutional.cancer_type_code
            and spine.gene_set = institutional.gene_set
            and spine.is_simulated = institutional.is_simulated
    left join institutional_sources
        on
            spine.cancer_type_code = institutional_sources.cancer_type_code
            and spine.gene_set = institutional_sources.gene_set
            and spine.is_simulated = institutional_sources.is_simulated

)

select * from final
