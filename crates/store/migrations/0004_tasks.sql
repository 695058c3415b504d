-- What became of programs that run once for each content: release tasks and jobs. `outcome` is succeeded, failed or skipped
-- (a rollback runs none). Success counts for every later release, the rest for its own only.
CREATE TABLE task_outcomes (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    cluster TEXT NOT NULL REFERENCES clusters (id),
    hash TEXT NOT NULL,
    release BIGINT NOT NULL,
    component TEXT NOT NULL,
    outcome TEXT NOT NULL,
    problem TEXT,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (application, cluster, hash, release)
);
