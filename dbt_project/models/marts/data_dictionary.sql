-- Grain: mart x column: its type, unit and description.
-- Inputs: the documentation beside the marts, as it stands when the build runs.
with documented as (

    {{ documented_columns() }}

),

final as (

    select
        mart,
        column_number,
        column_name,
        data_type,
        unit,
        description
    from documented

)

select * from final
