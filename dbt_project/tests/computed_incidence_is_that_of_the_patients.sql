-- hpd_incidence over all cancers, and ttf_sensitivity at the default event and cut, have the patients of
-- hpd_evaluability: two ways to the same counts. Sources with an event or a cut of their own have no such
-- row.
with own_rules as (

    select distinct
        trial_id,
        is_simulated
    from {{ ref('cleaned_patients') }}
    where
        coalesce(ttf_event, '{{ var("ttf_event") }}') <> '{{ var("ttf_event") }}'
        or coalesce(ttf_cut_days, {{ var('ttf_cut_days') }}) <> {{ var('ttf_cut_days') }}

),

patients as (

    select
        trial_id,
        is_simulated,
        hpd_definition,
        coalesce(sum(n_patients) filter (where outcome <> 'not_evaluable'), 0) as n_evaluable,
        coalesce(sum(n_patients) filter (where outcome = 'hpd'), 0) as n_hpd,
        max(is_suppressed) as has_suppressed
    from {{ ref('hpd_evaluability') }}
    where treatment_class not in ('other', 'unknown')
    group by trial_id, is_simulated, hpd_definition

),

of_all as (

    select
        is_simulated,
        hpd_definition,
        sum(n_evaluable) as n_evaluable,
        sum(n_hpd) as n_hpd
    from patients
    group by is_simulated, hpd_definition
    having not max(has_suppressed)

)

select
    of_all.hpd_definition,
    'hpd_incidence' as mart,
    'ALL_TRIALS' as trial_id,
    of_all.n_hpd,
    incidence.n_hpd as n_hpd_of_mart
from of_all
left join {{ ref('hpd_incidence') }} as incidence
    on
        incidence.basis = 'computed'
        and incidence.cancer_type_code = 'ALL_CANCERS'
        and of_all.is_simulated = incidence.is_simulated
        and of_all.hpd_definition = incidence.hpd_definition
where
    not coalesce(incidence.is_suppressed, false)
    and (
        -- nobody evaluable: no counts
        of_all.n_evaluable is distinct from coalesce(incidence.n_evaluable, 0)
        or of_all.n_hpd is distinct from coalesce(incidence.n_hpd, 0)
    )
union all
select
    patients.hpd_definition,
    'ttf_sensitivity' as mart,
    patients.trial_id,
    patients.n_hpd,
    sensitivity.n_hpd as n_hpd_of_mart
from patients
inner join {{ ref('ttf_sensitivity') }} as sensitivity
    on
        sensitivity.ttf_event = '{{ var("ttf_event") }}'
        and sensitivity.ttf_cut_days = {{ var('ttf_cut_days') }}
        and patients.trial_id = sensitivity.trial_id
        and patients.is_simulated = sensitivity.is_simulated
        and patients.hpd_definition = sensitivity.hpd_definition
left join own_rules
    on patients.trial_id = own_rules.trial_id and patients.is_simulated = own_rules.is_simulated
where
    not patients.has_suppressed
    and not sensitivity.is_suppressed
    and own_rules.trial_id is null
    and (
        patients.n_evaluable is distinct from sensitivity.n_evaluable
        or patients.n_hpd is distinct from sensitivity.n_hpd
    )
