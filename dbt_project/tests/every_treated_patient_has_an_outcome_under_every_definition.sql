-- Every treated patient of a trial has one outcome under each computed definition of the vocabulary, and
-- hpd_evaluability publishes them all; where a count is suppressed there is nothing to add up.
with treated as (

    select
        patients.trial_id,
        patients.is_simulated,
        definitions.hpd_definition,
        count(*) as n_patients
    from {{ ref('cleaned_patients') }} as patients
    cross join {{ ref('hpd_definitions') }} as definitions
    where patients.exclusion_reason is null and definitions.hpd_definition = definitions.computed_as
    group by patients.trial_id, patients.is_simulated, definitions.hpd_definition

),

judged as (

    select
        trial_id,
        is_simulated,
        hpd_definition,
        sum(n_patients) as n_patients,
        max(is_suppressed) as has_suppressed
    from {{ ref('hpd_evaluability') }}
    group by trial_id, is_simulated, hpd_definition

)

select
    coalesce(treated.trial_id, judged.trial_id) as trial_id,
    coalesce(treated.hpd_definition, judged.hpd_definition) as hpd_definition,
    treated.n_patients as n_treated,
    judged.n_patients as n_judged
from treated
full outer join judged
    on
        treated.trial_id = judged.trial_id
        and treated.is_simulated = judged.is_simulated
        and treated.hpd_definition = judged.hpd_definition
where
    treated.n_patients is null
    or judged.trial_id is null
    or (not judged.has_suppressed and treated.n_patients <> judged.n_patients)
