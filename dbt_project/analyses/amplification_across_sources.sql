-- How sure is an amplified fraction: does another source find what TCGA found?
-- Read: a line per cancer type, gene set and source beside TCGA. is_apart: the two 95 % intervals do not
--   touch, so that chance is a poor explanation; patients, stage, assay or call method differ.
-- Caveat: intervals that touch do not prove agreement: below some hundred assayed tumours they touch almost
--   always. The TCGA calls that come with the project are recomputed from segments, the others as published.
with counted as (

    select *
    from {{ ref('amplification_by_cancer') }}
    where gene_set in ('MDM2', 'MDM4', 'MDM2|MDM4') and n_assayed > 0 and not is_simulated

),

tcga as (

    select *
    from counted
    where source_class = 'tcga' and unit = 'sample'

)

select
    tcga.cancer_type,
    tcga.gene_set,
    tcga.n_amplified as tcga_n_amplified,
    tcga.n_assayed as tcga_n_assayed,
    round(tcga.amplified_fraction, 3) as tcga_amplified_fraction,
    round(tcga.amplified_ci_low, 3) as tcga_ci_low,
    round(tcga.amplified_ci_high, 3) as tcga_ci_high,
    counted.source,
    counted.unit,
    counted.n_amplified,
    counted.n_assayed,
    round(counted.amplified_fraction, 3) as amplified_fraction,
    round(counted.amplified_ci_low, 3) as ci_low,
    round(counted.amplified_ci_high, 3) as ci_high,
    counted.amplified_ci_low > tcga.amplified_ci_high
    or counted.amplified_ci_high < tcga.amplified_ci_low as is_apart
from tcga
inner join counted
    on
        tcga.cancer_type_code = counted.cancer_type_code
        and tcga.gene_set = counted.gene_set
        and counted.source_class <> 'tcga'
order by counted.n_assayed desc, tcga.cancer_type, tcga.gene_set, counted.source, counted.unit
