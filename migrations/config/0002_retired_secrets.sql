-- Secrets that were a virtual key's and are no more, so that whoever still sends one is refused
-- instead of passing as somebody without a key. The latest ones only.
create table retired_secrets (
    -- SHA-256 of the secret in hexadecimal.
    secret_hash text primary key,
    -- Unix milliseconds.
    retired_at bigint not null
);
