-- Images that the registry serves. Their contents are files, by digest; here is which repository holds which of them, what names
-- them, and since when nobody asked for them. `image_names`: what a manifest names, so that it is kept with it.
CREATE TABLE image_repositories (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX image_repositories_team ON image_repositories (team, name);
CREATE TABLE image_contents (
    repository TEXT NOT NULL REFERENCES image_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX image_contents_digest ON image_contents (digest);
CREATE TABLE image_manifests (
    repository TEXT NOT NULL REFERENCES image_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    subject TEXT,
    artifact_type TEXT,
    annotations TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    PRIMARY KEY (repository, digest)
);
CREATE INDEX image_manifests_subject ON image_manifests (repository, subject);
CREATE TABLE image_names (
    repository TEXT NOT NULL,
    manifest TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES image_manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX image_names_digest ON image_names (repository, digest);
CREATE TABLE image_tags (
    repository TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (repository, name),
    FOREIGN KEY (repository, digest) REFERENCES image_manifests (repository, digest) ON DELETE CASCADE
);
CREATE INDEX image_tags_digest ON image_tags (repository, digest);
-- What a team may hold, where it is not what the configuration says.
CREATE TABLE image_quotas (
    team TEXT PRIMARY KEY REFERENCES teams (id) ON DELETE CASCADE,
    bytes BIGINT NOT NULL
);
-- What the engine's images became: `digest` is the manifest of `image_id` in the repository. It goes with the manifest.
CREATE TABLE image_published (
    repository TEXT NOT NULL,
    image_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, image_id),
    FOREIGN KEY (repository, digest) REFERENCES image_manifests (repository, digest) ON DELETE CASCADE
);
-- By what a cluster pulls a team's images. The one before the last rotation goes on until `previous_until`, so that nobody fails
-- to pull while the new one spreads.
CREATE TABLE pull_credentials (
    team TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    cluster TEXT NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,
    sealed {bytes} NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    previous_hash TEXT,
    previous_until BIGINT,
    rotated_at BIGINT NOT NULL,
    PRIMARY KEY (team, cluster)
);
CREATE INDEX pull_credentials_previous ON pull_credentials (previous_hash);
