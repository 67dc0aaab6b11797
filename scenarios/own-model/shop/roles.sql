-- Executed by psql as the superuser. The harness gives the roles that log in a password.
CREATE ROLE shop_owner NOLOGIN;
CREATE ROLE shop_writers NOLOGIN;
CREATE ROLE shop_app LOGIN IN ROLE shop_writers;
CREATE ROLE shop_analyst LOGIN;
