-- The configuration and the counters. One text for SQLite and Postgres: text, bigint, boolean and
-- double precision only; ids are text, lists are JSON in text, times are Unix milliseconds unless
-- a column says otherwise. In a list that grants access, null is everything and [] is nothing.

-- One row. Moves with every change, so that other nodes see that they must read again.
create table config_version (
    id bigint primary key,
    version bigint not null
);
insert into config_version (id, version) values (1, 1);

-- At most one row: the settings of the gateway as a whole.
create table client_settings (
    id bigint primary key,
    drop_excess_requests boolean not null,
    enable_logging boolean not null,
    enforce_auth_on_inference boolean not null,
    allow_direct_keys boolean not null,
    max_request_body_size_mb bigint not null,
    log_retention_days bigint not null,
    allowed_origins text not null,
    allowed_headers text not null,
    required_headers text not null,
    budget_wait_ms bigint not null,
    shutdown_grace_seconds bigint not null
);

-- At most one row: who may use the management API. Values may be `env.NAME`.
create table auth_settings (
    id bigint primary key,
    admin_username text not null,
    admin_password text not null,
    is_enabled boolean not null,
    disable_auth_on_inference boolean not null
);

create table providers (
    name text primary key,
    concurrency bigint not null,
    buffer_size bigint not null,
    base_url text not null,
    extra_headers text not null,
    default_request_timeout_in_seconds bigint not null,
    connect_timeout_in_seconds bigint not null,
    -- Null is the request time-out.
    first_token_timeout_in_seconds bigint,
    stream_idle_timeout_in_seconds bigint not null,
    max_retries bigint not null,
    retry_backoff_initial bigint not null,
    retry_backoff_max bigint not null,
    insecure_skip_verify boolean not null,
    ca_cert_pem text not null,
    max_conns_per_host bigint not null,
    enforce_http2 boolean not null,
    -- Null is no proxy.
    proxy_type text,
    proxy_url text not null,
    proxy_username text not null,
    proxy_password text not null,
    send_back_raw_request boolean not null,
    send_back_raw_response boolean not null,
    -- JSON; null is a built-in provider.
    custom_provider_config text
);

create table provider_keys (
    id text primary key,
    provider text not null references providers (name) on delete cascade,
    position bigint not null,
    name text not null unique,
    -- The secret, or `env.NAME`.
    value text not null,
    models text,
    blacklisted_models text not null,
    weight double precision not null,
    enabled boolean not null
);
create index provider_keys_provider on provider_keys (provider);

create table virtual_keys (
    id text primary key,
    name text not null unique,
    description text not null,
    -- SHA-256 of the secret in hexadecimal; the secret itself is not kept.
    secret_hash text not null unique,
    secret_masked text not null,
    secret_is_id boolean not null,
    is_active boolean not null,
    team_id text,
    customer_id text,
    model_substitution boolean not null,
    -- False is every provider; true is those in virtual_key_providers and no other.
    restricts_providers boolean not null,
    created_at bigint not null,
    updated_at bigint not null
);

create table virtual_key_providers (
    id bigint primary key,
    virtual_key_id text not null references virtual_keys (id) on delete cascade,
    position bigint not null,
    -- A name, not a reference: the provider may be configured later.
    provider text not null,
    weight double precision,
    allowed_models text,
    key_ids text,
    fallback_model text
);
create index virtual_key_providers_key on virtual_key_providers (virtual_key_id);

create table budgets (
    id text primary key,
    virtual_key_id text not null references virtual_keys (id) on delete cascade,
    -- Null is the virtual key as a whole.
    binding_id bigint references virtual_key_providers (id) on delete cascade,
    position bigint not null,
    -- Nano-dollars.
    max_limit bigint not null,
    reset_duration text not null,
    calendar_aligned boolean not null,
    time_zone text,
    unpriced_allowed boolean not null,
    reserve boolean not null
);
create index budgets_key on budgets (virtual_key_id);

create table rate_limits (
    id text primary key,
    virtual_key_id text not null references virtual_keys (id) on delete cascade,
    -- Null is the virtual key as a whole.
    binding_id bigint references virtual_key_providers (id) on delete cascade,
    request_max_limit bigint,
    request_reset_duration text,
    token_max_limit bigint,
    token_reset_duration text
);
create index rate_limits_key on rate_limits (virtual_key_id);

-- What config.json said when it was last read, by entity: only what changed since is applied.
create table file_hashes (
    entity text primary key,
    hash text not null
);

-- What was used in the current window of a budget (nano-dollars) or of half a rate limit (tokens,
-- requests). No reference to the limit: late counts of a deleted limit harm nobody.
create table meters (
    id text primary key,
    -- Unix seconds.
    window_start bigint not null,
    used bigint not null
);
