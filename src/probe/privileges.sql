-- Every privilege as role, kind, object, privilege; `*` when it can be granted on.
-- A NULL access control list stands for the built-in default, so both look alike. Of the
-- system's own objects only those whose privileges were changed.
WITH objects (kind, name, owner, acl, code, classid, objid, objsubid) AS (
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view' ELSE 'table' END,
    format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl,
    CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", 'pg_class'::regclass, c.oid, 0
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^(pg_toast|pg_temp|information_schema)'
  UNION ALL
  SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), NULL, a.attacl, 'c',
    'pg_class'::regclass, c.oid, a.attnum
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    p.proowner, p.proacl, 'f', 'pg_proc'::regclass, p.oid, 0
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname <> 'information_schema'
  UNION ALL
  SELECT 'schema', quote_ident(nspname), nspowner, nspacl, 'n', 'pg_namespace'::regclass, oid, 0
  FROM pg_namespace WHERE nspname !~ '^(pg_toast|pg_temp|information_schema)'
  UNION ALL
  -- A table's row type and array types have no privileges of their own.
  SELECT 'type', format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, 'T', 'pg_type'::regclass, t.oid, 0
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typelem = 0 AND n.nspname !~ '^(pg_toast|pg_temp|information_schema)'
    AND (t.typrelid = 0 OR (SELECT relkind = 'c' FROM pg_class WHERE oid = t.typrelid))
  UNION ALL
  SELECT 'language', quote_ident(lanname), lanowner, lanacl, 'l', 'pg_language'::regclass, oid, 0
  FROM pg_language WHERE lanispl
  UNION ALL
  SELECT 'database', quote_ident(datname), datdba, datacl, 'd', 'pg_database'::regclass, oid, 0
  FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 'tablespace', quote_ident(spcname), spcowner, spcacl, 't', 'pg_tablespace'::regclass, oid, 0
  FROM pg_tablespace
  UNION ALL
  SELECT 'large-object', oid::text, lomowner, lomacl, 'L', 'pg_largeobject'::regclass, oid, 0
  FROM pg_largeobject_metadata
), chosen AS (
  SELECT o.* FROM objects o
  LEFT JOIN pg_init_privs i ON i.classoid = o.classid AND i.objoid = o.objid AND i.objsubid = o.objsubid
  WHERE o.objid >= 16384 OR o.kind IN ('database', 'tablespace', 'large-object') OR o.name = 'public'
    OR o.acl IS DISTINCT FROM i.initprivs
), granted (grantee, kind, name, privilege) AS (
  SELECT a.grantee, c.kind, c.name, a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END
  FROM chosen c CROSS JOIN LATERAL aclexplode(coalesce(c.acl, acldefault(c.code, c.owner))) a
  UNION ALL
  SELECT c.owner, c.kind, c.name, 'OWNER' FROM chosen c WHERE c.owner IS NOT NULL
  UNION ALL
  SELECT a.grantee, 'default-' || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
      WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END,
    quote_ident(r.rolname) || coalesce('@' || quote_ident(n.nspname), ''),
    a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END
  FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
  LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  CROSS JOIN LATERAL aclexplode(d.defaclacl) a
  UNION ALL
  SELECT m.member, 'role', quote_ident(g.rolname), 'MEMBER' || CASE WHEN m.admin_option THEN '*' ELSE '' END
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.roleid >= 16384 OR m.member >= 16384
  UNION ALL
  SELECT m.member, 'role', quote_ident(g.rolname), o.option
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
  CROSS JOIN LATERAL (SELECT upper(key) || '=' || value AS option FROM jsonb_each_text(to_jsonb(m))
    WHERE key IN ('inherit_option', 'set_option')) o
  WHERE m.roleid >= 16384 OR m.member >= 16384
  UNION ALL
  SELECT r.oid, 'attribute', '-', v.name FROM pg_authid r
  CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('INHERIT', r.rolinherit), ('CREATEROLE', r.rolcreaterole),
    ('CREATEDB', r.rolcreatedb), ('LOGIN', r.rolcanlogin), ('REPLICATION', r.rolreplication),
    ('BYPASSRLS', r.rolbypassrls), ('PASSWORD', r.rolpassword IS NOT NULL),
    ('CONNECTION-LIMIT=' || r.rolconnlimit, r.rolconnlimit <> -1),
    ('VALID-UNTIL=' || r.rolvaliduntil, r.rolvaliduntil IS NOT NULL)) AS v (name, holds)
  WHERE v.holds AND (r.oid >= 16384 OR r.rolname !~ '^pg_')
  UNION ALL
  SELECT s.setrole, 'setting', coalesce(quote_ident(d.datname), '-'), v.setting
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
  CROSS JOIN LATERAL unnest(s.setconfig) AS v (setting)
)
SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
  g.kind, g.name, g.privilege FROM granted g ORDER BY 1, 2, 3, 4
