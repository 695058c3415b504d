-- Volumes as resources. `environment`: where it is listed (unknown of those whose application was deleted before). `access`
-- and `size` are what the last release that named it asked for. `ends_at`: it was deleted by name, and its data end then.
-- `copy_of` is the volume that its data are a copy of; `filling` the operation that copies, until it is whole.
ALTER TABLE volumes ADD COLUMN environment TEXT;
ALTER TABLE volumes ADD COLUMN access TEXT;
ALTER TABLE volumes ADD COLUMN size BIGINT;
ALTER TABLE volumes ADD COLUMN measured_at BIGINT;
ALTER TABLE volumes ADD COLUMN ends_at BIGINT;
ALTER TABLE volumes ADD COLUMN copy_of TEXT;
ALTER TABLE volumes ADD COLUMN filling TEXT;
UPDATE volumes SET environment = (SELECT a.environment FROM applications a WHERE a.id = volumes.application);
-- What an application calls its volumes. A name stays bound when a release no longer mounts it, so that it finds its data again;
-- a shared volume may be bound by several applications.
CREATE TABLE volume_bindings (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    volume TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    PRIMARY KEY (application, name)
);
CREATE INDEX volume_bindings_volume ON volume_bindings (volume);
INSERT INTO volume_bindings (application, name, volume)
    SELECT v.application, v.name, MAX(v.id) FROM volumes v
    WHERE v.application IN (SELECT id FROM applications) GROUP BY v.application, v.name;
