-- Kubernetes clusters beside the engine. `sealed`: the credential that Pluvio uses there. `settings`: how applications are reached
-- and stored there, as JSON. `leaving`: it is being taken out, and nothing new goes there. An environment without a cluster is on the
-- engine.
ALTER TABLE clusters ADD COLUMN sealed {bytes};
ALTER TABLE clusters ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clusters ADD COLUMN leaving BIGINT NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN cluster TEXT REFERENCES clusters (id);
