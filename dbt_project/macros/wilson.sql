{#-
    Bounds of the Wilson score interval of a proportion, 95 %.
    n_events, n_total: SQL of the counts. Null when n_total is 0 or null; exactly 0 (1) with no (only) events.
    Wilson 1927, doi 10.1080/01621459.1927.10502953.
-#}
{% macro wilson_low(n_events, n_total) -%}
    case
        when {{ n_total }} > 0 and {{ n_events }} = 0 then 0.0
        when {{ n_total }} > 0 then {{ _wilson(n_events, n_total, '-') }}
    end
{%- endmacro %}

{% macro wilson_high(n_events, n_total) -%}
    case
        when {{ n_total }} > 0 and {{ n_events }} = {{ n_total }} then 1.0
        when {{ n_total }} > 0 then {{ _wilson(n_events, n_total, '+') }}
    end
{%- endmacro %}

{% macro _wilson(n_events, n_total, sign) -%}
    {%- set z = '1.959963984540054e0' -%}
    {%- set n = 'cast(' ~ n_total ~ ' as double)' -%}
    {%- set p = '(' ~ n_events ~ ' / ' ~ n ~ ')' -%}
    (
        {{ p }} + {{ z }} * {{ z }} / (2 * {{ n }})
        {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z }} * {{ z }} / (4 * {{ n }} * {{ n }}))
    ) / (1 + {{ z }} * {{ z }} / {{ n }})
{%- endmacro %}

{#- A proportion; null, never 0, when there is no denominator. -#}
{% macro fraction(n_events, n_total) -%}
    case when {{ n_total }} > 0 then {{ n_events }} / cast({{ n_total }} as double) end
{%- endmacro %}
