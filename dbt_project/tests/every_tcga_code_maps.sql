-- The 32 cohorts of TCGA each have a cancer type of their own, and every TCGA row loaded has found its own.
select
    'codes in the vocabulary' as what,
    cast(count(distinct label) as string) || ' for '
    || cast(count(distinct cancer_type_code) as string) as found
from {{ ref('cancer_type_labels') }}
where vocabulary = 'tcga'
having count(distinct label) <> 32 or count(distinct cancer_type_code) <> 32
union all
select distinct
    'unmapped' as what,
    coalesce(cancer_type_code_reported, cancer_type_reported) as found
from {{ ref('cleaned_amplification_counts') }}
where source = 'TCGA' and not is_cancer_type_mapped
