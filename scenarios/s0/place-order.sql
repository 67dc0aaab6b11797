-- One transaction of the workload `orders` in own-table-server-lost.yaml. $1 is the key that
-- pgdrill finds the row by, $2 the text that it compares.
insert into sales.orders (order_no, note) values ($1, $2)
