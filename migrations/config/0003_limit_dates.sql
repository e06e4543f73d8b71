-- When a limit was made and last changed, in Unix milliseconds. Those that are there already are as
-- old as their virtual key.
alter table budgets add column created_at bigint not null default 0;
alter table budgets add column updated_at bigint not null default 0;
update budgets set
    created_at = (select created_at from virtual_keys where id = budgets.virtual_key_id),
    updated_at = (select updated_at from virtual_keys where id = budgets.virtual_key_id);
alter table rate_limits add column created_at bigint not null default 0;
alter table rate_limits add column updated_at bigint not null default 0;
update rate_limits set
    created_at = (select created_at from virtual_keys where id = rate_limits.virtual_key_id),
    updated_at = (select updated_at from virtual_keys where id = rate_limits.virtual_key_id);
