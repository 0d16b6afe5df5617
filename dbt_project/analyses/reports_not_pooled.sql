-- Which reports are not in the pooled incidence, and why?
-- Read: a line per report, gathered by kind of reason. in_definition_pool: the report does count in the pool
--   of its own definition, only not in the pool over all of them, where another report stands for the same
--   patients.
-- Caveat: left out does not mean bad. Somebody who decides otherwise changes in_pool in an own copy of the
--   input.
select
    pool_exclusion_code,
    pool_exclusion_reason,
    cancer_type,
    report_id,
    hpd_definition,
    n_hpd,
    n_evaluable,
    in_definition_pool,
    coalesce('doi.org/' || doi, source_url) as where_to_read
from {{ ref('hpd_reports') }}
where not in_any_pool and not is_simulated
order by pool_exclusion_code, cancer_type, report_id
