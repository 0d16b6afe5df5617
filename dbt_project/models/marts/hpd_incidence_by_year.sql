-- Grain: cancer type x HPD definition x publication year: the reports up to that year pooled, how the
-- evidence moved. Inputs: stat_pooled_incidence, stat_pool_members, hpd_incidence.
-- Reported evidence only; a report without a year is in none of the rows.
with members as (

    select * from {{ ref('stat_pool_members') }} where basis = 'reported'

),

pooled as (

    select * from {{ ref('stat_pooled_incidence') }} where up_to_year is not null

),

cancer_types as (

    select distinct
        cancer_type_code,
        cancer_type
    from {{ ref('hpd_incidence') }}

),

counted as (

    select
        pooled.cancer_type_code,
        pooled.hpd_definition,
        pooled.up_to_year,
        pooled.is_simulated,
        cast(sum(members.n_evaluable) as bigint) as n_evaluable,
        cast(sum(members.n_hpd) as bigint) as n_hpd
    from pooled
    left join members
        on
            pooled.cancer_type_code = members.cancer_type_code
            and pooled.hpd_definition = members.hpd_definition
            and pooled.is_simulated = members.is_simulated
            and members.publication_year <= pooled.up_to_year
    group by pooled.cancer_type_code, pooled.hpd_definition, pooled.up_to_year, pooled.is_simulated

),

final as (

    select
        pooled.cancer_type_code,
        cancer_types.cancer_type,
        pooled.hpd_definition,
        pooled.up_to_year,
        pooled.is_simulated,
        pooled.k as n_reports_pooled,
        counted.n_evaluable,
        counted.n_hpd,
        pooled.estimate as pooled_incidence,
        pooled.ci_low as pooled_ci_low,
        pooled.ci_high as pooled_ci_high,
        pooled.prediction_low,
        pooled.prediction_high,
        pooled.tau2,
        pooled.i2,
        pooled.note
    from pooled
    left join counted
        on
            pooled.cancer_type_code = counted.cancer_type_code
            and pooled.hpd_definition = counted.hpd_definition
            and pooled.up_to_year = counted.up_to_year
            and pooled.is_simulated = counted.is_simulated
    left join cancer_types on pooled.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
