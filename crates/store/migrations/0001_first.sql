-- The first schema. One text for every database: {bytes} and {serial} are put in by `dialect.rs`.
-- Ids are UUIDv7 as text (their order is the order of making), times are milliseconds since 1970, words are kebab-case.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization, name)
);
CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (team, name)
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    display_name TEXT,
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (organization, name)
);
CREATE TABLE memberships (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    team TEXT NOT NULL REFERENCES teams (id),
    role TEXT NOT NULL,
    PRIMARY KEY (user_id, team)
);
-- Proofs are kept as SHA-256 only.
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    idle_ms BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);
CREATE TABLE signin_links (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE TABLE clusters (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    identity TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- state, release, revision and url are projections for lists, written with the change they show.
CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL REFERENCES teams (id),
    environment TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    display_name TEXT,
    state TEXT NOT NULL,
    release BIGINT,
    revision BIGINT,
    url TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (environment, name)
);
CREATE INDEX applications_list ON applications (team, name, id);

-- whole: asked as a full specification; else `edits` holds what a patch changed.
CREATE TABLE revisions (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    spec TEXT NOT NULL,
    origin TEXT NOT NULL,
    whole BIGINT NOT NULL,
    edits TEXT,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (application, number)
);
CREATE TABLE releases (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    parent BIGINT,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    origin TEXT NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    duration_ms BIGINT,
    commit_id TEXT,
    commit_message TEXT,
    author TEXT,
    image TEXT,
    image_id TEXT,
    PRIMARY KEY (application, number)
);
CREATE TABLE targets (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    cluster TEXT NOT NULL REFERENCES clusters (id),
    release BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    power TEXT NOT NULL,
    live_release BIGINT,
    live_generation BIGINT,
    failed BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    operation TEXT,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (application, cluster)
);
CREATE INDEX targets_cluster ON targets (cluster);

-- path: `/a` takes everything below, `=/a` only itself.
CREATE TABLE hosts (
    cluster TEXT NOT NULL REFERENCES clusters (id),
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    team TEXT NOT NULL,
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    PRIMARY KEY (cluster, host, path)
);
CREATE INDEX hosts_application ON hosts (application);

-- Not tied to the application's row: a volume outlives it.
CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL REFERENCES teams (id),
    cluster TEXT NOT NULL REFERENCES clusters (id),
    application TEXT,
    application_name TEXT NOT NULL,
    name TEXT NOT NULL,
    handle TEXT,
    bytes BIGINT,
    created_at BIGINT NOT NULL,
    released_at BIGINT
);
CREATE INDEX volumes_team ON volumes (team, id);
CREATE INDEX volumes_application ON volumes (application);

-- A forgotten version keeps its row, without the value, so that its number is not given again.
CREATE TABLE secrets (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed {bytes} NOT NULL,
    generated BIGINT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (application, name, version)
);
CREATE TABLE settings (
    application TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (application, name)
);
CREATE TABLE credentials (
    team TEXT NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    username TEXT,
    sealed {bytes} NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (team, name)
);
CREATE INDEX credentials_host ON credentials (team, kind, host);

-- Operations, events and audit rows are history: they outlive what they tell of.
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL,
    environment TEXT NOT NULL,
    application TEXT NOT NULL,
    cluster TEXT NOT NULL,
    kind TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    ended_at BIGINT,
    release BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX operations_team ON operations (team, id);
CREATE INDEX operations_application ON operations (application, id);
CREATE INDEX operations_running ON operations (application, id) WHERE ended_at IS NULL;

CREATE TABLE events (
    seq {serial},
    happened_at BIGINT NOT NULL,
    team TEXT,
    application TEXT,
    operation TEXT,
    body TEXT NOT NULL
);
CREATE INDEX events_team ON events (team, seq);
CREATE INDEX events_application ON events (application, seq);
CREATE INDEX events_operation ON events (operation, seq);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    application TEXT,
    operation TEXT,
    revision BIGINT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    owner TEXT,
    lease_until BIGINT,
    attempts BIGINT NOT NULL,
    run_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX jobs_open ON jobs (id) WHERE ended_at IS NULL;
CREATE INDEX jobs_operation ON jobs (operation);
CREATE INDEX jobs_ended ON jobs (ended_at);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    operation TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);

CREATE TABLE audit (
    number {serial},
    happened_at BIGINT NOT NULL,
    team TEXT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    result TEXT NOT NULL,
    hash TEXT
);
CREATE INDEX audit_team ON audit (team, number);
CREATE INDEX audit_open ON audit (number) WHERE hash IS NULL;

-- Rights that one process at a time holds: the audit's sealer.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL
);
