-- hpd_by_definition: a pair read from the other side is the same pair, and a definition beside itself has the
-- counts of hpd_evaluability.
with pairs as (

    select * from {{ ref('hpd_by_definition') }} where not is_suppressed

),

alone as (

    select
        trial_id,
        treatment_class,
        is_simulated,
        hpd_definition,
        sum(n_patients) as n_patients,
        coalesce(sum(n_patients) filter (where outcome <> 'not_evaluable'), 0) as n_evaluable,
        coalesce(sum(n_patients) filter (where outcome = 'hpd'), 0) as n_hpd
    from {{ ref('hpd_evaluability') }}
    group by trial_id, treatment_class, is_simulated, hpd_definition
    having not max(is_suppressed)

)

select
    pairs.trial_id,
    pairs.hpd_definition,
    pairs.other_definition,
    'the pair the other way round' as differs_from
from pairs
left join pairs as reversed
    on
        pairs.trial_id = reversed.trial_id
        and pairs.reader = reversed.reader
        and pairs.treatment_class = reversed.treatment_class
        and pairs.is_simulated = reversed.is_simulated
        and pairs.hpd_definition = reversed.other_definition
        and pairs.other_definition = reversed.hpd_definition
where
    pairs.n_both_evaluable is distinct from reversed.n_both_evaluable
    or pairs.n_hpd is distinct from reversed.n_hpd_other
    or pairs.n_hpd_both is distinct from reversed.n_hpd_both
    or pairs.agreement_kappa is distinct from reversed.agreement_kappa
union all
select
    alone.trial_id,
    alone.hpd_definition,
    alone.hpd_definition as other_definition,
    'hpd_evaluability' as differs_from
from alone
inner join pairs
    on
        pairs.is_chosen_reader
        and alone.trial_id = pairs.trial_id
        and alone.treatment_class = pairs.treatment_class
        and alone.is_simulated = pairs.is_simulated
        and alone.hpd_definition = pairs.hpd_definition
        and alone.hpd_definition = pairs.other_definition
where
    alone.n_patients <> pairs.n_patients
    or alone.n_evaluable <> pairs.n_both_evaluable
    or alone.n_hpd <> pairs.n_hpd
    or alone.n_hpd <> pairs.n_hpd_both
