{#- What DuckDB and Spark write differently; models call these and stay the same on both. -#}

{#- The items of a list that are not null. -#}
{% macro compact(items) %}{{ return(adapter.dispatch('compact')(items)) }}{% endmacro %}
{% macro default__compact(items) -%} list_filter([{{ items | join(', ') }}], lambda item: item is not null) {%- endmacro %}
{% macro spark__compact(items) -%} array_compact(array({{ items | join(', ') }})) {%- endmacro %}

{#- 'MDM4|MDM2' → 'MDM2|MDM4': one spelling for one set of genes. -#}
{% macro sorted_genes(genes) %}{{ return(adapter.dispatch('sorted_genes')(genes)) }}{% endmacro %}
{% macro default__sorted_genes(genes) -%} array_to_string(list_sort(string_split({{ genes }}, '|')), '|') {%- endmacro %}
{% macro spark__sorted_genes(genes) -%} array_join(array_sort(split({{ genes }}, '[|]')), '|') {%- endmacro %}

{#- The distinct values of a column, sorted, as one text. -#}
{% macro text_list(column) %}{{ return(adapter.dispatch('text_list')(column)) }}{% endmacro %}
{% macro default__text_list(column) -%} string_agg(distinct {{ column }}, ', ' order by {{ column }}) {%- endmacro %}
{% macro spark__text_list(column) -%} nullif(array_join(array_sort(collect_set({{ column }})), ', '), '') {%- endmacro %}

{#- One row per item of a list column, as `item`, with its place in the list, 1 = first, as `item_number`. -#}
{% macro unnest(relation, columns, list_column) %}{{ return(adapter.dispatch('unnest')(relation, columns, list_column)) }}{% endmacro %}
{% macro default__unnest(relation, columns, list_column) -%}
    select {{ columns }}, unnest({{ list_column }}) as item, generate_subscripts({{ list_column }}, 1) as item_number
    from {{ relation }}
{%- endmacro %}
{% macro spark__unnest(relation, columns, list_column) -%}
    select {{ columns }}, item, position + 1 as item_number
    from (select *, posexplode({{ list_column }}) as (position, item) from {{ relation }})
{%- endmacro %}

{#-
    A factor of a product of up to three: wide enough that the product cannot overflow. Spark has 38 digits for the
    whole product and drops decimals beyond them, so that there the factor must not ask for more than it needs.
-#}
{% macro wide(value) %}{{ return(adapter.dispatch('wide')(value)) }}{% endmacro %}
{% macro default__wide(value) -%} cast({{ value }} as decimal(38, 5)) {%- endmacro %}
{% macro spark__wide(value) -%} cast({{ value }} as decimal(12, 5)) {%- endmacro %}
