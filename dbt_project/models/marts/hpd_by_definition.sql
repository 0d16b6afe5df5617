-- Grain: trial (and ALL_TRIALS) x reader x treatment class x HPD definition x other definition.
-- Inputs: cleaned_patient_hpd. The same patients under two definitions: among those whom both can judge, how
-- many each calls HPD, how many both do, and Cohen's kappa (Cohen 1960, doi 10.1177/001316446002000104). A
-- definition beside itself is the definition alone. ALL_TRIALS has the chosen reader of each trial.
-- Patients are first added up by pattern, one bit per definition: there are few patterns and many patients.
with patients as (

    select * from {{ ref('cleaned_patient_hpd') }}

),

definitions as (

    select
        hpd_definition,
        cast(power(2, row_number() over (order by hpd_definition) - 1) as bigint) as bit
    from (select distinct hpd_definition from patients) as found

),

of_patients as (

    select
        patients.trial_id,
        patients.patient_id,
        patients.reader,
        patients.is_simulated,
        min(patients.treatment_class) as treatment_class,
        max(patients.is_chosen_reader) as is_chosen_reader,
        coalesce(sum(definitions.bit) filter (where patients.outcome <> 'not_evaluable'), 0)
            as evaluable_bits,
        coalesce(sum(definitions.bit) filter (where patients.outcome = 'hpd'), 0) as hpd_bits
    from patients
    left join definitions on patients.hpd_definition = definitions.hpd_definition
    group by patients.trial_id, patients.patient_id, patients.reader, patients.is_simulated

),

patterns as (

    select
        trial_id,
        reader,
        treatment_class,
        is_simulated,
        is_chosen_reader,
        evaluable_bits,
        hpd_bits,
        count(*) as n_patients
    from of_patients
    group by trial_id, reader, treatment_class, is_simulated, is_chosen_reader, evaluable_bits, hpd_bits

),

patterns_with_total as (

    select * from patterns
    union all
    select
        'ALL_TRIALS' as trial_id,
        'CHOSEN READERS' as reader,
        treatment_class,
        is_simulated,
        is_chosen_reader,
        evaluable_bits,
        hpd_bits,
        n_patients
    from patterns
    where is_chosen_reader

),

-- a bit is set when what is left after the higher bits is at least its size
outcomes as (

    select
        patterns_with_total.*,
        definitions.hpd_definition,
        patterns_with_total.evaluable_bits % (2 * definitions.bit) >= definitions.bit as is_evaluable,
        patterns_with_total.hpd_bits % (2 * definitions.bit) >= definitions.bit as is_hpd,
        others.hpd_definition as other_definition,
        patterns_with_total.evaluable_bits % (2 * others.bit) >= others.bit as is_evaluable_other,
        patterns_with_total.hpd_bits % (2 * others.bit) >= others.bit as is_hpd_other
    from patterns_with_total
    cross join definitions
    cross join definitions as others

),

counted as (

    select
        trial_id,
        reader,
        treatment_class,
        is_simulated,
        is_chosen_reader,
        hpd_definition,
        other_definition,
        sum(n_patients) as n_patients,
        coalesce(sum(n_patients) filter (where is_evaluable and is_evaluable_other), 0) as n_both_evaluable,
        coalesce(sum(n_patients) filter (where is_evaluable and is_evaluable_other and is_hpd), 0) as n_hpd,
        coalesce(sum(n_patients) filter (where is_evaluable and is_evaluable_other and is_hpd_other), 0)
            as n_hpd_other,
        coalesce(
            sum(n_patients) filter (where is_evaluable and is_evaluable_other and is_hpd and is_hpd_other), 0
        ) as n_hpd_both
    from outcomes
    group by
        trial_id,
        reader,
        treatment_class,
        is_simulated,
        is_chosen_reader,
        hpd_definition,
        other_definition

),

compared as (

    select
        *,
        n_hpd + n_hpd_other - n_hpd_both as n_hpd_either,
        -- of n pairs of answers: n x those that agree, and n x those that would agree by chance
        cast(n_both_evaluable as double) * (n_both_evaluable - n_hpd - n_hpd_other + 2 * n_hpd_both)
            as agreeing,
        cast(n_hpd as double) * n_hpd_other
        + cast(n_both_evaluable - n_hpd as double) * (n_both_evaluable - n_hpd_other) as agreeing_by_chance,
        cast(n_both_evaluable as double) * n_both_evaluable as answers
    from counted

),

judged as (

    select
        *,
        {{ has_small_cell([
            'n_patients',
            'n_both_evaluable',
            'n_hpd',
            'n_both_evaluable - n_hpd',
            'n_hpd_other',
            'n_both_evaluable - n_hpd_other',
            'n_hpd_both',
            'n_hpd - n_hpd_both',
            'n_hpd_other - n_hpd_both',
            'n_both_evaluable - n_hpd_either',
        ]) }} as is_suppressed
    from compared

),

final as (

    select
        trial_id,
        reader,
        treatment_class,
        is_simulated,
        is_chosen_reader,
        hpd_definition,
        other_definition,
        cast(case when not {{ has_small_cell(['n_patients']) }} then n_patients end as bigint) as n_patients,
        cast(case when not {{ has_small_cell(['n_both_evaluable']) }} then n_both_evaluable end as bigint)
            as n_both_evaluable,
        cast(case when not is_suppressed then n_hpd end as bigint) as n_hpd,
        cast(case when not is_suppressed then n_hpd_other end as bigint) as n_hpd_other,
        cast(case when not is_suppressed then n_hpd_both end as bigint) as n_hpd_both,
        cast(case when not is_suppressed then n_hpd_either end as bigint) as n_hpd_either,
        case
            when not is_suppressed and answers > agreeing_by_chance
                then (agreeing - agreeing_by_chance) / (answers - agreeing_by_chance)
        end as agreement_kappa,
        is_suppressed
    from judged

)

select * from final
