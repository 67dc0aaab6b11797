-- The schema public as most applications use it, and another one that hangs on it.
CREATE ROLE app LOGIN; CREATE ROLE clerk;
GRANT CREATE ON SCHEMA public TO app; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO app, clerk;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO clerk;
CREATE TYPE public.state AS ENUM ('new', 'done');
CREATE FUNCTION public.upper_case(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
CREATE FUNCTION public.is_code(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT length($1) < 9';
CREATE SEQUENCE public.numbers;
CREATE TABLE public.customers (id serial PRIMARY KEY, name text);
CREATE FUNCTION public.next_customer() RETURNS int LANGUAGE sql AS 'SELECT 7';
GRANT SELECT, INSERT ON public.customers TO app; GRANT USAGE ON public.customers_id_seq, public.numbers TO app;
CREATE SCHEMA shop;
CREATE DOMAIN shop.code AS text CONSTRAINT is_code CHECK (public.is_code(VALUE));
CREATE TABLE shop.orders (id int PRIMARY KEY, customer int DEFAULT public.next_customer() REFERENCES public.customers,
  code text, note text DEFAULT 'none', CONSTRAINT short CHECK (public.is_code(code)), no bigint DEFAULT nextval('public.numbers'),
  state public.state NOT NULL DEFAULT 'new', states public.state[], loud text GENERATED ALWAYS AS (public.upper_case(code)) STORED);
ALTER TABLE shop.orders ALTER states SET STATISTICS 55; COMMENT ON COLUMN shop.orders.state IS 'how far it is';
CREATE INDEX orders_state ON shop.orders (state);
CREATE VIEW shop.open AS SELECT id, state FROM shop.orders WHERE state = 'new';
CREATE FUNCTION shop.is_open(public.state) RETURNS bool LANGUAGE sql AS $$ SELECT $1 = 'new' $$;
CREATE TABLE shop.events (at timestamptz DEFAULT now(), state public.state) PARTITION BY RANGE (at);
CREATE TABLE shop.events_all PARTITION OF shop.events DEFAULT;
GRANT SELECT ON shop.open TO app; GRANT UPDATE (state) ON shop.orders TO app;
INSERT INTO public.customers (name) SELECT 'c' || n FROM generate_series(1, 20) n;
INSERT INTO shop.orders (id, customer, code, state, states)
  SELECT n, n % 20 + 1, 'c' || n, CASE n % 2 WHEN 0 THEN 'done' ELSE 'new' END::public.state, '{new,done}' FROM generate_series(1, 100) n;
CREATE TABLE shop.tags (what text, state public.state);
