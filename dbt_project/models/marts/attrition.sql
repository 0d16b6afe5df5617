-- Grain: evidence x data origin x step x reason: where rows of the inputs went, and why.
-- Inputs: stg_loads, stg_copy_number_profiles, stg_gene_panels and every cleaned model.
-- Per evidence and origin, the first step is the sum of the rest. A line of a matrix of calls or of a panel
-- counts when its gene is in a gene set; what became of the samples it speaks of is told under samples.
-- A patient counts when at least one definition can be judged; hpd_evaluability has each of them.
with loads as (

    select * from {{ ref('stg_loads') }}

),

reports as (

    select
        'trials' as evidence,
        data_origin,
        case
            when is_repeated then 'repeated'
            when in_any_pool then 'pooled'
            else 'shown, not pooled'
        end as step,
        case when not in_any_pool then pool_exclusion_reason end as reason,
        n_evaluable
    from {{ ref('cleaned_reports') }}

),

growth as (

    select * from {{ ref('cleaned_growth_metrics') }} where is_chosen_reader

),

evaluable_patients as (

    select distinct
        trial_id,
        patient_id,
        is_simulated
    from {{ ref('cleaned_patient_hpd') }}
    where is_chosen_reader and outcome <> 'not_evaluable'

),

patients as (

    select
        'patients' as evidence,
        patients.data_origin,
        case
            when patients.is_repeated then 'repeated'
            when patients.exclusion_reason is not null then 'not counted'
            when patients.treatment_class in ('other', 'unknown') then 'not counted'
            when evaluable_patients.patient_id is not null then 'counted'
            else 'not counted'
        end as step,
        case
            when patients.exclusion_reason is not null then patients.exclusion_reason
            when patients.treatment_class = 'other' then 'a control: no PD-1/PD-L1 inhibitor was given'
            when patients.treatment_class = 'unknown'
                then 'given drugs that the vocabulary agents does not know'
            when evaluable_patients.patient_id is null
                then coalesce(growth.burden_reason, 'evaluable under no definition: see hpd_evaluability')
            when patients.cancer_type_code is null or patients.cancer_type_code like 'UNMAPPED%'
                then 'as UNMAPPED: not a cancer type of the vocabulary'
        end as reason,
        cast(1 as bigint) as n_evaluable
    from {{ ref('cleaned_patients') }} as patients
    left join evaluable_patients
        on
            patients.trial_id = evaluable_patients.trial_id
            and patients.patient_id = evaluable_patients.patient_id
            and patients.is_simulated = evaluable_patients.is_simulated
    left join growth
        on
            patients.trial_id = growth.trial_id
            and patients.patient_id = growth.patient_id
            and patients.is_simulated = growth.is_simulated

),

scans as (

    select
        'tumor_measurements' as evidence,
        data_origin,
        case
            when is_repeated then 'repeated'
            when exclusion_reason is null then 'counted'
            else 'not counted'
        end as step,
        exclusion_reason as reason,
        cast(null as bigint) as n_evaluable
    from {{ ref('cleaned_tumor_measurements') }}

),

study_counts as (

    select * from {{ ref('cleaned_study_counts') }}

),

amplification as (

    select
        'amplification_counts' as evidence,
        counts.data_origin,
        case
            when counts.is_repeated then 'repeated'
            when study_counts.is_counted then 'counted'
            else 'not counted'
        end as step,
        case
            when counts.is_repeated then 'the same counts stand on an earlier line or in an earlier input'
            when not study_counts.is_counted
                then 'another study of the same patients is counted: see amplification_by_study'
            when not counts.is_cancer_type_mapped
                then 'under its own label: not a cancer type of the vocabulary'
        end as reason,
        counts.n_assayed as n_evaluable
    from {{ ref('cleaned_amplification_counts') }} as counts
    left join study_counts
        on
            study_counts.basis = 'published'
            and counts.source = study_counts.source
            and counts.study_id = study_counts.study_id
            and counts.cancer_type_code = study_counts.cancer_type_code
            and counts.gene_set = study_counts.gene_set
            and counts.unit = study_counts.unit
            and counts.is_simulated = study_counts.is_simulated

),

counted_sets as (

    select distinct
        study_id,
        gene_set,
        is_simulated
    from study_counts
    where basis = 'computed' and is_counted

),

