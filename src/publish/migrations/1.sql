CREATE SCHEMA IF NOT EXISTS pgdrill;

CREATE TABLE pgdrill.migrations (
    version int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pgdrill.drills (
    run text NOT NULL,
    drill text NOT NULL,
    scenario text NOT NULL,
    strategy text NOT NULL,
    postgres int NOT NULL,
    scale int NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'unknown')),
    outcome text NOT NULL CHECK (outcome IN ('pass', 'fail', 'unknown')),
    began timestamptz,
    duration_seconds double precision NOT NULL,
    PRIMARY KEY (run, drill)
);
COMMENT ON TABLE pgdrill.drills IS 'Every drill that was published, one row each';
COMMENT ON COLUMN pgdrill.drills.scale IS 'One second of the drill stands for this many';
COMMENT ON COLUMN pgdrill.drills.verdict IS 'The worst finding';
COMMENT ON COLUMN pgdrill.drills.outcome IS 'The verdict held against what the scenario expects';
COMMENT ON COLUMN pgdrill.drills.began IS 'NULL: its records could not be read';

CREATE TABLE pgdrill.backup_policies (
    run text NOT NULL,
    drill text NOT NULL,
    scenario text NOT NULL,
    policy_name text NOT NULL,
    backup_type text NOT NULL,
    retention_days double precision,
    schedule_cron text,
    enabled boolean NOT NULL,
    PRIMARY KEY (run, drill, policy_name, backup_type),
    FOREIGN KEY (run, drill) REFERENCES pgdrill.drills ON DELETE CASCADE
);
COMMENT ON TABLE pgdrill.backup_policies IS 'The backups of each drill''s strategy';
COMMENT ON COLUMN pgdrill.backup_policies.retention_days IS 'NULL: kept for ever';
COMMENT ON COLUMN pgdrill.backup_policies.schedule_cron IS 'NULL: the strategy states none';
COMMENT ON COLUMN pgdrill.backup_policies.enabled IS 'Whether a step of the drill takes it';

CREATE TABLE pgdrill.backup_history (
    run text NOT NULL,
    drill text NOT NULL,
    scenario text NOT NULL,
    event bigint NOT NULL,
    server text NOT NULL,
    policy_name text NOT NULL,
    store text,
    backup_type text NOT NULL,
    start_lsn pg_lsn,
    end_lsn pg_lsn,
    backup_path text,
    backup_size_bytes bigint,
    duration_seconds double precision NOT NULL,
    status text NOT NULL CHECK (status IN ('SUCCESS', 'FAILED')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (run, drill, event),
    FOREIGN KEY (run, drill) REFERENCES pgdrill.drills ON DELETE CASCADE
);
COMMENT ON TABLE pgdrill.backup_history IS 'Every backup that a drill took, one row a store, and every one that failed';
COMMENT ON COLUMN pgdrill.backup_history.event IS 'The event of the drill''s history that tells of it';
COMMENT ON COLUMN pgdrill.backup_history.start_lsn IS 'Where recovery from it begins; NULL of a logical one';
COMMENT ON COLUMN pgdrill.backup_history.end_lsn IS 'Where it is consistent; of a logical one its snapshot';
COMMENT ON COLUMN pgdrill.backup_history.backup_path IS 'In its store';
COMMENT ON COLUMN pgdrill.backup_history.duration_seconds IS 'By the drill''s clock, until it is in every store';

CREATE TABLE pgdrill.recovery_history (
    run text NOT NULL,
    drill text NOT NULL,
    scenario text NOT NULL,
    step int NOT NULL,
    workload text NOT NULL,
    server text NOT NULL,
    backup text,
    store text,
    target text,
    recovery_type text NOT NULL,
    target_time timestamptz,
    target_lsn pg_lsn,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    duration_seconds double precision,
    status text NOT NULL CHECK (status IN ('SUCCESS', 'FAILED', 'UNKNOWN')),
    rto_seconds double precision,
    rpo_seconds double precision,
    PRIMARY KEY (run, drill, step, workload),
    FOREIGN KEY (run, drill) REFERENCES pgdrill.drills ON DELETE CASCADE
);
COMMENT ON TABLE pgdrill.recovery_history IS 'Every restore and promotion of a drill, one row for each workload of its cluster';
COMMENT ON COLUMN pgdrill.recovery_history.workload IS 'Empty where its cluster has none';
COMMENT ON COLUMN pgdrill.recovery_history.target IS 'As it was given to the server';
COMMENT ON COLUMN pgdrill.recovery_history.status IS 'How the step ended; whether what came back is right says drills.verdict';
COMMENT ON COLUMN pgdrill.recovery_history.rto_seconds IS 'As measured, without declared times of people; NULL: not measured';
COMMENT ON COLUMN pgdrill.recovery_history.rpo_seconds IS 'As measured, times the drill''s scale; NULL: not measured';

CREATE VIEW pgdrill.v_rto_rpo_monitoring AS
SELECT recovery_type,
       avg(rto_seconds) AS avg_rto_seconds,
       min(rto_seconds) AS min_rto_seconds,
       max(rto_seconds) AS max_rto_seconds,
       avg(rpo_seconds) AS avg_rpo_seconds,
       count(DISTINCT (run, drill, step)) AS recovery_count
FROM pgdrill.recovery_history
GROUP BY recovery_type;
COMMENT ON VIEW pgdrill.v_rto_rpo_monitoring IS 'Of each type of recovery, over all workloads whose figures were measured';
