{#-
    The columns (or expressions) are a key: never null together twice, never null. Fails on an empty relation too:
    unless `evidence` names a kind of evidence of which nothing is loaded, or empty is a good answer (allow_empty).
-#}
{% test unique_key(model, columns, evidence=none, allow_empty=false) %}

select
    {{ columns | join(', ') }},
    count(*) as n_rows
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}
{% if not allow_empty %}
union all
select
    {% for column in columns %}null, {% endfor %}
    0 as n_rows
where {{ wrongly_empty(model, evidence) }}
{% endif %}

{% endtest %}
