{#- Lists of dbt_project.yml in SQL. -#}

{#- One row per value, as a column of that name. -#}
{% macro rows_of(values, name) -%}
    {% for value in values %}select {{ value }} as {{ name }}{% if not loop.last %} union all {% endif %}{% endfor %}
{%- endmacro %}

{#- Place of a text in a list, 1 = first; what is not in it comes last. -#}
{% macro place_in(text, values) -%}
    case {{ text }} when '' then 0
        {%- for value in values %} when '{{ value }}' then {{ loop.index }}{% endfor %} else {{ values | length + 1 }} end
{%- endmacro %}

{#- A text with several separators, as a list. -#}
{% macro split_any(text, separators) -%}
    split({% for _ in separators %}replace({% endfor %}{{ text }}
        {%- for separator in separators %}, '{{ separator }}', ','){% endfor %}, ',')
{%- endmacro %}
