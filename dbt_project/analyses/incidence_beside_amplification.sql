-- Do cancers that are more often amplified show more hyperprogression?
-- Read: a line per cancer type, the most amplified first. If the two went together, pooled_incidence would
--   fall from top to bottom. n_hpd / n_evaluable are patients of the pooled reports; the fractions are over
--   assayed tumours.
-- Caveat: definitions are mixed, the tumours sequenced are other people's, and a line of one small report is
--   hardly an answer: look at the interval before the number.
select
    cancer_type,
    n_reports_pooled,
    n_hpd,
    n_evaluable,
    round(pooled_incidence, 3) as pooled_incidence,
    round(pooled_ci_low, 3) as pooled_ci_low,
    round(pooled_ci_high, 3) as pooled_ci_high,
    tcga_n_amplified,
    tcga_n_assayed,
    round(tcga_amplified_fraction, 3) as tcga_amplified_fraction,
    institutional_n_amplified,
    institutional_n_assayed,
    round(institutional_amplified_fraction, 3) as institutional_amplified_fraction,
    institutional_source
from {{ ref('hpd_amplification_by_cancer') }}
where
    hpd_definition = 'ANY_PUBLISHED'
    and basis = 'reported'
    and gene_set = 'MDM2|MDM4'
    and n_reports_pooled > 0
    and not is_simulated
order by
    coalesce(tcga_amplified_fraction, institutional_amplified_fraction) desc nulls last,
    cancer_type
