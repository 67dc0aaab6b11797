CREATE ROLE report_writers NOLOGIN;
CREATE ROLE report_app LOGIN IN ROLE report_writers;
CREATE SCHEMA report;
CREATE TABLE report.lines (
    id      integer PRIMARY KEY,
    kind    text NOT NULL,
    state   text NOT NULL,
    country text NOT NULL
);
CREATE TABLE report.entries (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_no uuid UNIQUE,
    note     text NOT NULL,
    changes  integer NOT NULL DEFAULT 0
);
