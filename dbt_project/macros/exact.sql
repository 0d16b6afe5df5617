{#-
    Millimetres and days as exact numbers: thresholds decide, and real patients sit exactly on them.
    The double nearest to 93.6 becomes 93.60000. A day that no calendar holds is no day.
-#}
{% macro exact_mm(value) -%} cast({{ value }} as decimal(12, 5)) {%- endmacro %}
{% macro exact_days(value) -%}
    cast(case when abs({{ value }}) < 999999 then {{ value }} end as decimal(9, 3))
{%- endmacro %}
