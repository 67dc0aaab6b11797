-- A little of everything that a table can be and that can hang on one.
CREATE ROLE owner; CREATE ROLE app LOGIN; CREATE ROLE writers; GRANT writers TO app;
CREATE SCHEMA oa AUTHORIZATION owner;
CREATE SCHEMA "Other" AUTHORIZATION owner;
SET ROLE owner;
CREATE TYPE oa.colour AS ENUM ('red', 'green');
CREATE DOMAIN oa.email AS text CHECK (position('@' IN VALUE) > 1);
CREATE TABLE oa.departments (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE oa.users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, department_id int NOT NULL REFERENCES oa.departments,
  email oa.email NOT NULL UNIQUE, colours oa.colour[], twice text GENERATED ALWAYS AS (email || email) STORED,
  note text DEFAULT 'none', request_id uuid, row_version int NOT NULL DEFAULT 0, CONSTRAINT short CHECK (length(note) < 1000));
COMMENT ON TABLE oa.users IS 'people'; COMMENT ON COLUMN oa.users.note IS 'a note';
CREATE TABLE oa.documents (id bigserial PRIMARY KEY, owner_id bigint NOT NULL REFERENCES oa.users ON DELETE CASCADE, body text);
CREATE INDEX documents_body ON oa.documents (md5(body)) WHERE body IS NOT NULL;
CREATE TABLE oa.audit (id bigserial, at timestamptz NOT NULL DEFAULT now(), what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE oa.audit_2025 PARTITION OF oa.audit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE oa.audit_rest PARTITION OF oa.audit DEFAULT;
CREATE INDEX audit_what ON oa.audit (what);
CREATE TABLE oa.notes (line text);
CREATE FUNCTION oa.write_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN INSERT INTO oa.audit (what) VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON oa.users FOR EACH ROW EXECUTE FUNCTION oa.write_audit();
CREATE VIEW oa.directory AS SELECT u.id, u.email, d.name FROM oa.users u JOIN oa.departments d ON d.id = u.department_id;
CREATE VIEW "Other".over_view AS SELECT email FROM oa.directory;
CREATE MATERIALIZED VIEW oa.tally AS SELECT department_id, count(*) AS n FROM oa.users GROUP BY 1;
CREATE UNIQUE INDEX tally_key ON oa.tally (department_id);
ALTER TABLE oa.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE oa.users FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON oa.users TO app USING (email <> current_user);
REVOKE ALL ON SCHEMA oa FROM PUBLIC; REVOKE EXECUTE ON FUNCTION oa.write_audit() FROM PUBLIC;
GRANT USAGE ON SCHEMA oa TO app, writers;
GRANT SELECT (id, email) ON oa.users TO app; GRANT INSERT, UPDATE (note, row_version) ON oa.users TO writers;
GRANT SELECT ON oa.directory, oa.documents TO app; GRANT USAGE ON SEQUENCE oa.documents_id_seq TO writers WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA oa GRANT SELECT ON TABLES TO app;
RESET ROLE;
CREATE PUBLICATION everything FOR TABLE oa.users, oa.documents;
INSERT INTO oa.departments (name) SELECT 'd' || n FROM generate_series(1, 10) n;
ALTER TABLE oa.users DISABLE TRIGGER users_audit;
INSERT INTO oa.users (department_id, email, colours) SELECT n % 10 + 1, n || '@x.y', '{red,green}' FROM generate_series(1, 3000) n;
ALTER TABLE oa.users ENABLE TRIGGER users_audit;
INSERT INTO oa.documents (owner_id, body) SELECT n % 3000 + 1, repeat(md5(n::text), 20) FROM generate_series(1, 5000) n;
INSERT INTO oa.audit (at, what) SELECT timestamptz '2025-03-01' + n * interval '1 hour', 'loaded' FROM generate_series(1, 9000) n;
INSERT INTO oa.notes SELECT 'line ' || n % 10 FROM generate_series(1, 100) n;
REFRESH MATERIALIZED VIEW oa.tally;
