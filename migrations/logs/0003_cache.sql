-- What the semantic cache did, per bucket. Hits stand in the rows of the empty provider, because none
-- was asked; misses in those of the provider that was asked instead.
alter table rollups add column cache_direct bigint not null default 0;
alter table rollups add column cache_semantic bigint not null default 0;
alter table rollups add column cache_misses bigint not null default 0;
alter table rollups add column cache_saved_nano bigint not null default 0;
alter table rollups add column cache_saved_us bigint not null default 0;
