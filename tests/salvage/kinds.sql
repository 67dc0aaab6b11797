-- Tables of every odd kind, and what stands beside them.
CREATE ROLE app LOGIN;
CREATE SCHEMA log; CREATE SCHEMA sales; CREATE SCHEMA "Odd Names";
CREATE SEQUENCE sales.nobodys;
CREATE TABLE sales.countdown (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1) PRIMARY KEY, note text);
INSERT INTO sales.countdown (note) SELECT 'step ' || n FROM generate_series(1, 5) n;
CREATE TABLE log.events (id int, body text);
CREATE TABLE log.events_2026 (PRIMARY KEY (id)) INHERITS (log.events);
INSERT INTO log.events SELECT n, 'parent ' || n FROM generate_series(1, 30) n;
INSERT INTO log.events_2026 SELECT n, 'child ' || n FROM generate_series(1, 40) n;
CREATE TABLE log.ticks (); INSERT INTO log.ticks SELECT FROM generate_series(1, 7);
CREATE TABLE log.marks (always int GENERATED ALWAYS AS (1) STORED); INSERT INTO log.marks SELECT FROM generate_series(1, 5);
CREATE TABLE sales.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_no text UNIQUE, note text,
  tag uuid NOT NULL DEFAULT gen_random_uuid(), of bigint REFERENCES sales.orders);
CREATE UNIQUE INDEX orders_tag ON sales.orders (tag);
CREATE TABLE sales.lines (order_id bigint REFERENCES sales.orders ON DELETE CASCADE DEFERRABLE, text text);
COMMENT ON CONSTRAINT lines_order_id_fkey ON sales.lines IS 'of its order';
ALTER TABLE sales.orders REPLICA IDENTITY USING INDEX orders_tag;
ALTER TABLE sales.orders ALTER note SET STATISTICS 777;
ALTER TABLE sales.orders ALTER note SET (n_distinct = 5);
ALTER TABLE sales.orders SET (toast.autovacuum_enabled = off, toast_tuple_target = 512);
ALTER TABLE sales.orders CLUSTER ON orders_pkey;
CREATE STATISTICS sales.orders_st ON note, tag FROM sales.orders;
CREATE PUBLICATION p_orders FOR TABLE sales.orders (id, order_no, tag) WHERE (tag IS NOT NULL);
CREATE TABLE sales.history (what text);
CREATE FUNCTION sales.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO sales.history VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER remember AFTER INSERT OR DELETE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.remember();
ALTER TABLE sales.orders ENABLE ALWAYS TRIGGER remember;
CREATE RULE remember AS ON INSERT TO sales.orders DO ALSO INSERT INTO sales.history VALUES ('rule');
ALTER TABLE sales.orders ENABLE REPLICA RULE remember;
INSERT INTO sales.orders (order_no, note) SELECT n, 'note ' || n FROM generate_series(1, 200) n;
UPDATE sales.orders SET of = id - 1 WHERE id > 1;
INSERT INTO sales.lines SELECT n, 'line ' || n FROM generate_series(1, 200) n;
CREATE TABLE "Odd Names".a_name_of_sixty_three_bytes_that_no_suffix_can_be_added_to_at_a (id int PRIMARY KEY, v text);
INSERT INTO "Odd Names".a_name_of_sixty_three_bytes_that_no_suffix_can_be_added_to_at_a SELECT n, 'v' FROM generate_series(1, 9) n;
CREATE DOMAIN sales.lo AS oid;
CREATE TABLE sales.scans (id int PRIMARY KEY, scan sales.lo, other oid);
INSERT INTO sales.scans VALUES (1, lo_from_bytea(0, 'short'), 1), (2, lo_from_bytea(0, decode(repeat('c0ffee', 700000), 'hex')), NULL), (3, lo_create(0), 3);
SELECT lo_put(scan, 5000, 'after a hole') FROM sales.scans WHERE id = 3;
DO $$ DECLARE one oid := (SELECT scan FROM sales.scans WHERE id = 2); BEGIN
  EXECUTE format('ALTER LARGE OBJECT %s OWNER TO app; COMMENT ON LARGE OBJECT %1$s IS ''a scan''; GRANT SELECT ON LARGE OBJECT %1$s TO PUBLIC', one); END $$;
