{#-
    A condition: the relation has no rows although it should.
    evidence: kind of evidence (a raw table) that it is made of; empty is right when nothing of that kind is loaded.
-#}
{% macro wrongly_empty(relation, evidence=none) -%}
    not exists (select 1 from {{ relation }})
    {%- if evidence %}
    and exists (select 1 from {{ ref('stg_loads') }} where table_name = '{{ evidence }}' and rows_loaded > 0)
    {%- endif %}
{%- endmacro %}
