-- Grain: HPD definition x basis x gene set x source of amplification x step along the line.
-- Inputs: stat_association, stat_association_points. The regression of the association, from the least to the
-- most amplified cancer type: logit(incidence) = intercept + slope * amplified fraction * 10.
with associations as (

    select
        *,
        -- of t with as many degrees as there are cancer types to spare
        (slope_high - slope) / slope_se as quantile
    from {{ ref('stat_association') }}
    where left_out_cancer_type_code is null and slope is not null

),

spans as (

    select
        hpd_definition,
        basis,
        gene_set,
        source_class,
        is_simulated,
        min(amplified_fraction) as least,
        max(amplified_fraction) as most
    from {{ ref('stat_association_points') }}
    where exclusion_reason is null
    group by hpd_definition, basis, gene_set, source_class, is_simulated

),

steps as (

    select cast(range as bigint) as step_number from range(0, 21)

),

along as (

    select
        associations.hpd_definition,
        associations.basis,
        associations.gene_set,
        associations.source_class,
        associations.is_simulated,
        associations.intercept,
        associations.intercept_se,
        associations.slope,
        associations.slope_se,
        associations.intercept_slope_covariance,
        associations.quantile,
        steps.step_number,
        spans.least + (spans.most - spans.least) * steps.step_number / 20 as amplified_fraction
    from associations
    left join spans
        on
            associations.hpd_definition = spans.hpd_definition
            and associations.basis = spans.basis
            and associations.gene_set = spans.gene_set
            and associations.source_class = spans.source_class
            and associations.is_simulated = spans.is_simulated
    cross join steps

),

fitted as (

    select
        *,
        intercept + slope * amplified_fraction * 10 as log_odds,
        sqrt(greatest(
            power(intercept_se, 2)
            + 2 * amplified_fraction * 10 * intercept_slope_covariance
            + power(amplified_fraction * 10 * slope_se, 2),
            0
        )) as log_odds_se
    from along

),

final as (

    select
        hpd_definition,
        basis,
        gene_set,
        source_class,
        step_number,
        is_simulated,
        amplified_fraction,
        1 / (1 + exp(-log_odds)) as fitted_incidence,
        1 / (1 + exp(-(log_odds - quantile * log_odds_se))) as fitted_ci_low,
        1 / (1 + exp(-(log_odds + quantile * log_odds_se))) as fitted_ci_high
    from fitted

)

select * from final
