{#-
    How the target `spark` reads and writes: the landing zone (HPD_LANDING, made by `hpd load --landing`) holds the raw
    tables as Parquet, and takes what is built from them, a folder per table under `built`. Nothing here is asked
    for by DuckDB.
-#}

{#- At the start of a run: the sources are views of the Parquet files. -#}
{% macro read_landing() -%}
    {%- if execute and target.type == 'spark' and flags.WHICH in ('run', 'build', 'seed', 'test') -%}
        {%- for source in graph.sources.values() -%}
            {%- do run_query('create schema if not exists ' ~ source.schema) -%}
            {%- do run_query(
                'create or replace view ' ~ source.schema ~ '.' ~ source.identifier ~ ' as select * from parquet.`file://'
                ~ env_var('HPD_LANDING') ~ '/' ~ source.schema ~ '/' ~ source.identifier ~ '/*/*.parquet`'
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- A folder that is named, so that the next run, which starts with an empty catalogue, writes over it. -#}
{% macro spark__location_clause() -%}
    using parquet location 'file://{{ env_var('HPD_LANDING') }}/built/{{ model.alias }}'
{%- endmacro %}

{#- The vocabularies in one statement: the adapter's own way makes 'None' of a blank, and stumbles over a quote. -#}
{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set types = model.config.column_types -%}
    {%- call statement('_') -%}
    create table {{ this.render() }}
    {{ location_clause() }}
    as
    select
    {%- for name in agate_table.column_names %}
        cast({{ name }} as {{ types[name] | replace('varchar', 'string') }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from values
    {%- for row in agate_table.rows %}
        ({% for cell in row %}{{ spark_text(cell) }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
    {%- endfor %}
    as rows ({{ agate_table.column_names | join(', ') }})
    {%- endcall -%}
{%- endmacro %}
{% macro spark__load_csv_rows(model, agate_table) %}{{ return('') }}{% endmacro %}
{% macro spark_text(cell) -%}
    {%- if cell is none -%} null {%- else -%} '{{ cell | string | replace('\\', '\\\\') | replace("'", "\\'") }}' {%- endif -%}
{%- endmacro %}

{#-
    What Spark has counted (HPD_COUNTS, set by `hpd refresh --engine spark`) goes into DuckDB as if it were built there:
    same contract, keys, comments and tests.
-#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- if env_var('HPD_COUNTS', '') and 'counts' in config.get('tags', []) -%}
        {%- set compiled_code = "select * from read_parquet('" ~ env_var('HPD_COUNTS') ~ '/' ~ model.alias
            ~ "/*.parquet', hive_partitioning = false)" -%}
    {%- endif -%}
    {{ return(dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, **kwargs)) }}
{%- endmacro %}
