{#-
    Every combination of `columns` in `relation` is found in the model: nothing was lost on the way.
    Fails when `relation` is empty too, with the exceptions of unique_key.
-#}
{% test no_rows_lost(model, relation, columns, evidence=none, allow_empty=false) %}

select distinct {{ columns | join(', ') }}
from {{ relation }} as needed
where not exists (
    select 1
    from {{ model }} as kept
    where {% for column in columns %}kept.{{ column }} is not distinct from needed.{{ column }}
        {%- if not loop.last %} and {% endif %}{% endfor %}
)
{% if not allow_empty %}
union all
select {% for column in columns %}null{% if not loop.last %}, {% endif %}{% endfor %}
where {{ wrongly_empty(relation, evidence) }}
{% endif %}

{% endtest %}
