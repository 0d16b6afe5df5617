-- Of the studies of one group (of one source, where all are published) one is counted for a gene set, never
-- none and never published counts beside computed ones. Counts that are wrongly missing: no_rows_lost of
-- amplification_by_study.
with studies as (

    select distinct
        study_group,
        gene_set,
        is_simulated,
        basis,
        study_id,
        source,
        is_counted
    from {{ ref('amplification_by_study') }}

)

select
    study_group,
    gene_set,
    is_simulated
from studies
group by study_group, gene_set, is_simulated
having
    count(distinct case when is_counted then basis end) <> 1
    or count(distinct case when is_counted and basis = 'computed' then study_id end) > 1
union all
select
    study_group,
    gene_set,
    is_simulated
from studies
where basis = 'published' and is_counted
group by study_group, gene_set, is_simulated, source
having count(distinct study_id) > 1
