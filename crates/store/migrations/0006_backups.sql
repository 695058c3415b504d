-- Dumps of databases that the platform keeps; the files are blobs `backups/ID`. `state` is running, kept or failed. A row is
-- there before its file is, so that a file without a row is nobody's. `firing` is the time that a schedule named: once each.
CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    component TEXT NOT NULL,
    engine TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT,
    firing BIGINT,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    bytes BIGINT,
    plain_bytes BIGINT,
    sha256 TEXT,
    verified_at BIGINT,
    problem TEXT
);
CREATE INDEX backups_of ON backups (application, component, id);
CREATE UNIQUE INDEX backups_firing ON backups (application, component, firing);
-- Up to when each schedule has been heard: what came later is caught up with once.
CREATE TABLE backup_clocks (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    component TEXT NOT NULL,
    schedule TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (application, component)
);
