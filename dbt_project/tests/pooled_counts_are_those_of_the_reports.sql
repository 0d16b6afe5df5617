-- Adding up hpd_incidence gives the pooled reports again: none is lost or counts twice, simulated stay apart.
with of_reports as (

    select
        is_simulated,
        cast(sum(n_evaluable) as bigint) as n_evaluable,
        cast(sum(n_hpd) as bigint) as n_hpd
    from {{ ref('hpd_reports') }}
    where in_any_pool
    group by is_simulated

),

of_pools as (

    select
        is_simulated,
        cast(sum(n_evaluable) as bigint) as n_evaluable,
        cast(sum(n_hpd) as bigint) as n_hpd
    from {{ ref('hpd_incidence') }}
    where hpd_definition = 'ANY_PUBLISHED' and basis = 'reported' and n_reports_pooled > 0
    group by is_simulated

)

select
    of_reports.n_evaluable as n_evaluable_of_reports,
    of_pools.n_evaluable as n_evaluable_of_pools,
    of_reports.n_hpd as n_hpd_of_reports,
    of_pools.n_hpd as n_hpd_of_pools
from of_reports
full outer join of_pools on of_reports.is_simulated = of_pools.is_simulated
where
    of_reports.n_evaluable is distinct from of_pools.n_evaluable
    or of_reports.n_hpd is distinct from of_pools.n_hpd
