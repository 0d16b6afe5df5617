-- Every tumour has a status for every gene and gene set, and is counted once for every gene set of its study.
-- No tumour is no fault (a study may hold normal tissue alone); that samples are not lost before this is
-- watched over by same_rows_as of cleaned_samples.
with tumours as (

    select
        study_id,
        is_simulated,
        count(*) as n_tumours,
        count(*) filter (where is_in_study) as n_in_study
    from {{ ref('cleaned_samples') }}
    where not is_repeated and not is_normal
    group by study_id, is_simulated

),

genes as (

    select
        count(distinct gene) as n_genes,
        count(distinct gene_set) as n_gene_sets
    from {{ ref('cleaned_gene_set_genes') }}

),

judged as (

    select
        study_id,
        is_simulated,
        count(*) as n_rows
    from {{ ref('cleaned_gene_status') }}
    group by study_id, is_simulated

),

judged_sets as (

    select
        study_id,
        is_simulated,
        count(*) as n_rows
    from {{ ref('cleaned_gene_set_status') }}
    group by study_id, is_simulated

),

counted as (

    select
        study_id,
        is_simulated,
        sum(n_samples_all) as n_rows
    from {{ ref('cleaned_sample_counts') }}
    where unit = 'sample'
    group by study_id, is_simulated

)

select
    tumours.study_id,
    tumours.n_tumours,
    tumours.n_in_study,
    judged.n_rows as n_judged,
    judged_sets.n_rows as n_judged_sets,
    counted.n_rows as n_counted
from tumours
cross join genes
full outer join judged
    on tumours.study_id = judged.study_id and tumours.is_simulated = judged.is_simulated
full outer join judged_sets
    on tumours.study_id = judged_sets.study_id and tumours.is_simulated = judged_sets.is_simulated
full outer join counted
    on tumours.study_id = counted.study_id and tumours.is_simulated = counted.is_simulated
where
    judged.n_rows is distinct from tumours.n_tumours * genes.n_genes
    or judged_sets.n_rows is distinct from tumours.n_tumours * genes.n_gene_sets
    or coalesce(counted.n_rows, 0) is distinct from tumours.n_in_study * genes.n_gene_sets
