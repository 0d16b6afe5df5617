-- Grain: file x table x rule x column: what was rejected at the door and what was flagged later.
-- Inputs: stg_rejected_rows and the flags of every cleaned model.
-- It is published: a column of a matrix of calls is a sample, and is not named.
with rejected as (

    select
        source_file,
        table_name,
        'rejected' as severity,
        rule,
        case
            when table_name <> 'copy_number_profiles' then column_name
            when column_name in ('', 'study_id', 'sample_id', 'gene', 'entrez_gene_id', 'call', 'calls')
                then column_name
            else '(a sample)'
        end as column_name,
        source_line,
        cast(source_line as string) as row_name
    from {{ ref('stg_rejected_rows') }}

),

reports as (

    select
        source_file,
        'trials' as table_name,
        source_line,
        cast(source_line as string) as row_name,
        flags
    from {{ ref('cleaned_reports') }}

),

counts as (

    select
        source_file,
        'amplification_counts' as table_name,
        source_line,
        cast(source_line as string) as row_name,
        flags
    from {{ ref('cleaned_amplification_counts') }}

),

two_by_two as (

    select
        source_file,
        'hpd_by_amplification' as table_name,
        source_line,
        cast(source_line as string) as row_name,
        flags
    from {{ ref('cleaned_hpd_by_amplification') }}

),

samples as (

    select
        source_file,
        'samples' as table_name,
        source_line,
        -- a list names many samples on one line
        study_id || ' ' || sample_id as row_name,
        flags
    from {{ ref('cleaned_samples') }}

),

cleaned as (

    select * from reports
    union all
    select * from counts
    union all
    select * from two_by_two
    union all
    select * from samples

),

flagged as (

    {{ unnest('cleaned', 'source_file, table_name, source_line, row_name', 'flags') }}

),

-- millions of rows, and few different lists of flags: counted before they are taken apart
patients_and_scans as (

    select
        source_file,
        'patients' as table_name,
        flags,
        count(*) as n_rows,
        min(source_line) as first_line,
        max(source_line) as last_line
    from {{ ref('cleaned_patients') }}
    group by source_file, flags
    union all
    select
        source_file,
        'tumor_measurements' as table_name,
        flags,
        count(*) as n_rows,
        min(source_line) as first_line,
        max(source_line) as last_line
    from {{ ref('cleaned_tumor_measurements') }}
    group by source_file, flags

),

counted_flags as (

    {{ unnest('patients_and_scans', 'source_file, table_name, n_rows, first_line, last_line', 'flags') }}

),

findings as (

    select * from rejected
    union all
    select
        source_file,
        table_name,
        'flagged' as severity,
        item as rule,
        '' as column_name,
        source_line,
        row_name
    from flagged

),

final as (

    select
        source_file,
        table_name,
        severity,
        rule,
        coalesce(column_name, '') as column_name,
        count(distinct row_name) as n_rows,
        min(source_line) as first_line,
        max(source_line) as last_line
    from findings
    group by source_file, table_name, severity, rule, coalesce(column_name, '')
    union all
    select
        source_file,
        table_name,
        'flagged' as severity,
        item as rule,
        '' as column_name,
        cast(sum(n_rows) as bigint) as n_rows,
        min(first_line) as first_line,
        max(last_line) as last_line
    from counted_flags
    group by source_file, table_name, item

)

select * from final