-- samples that are assayed for a gene set at least, and whether their study is counted for one of these
assayed_samples as (

    select
        statuses.study_id,
        statuses.sample_id,
        statuses.is_simulated,
        count(counted_sets.gene_set) > 0 as is_counted
    from {{ ref('cleaned_gene_set_status') }} as statuses
    left join counted_sets
        on
            statuses.study_id = counted_sets.study_id
            and statuses.gene_set = counted_sets.gene_set
            and statuses.is_simulated = counted_sets.is_simulated
    where statuses.gene_set_status <> 'not_assayed'
    group by statuses.study_id, statuses.sample_id, statuses.is_simulated

),

samples as (

    select
        'samples' as evidence,
        samples.data_origin,
        case
            when samples.is_repeated then 'repeated'
            when samples.exclusion_reason is null and assayed_samples.is_counted then 'counted'
            else 'not counted'
        end as step,
        case
            when samples.exclusion_reason is not null then samples.exclusion_reason
            when assayed_samples.sample_id is null then 'no gene set was assayed in full'
            when not assayed_samples.is_counted
                then 'another study of the same patients is counted: see amplification_by_study'
            when not samples.is_cancer_type_mapped
                then 'under its own label: not a cancer type of the vocabulary'
        end as reason,
        cast(null as bigint) as n_evaluable
    from {{ ref('cleaned_samples') }} as samples
    left join assayed_samples
        on
            samples.study_id = assayed_samples.study_id
            and samples.sample_id = assayed_samples.sample_id
            and samples.is_simulated = assayed_samples.is_simulated

),

genes as (

    select distinct gene from {{ ref('cleaned_gene_set_genes') }}

),

gene_lines as (

    select 'copy_number_profiles' as evidence, data_origin, gene from {{ ref('stg_copy_number_profiles') }}
    union all
    select 'gene_panels' as evidence, data_origin, gene from {{ ref('stg_gene_panels') }}

),

lines as (

    select
        gene_lines.evidence,
        gene_lines.data_origin,
        case when genes.gene is null then 'not counted' else 'counted' end as step,
        case when genes.gene is null then 'its gene is in no gene set' end as reason,
        cast(null as bigint) as n_evaluable
    from gene_lines
    left join genes on gene_lines.gene = genes.gene

),

two_by_two as (

    select
        'hpd_by_amplification' as evidence,
        data_origin,
        case
            when is_repeated then 'repeated'
            when is_complete then 'complete table'
            else 'shown, incomplete'
        end as step,
        case
            when is_repeated then 'the same table stands on an earlier line or in an earlier input'
            when not is_complete then 'the source does not print all four cells'
        end as reason,
        cast(null as bigint) as n_evaluable
    from {{ ref('cleaned_hpd_by_amplification') }}

),

gone_and_kept as (

    select * from reports
    union all
    select * from patients
    union all
    select * from scans
    union all
    select * from amplification
    union all
    select * from two_by_two
    union all
    select * from samples
    union all
    select * from lines

),

steps as (

    select
        table_name as evidence,
        data_origin,
        1 as step_number,
        'read' as step,
        'rows of the inputs' as reason,
        cast(sum(rows_read) as bigint) as n_rows,
        cast(null as bigint) as n_patients
    from loads
    group by table_name, data_origin
    union all
    select
        table_name as evidence,
        data_origin,
        2 as step_number,
        'rejected' as step,
        'cannot be a row: see data_quality' as reason,
        cast(sum(rows_rejected) as bigint) as n_rows,
        cast(null as bigint) as n_patients
    from loads
    group by table_name, data_origin
    having sum(rows_rejected) > 0
    union all
    select
        evidence,
        data_origin,
        case step
            when 'repeated' then 3
            when 'shown, not pooled' then 4
            when 'not counted' then 4
            when 'shown, incomplete' then 4
            else 5
        end as step_number,
        step,
        coalesce(reason, 'nothing against it') as reason,
        count(*) as n_rows,
        -- the same patients may stand in several counts: only for reports and patients is the sum people
        cast(sum(n_evaluable) filter (where evidence in ('trials', 'patients')) as bigint) as n_patients
    from gone_and_kept
    group by evidence, data_origin, step, reason

),

judged as (

    select
        *,
        evidence in ('patients', 'tumor_measurements') and {{ has_small_cell(['n_rows']) }} as is_suppressed
    from steps

),

final as (

    select
        evidence,
        data_origin,
        cast(step_number as bigint) as step_number,
        step,
        reason,
        case when not is_suppressed then n_rows end as n_rows,
        case when not is_suppressed then n_patients end as n_patients,
        is_suppressed
    from judged

)

select * from final
