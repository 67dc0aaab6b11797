-- Makes the queries that read a database's catalog: one a catalog, of rows `name, row`.
--
-- What is left out is said here, with why; whatever else stands in a catalog, of whatever
-- version, is looked at. References are shown by name, since a restore by SQL gives out new
-- OIDs: `pg_get_catalog_foreign_keys()` knows them all. Expressions, arrays of column numbers
-- and access lists are pg_dump's to tell.
WITH omitted (catalog, why) AS (VALUES
  ('pg_depend', 'follows from the objects'), ('pg_shdepend', 'the same'), ('pg_init_privs', 'made by initdb and extensions'),
  ('pg_statistic', 'a sample'), ('pg_statistic_ext_data', 'a sample'), ('pg_largeobject', 'content'),
  ('pg_largeobject_metadata', 'content'), ('pg_subscription_rel', 'progress'), ('pg_attrdef', 'pg_dump tells'),
  ('pg_enum', 'pg_dump tells'), ('pg_default_acl', 'pg_dump tells'), ('pg_parameter_acl', 'pg_dumpall tells'),
  ('pg_auth_members', 'pg_dumpall tells'), ('pg_db_role_setting', 'pg_dump and pg_dumpall tell')
), passing (attname, why) AS (VALUES
  ('relfilenode', 'a file''s name'), ('relrewrite', 'work in progress'), ('relpages', 'an estimate'),
  ('reltuples', 'an estimate'), ('relallvisible', 'an estimate'), ('relallfrozen', 'an estimate'),
  ('reltoastrelid', 'made when needed'), ('relhasindex', 'reset late'), ('relhasrules', 'reset late'),
  ('relhastriggers', 'reset late'), ('relhassubclass', 'reset late'), ('dathasloginevt', 'reset late'),
  ('relnatts', 'counts dropped columns'),
  ('attnum', 'counts dropped columns'), ('attcacheoff', 'a cache'), ('atthasmissing', 'ends with a rewrite'),
  ('attndims', 'not kept by pg_dump'), ('attlen', 'the type''s'), ('attalign', 'the type''s'), ('attbyval', 'the type''s'),
  ('indcheckxmin', 'until old transactions end'), ('connoinherit', 'pg_dump tells'), ('conparentid', 'stands in the name'),
  ('classoid', 'stands in the name'), ('objsubid', 'stands in the name'), ('rolpassword', 'a secret'),
  ('umoptions', 'a secret'), ('srvoptions', 'a secret'), ('fdwoptions', 'a secret'), ('subconninfo', 'a secret')
), passing_type (type) AS (
  SELECT unnest('{pg_node_tree,aclitem[],int2vector,oidvector,oid[],smallint[],xid,anyarray,pg_lsn}'::regtype[])
), arrays (attname, shown) AS (VALUES
  -- Of these pg_dump does not tell everything: which operators a constraint uses, and of which
  -- operator classes, collations and orders its index is.
  ('conpfeqop', 't.conpfeqop::regoperator[]::text'), ('conppeqop', 't.conppeqop::regoperator[]::text'),
  ('conffeqop', 't.conffeqop::regoperator[]::text'), ('conexclop', 't.conexclop::regoperator[]::text'),
  ('indkey', 'pg_get_indexdef(t.indexrelid)')
), minor (catalog, condition, why) AS (VALUES
  ('pg_class', 't.relkind <> ''t''', 'made when needed'),
  ('pg_attribute', 't.attnum > 0 AND NOT t.attisdropped AND (SELECT c.relkind FROM pg_class c WHERE c.oid = t.attrelid) NOT IN (''t'', ''S'', ''i'', ''I'')', 'no columns of a user''s'),
  ('pg_type', 't.typcategory <> ''A'' AND (t.typrelid = 0 OR (SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid) = ''c'')', 'follow from the table or type')
), alias (catalog, type) AS (VALUES
  ('pg_class'::regclass, 'regclass'), ('pg_proc', 'regprocedure'), ('pg_type', 'regtype'), ('pg_operator', 'regoperator'),
  ('pg_authid', 'regrole'), ('pg_namespace', 'regnamespace'), ('pg_collation', 'regcollation')
), columns AS (
  SELECT c.oid AS catalog, c.relname, c.relisshared, a.attname, a.attnum, p.indrelid IS NOT NULL AS key,
    a.attname IN (SELECT attname FROM passing)
      OR (a.atttypid IN (SELECT type FROM passing_type) AND y.shown IS NULL)
      OR (a.atttypid = 'oid'::regtype AND k.pktable IS NULL AND a.attname NOT IN ('objoid', 'roident')) AS passing,
    a.attname IN (SELECT attname FROM passing) OR a.atttypid IN ('xid'::regtype, 'aclitem[]'::regtype) AS unsteady,
    CASE WHEN a.attname = 'objoid' THEN format('(SELECT concat_ws('' '', i.type, i.identity) FROM pg_identify_object(t.classoid, t.objoid, %s) i)',
        CASE WHEN c.relisshared THEN '0' ELSE 't.objsubid' END)
      WHEN r.type IS NOT NULL THEN format('nullif(t.%I::oid, 0)::%s::text', a.attname, r.type)
      WHEN k.pktable IS NOT NULL THEN format('(SELECT regexp_replace(i.identity, ''RI_ConstraintTrigger_([ac])_\d+'', ''RI_ConstraintTrigger_\1'') FROM pg_identify_object(%L::regclass, nullif(t.%I::oid, 0), 0) i)', k.pktable, a.attname)
      WHEN a.attname = 'tgname' THEN 'regexp_replace(t.tgname, ''^(RI_ConstraintTrigger_[ac])_\d+$'', ''\1'')'
      -- Minor releases of 2026 keep a number of the relation's own making beside a column's options.
      WHEN a.attname = 'attoptions' THEN '(SELECT array_agg(o) FROM unnest(t.attoptions) o WHERE o NOT LIKE ''pg\_attver=%'')'
      WHEN y.shown IS NOT NULL THEN y.shown
      ELSE format('t.%I', a.attname) END AS shown
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary AND a.attnum = ANY (p.indkey)
  LEFT JOIN pg_get_catalog_foreign_keys() k
    ON k.fktable = c.oid AND k.fkcols = ARRAY[a.attname::text] AND k.pkcols = '{oid}' AND NOT k.is_array
  LEFT JOIN alias r ON r.catalog = k.pktable LEFT JOIN arrays y ON y.attname = a.attname
  WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN (SELECT catalog FROM omitted)
), catalogs AS (
  SELECT relname, relisshared AS shared, coalesce('(' || min(condition) || ')', 'true') AS major,
    (array_agg(attname ORDER BY NOT key, attnum))[1] AS id,
    string_agg(CASE attname WHEN 'attnum' THEN 't.attname' WHEN 'roident' THEN 't.roname' ELSE shown END, ', ' ORDER BY attnum)
      FILTER (WHERE key AND (NOT passing OR attname = 'attnum')) AS keys,
    string_agg(format('%L, %s', attname, shown), ', ' ORDER BY attnum) FILTER (WHERE NOT passing) AS shown,
    string_agg(format('t.%I', attname), ', ' ORDER BY attnum) FILTER (WHERE NOT unsteady) AS steady
  FROM columns LEFT JOIN minor ON minor.catalog = relname GROUP BY relname, relisshared
), of_its_own AS (
  -- A user's objects by name. Of initdb's only those that were changed since it made the last of them.
  SELECT relname, shared, format('SELECT %s, jsonb_strip_nulls(jsonb_build_object(%s))::text FROM %I t WHERE %s',
    CASE id WHEN 'oid' THEN format('(SELECT concat_ws('' '', i.type, regexp_replace(i.identity, ''RI_ConstraintTrigger_([ac])_\d+'', ''RI_ConstraintTrigger_\1'')) FROM pg_identify_object(%L::regclass, t.oid, 0) i)', relname)
      ELSE format('concat_ws('' '', %L, %s)', relname, keys) END, shown, relname,
    CASE WHEN shared THEN 'true' ELSE format('%s AND (t.%I::oid >= 16384 OR age(t.xmin) < (SELECT age(d.xmin) FROM pg_database d WHERE d.datname = ''template0'')%s)',
      major, id, CASE relname WHEN 'pg_namespace' THEN ' OR t.nspname = ''public'''
        WHEN 'pg_description' THEN ' OR t.objoid IN (2200, to_regnamespace(''public''))' ELSE '' END) END) AS query
  FROM catalogs
), of_initdb AS (
  -- All that initdb made, as one digest a catalog. Schema public may have been made anew.
  SELECT relname, shared, format('SELECT ''built-in rows of %1$s'', concat(count(*), '' rows, digest '', sum(hashtextextended(ROW(%2$s)::text, 0))) FROM %1$I t WHERE t.%3$I::oid < 16384 AND %4$s',
    relname, steady, id, CASE relname WHEN 'pg_namespace' THEN 't.nspname <> ''public''' WHEN 'pg_description' THEN 't.objoid <> 2200' ELSE 'true' END) AS query
  FROM catalogs WHERE NOT shared
)
SELECT shared, query FROM of_its_own UNION ALL SELECT shared, query FROM of_initdb
