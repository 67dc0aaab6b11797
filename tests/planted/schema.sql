-- Every kind of object that PostgreSQL has, one or two of each, beside the data model's.
SET client_min_messages = error;
CREATE ROLE app LOGIN PASSWORD 'secret-1' CONNECTION LIMIT 7 VALID UNTIL '2099-01-01';
CREATE ROLE partner NOLOGIN;
CREATE ROLE boss SUPERUSER;
CREATE ROLE grp NOLOGIN;
GRANT grp TO app;
COMMENT ON ROLE app IS 'the application';
ALTER ROLE app SET work_mem = '6MB';
ALTER ROLE app IN DATABASE postgres SET work_mem = '7MB';
ALTER DATABASE postgres SET statement_timeout = '1h';
COMMENT ON DATABASE postgres IS 'the one';
GRANT SET ON PARAMETER log_statement TO grp;

CREATE SCHEMA sales;
CREATE SCHEMA spare;
COMMENT ON SCHEMA sales IS 'what is sold';
GRANT USAGE ON SCHEMA sales TO app;
ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT SELECT ON TABLES TO app;

CREATE TYPE sales.colour AS ENUM ('red', 'green', 'blue');
CREATE TYPE sales.pair AS (a int, b int);
CREATE DOMAIN sales.positive AS int DEFAULT 1 CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE sales.span AS RANGE (subtype = float8);
CREATE COLLATION sales.german (provider = icu, locale = 'de');

