{#- One row in, one row out: model and `relation` hold the same keys, as often. Empty as in unique_key. -#}
{% test same_rows_as(model, relation, columns, evidence) %}

select
    {{ columns | join(', ') }},
    sum(n_out) as n_out,
    sum(n_in) as n_in
from (
    select {{ columns | join(', ') }}, 1 as n_out, 0 as n_in from {{ model }}
    union all
    select {{ columns | join(', ') }}, 0 as n_out, 1 as n_in from {{ relation }}
)
group by {{ columns | join(', ') }}
having sum(n_out) <> sum(n_in)
union all
select {% for column in columns %}null, {% endfor %}0 as n_out, 0 as n_in
where {{ wrongly_empty(model, evidence) }}

{% endtest %}
