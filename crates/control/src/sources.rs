//! Where a build's source is: an upload in the blob store, a Git repository with its credential.

use pluvio_build::{BuildSource, GitCredential};
use pluvio_engine::RegistryCredential;
use pluvio_model::id::{ApplicationId, TeamId};
use pluvio_model::image::ImageReference;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{GitSource, SourceSpec};
use pluvio_store::{BlobKey, CredentialKind, CredentialSecret, Store};

use crate::Control;

/// Under which an upload lies, by the SHA-256 that names it.
pub fn upload_key(sha256: &str) -> Result<BlobKey, Problem> {
    let gone = || {
        problem::SOURCE_MISSING.problem(
            format!("There is no upload {sha256:?}."),
            "Send the archive to /api/v1/uploads first; `pluvio deploy` does.",
        )
    };
    if sha256.len() != 64
        || !sha256
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    {
        return Err(gone());
    }
    format!("uploads/{sha256}").parse().map_err(|_| gone())
}

/// Which upload an application was last built from, for "deploy again".
pub(crate) fn upload_note(application: ApplicationId) -> BlobKey {
    format!("sources/{application}")
        .parse()
        .expect("an id is a key")
}

impl Control {
    pub(crate) async fn build_source(
        &self,
        team: TeamId,
        source: &SourceSpec,
        upload: Option<&str>,
    ) -> Result<BuildSource, Problem> {
        match source {
            SourceSpec::Path(_) => {
                let upload = upload.ok_or_else(|| {
                    problem::SOURCE_MISSING.problem(
                        "No archive of the folder was sent.",
                        "Deploy with `pluvio deploy FOLDER`.",
                    )
                })?;
                self.archive(upload).await
            }
            SourceSpec::Upload(sha256) => self.archive(sha256).await,
            SourceSpec::Git(git) => Ok(BuildSource::Git {
                git: git.clone(),
                credential: git_credential(&self.inner.store, team, git).await?,
            }),
            SourceSpec::Svn(_) => Err(problem::SPEC_UNSUPPORTED.problem(
                "Subversion is not fetched by this version.",
                "Upload the folder, or use Git.",
            )),
        }
    }

    async fn archive(&self, sha256: &str) -> Result<BuildSource, Problem> {
        let key = upload_key(sha256)?;
        self.inner.blobs.info(&key).await.map_err(|_| {
            problem::SOURCE_MISSING.problem(
                format!("The upload {} is not kept any more.", &sha256[..12]),
                "Deploy the folder again.",
            )
        })?;
        Ok(BuildSource::Archive(self.inner.blobs.path(&key)))
    }

    /// The team's credential for an image's registry, if it has one.
    pub(crate) async fn registry_credential(
        &self,
        team: TeamId,
        image: &ImageReference,
    ) -> Result<Option<RegistryCredential>, Problem> {
        let found = self
            .inner
            .store
            .credential_for(team, CredentialKind::Registry, image.registry())
            .await?;
        Ok(found.map(
            |(credential, CredentialSecret(password))| RegistryCredential {
                user: credential.username.unwrap_or_default(),
                password,
            },
        ))
    }
}

/// The credential that the source names, else the team's for its host.
pub async fn git_credential(
    store: &Store,
    team: TeamId,
    git: &GitSource,
) -> Result<Option<GitCredential>, Problem> {
    let ssh = git.url.starts_with("ssh://") || (!git.url.contains("://") && git.url.contains('@'));
    let kind = if ssh {
        CredentialKind::GitSsh
    } else {
        CredentialKind::GitHttps
    };
    let found = match &git.credential {
        Some(name) => Some(store.credential(team, name).await.map_err(|_| {
            problem::SPEC_UNKNOWN_REFERENCE.problem(
                format!("There is no credential {name:?}."),
                "Store it with `pluvio credential set`, or leave it out.",
            )
        })?),
        None => match git_host(&git.url) {
            Some(host) => store.credential_for(team, kind, &host).await?,
            None => None,
        },
    };
    Ok(found.map(
        |(credential, CredentialSecret(secret))| match credential.kind {
            CredentialKind::GitSsh => GitCredential::SshKey {
                key: secret,
                known_hosts: String::new(),
            },
            _ => GitCredential::Password {
                user: credential.username.unwrap_or_else(|| "git".into()),
                password: secret,
            },
        },
    ))
}

/// The host of a Git address: `https://HOST/…`, `ssh://user@HOST:22/…`, `user@HOST:path`.
fn git_host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::git_host;

    #[test]
    fn the_host_of_a_git_address() {
        for (url, host) in [
            ("https://github.com/a/b.git", Some("github.com")),
            (
                "https://user:pw@Git.Example.org:8443/a",
                Some("git.example.org"),
            ),
            ("ssh://git@host:2222/a", Some("host")),
            ("git@host:a/b.git", Some("host")),
            ("file:///srv/a", None),
        ] {
            assert_eq!(git_host(url).as_deref(), host, "{url}");
        }
    }
}
