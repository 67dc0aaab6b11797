-- In another database, and in template1.
CREATE SCHEMA far;
CREATE TABLE far.stock (id serial PRIMARY KEY, what text);
INSERT INTO far.stock (what) SELECT 'item ' || n FROM generate_series(1, 50) n;
CREATE SEQUENCE far.numbers;
SELECT setval('far.numbers', 70);
CREATE FUNCTION far.f() RETURNS int LANGUAGE sql AS 'select 1';
GRANT SELECT ON far.stock TO app;
COMMENT ON TABLE far.stock IS 'elsewhere';
SELECT lo_from_bytea(4801, '\x0102');
