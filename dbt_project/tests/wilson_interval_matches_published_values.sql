-- Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3;
-- below them, from 5/10 on, the score equation solved with 50 digits. No events give exactly 0, only events
-- exactly 1, and 0/0 has no interval.
with published as (

    select 81 as n_events, 263 as n_total, 0.2553 as low, 0.3662 as high
    union all
    select 15 as n_events, 148 as n_total, 0.0624 as low, 0.1605 as high
    union all
    select 0 as n_events, 20 as n_total, 0.0000 as low, 0.1611 as high
    union all
    select 1 as n_events, 29 as n_total, 0.0061 as low, 0.1718 as high
    union all
    select 5 as n_events, 10 as n_total, 0.2366 as low, 0.7634 as high
    union all
    select 0 as n_events, 10 as n_total, 0.0000 as low, 0.2775 as high
    union all
    select 10 as n_events, 10 as n_total, 0.7225 as low, 1.0000 as high
    union all
    select 56 as n_events, 257 as n_total, 0.1718 as low, 0.2723 as high
    union all
    select 0 as n_events, 0 as n_total, null as low, null as high

),

ours as (

    select
        *,
        {{ wilson_low('n_events', 'n_total') }} as our_low,
        {{ wilson_high('n_events', 'n_total') }} as our_high
    from published

)

select *
from ours
where
    (our_low is null) <> (low is null)
    or (our_high is null) <> (high is null)
    or abs(our_low - low) > 0.00005
    or abs(our_high - high) > 0.00005
    or (n_events = 0 and our_low <> 0)
    or (n_events = n_total and our_high <> 1)
