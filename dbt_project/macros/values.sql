{#- Texts that are compared, and lists of dbt_project.yml in SQL. -#}

{#- Without blanks at its ends. A blank is any that Unicode knows: no-break ones come from Word and Excel. -#}
{% macro trimmed(text) -%}
    {%- set blanks = '\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000' -%}
    trim(translate({{ text }}, '{{ blanks }}', '{{ ' ' * (blanks | length) }}'))
{%- endmacro %}

{#- The same words in whatever case. Engines disagree about two capitals, which are therefore folded first. -#}
{% macro folded(text) -%} lower(translate({{ trimmed(text) }}, '{{ "\u03a3\u0130" }}', '{{ "\u03c3i" }}')) {%- endmacro %}

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
