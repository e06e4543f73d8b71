-- One row per client request, without its contents. seq orders rows as they finished and has no
-- gaps except at its old end, where retention deletes.
create table requests (
    seq integer primary key not null,
    id text not null,
    timestamp_ms bigint not null,
    operation text not null,
    stream boolean not null,
    virtual_key_id text,
    virtual_key_name text,
    model_requested text not null,
    provider text,
    model text,
    status bigint not null,
    latency_us bigint not null,
    first_token_us bigint,
    input_tokens bigint not null,
    cached_read_tokens bigint not null,
    cached_write_tokens bigint not null,
    output_tokens bigint not null,
    reasoning_tokens bigint not null,
    usage_source text not null,
    cost_nano bigint,
    attempts text not null,
    error text,
    error_kind text
);
create index requests_by_time on requests (timestamp_ms, seq);
create index requests_by_id on requests (id);

-- Sums per provider and bucket, in two resolutions (60 and 3600 seconds), so that no chart ever
-- scans the requests.
create table rollups (
    resolution bigint not null,
    start bigint not null,
    provider text not null,
    success bigint not null,
    client_error bigint not null,
    rate_limited bigint not null,
    server_error bigint not null,
    cancelled bigint not null,
    failovers bigint not null,
    cost_nano bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    latency_us bigint not null,
    latency text not null,
    first_token text not null,
    primary key (resolution, start, provider)
);

-- How often one provider took over from another, per bucket.
create table failovers (
    resolution bigint not null,
    start bigint not null,
    from_provider text not null,
    to_provider text not null,
    count bigint not null,
    primary key (resolution, start, from_provider, to_provider)
);
