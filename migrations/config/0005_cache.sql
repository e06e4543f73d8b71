-- Settings of plugins that have any: their names, and their config as JSON.
create table plugin_settings (
    name text primary key,
    enabled boolean not null,
    config text not null
);

-- What a virtual key says of the semantic cache, as JSON; null is nothing.
alter table virtual_keys add column semantic_cache text;
