-- Grain: source x study x basis (published, computed) x cancer type x gene set x unit.
-- Inputs: cleaned_amplification_counts, cleaned_sample_counts.
-- Studies of one study_group are about the same patients: one of them counts, for each gene set apart. Counts
-- computed from samples come before published ones where they assayed anything for the gene set (a study
-- without FGF19 leaves 11q13 to the published counts: nothing is lost), then the most assayed, then the input
-- named first. The others keep their rows, with the reason. Published counts are compared with those of their
-- own source: study names of two sources may be alike by chance, and sources are never added up.
with published as (

    select
        source,
        min(source_class) as source_class,
        study_id,
        min(study_group) as study_group,
        'published' as basis,
        cancer_type_code,
        min(cancer_type_reported) as cancer_type_label,
        gene_set,
        unit,
        is_simulated,
        -- unknown for one part is unknown for the sum
        cast(case when count(n_samples_all) = count(*) then sum(n_samples_all) end as bigint)
            as n_samples_all,
        cast(sum(n_assayed) as bigint) as n_assayed,
        cast(sum(n_amplified) as bigint) as n_amplified,
        cast(null as bigint) as n_partially_assayed_amplified,
        {{ text_list('call_method') }} as call_method,
        {{ text_list('source_reference') }} as source_reference,
        min(input_number) as input_number
    from {{ ref('cleaned_amplification_counts') }}
    where not is_repeated
    group by source, study_id, cancer_type_code, gene_set, unit, is_simulated

),

computed as (

    select
        source,
        source_class,
        study_id,
        study_group,
        'computed' as basis,
        cancer_type_code,
        cancer_type_label,
        gene_set,
        unit,
        is_simulated,
        n_samples_all,
        n_assayed,
        n_amplified,
        n_partially_assayed_amplified,
        call_method,
        cast(null as string) as source_reference,
        input_number
    from {{ ref('cleaned_sample_counts') }}

),

counts as (

    select
        *,
        source as compared_within
    from published
    union all
    select
        *,
        '' as compared_within
    from computed

),

of_units as (

    select
        compared_within,
        study_id,
        study_group,
        basis,
        gene_set,
        is_simulated,
        -- a published total over all cancers holds its parts
        coalesce(
            max(n_assayed) filter (where basis = 'published' and cancer_type_code = 'ALL_CANCERS'),
            sum(n_assayed)
        ) as n_assayed,
        min(input_number) as input_number
    from counts
    group by compared_within, study_id, study_group, basis, gene_set, unit, is_simulated

),

candidates as (

    select
        compared_within,
        study_id,
        study_group,
        basis,
        gene_set,
        is_simulated,
        max(n_assayed) as n_assayed,
        min(input_number) as input_number
    from of_units
    group by compared_within, study_id, study_group, basis, gene_set, is_simulated

),

ranked as (

    select
        *,
        max(case when basis = 'computed' then n_assayed else -1 end) over (
            partition by study_group, gene_set, is_simulated
        ) as n_assayed_computed,
        max(case when basis = 'published' then n_assayed else -1 end) over (
            partition by study_group, gene_set, is_simulated
        ) as n_assayed_published,
        row_number() over (
            partition by study_group, gene_set, is_simulated, basis, compared_within
            order by n_assayed desc, input_number, study_id
        ) as preference
    from candidates

),

chosen as (

    select
        *,
        preference = 1
        and basis = case
            when n_assayed_computed > 0 then 'computed'
            when n_assayed_published > 0 or n_assayed_computed < 0 then 'published'
            else 'computed'
        end as is_counted
    from ranked

),

-- the study that stands for the others: of the same source where there is one
named as (

    select
        *,
        coalesce(
            min(case when is_counted then study_id || ' (' || basis || ')' end) over (
                partition by study_group, gene_set, is_simulated, compared_within
            ),
            min(case when is_counted then study_id || ' (' || basis || ')' end) over (
                partition by study_group, gene_set, is_simulated
            )
        ) as counted_study
    from chosen

),

final as (

    select
        counts.source,
        counts.source_class,
        counts.study_id,
        counts.study_group,
        counts.basis,
        counts.cancer_type_code,
        counts.cancer_type_label,
        counts.gene_set,
        counts.unit,
        counts.is_simulated,
        counts.n_samples_all,
        counts.n_assayed,
        counts.n_amplified,
        counts.n_partially_assayed_amplified,
        counts.call_method,
        counts.source_reference,
        named.is_counted,
        case
            when not named.is_counted
                then 'the same patients as ' || named.counted_study || ', which is counted'
        end as exclusion_reason
    from counts
    left join named
        on
            counts.compared_within = named.compared_within
            and counts.study_id = named.study_id
            and counts.study_group = named.study_group
            and counts.basis = named.basis
            and counts.gene_set = named.gene_set
            and counts.is_simulated = named.is_simulated

)

select * from final
