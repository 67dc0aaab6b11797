-- A psql script: variables, includes and rows after COPY all work.
\set owner shop_owner
CREATE SCHEMA shop AUTHORIZATION :owner;
SET ROLE :owner;

CREATE TABLE shop.countries (code text PRIMARY KEY, name text NOT NULL);
COPY shop.countries (code, name) FROM stdin;
DE	Deutschland
EC	Ecuador
JP	日本
\.

CREATE TABLE shop.products (
    sku   text PRIMARY KEY,
    title text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    stock integer NOT NULL
);

CREATE TABLE shop.customers (
    id    integer PRIMARY KEY,
    name  varchar(100) NOT NULL,
    email text NOT NULL UNIQUE,
    since date
);

-- `order_no` is the ledger's key: NULL in rows that no client of the drill wrote.
CREATE TABLE shop.orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_no    uuid UNIQUE,
    customer_id integer NOT NULL,
    country     text NOT NULL REFERENCES shop.countries,
    note        text NOT NULL,
    status      text NOT NULL DEFAULT 'open',
    changes     integer NOT NULL DEFAULT 0,
    placed_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.order_lines (
    order_id bigint NOT NULL REFERENCES shop.orders ON DELETE CASCADE,
    sku      text NOT NULL REFERENCES shop.products,
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);
