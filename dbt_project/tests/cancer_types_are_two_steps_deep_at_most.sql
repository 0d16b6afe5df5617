-- cleaned_cancer_type_groups climbs two steps: no cancer type has a great-grandparent, or is above itself.
select own.cancer_type_code
from {{ ref('cancer_types') }} as own
inner join {{ ref('cancer_types') }} as parent on own.parent_cancer_type_code = parent.cancer_type_code
inner join {{ ref('cancer_types') }} as grandparent
    on parent.parent_cancer_type_code = grandparent.cancer_type_code
where
    grandparent.parent_cancer_type_code is not null
    or own.cancer_type_code in (parent.cancer_type_code, grandparent.cancer_type_code)
