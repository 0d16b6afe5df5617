-- A staged report is a row of hpd_reports, or attrition counts it as repeated.
with counts as (

    select
        (select count(*) from {{ ref('stg_trials') }}) as n_staged,
        (select count(*) from {{ ref('hpd_reports') }}) as n_shown,
        (
            select coalesce(sum(n_rows), 0)
            from {{ ref('attrition') }}
            where evidence = 'trials' and step = 'repeated'
        ) as n_repeated

)

select * from counts where n_staged <> n_shown + n_repeated
