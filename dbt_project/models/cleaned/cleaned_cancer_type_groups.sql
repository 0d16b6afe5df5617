-- Grain: cancer type and a group it is in: itself, its parent, the parent's parent, and all cancers together.
-- Inputs: the vocabulary cancer_types.
with cancer_types as (

    select * from {{ ref('cancer_types') }}

),

-- two steps up are as deep as the vocabulary goes; a test says so
lineage as (

    select
        own.cancer_type_code,
        parent.cancer_type_code as parent_code,
        parent.parent_cancer_type_code as grandparent_code
    from cancer_types as own
    left join cancer_types as parent on own.parent_cancer_type_code = parent.cancer_type_code

),

final as (

    select cancer_type_code, cancer_type_code as group_code from lineage
    union
    select cancer_type_code, parent_code as group_code from lineage where parent_code is not null
    union
    select cancer_type_code, grandparent_code as group_code from lineage where grandparent_code is not null
    union
    select cancer_type_code, 'ALL_CANCERS' as group_code from lineage

)

select cancer_type_code, group_code from final
