GRANT USAGE ON SCHEMA report TO report_app, report_writers;
GRANT SELECT ON ALL TABLES IN SCHEMA report TO report_app;
GRANT INSERT, UPDATE, DELETE ON report.entries TO report_writers;
ANALYZE;
