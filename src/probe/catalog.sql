-- Every object of the user's as `kind name` and its definition. Names are qualified
-- (search_path is empty), OIDs do not occur, members of extensions stand for themselves
-- in the extension's version.
WITH ns AS (
  SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), member AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), rel AS (
  SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name, coalesce(s.spcname, '-') AS spcname
  FROM pg_class c JOIN ns n ON n.oid = c.relnamespace LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
  WHERE (('pg_class'::regclass)::oid, c.oid) NOT IN (SELECT classid, objid FROM member)
), routine AS (
  SELECT p.*, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
  FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
  WHERE (('pg_proc'::regclass)::oid, p.oid) NOT IN (SELECT classid, objid FROM member)
), utype AS (
  SELECT t.*, format('%I.%I', n.nspname, t.typname) AS name
  FROM pg_type t JOIN ns n ON n.oid = t.typnamespace
  WHERE (('pg_type'::regclass)::oid, t.oid) NOT IN (SELECT classid, objid FROM member)
)
SELECT 'schema ' || quote_ident(nspname), 'owner ' || pg_get_userbyid(nspowner) FROM ns
UNION ALL
SELECT 'table ' || name, concat_ws(' ', 'owner', pg_get_userbyid(relowner), 'persistence', relpersistence,
  'kind', relkind, 'row-security', relrowsecurity, 'forced', relforcerowsecurity, 'tablespace', spcname,
  'options ' || reloptions::text, 'replica-identity', relreplident, 'key ' || pg_get_partkeydef(rel.oid),
  'bound ' || pg_get_expr(relpartbound, rel.oid))
FROM rel WHERE relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'parent ' || rel.name || ' ' || p.name, 'inherits' FROM pg_inherits i
JOIN rel ON rel.oid = i.inhrelid JOIN rel p ON p.oid = i.inhparent WHERE rel.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'column ' || rel.name || '.' || quote_ident(a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid),
  'generated ' || nullif(a.attgenerated::text, ''), 'identity ' || nullif(a.attidentity::text, ''),
  'collation ' || (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co
    JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation),
  'storage', a.attstorage, 'compression ' || nullif(a.attcompression::text, ''))
FROM pg_attribute a JOIN rel ON rel.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND rel.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT 'constraint ' || rel.name || '.' || quote_ident(k.conname), pg_get_constraintdef(k.oid)
  || CASE WHEN k.convalidated THEN ' validated' ELSE ' not valid' END
FROM pg_constraint k JOIN rel ON rel.oid = k.conrelid
UNION ALL
SELECT 'index ' || rel.name, concat_ws(' ', pg_get_indexdef(i.indexrelid), 'tablespace', spcname,
  'valid', i.indisvalid, 'ready', i.indisready, 'clustered', i.indisclustered, 'replica-identity', i.indisreplident)
FROM pg_index i JOIN rel ON rel.oid = i.indexrelid
UNION ALL
SELECT 'view ' || name, concat_ws(' ', 'owner', pg_get_userbyid(relowner), 'options ' || reloptions::text,
  pg_get_viewdef(oid)) FROM rel WHERE relkind = 'v'
UNION ALL
SELECT 'materialized-view ' || name, concat_ws(' ', 'owner', pg_get_userbyid(relowner), 'populated', relispopulated,
  'tablespace', spcname, 'options ' || reloptions::text, pg_get_viewdef(oid)) FROM rel WHERE relkind = 'm'
UNION ALL
SELECT 'sequence ' || name, concat_ws(' ', 'owner', pg_get_userbyid(relowner), 'persistence', relpersistence,
  format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'min', s.seqmin, 'max', s.seqmax,
  'cache', s.seqcache, 'cycle', s.seqcycle, 'owned by ' || (SELECT format('%s.%I', t.name, a.attname) FROM pg_depend d
    JOIN rel t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0))
FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid
UNION ALL
SELECT 'function ' || name, concat_ws(' ', 'owner', pg_get_userbyid(proowner), 'body md5',
  md5(CASE WHEN prokind = 'a' THEN prosrc || format_type(prorettype, NULL) ELSE pg_get_functiondef(oid) END),
  CASE WHEN prosecdef THEN 'security definer' END) FROM routine
UNION ALL
SELECT 'trigger ' || rel.name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
FROM pg_trigger t JOIN rel ON rel.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule ' || rel.name || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid) || ' enabled ' || r.ev_enabled::text
FROM pg_rewrite r JOIN rel ON rel.oid = r.ev_class WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'policy ' || rel.name || '.' || quote_ident(p.polname), concat_ws(' ', 'command', p.polcmd, 'permissive',
  p.polpermissive, 'to', (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r)::text END, ',' ORDER BY r = 0,
    pg_get_userbyid(r)) FROM unnest(p.polroles) r), 'using ' || pg_get_expr(p.polqual, p.polrelid),
  'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN rel ON rel.oid = p.polrelid
UNION ALL
SELECT 'enum ' || name, concat_ws(' ', 'owner', pg_get_userbyid(typowner),
  (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = utype.oid))
FROM utype WHERE typtype = 'e'
UNION ALL
SELECT 'domain ' || name, concat_ws(' ', 'owner', pg_get_userbyid(typowner), format_type(typbasetype, typtypmod),
  CASE WHEN typnotnull THEN 'not null' END, 'default ' || typdefault,
  (SELECT string_agg(quote_ident(conname) || ' ' || pg_get_constraintdef(oid), ', ' ORDER BY conname)
   FROM pg_constraint WHERE contypid = utype.oid)) FROM utype WHERE typtype = 'd'
UNION ALL
SELECT 'type ' || name, concat_ws(' ', 'owner', pg_get_userbyid(typowner), 'kind', typtype,
  (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = utype.oid))
FROM utype WHERE typtype IN ('c', 'r', 'b') AND typelem = 0
  AND (typrelid = 0 OR (SELECT relkind = 'c' FROM pg_class WHERE oid = typrelid))
UNION ALL
SELECT 'statistics ' || format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
FROM pg_statistic_ext s JOIN ns n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'extension ' || quote_ident(e.extname), 'version ' || e.extversion || ' schema ' || n.nspname
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname), concat_ws(' ', 'owner', pg_get_userbyid(p.pubowner), 'all', p.puballtables,
  'insert', p.pubinsert, 'update', p.pubupdate, 'delete', p.pubdelete, 'truncate', p.pubtruncate, 'tables',
  (SELECT string_agg(format('%I.%I', t.schemaname, t.tablename), ',' ORDER BY t.schemaname, t.tablename)
   FROM pg_publication_tables t WHERE t.pubname = p.pubname)) FROM pg_publication p
UNION ALL
SELECT 'event-trigger ' || quote_ident(evtname), concat_ws(' ', 'owner', pg_get_userbyid(evtowner), 'event', evtevent,
  'function', evtfoid::regproc, 'enabled', evtenabled, 'tags ' || evttags::text) FROM pg_event_trigger
UNION ALL
SELECT 'tablespace ' || quote_ident(spcname), concat_ws(' ', 'owner', pg_get_userbyid(spcowner), 'options ' || spcoptions::text)
FROM pg_tablespace WHERE oid >= 16384
UNION ALL
SELECT 'database ' || quote_ident(d.datname), concat_ws(' ', 'owner', pg_get_userbyid(d.datdba), 'encoding',
  pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype, 'tablespace', s.spcname,
  'limit', d.datconnlimit)
FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace WHERE NOT d.datistemplate
UNION ALL
SELECT 'comment ' || i.type || ' ' || i.identity, d.description
FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE d.objoid >= 16384 AND i.identity IS NOT NULL AND (d.classoid, d.objoid) NOT IN (SELECT classid, objid FROM member)
UNION ALL
SELECT 'comment ' || i.type || ' ' || i.identity, d.description
FROM pg_shdescription d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, 0) i
WHERE d.objoid >= 16384 AND i.identity IS NOT NULL
ORDER BY 1
