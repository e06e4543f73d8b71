-- Requests are kept in blocks of many rows: one statement per batch instead of one per request. A
-- block holds the rows seq .. seq + rows - 1 in the order in which they finished; `ids` holds four
-- bytes per row, the hash of its id, so that a request is found without reading every block.
drop table requests;

create table request_blocks (
    seq bigint primary key not null,
    rows bigint not null,
    from_ms bigint not null,
    to_ms bigint not null,
    ids blob not null,
    data blob not null
);
create index request_blocks_by_time on request_blocks (to_ms);
