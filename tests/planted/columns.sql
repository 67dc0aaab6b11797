-- Every column of the tables $1: table, column, an expression of `t` that makes another value of it,
-- what PostgreSQL calls it when it makes it itself, and whether it is nullable and of a unique index.
SELECT name, quote_ident(a.attname), CASE
    WHEN b.typtype = 'e' THEN format('(SELECT e.enumlabel::%s FROM pg_enum e WHERE e.enumtypid = ''%1$s''::regtype AND e.enumlabel <> coalesce(t.%2$I::text, '''') ORDER BY enumsortorder DESC LIMIT 1)', b.oid::regtype, a.attname)
    WHEN b.oid = 'bool'::regtype THEN format('NOT coalesce(t.%I, false)', a.attname)
    WHEN b.oid = 'oid'::regtype THEN format('(coalesce(t.%I::int8, 0) + 1)::oid', a.attname)
    WHEN b.oid = 'uuid'::regtype THEN 'gen_random_uuid()'
    WHEN b.oid = 'jsonb'::regtype THEN format('coalesce(t.%I, ''{}'') || ''{"planted": 1}''', a.attname)
    WHEN b.oid = 'bytea'::regtype THEN format('coalesce(t.%I, '''') || ''\x00''', a.attname)
    WHEN b.typcategory = 'D' THEN format('coalesce(t.%I, ''2026-01-01'') + interval ''1 s''', a.attname)
    WHEN b.typcategory = 'A' THEN format('array_append(t.%I, NULL)', a.attname)
    -- One more is the next row's.
    WHEN b.typcategory = 'N' THEN format('coalesce(t.%I, 0) + %s', a.attname, CASE WHEN u.unique THEN 1000000 ELSE 1 END)
    -- A domain may want digits, a hash its length.
    WHEN b.typcategory = 'S' THEN format('coalesce(left(t.%I, -1) || CASE right(t.%1$I, 1) WHEN ''7'' THEN ''8'' ELSE ''7'' END, ''7777777'')', a.attname)
  END, a.attgenerated::text, a.attidentity::text, NOT a.attnotnull, u.unique
FROM unnest($1::text[]) AS name JOIN pg_attribute a ON a.attrelid = name::regclass AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type d ON d.oid = a.atttypid JOIN pg_type b ON b.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
  AND pg_get_indexdef(i.indexrelid) ~ ('\m' || a.attname || '\M'))) AS u ("unique")
ORDER BY name, a.attnum
