-- One change for every field of every catalog: the row of a user's first object takes another
-- row's value, or, where there is none, one a little different.
WITH field AS (
  SELECT c.relname, c.relisshared, a.attname, a.atttypid::regtype AS type,
    (SELECT l.attname FROM pg_attribute l LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary
     WHERE l.attrelid = c.oid AND l.attnum > 0 AND l.atttypid IN ('oid'::regtype, 'regproc'::regtype)
     ORDER BY l.attnum = ANY (p.indkey) DESC NULLS LAST, l.attnum LIMIT 1) AS id
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ('pg_largeobject', 'pg_statistic', 'pg_statistic_ext_data')
), change AS (
  SELECT *, CASE type WHEN 'boolean'::regtype THEN format('NOT %I', attname)
      WHEN 'integer'::regtype THEN format('%I + 1', attname) WHEN 'smallint'::regtype THEN format('%I + 1', attname)
      WHEN 'bigint'::regtype THEN format('%I + 1', attname) WHEN 'real'::regtype THEN format('%I + 1', attname)
      WHEN 'name'::regtype THEN format('%I || ''_x''', attname) WHEN 'text'::regtype THEN format('%I || ''x''', attname)
      ELSE format('(SELECT o.%I FROM %I o WHERE o.%1$I::text <> t.%1$I::text LIMIT 1)', attname, relname) END AS value
  FROM field WHERE attname <> id
)
SELECT format('UPDATE %I t SET %I = %s WHERE t.ctid = (SELECT ctid FROM %I u WHERE u.%I::oid >= 16384 AND %s ORDER BY u.%5$I::oid LIMIT 1)',
  relname, attname, value, relname, id,
  -- What is recorded of system columns PostgreSQL knows by itself; of a sequence's, and of what
  -- holds long values, nobody looks at it.
  CASE relname WHEN 'pg_attribute' THEN 'u.attnum > 0 AND u.attrelid IN (SELECT oid FROM pg_class WHERE relkind = ''r'') AND '
    WHEN 'pg_index' THEN 'u.indrelid IN (SELECT oid FROM pg_class WHERE relkind <> ''t'') AND ' ELSE '' END ||
  CASE WHEN type IN ('boolean'::regtype, 'integer'::regtype, 'smallint'::regtype, 'bigint'::regtype, 'real'::regtype, 'name'::regtype, 'text'::regtype)
    THEN format('u.%I IS NOT NULL', attname) ELSE format('EXISTS (SELECT FROM %I o WHERE o.%I::text <> u.%2$I::text)', relname, attname) END)
FROM change ORDER BY relname, attname
