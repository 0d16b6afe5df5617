-- Grain: source x study x basis x cancer type x gene set x unit. Nothing is added up over studies or types.
-- Inputs: cleaned_study_counts.
-- Counts that do not count, because another study has the same patients, are shown with the reason;
-- amplification_by_cancer is made of the others.
with counts as (

    select * from {{ ref('cleaned_study_counts') }}

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

final as (

    select
        counts.source,
        counts.source_class,
        counts.study_id,
        counts.study_group,
        counts.basis,
        counts.cancer_type_code,
        coalesce(cancer_types.cancer_type, counts.cancer_type_label) as cancer_type,
        counts.gene_set,
        counts.unit,
        counts.is_simulated,
        counts.n_samples_all,
        counts.n_assayed,
        counts.n_amplified,
        counts.n_partially_assayed_amplified,
        {{ fraction('counts.n_amplified', 'counts.n_assayed') }} as amplified_fraction,
        {{ wilson_low('counts.n_amplified', 'counts.n_assayed') }} as amplified_ci_low,
        {{ wilson_high('counts.n_amplified', 'counts.n_assayed') }} as amplified_ci_high,
        counts.call_method,
        counts.source_reference,
        counts.is_counted,
        counts.exclusion_reason
    from counts
    left join cancer_types on counts.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
