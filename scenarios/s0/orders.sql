-- What the workload `orders` in own-table-server-lost.yaml needs: its table, with rows that
-- were there before any client, and grants. Rows without an order_no were never placed by
-- a client: they must stay as they are.
create schema sales;
create table sales.orders (
    id        bigint generated always as identity primary key,
    order_no  text unique,
    note      text not null,
    placed_at timestamptz not null default clock_timestamp()
);
insert into sales.orders (note) select 'taken by telephone, ' || n from generate_series(1, 500) n;
grant usage on schema sales to oa_app_user;
grant insert on sales.orders to oa_app_user;
