-- Grain: report or trial x cancer type as reported x gene set x outcome x basis.
-- Inputs: cleaned_hpd_by_amplification, cleaned_patient_hpd, cleaned_patient_amplification. Reported: 2x2
-- tables as printed, incomplete ones too. Computed: patients of a trial whose genes and HPD are both known
-- (chosen reader, no control arms). Nothing is pooled.
with tables as (

    select
        *,
        n_altered_with_outcome + n_altered_without_outcome as n_altered,
        n_unaltered_with_outcome + n_unaltered_without_outcome as n_unaltered
    from {{ ref('cleaned_hpd_by_amplification') }}
    where not is_repeated

),

cancer_types as (

    select * from {{ ref('cancer_types') }}

),

patients as (

    select
        *,
        case when cancer_type_code not like 'UNMAPPED%' then cancer_type_code else 'UNMAPPED' end
            as shown_cancer_type_code
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader and treatment_class not in ('other', 'unknown') and outcome <> 'not_evaluable'

),

statuses as (

    select * from {{ ref('cleaned_patient_amplification') }}

),

counted as (

    select
        statuses.trial_id,
        patients.shown_cancer_type_code as cancer_type_code,
        statuses.gene_set,
        patients.hpd_definition,
        statuses.is_simulated,
        min(statuses.data_origin) as data_origin,
        count(*) filter (where statuses.gene_set_status = 'amplified' and patients.outcome = 'hpd')
            as n_altered_with_outcome,
        count(*) filter (where statuses.gene_set_status = 'amplified' and patients.outcome = 'not_hpd')
            as n_altered_without_outcome,
        count(*) filter (where statuses.gene_set_status = 'not_amplified' and patients.outcome = 'hpd')
            as n_unaltered_with_outcome,
        count(*) filter (where statuses.gene_set_status = 'not_amplified' and patients.outcome = 'not_hpd')
            as n_unaltered_without_outcome
    from statuses
    -- a patient without either is no patient of a 2x2 table
    inner join patients
        on
            statuses.trial_id = patients.trial_id
            and statuses.patient_id = patients.patient_id
            and statuses.is_simulated = patients.is_simulated
    group by
        statuses.trial_id,
        patients.shown_cancer_type_code,
        statuses.gene_set,
        patients.hpd_definition,
        statuses.is_simulated

),

-- with three cells and the totals of other rows the fourth is known: all four or none
judged as (

    select
        *,
        {{ has_small_cell([
            'n_altered_with_outcome',
            'n_altered_without_outcome',
            'n_unaltered_with_outcome',
            'n_unaltered_without_outcome',
        ]) }} as is_suppressed
    from counted

),

computed as (

    select
        trial_id,
        cancer_type_code,
        gene_set,
        hpd_definition,
        data_origin,
        is_simulated,
        case when not is_suppressed then n_altered_with_outcome end as n_altered_with_outcome,
        case when not is_suppressed then n_altered_without_outcome end as n_altered_without_outcome,
        case when not is_suppressed then n_unaltered_with_outcome end as n_unaltered_with_outcome,
        case when not is_suppressed then n_unaltered_without_outcome end as n_unaltered_without_outcome,
        case when not is_suppressed then n_altered_with_outcome + n_altered_without_outcome end as n_altered,
        case when not is_suppressed then n_unaltered_with_outcome + n_unaltered_without_outcome end
            as n_unaltered,
        is_suppressed
    from judged

),

final as (

    select
        tables.report_id,
        tables.cancer_type_code,
        coalesce(cancer_types.cancer_type, tables.cancer_type_reported) as cancer_type,
        tables.cancer_type_reported,
        tables.gene_set,
        tables.alteration,
        tables.assay,
        tables.outcome,
        tables.hpd_definition,
        'reported' as basis,
        tables.n_altered_with_outcome,
        tables.n_altered_without_outcome,
        tables.n_unaltered_with_outcome,
        tables.n_unaltered_without_outcome,
        {{ fraction('tables.n_altered_with_outcome', 'tables.n_altered') }} as altered_outcome_fraction,
        {{ fraction('tables.n_unaltered_with_outcome', 'tables.n_unaltered') }} as unaltered_outcome_fraction,
        tables.is_complete,
        tables.pmid,
        tables.doi,
        tables.source_url,
        tables.data_origin,
        tables.is_simulated,
        false as is_suppressed
    from tables
    left join cancer_types on tables.cancer_type_code = cancer_types.cancer_type_code
    union all
    select
        computed.trial_id as report_id,
        computed.cancer_type_code,
        coalesce(cancer_types.cancer_type, 'Not in the vocabulary') as cancer_type,
        -- the patients' own words may be many, and are private
        coalesce(cancer_types.cancer_type, 'Not in the vocabulary') as cancer_type_reported,
        computed.gene_set,
        'amplification' as alteration,
        cast(null as string) as assay,
        'HPD (' || computed.hpd_definition || ')' as outcome,
        computed.hpd_definition,
        'computed' as basis,
        computed.n_altered_with_outcome,
        computed.n_altered_without_outcome,
        computed.n_unaltered_with_outcome,
        computed.n_unaltered_without_outcome,
        {{ fraction('computed.n_altered_with_outcome', 'computed.n_altered') }} as altered_outcome_fraction,
        {{ fraction('computed.n_unaltered_with_outcome', 'computed.n_unaltered') }}
            as unaltered_outcome_fraction,
        not computed.is_suppressed as is_complete,
        cast(null as string) as pmid,
        cast(null as string) as doi,
        cast(null as string) as source_url,
        computed.data_origin,
        computed.is_simulated,
        computed.is_suppressed
    from computed
    left join cancer_types on computed.cancer_type_code = cancer_types.cancer_type_code

)

select * from final
