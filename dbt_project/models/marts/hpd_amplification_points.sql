-- Grain: HPD definition x basis x gene set x source of amplification x cancer type with both sides known.
-- Inputs: stat_association_points. The main mart with the source of amplification as a row, to be plotted.
with points as (

    select * from {{ ref('stat_association_points') }}

),

final as (

    select
        hpd_definition,
        basis,
        gene_set,
        source_class,
        cancer_type_code,
        cancer_type,
        is_simulated,
        n_reports_pooled,
        n_hpd,
        n_evaluable,
        pooled_incidence,
        pooled_ci_low,
        pooled_ci_high,
        n_amplified,
        n_assayed,
        amplified_fraction,
        amplified_ci_low,
        amplified_ci_high,
        exclusion_reason is null as is_counted,
        exclusion_reason
    from points

)

select * from final
