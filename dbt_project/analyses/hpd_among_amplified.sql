-- Within patients: how many hyperprogress with the gene amplified, and how many without?
-- Read: a line per 2x2 table. odds_ratio above 1: more often with the amplification; an interval that holds 1
--   leaves it open. basis = computed are own patients, reported are publications.
-- Caveat: look at outcome, which is not always hyperprogression, and at is_complete: a publication that
--   prints only its amplified patients has no comparison, and small series of them found because they
--   hyperprogressed prove nothing.
select
    report_id,
    cancer_type,
    gene_set,
    alteration,
    outcome,
    hpd_definition,
    basis,
    n_altered_with_outcome,
    n_altered_with_outcome + n_altered_without_outcome as n_altered,
    n_unaltered_with_outcome,
    n_unaltered_with_outcome + n_unaltered_without_outcome as n_unaltered,
    round(odds_ratio, 2) as odds_ratio,
    round(odds_ratio_ci_low, 2) as odds_ratio_ci_low,
    round(odds_ratio_ci_high, 2) as odds_ratio_ci_high,
    round(fisher_p, 3) as fisher_p,
    is_complete
from {{ ref('hpd_by_amplification_status') }}
where not is_simulated
order by is_complete desc, n_altered desc nulls last, report_id, gene_set, outcome
