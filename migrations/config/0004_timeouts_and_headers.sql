-- Time-outs of their own for the headers and for the whole of an attempt; null is the default.
alter table providers add column header_timeout_in_seconds bigint;
alter table providers add column total_timeout_in_seconds bigint;
alter table providers add column stream_total_timeout_in_seconds bigint;

-- Which headers of a client reach a provider, as JSON: two lists of names.
alter table client_settings add column header_filter_config text not null default '{}';
