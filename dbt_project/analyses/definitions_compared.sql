-- Does the definition of hyperprogression change the answer?
-- Read: the lines of a cohort are the same patients, judged under different definitions.
--   times_lowest says how much more often this definition finds hyperprogression than the strictest one that
--   finds any.
-- Caveat: where n_evaluable differs, by a fifth at most, a definition needs more to be known (an earlier
--   scan), and leaves out patients. Reports that only overlap, or are of a part of a cohort, are not here.
with same_patients as (

    select
        *,
        max(n_evaluable) over (partition by cohort_id, cancer_type_code) as largest
    from {{ ref('hpd_reports') }}
    where
        (in_any_pool or in_definition_pool or pool_exclusion_code = 'other_definition')
        and hpd_incidence is not null
        and not is_simulated

),

judged as (

    select
        *,
        count(distinct hpd_definition) over (partition by cohort_id, cancer_type_code) as n_definitions,
        min(nullif(hpd_incidence, 0)) over (partition by cohort_id, cancer_type_code) as lowest
    from same_patients
    where n_evaluable >= 0.8 * largest

)

select
    cohort_id,
    cancer_type,
    hpd_definition,
    n_hpd,
    n_evaluable,
    round(hpd_incidence, 3) as hpd_incidence,
    round(hpd_ci_low, 3) as hpd_ci_low,
    round(hpd_ci_high, 3) as hpd_ci_high,
    round(hpd_incidence / lowest, 1) as times_lowest,
    report_id
from judged
where n_definitions > 1
order by cohort_id, cancer_type, judged.hpd_incidence desc, report_id
