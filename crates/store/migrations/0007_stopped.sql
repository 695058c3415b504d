-- Components that are stopped while the rest of their application runs: a list of names, in JSON.
ALTER TABLE targets ADD COLUMN stopped TEXT NOT NULL DEFAULT '[]';
