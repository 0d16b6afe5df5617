{#-
    At the end of plain `dbt run` or `dbt build`: publish what was built, as `hpd refresh` does, when every model of
    the project was built and nothing failed. Otherwise nothing is published, and the log says why.
-#}
{% macro publish_release(results) -%}
    {%- if execute and flags.WHICH in ('run', 'build') and not env_var('HPD_DBT', '') and target.type == 'duckdb' -%}
        {%- set built, failed, counts = [], [], {} -%}
        {%- for result in results -%}
            {%- set kind = result.node.resource_type | string -%}
            {%- if result.status | string in ('success', 'pass', 'warn') -%}
                {%- do counts.update({kind: counts.get(kind, 0) + 1}) -%}
                {%- do built.append(result.node.unique_id) -%}
            {%- elif result.status | string not in ('no-op',) -%}
                {%- do failed.append(result.node.name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set left_out, tables, seeds = [], [], {} -%}
        {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
            {%- if node.resource_type == 'seed' -%}
                {%- do seeds.update({node.name: seed_checksum(node)}) -%}
            {%- endif -%}
            {%- if node.resource_type == 'model' and node.config.materialized != 'ephemeral' and node.unique_id not in built -%}
                {%- do left_out.append(node.name) -%}
            {%- endif -%}
            {%- do tables.append(node.schema ~ '.' ~ node.alias) -%}
        {%- endfor -%}
        {%- if failed -%}
            {%- do log('nothing was published: ' ~ failed | length ~ ' failed or skipped, ' ~ failed[0] ~ ' among them', info=true) -%}
        {%- elif invocation_args_dict.get('empty') or invocation_args_dict.get('sample') -%}
            {%- do log('nothing was published: the models were built from a part of their rows (--empty or --sample)', info=true) -%}
        {%- elif left_out -%}
            {%- do log('nothing was published: only some models were built, ' ~ left_out[0] ~ ' was not; run all of them', info=true) -%}
        {%- else -%}
            {%- set told = {
                'counts': counts, 'tables': tables | sort, 'seeds': seeds, 'vars': invocation_args_dict.get('vars') or {}
            } -%}
            {%- set release = run_query("select hpd_publish('" ~ (tojson(told) | replace("'", "''")) ~ "')") -%}
            {%- set answer = release.columns[0].values()[0] -%}
            {%- if answer.startswith('ERROR') -%}
                {%- do exceptions.raise_compiler_error(answer) -%}
            {%- endif -%}
            {%- do log(answer, info=true) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- What a vocabulary is made from: `dbt run`, which builds none, must not publish marts of an earlier one. -#}
{% macro seed_checksum(node) -%}
    {{ local_md5(node.checksum.checksum ~ tojson(node.config.column_types, sort_keys=true)) }}
{%- endmacro %}

{#- Once a vocabulary is loaded, by whichever command; the table is made by warehouse/dbt_plugin.py. -#}
{% macro remember_seed() -%}
    {%- if execute and target.type == 'duckdb' -%}
        delete from audit.seeds where seed = '{{ model.name }}';
        insert into audit.seeds values ('{{ model.name }}', '{{ seed_checksum(model) }}')
    {%- endif -%}
{%- endmacro %}
