-- Grain: source x cancer type x gene set x unit.
-- Inputs: amplification_by_study (the counted rows), cleaned_cancer_type_groups.
-- Counts go to their own cancer type and to every wider one (LUAD to NSCLC, KIRC to RCC, all to ALL_CANCERS),
-- except where the study publishes a wider one itself: then that row stands, there and in all above it, and
-- its parts are not added again. Computed counts have each sample in one cancer type: an NSCLC row beside a
-- LUAD row is no total but the samples of no given type, and is added.
-- Inner joins only find the parts of a total; no row of the inputs hangs on them.
with counts as (

    select * from {{ ref('amplification_by_study') }} where is_counted

),

type_groups as (

    select * from {{ ref('cleaned_cancer_type_groups') }}

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

grouped as (

    select
        counts.*,
        coalesce(type_groups.group_code, counts.cancer_type_code) as group_code
    from counts
    left join type_groups on counts.cancer_type_code = type_groups.cancer_type_code

),

study_rows as (

    select distinct source, study_id, basis, cancer_type_code, gene_set, unit, is_simulated from counts

),

-- a part and every group in which a wider row of the same study stands for it
covered as (

    select distinct
        part.source,
        part.study_id,
        part.cancer_type_code,
        part.gene_set,
        part.unit,
        part.is_simulated,
        groups_of_total.group_code
    from study_rows as part
    inner join type_groups as groups_of_part
        on
            part.cancer_type_code = groups_of_part.cancer_type_code
            and part.cancer_type_code <> groups_of_part.group_code
    inner join study_rows as total
        on
            groups_of_part.group_code = total.cancer_type_code
            and total.basis = 'published'
            and part.source = total.source
            -- a total over all cancers may hold the patients of the source's other studies
            and (part.study_id = total.study_id or total.cancer_type_code = 'ALL_CANCERS')
            and part.gene_set = total.gene_set
            and part.unit = total.unit
            and part.is_simulated = total.is_simulated
    inner join type_groups as groups_of_total on total.cancer_type_code = groups_of_total.cancer_type_code

),

judged as (

    select
        grouped.*,
        grouped.cancer_type_code = grouped.group_code as is_own_row,
        covered.group_code is not null as is_covered
    from grouped
    left join covered
        on
            grouped.source = covered.source
            and grouped.study_id = covered.study_id
            and grouped.cancer_type_code = covered.cancer_type_code
            and grouped.gene_set = covered.gene_set
            and grouped.unit = covered.unit
            and grouped.is_simulated = covered.is_simulated
            and grouped.group_code = covered.group_code

),

summed as (

    select
        source,
        source_class,
        group_code as cancer_type_code,
        gene_set,
        unit,
        is_simulated,
        min(cancer_type) filter (where is_own_row) as own_cancer_type,
        {{ text_list('cancer_type_code') }} as cancer_types_included,
        count(distinct study_id) as n_studies,
        -- unknown for one study is unknown for the sum
        cast(case when count(n_samples_all) = count(*) then sum(n_samples_all) end as bigint)
            as n_samples_all,
        cast(sum(n_assayed) as bigint) as n_assayed,
        cast(sum(n_amplified) as bigint) as n_amplified,
        cast(
            case
                when count(n_partially_assayed_amplified) = count(*)
                    then sum(n_partially_assayed_amplified)
            end as bigint
        ) as n_partially_assayed_amplified,
        {{ text_list('basis') }} as bases,
        {{ text_list('call_method') }} as call_method
    from judged
    where not is_covered
    group by source, source_class, group_code, gene_set, unit, is_simulated
    -- one cancer type alone is not all cancers
    having
        group_code <> 'ALL_CANCERS'
        or max(cast(is_own_row as integer)) = 1
        or count(distinct cancer_type_code) > 1

),

final as (

    select
        summed.source,
        summed.source_class,
        summed.cancer_type_code,
        coalesce(cancer_types.cancer_type, summed.own_cancer_type) as cancer_type,
        summed.gene_set,
        summed.unit,
        summed.is_simulated,
        summed.cancer_types_included,
        summed.n_studies,
        summed.n_samples_all,
        summed.n_assayed,
        summed.n_amplified,
        summed.n_partially_assayed_amplified,
        {{ fraction('summed.n_amplified', 'summed.n_assayed') }} as amplified_fraction,
        {{ wilson_low('summed.n_amplified', 'summed.n_assayed') }} as amplified_ci_low,
        {{ wilson_high('summed.n_amplified', 'summed.n_assayed') }} as amplified_ci_high,
        summed.bases,
        summed.call_method
    from summed
    left join cancer_types on summed.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
