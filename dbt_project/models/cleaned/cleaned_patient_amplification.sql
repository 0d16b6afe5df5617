-- Grain: treated patient x gene set of which the patient's status is known.
-- Inputs: cleaned_patients, cleaned_samples, cleaned_gene_set_status, the vocabulary gene_sets.
-- What the patients table says of exactly these genes goes first; else the samples of the patient: amplified
-- when any assayed sample is. Not known is no row.
with patients as (

    select
        *,
        case when genes is not null then {{ sorted_genes('genes') }} end as sorted_genes
    from {{ ref('cleaned_patients') }}
    where exclusion_reason is null

),

gene_sets as (

    select gene_set, {{ sorted_genes('genes') }} as genes from {{ ref('gene_sets') }}

),

told as (

    select
        patients.trial_id,
        patients.patient_id,
        coalesce(gene_sets.gene_set, patients.sorted_genes) as gene_set,
        patients.is_simulated,
        patients.data_origin,
        'patients' as status_from,
        patients.amplification_status as gene_set_status
    from patients
    left join gene_sets on patients.sorted_genes = gene_sets.genes
    where patients.amplification_status is not null

),

samples as (

    select
        trial_id,
        patient_id,
        study_id,
        sample_id,
        is_simulated
    from {{ ref('cleaned_samples') }}
    where not is_repeated and patient_id is not null

),

statuses as (

    select * from {{ ref('cleaned_gene_set_status') }} where gene_set_status <> 'not_assayed'

),

sequenced as (

    select
        samples.trial_id,
        samples.patient_id,
        statuses.gene_set,
        samples.is_simulated,
        min(patients.data_origin) as data_origin,
        'samples' as status_from,
        -- amplified comes before not_amplified
        min(statuses.gene_set_status) as gene_set_status
    from statuses
    inner join samples
        on
            statuses.study_id = samples.study_id
            and statuses.sample_id = samples.sample_id
            and statuses.is_simulated = samples.is_simulated
    inner join patients
        on
            samples.trial_id = patients.trial_id
            and samples.patient_id = patients.patient_id
            and samples.is_simulated = patients.is_simulated
    group by samples.trial_id, samples.patient_id, statuses.gene_set, samples.is_simulated

),

final as (

    select * from told
    union all
    select sequenced.*
    from sequenced
    left join told
        on
            sequenced.trial_id = told.trial_id
            and sequenced.patient_id = told.patient_id
            and sequenced.gene_set = told.gene_set
            and sequenced.is_simulated = told.is_simulated
    where told.patient_id is null

)

select * from final
