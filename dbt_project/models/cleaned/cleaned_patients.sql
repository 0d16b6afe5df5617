-- Grain: one treated patient; one row in, one row out.
-- Inputs: stg_patients, stg_tumor_measurements, stg_loads, vocabularies.
-- Patients described one by one in a paper were chosen for their outcome: they have no denominator, unless
-- the scans of their trial are here.
with patients as (

    select * from {{ ref('stg_patients') }}

),

loads as (

    select * from {{ ref('stg_loads') }}

),

labels as (

    select
        vocabulary,
        lower(label) as label,
        cancer_type_code
    from {{ ref('cancer_type_labels') }}

),

trials_with_scans as (

    select distinct
        trial_id,
        is_simulated
    from {{ ref('stg_tumor_measurements') }}

),

agents as (

    select
        lower(agent_label) as label,
        has_anti_pd1_pdl1
    from {{ ref('agents') }}

),

-- 'Carboplatin, Pembrolizumab' is known by its parts; every label is taken apart once
treatments as (

    select distinct {{ folded('agents') }} as treatment
    from patients
    where agents is not null

),

parts as (

    {{ unnest('treatments', 'treatment', split_any('treatment', [' and ', ' with ', '+', '/', ';', '|'])) }}

),

parts_classed as (

    select
        parts.treatment,
        max(case when agents.has_anti_pd1_pdl1 then 1 else 0 end) = 1 as has_anti_pd1_pdl1,
        min(case when not agents.has_anti_pd1_pdl1 then 1 else 0 end) = 1 as has_only_others
    from parts
    left join agents on {{ trimmed('parts.item') }} = agents.label
    group by parts.treatment

),

treatment_classes as (

    select
        parts_classed.treatment,
        case
            when agents.has_anti_pd1_pdl1 or parts_classed.has_anti_pd1_pdl1 then 'anti_pd1_pdl1'
            when not agents.has_anti_pd1_pdl1 or parts_classed.has_only_others then 'other'
        end as treatment_class
    from parts_classed
    left join agents on parts_classed.treatment = agents.label

),

mapped as (

    select
        patients.*,
        coalesce(
            named.cancer_type_code,
            coded.cancer_type_code,
            'UNMAPPED: ' || {{ folded('patients.cancer_type_reported') }}
        ) as cancer_type_code,
        treatment_classes.treatment_class as known_treatment_class,
        trials_with_scans.trial_id is not null as has_trial_scans,
        -- the same patient in two inputs counts once: the input named first has the patient
        row_number() over (
            partition by patients.trial_id, patients.patient_id, patients.is_simulated
            order by loads.input_number, patients.load_id, patients.source_line
        ) > 1 as is_repeated
    from patients
    left join loads on patients.load_id = loads.load_id
    left join labels as named
        on named.vocabulary = 'name' and {{ folded('patients.cancer_type_reported') }} = named.label
    -- a bare OncoTree code where words should stand is understood too
    left join labels as coded
        on coded.vocabulary = 'oncotree' and {{ folded('patients.cancer_type_reported') }} = coded.label
    left join treatment_classes on {{ folded('patients.agents') }} = treatment_classes.treatment
    left join trials_with_scans
        on
            patients.trial_id = trials_with_scans.trial_id
            and patients.is_simulated = trials_with_scans.is_simulated

),

judged as (

    select
        *,
        data_origin = 'published' and not has_trial_scans as is_described_alone
    from mapped

),

final as (

    select
        trial_id,
        patient_id,
        cancer_type_reported,
        cancer_type_code,
        agents,
        coalesce(known_treatment_class, case when agents is null then 'not_given' else 'unknown' end)
            as treatment_class,
        genes,
        amplification_status,
        assay,
        other_alteration,
        hpd_definition,
        is_hpd_reported,
        is_ttf_below_2_months,
        ttf_days,
        is_ttf_censored,
        ttf_event,
        ttf_cut_days,
        last_dose_day,
        off_treatment_day,
        progression_day,
        death_day,
        last_known_day,
        ecog_worst_2_months,
        partial_dates,
        burden_change_low,
        burden_change_high,
        progression_pace_fold,
        source_url,
        is_repeated,
        case
            when is_repeated then 'the same patient stands in an input named earlier'
            when is_described_alone then 'described one by one for the outcome: no denominator'
        end as exclusion_reason,
        {{ compact([
            "case when cancer_type_reported is null then 'cancer_type_not_printed' end",
            "case when cancer_type_code like 'UNMAPPED: %' then 'cancer_type_unmapped' end",
            "case when is_repeated then 'repeated' end",
            "case when is_described_alone and ttf_days is null and is_ttf_below_2_months is null then 'ttf_not_given' end",
            "case when is_described_alone and burden_change_low is null then 'burden_change_not_given' end",
            "case when agents is null and not is_described_alone then 'agents_not_given' end",
            "case when agents is not null and known_treatment_class is null and not is_described_alone then 'agents_unknown' end",
            "case when partial_dates is not null then 'date_partial' end",
            "case when death_day < greatest(coalesce(last_dose_day, 0), coalesce(progression_day, 0)) then 'day_after_death' end",
        ]) }} as flags,
        data_origin,
        is_simulated,
        load_id,
        source_file,
        source_line
    from judged

)

select * from final
