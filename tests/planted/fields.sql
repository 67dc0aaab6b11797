-- One change for every field of every catalog, in a row that is a user's.
SELECT NULL::text WHERE false
