{#-
    On which side of the cut the time to treatment failure (TTF) lies: early, late, or null: not known.
    Censored before the cut says nothing; censored at the cut or after it is late. Where no days are known, what
    the source prints ("below 2 months") stands in; is_early_printed: null where it does not.
    is_cut_included: whether failing on the day of the cut is early still.
-#}
{% macro ttf_side(days, is_observed, is_early_printed, cut_days, is_cut_included) -%}
    case
        when {{ days }} is null and {{ is_early_printed }} then 'early'
        when {{ days }} is null and not {{ is_early_printed }} then 'late'
        when {{ is_observed }} and {{ days }} < {{ cut_days }} then 'early'
        when {{ is_observed }} and {{ days }} = {{ cut_days }} and {{ is_cut_included }} then 'early'
        when {{ days }} >= {{ cut_days }} then 'late'
    end
{%- endmacro %}
