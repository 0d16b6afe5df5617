-- Every column of every mart in the database is in data_dictionary, with its name, place and type.
-- depends_on: {{ ref('amplification_by_cancer') }}
-- depends_on: {{ ref('amplification_by_study') }}
-- depends_on: {{ ref('attrition') }}
-- depends_on: {{ ref('data_quality') }}
-- depends_on: {{ ref('hpd_amplification_association') }}
-- depends_on: {{ ref('hpd_amplification_by_cancer') }}
-- depends_on: {{ ref('hpd_amplification_line') }}
-- depends_on: {{ ref('hpd_amplification_points') }}
-- depends_on: {{ ref('hpd_by_amplification_pooled') }}
-- depends_on: {{ ref('hpd_by_amplification_status') }}
-- depends_on: {{ ref('hpd_by_definition') }}
-- depends_on: {{ ref('hpd_evaluability') }}
-- depends_on: {{ ref('hpd_incidence') }}
-- depends_on: {{ ref('hpd_incidence_by_year') }}
-- depends_on: {{ ref('hpd_incidence_methods') }}
-- depends_on: {{ ref('hpd_pool_members') }}
-- depends_on: {{ ref('hpd_reports') }}
-- depends_on: {{ ref('reference_study') }}
-- depends_on: {{ ref('ttf_sensitivity') }}
with existing as (

    select
        table_name as mart,
        column_name,
        ordinal_position as column_number,
        lower(data_type) as data_type
    from information_schema.columns
    where
        table_catalog = '{{ ref("data_dictionary").database }}'
        and table_schema = '{{ ref("data_dictionary").schema }}'
        and table_name in (select mart from {{ ref('data_dictionary') }})

)

select
    coalesce(existing.mart, documented.mart) as mart,
    coalesce(existing.column_name, documented.column_name) as column_name,
    existing.column_number,
    documented.column_number as documented_number,
    existing.data_type,
    documented.data_type as documented_type
from existing
full outer join {{ ref('data_dictionary') }} as documented
    on existing.mart = documented.mart and existing.column_name = documented.column_name
where
    existing.column_number is distinct from documented.column_number
    or existing.data_type is distinct from documented.data_type