CREATE FUNCTION sales.length_of(text) RETURNS integer LANGUAGE sql IMMUTABLE COST 7 AS 'select length($1)';
CREATE FUNCTION sales.length_with(text, extra int DEFAULT 2) RETURNS integer LANGUAGE sql STABLE AS 'select length($1) + $2';
CREATE FUNCTION sales.many(n int) RETURNS SETOF int LANGUAGE sql ROWS 50 AS 'select generate_series(1, n)';
CREATE FUNCTION sales.secure() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS 'begin return 1; end';
CREATE PROCEDURE sales.work(n int) LANGUAGE plpgsql AS 'begin null; end';
CREATE FUNCTION sales.pair_text(sales.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'select ($1).a::text';
CREATE CAST (sales.pair AS text) WITH FUNCTION sales.pair_text(sales.pair);
CREATE FUNCTION sales.pair_eq(sales.pair, sales.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select ($1).a = ($2).a';
CREATE FUNCTION sales.pair_cmp(sales.pair, sales.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'select sign(($1).a - ($2).a)::int';
CREATE OPERATOR sales.=== (LEFTARG = sales.pair, RIGHTARG = sales.pair, FUNCTION = sales.pair_eq, RESTRICT = eqsel);
CREATE OPERATOR FAMILY sales.pair_family USING btree;
CREATE OPERATOR CLASS sales.pair_class FOR TYPE sales.pair USING btree FAMILY sales.pair_family AS
  OPERATOR 3 sales.===, FUNCTION 1 sales.pair_cmp(sales.pair, sales.pair);
CREATE AGGREGATE sales.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE CONVERSION sales.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TRANSFORM FOR sales.pair LANGUAGE plpgsql (FROM SQL WITH FUNCTION array_unnest_support(internal));
CREATE TEXT SEARCH DICTIONARY sales.dict (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION sales.ts (COPY = pg_catalog.english);
CREATE TEXT SEARCH TEMPLATE sales.tmpl (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH PARSER sales.prs (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE LANGUAGE tongue HANDLER plpgsql_call_handler;

CREATE SEQUENCE sales.invoice_no CACHE 5;
SELECT setval('sales.invoice_no', 5000);
CREATE SEQUENCE sales.countdown INCREMENT -1 MINVALUE -1000 MAXVALUE 1000 START 500;
SELECT setval('sales.countdown', 400);

CREATE TABLE sales.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL COLLATE "C",
  email text UNIQUE, colour sales.colour DEFAULT 'red', born date, twice int GENERATED ALWAYS AS (length(name) * 2) STORED)
  WITH (fillfactor = 80, toast.autovacuum_enabled = off);
CREATE TABLE sales.orders (id bigserial PRIMARY KEY, customer bigint REFERENCES sales.customers ON DELETE CASCADE,
  note text, state text DEFAULT 'new' CONSTRAINT known CHECK (state <> ''), prio int DEFAULT 1,
  period tstzrange, EXCLUDE USING gist (period WITH &&)) ;
COMMENT ON TABLE sales.orders IS 'what was ordered';
COMMENT ON COLUMN sales.orders.note IS 'free text';
INSERT INTO sales.customers (name, email) SELECT 'name ' || n, n || '@example.org' FROM generate_series(1, 200) n;
INSERT INTO sales.orders (customer, note) SELECT n, 'note ' || n FROM generate_series(1, 200) n;
ALTER TABLE sales.orders ALTER note SET STATISTICS 777, ALTER note SET (n_distinct = -0.5), ALTER note SET STORAGE external;
CREATE INDEX orders_note ON sales.orders (note text_pattern_ops) WITH (fillfactor = 70) WHERE prio > 0;
CREATE INDEX orders_expr ON sales.orders (lower(note));
CREATE UNIQUE INDEX orders_replica ON sales.orders (id);
ALTER TABLE sales.orders CLUSTER ON orders_pkey;
CREATE STATISTICS sales.st (dependencies) ON state, prio FROM sales.orders;
ALTER STATISTICS sales.st SET STATISTICS 900;
ALTER TABLE sales.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON sales.customers FOR SELECT TO app USING (id > 0);
GRANT SELECT, INSERT ON sales.orders TO app;
GRANT SELECT (id, name) ON sales.customers TO app;
GRANT UPDATE (note) ON sales.orders TO partner WITH GRANT OPTION;
CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER touching BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON sales.orders DEFERRABLE FOR EACH ROW EXECUTE FUNCTION sales.touch();
CREATE VIEW sales.open_orders WITH (security_barrier = true) AS SELECT id, note FROM sales.orders WHERE state = 'new';
CREATE MATERIALIZED VIEW sales.counts AS SELECT state, count(*) FROM sales.orders GROUP BY 1;
CREATE TABLE sales.nokey (a int, b text);
INSERT INTO sales.nokey SELECT n % 3, 'x' FROM generate_series(1, 90) n;
CREATE RULE nothing AS ON DELETE TO sales.nokey DO INSTEAD NOTHING;
CREATE UNLOGGED TABLE sales.cache (id int);
CREATE TABLE sales.parts (id int, v text) PARTITION BY LIST (id);
CREATE TABLE sales.parts1 PARTITION OF sales.parts FOR VALUES IN (1);
CREATE TABLE sales.parts2 PARTITION OF sales.parts FOR VALUES IN (2);
CREATE INDEX parts_v ON sales.parts (v);
INSERT INTO sales.parts VALUES (1, 'a'), (2, 'b');
CREATE TABLE sales.child (extra int) INHERITS (sales.nokey);
INSERT INTO sales.child VALUES (7, 'c', 1);
CREATE TABLE sales.of_pair OF sales.pair;
-- Tables that clients write through triggers and a cascade, with and without a key, one with rows
-- from before them.
CREATE TABLE sales.notes (id bigserial PRIMARY KEY, what text NOT NULL, whose text DEFAULT session_user, written timestamptz DEFAULT clock_timestamp());
INSERT INTO sales.notes (what) SELECT 'note ' || n FROM generate_series(1, 5) n;
CREATE FUNCTION sales.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'begin insert into sales.notes (what) values (new.title); return null; end';
CREATE TRIGGER noting AFTER INSERT ON internal_oa.documents FOR EACH ROW EXECUTE FUNCTION sales.note();
CREATE TABLE sales.marks (session bigint PRIMARY KEY REFERENCES internal_oa.login_sessions ON DELETE CASCADE, mark text);
CREATE FUNCTION sales.mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'begin insert into sales.marks values (new.id, new.token_hash); return null; end';
CREATE TRIGGER marking AFTER INSERT ON internal_oa.login_sessions FOR EACH ROW EXECUTE FUNCTION sales.mark();
CREATE TABLE sales.trail (what text, amount numeric);
CREATE FUNCTION sales.trace() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'begin insert into sales.trail values (new.reason, new.amount); return null; end';
CREATE TRIGGER tracing AFTER INSERT ON internal_oa.approvals FOR EACH ROW EXECUTE FUNCTION sales.trace();
CREATE TABLE sales.totals (tenant bigint PRIMARY KEY, messages int NOT NULL DEFAULT 0);
INSERT INTO sales.totals (tenant) SELECT id FROM external_agent.tenants;
CREATE FUNCTION sales.total() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'begin update sales.totals set messages = messages + 1 where tenant = new.tenant_id; return null; end';
CREATE TRIGGER totalling AFTER INSERT ON external_agent.messages FOR EACH ROW EXECUTE FUNCTION sales.total();
CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (debug 'true');
CREATE SERVER remote TYPE 'pg' VERSION '1' FOREIGN DATA WRAPPER wrapper OPTIONS (host 'db1');
CREATE USER MAPPING FOR app SERVER remote OPTIONS (password 'pw-1');
CREATE FOREIGN TABLE sales.far (id int OPTIONS (name 'x'), note text) SERVER remote OPTIONS (tab 'orders');
CREATE PUBLICATION pub FOR TABLE sales.orders (id, note, state, prio) WHERE (id > 0);
CREATE PUBLICATION pub_schema FOR TABLES IN SCHEMA spare;
CREATE SUBSCRIPTION sub CONNECTION 'host=db2 password=pw-2' PUBLICATION other_pub WITH (connect = false, slot_name = NONE, enabled = false);
CREATE FUNCTION sales.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end';
CREATE EVENT TRIGGER ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION sales.on_ddl();
CREATE EXTENSION IF NOT EXISTS amcheck;
CREATE EXTENSION hstore SCHEMA spare;
SELECT pg_replication_origin_create('origin');
SELECT lo_from_bytea(4711, '\x00112233'), lo_from_bytea(4712, '\xff');
GRANT SELECT ON LARGE OBJECT 4711 TO app;
COMMENT ON LARGE OBJECT 4711 IS 'a blob';
SET allow_system_table_mods = on;
CREATE SCHEMA pg_own;
CREATE TABLE pg_own.hidden (id serial PRIMARY KEY, v text);
INSERT INTO pg_own.hidden (v) VALUES ('x');
RESET allow_system_table_mods;
