-- One transaction of the workload `filing` in own-sql-server-lost.yaml. $1 is the key
-- that pgdrill finds the row by, $2 the text that it compares.
insert into internal_oa.documents (request_id, owner_id, title, body)
values ($1, 1, 'filed by a script', $2)
