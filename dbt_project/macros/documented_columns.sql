{#-
    One row per mart and column, from the YAML beside the marts: dbt's own picture of the project, which exists
    only while it executes; what it parses before is a row of the same shape.
-#}
{% macro documented_columns() -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() | sort(attribute='name')
            if node.resource_type == 'model' and 'marts' in node.fqn -%}
            {%- for column in node.columns.values() -%}
                {%- do rows.append([node.name, loop.index, column.name, column.data_type,
                    column.config.meta.unit or '', column.description]) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- else -%}
        {%- do rows.append(['', 1, '', '', '', '']) -%}
    {%- endif -%}
    {%- for mart, number, name, type, unit, description in rows %}
    select
        {{ _text(mart) }} as mart,
        cast({{ number }} as bigint) as column_number,
        {{ _text(name) }} as column_name,
        {{ _text(type) }} as data_type,
        nullif({{ _text(unit) }}, '') as unit,
        {{ _text(description) }} as description
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- A text as an SQL literal: quotes doubled, line breaks and runs of blanks made one blank. -#}
{% macro _text(text) -%} '{{ (text or '').split() | join(' ') | replace("'", "''") }}' {%- endmacro %}
