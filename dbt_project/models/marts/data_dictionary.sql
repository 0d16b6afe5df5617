-- Grain: mart x column: its type, unit and description.
-- Inputs: the documentation beside the marts, as it stands when the build runs.
with documented as (

    {% if execute -%}
    {%- for node in graph.nodes.values() | sort(attribute='name')
        if node.resource_type == 'model' and 'marts' in node.fqn -%}
    {%- set mart = loop -%}
    {%- for column in node.columns.values() -%}
    {%- if not (mart.first and loop.first) %}
    union all
    {% endif -%}
    select
        '{{ node.name }}' as mart,
        {{ loop.index }} as column_number,
        '{{ column.name }}' as column_name,
        '{{ column.data_type }}' as data_type,
        '{{ column.config.meta.unit or "" }}' as unit,
        '{{ column.description | replace("'", "''") | replace("\n", " ") | trim }}' as description
    {%- endfor -%}
    {%- endfor -%}
    {%- else -%}
    select
        '' as mart,
        1 as column_number,
        '' as column_name,
        '' as data_type,
        '' as unit,
        '' as description
    {%- endif %}

),

final as (

    select
        mart,
        column_number,
        column_name,
        data_type,
        nullif(unit, '') as unit,
        description
    from documented

)

select * from final
