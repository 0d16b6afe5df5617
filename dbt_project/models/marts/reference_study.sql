-- Grain: quantity x cancer type printed by the reference study (Ju et al., ASCO 2019, abstract 2557).
-- Inputs: the vocabulary reference_study_printed, hpd_incidence, amplification_by_cancer, hpd_reports.
with printed as (

    select * from {{ ref('reference_study_printed') }}

),

incidence as (

    select *
    from {{ ref('hpd_incidence') }}
    where hpd_definition = 'ANY_PUBLISHED' and basis = 'reported' and not is_simulated

),

amplification as (

    select *
    from {{ ref('amplification_by_cancer') }}
    where source = 'TCGA' and unit = 'sample' and not is_simulated

),

pooled as (

    select
        count(distinct cohort_id) as n_cohorts,
        cast(sum(n_evaluable) as bigint) as n_evaluable,
        count(distinct nullif(cancer_type_code, 'ALL_CANCERS')) as n_cancer_types
    from {{ ref('hpd_reports') }}
    where in_any_pool and not is_simulated

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

final as (

    select
        printed.quantity,
        printed.cancer_type_code,
        cancer_types.cancer_type,
        printed.gene_set,
        printed.printed_value,
        printed.printed_as,
        printed.unit,
        case printed.quantity
            when 'hpd_incidence' then incidence.hpd_incidence
            when 'amplified_fraction' then amplification.amplified_fraction
            when 'n_trials' then pooled.n_cohorts
            when 'n_patients' then pooled.n_evaluable
            when 'n_cancer_types' then pooled.n_cancer_types
        end as our_value,
        case printed.quantity
            when 'hpd_incidence' then incidence.n_hpd
            when 'amplified_fraction' then amplification.n_amplified
        end as our_numerator,
        case printed.quantity
            when 'hpd_incidence' then incidence.n_evaluable
            when 'amplified_fraction' then amplification.n_assayed
        end as our_denominator,
        case printed.quantity
            when 'hpd_incidence' then incidence.hpd_ci_low
            when 'amplified_fraction' then amplification.amplified_ci_low
        end as our_ci_low,
        case printed.quantity
            when 'hpd_incidence' then incidence.hpd_ci_high
            when 'amplified_fraction' then amplification.amplified_ci_high
        end as our_ci_high,
        case when printed.quantity = 'amplified_fraction' then amplification.n_samples_all end
            as our_n_samples_all,
        printed.note
    from printed
    cross join pooled
    left join cancer_types on printed.cancer_type_code = cancer_types.cancer_type_code
    left join incidence on printed.cancer_type_code = incidence.cancer_type_code
    left join amplification
        on
            printed.cancer_type_code = amplification.cancer_type_code
            and printed.gene_set = amplification.gene_set

)

select * from final
