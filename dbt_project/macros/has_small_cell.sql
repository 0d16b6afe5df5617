{#-
    A condition: one of the counts is small enough to point at persons, 1 to min_cell - 1. Never null.
    counts: SQL of the numerators, of what is left of the denominators without them, and of the denominators.
-#}
{% macro has_small_cell(counts) -%}
    {%- if var('min_cell') > 1 -%}
    ({% for count in counts %}coalesce({{ count }}, 0) between 1 and {{ var('min_cell') - 1 }}
        {%- if not loop.last %} or {% endif %}{% endfor %})
    {%- else -%}
    false
    {%- endif -%}
{%- endmacro %}
