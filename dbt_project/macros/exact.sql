{#-
    Millimetres and days as exact numbers: thresholds decide, and real patients sit exactly on them.
    The double nearest to 93.6 becomes 93.60000. A day that no calendar holds is no day.
    By way of the text, so that what is rounded is the number that was written: 70.399065 is 70.39907.
-#}
{% macro exact_mm(value) -%} cast(cast({{ value }} as string) as decimal(12, 5)) {%- endmacro %}
{% macro exact_days(value) -%}
    cast(cast(case when abs({{ value }}) < 999999 then {{ value }} end as string) as decimal(9, 3))
{%- endmacro %}
