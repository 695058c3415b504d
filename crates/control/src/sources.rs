//! Where a build's source is: an upload in the blob store, a Git repository with its credential.

use std::path::Path;

use pluvio_build::{BuildSource, GitCredential, SshHosts};
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
                hosts: ssh_hosts(&self.inner.config.data),
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

    /// Whatever the team pulls with: a build may start from images of several registries.
    pub(crate) async fn registry_credentials(
        &self,
        team: TeamId,
    ) -> Result<Vec<(String, RegistryCredential)>, Problem> {
        let store = &self.inner.store;
        let mut all = Vec::new();
        for row in store.credentials(team).await? {
            if row.kind == CredentialKind::Registry {
                let name = row.name.to_string();
                let (credential, CredentialSecret(password)) =
                    store.credential(team, &name).await?;
                let user = credential.username.unwrap_or_default();
                all.push((credential.host, RegistryCredential { user, password }));
            }
        }
        Ok(all)
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

/// What this installation knows of SSH hosts: one file, which an operator may fill ahead.
pub fn ssh_hosts(data: &Path) -> SshHosts {
    SshHosts::Pinned(data.join("known_hosts"))
}

/// The credential that the source names, else the team's for its host. One that is named is sent to the host it was stored
/// for and to no other: who may deploy must not learn it by naming a host of their own.
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
    let hosts = git_hosts(&git.url);
    let found = match &git.credential {
        Some(name) => {
            let found = store.credential(team, name).await.map_err(|_| {
                problem::SPEC_UNKNOWN_REFERENCE.problem(
                    format!("There is no credential {name:?}."),
                    "Store it with `pluvio credential set`, or leave it out.",
                )
            })?;
            if found.0.kind != kind || !hosts.contains(&found.0.host) {
                let way = if ssh { "git-ssh" } else { "git-https" };
                let host = hosts.first().map_or("its host", String::as_str);
                return Err(problem::GIT_UNAUTHORIZED.problem(
                    format!("The credential {name} is not one for {}.", git.url),
                    format!("Store one with `pluvio credential set NAME --kind {way} --host {host}`, and name that."),
                ));
            }
            Some(found)
        }
        None => {
            let mut found = None;
            for host in &hosts {
                found = store.credential_for(team, kind, host).await?;
                if found.is_some() {
                    break;
                }
            }
            found
        }
    };
    Ok(found.map(
        |(credential, CredentialSecret(secret))| match credential.kind {
            CredentialKind::GitSsh => GitCredential::SshKey {
                user: credential.username,
                key: secret,
            },
            _ => GitCredential::Password {
                user: credential.username.unwrap_or_else(|| "git".into()),
                password: secret,
            },
        },
    ))
}

/// The host of a Git address as a credential may name it, with its port first: `https://HOST:8443/…`,
/// `ssh://user@HOST:22/…`, `user@HOST:path`.
fn git_hosts(url: &str) -> Vec<String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, url),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let whole = authority.rsplit('@').next().unwrap_or_default();
    let whole = whole.to_ascii_lowercase();
    let host = match whole.split_once(']') {
        Some((address, _)) => format!("{address}]"),
        None => whole.split(':').next().unwrap_or_default().to_owned(),
    };
    if host.is_empty() {
        return Vec::new();
    }
    // What follows the colon of `user@HOST:path` is a path.
    if scheme && whole != host {
        vec![whole, host]
    } else {
        vec![host]
    }
}

#[cfg(test)]
mod tests {
    use super::git_hosts;

    #[test]
    fn the_host_of_a_git_address() {
        let none: [&str; 0] = [];
        for (url, hosts) in [
            ("https://github.com/a/b.git", &["github.com"][..]),
            (
                "https://user:pw@Git.Example.org:8443/a",
                &["git.example.org:8443", "git.example.org"],
            ),
            ("ssh://git@host:2222/a", &["host:2222", "host"]),
            ("ssh://git@[::1]:2222/a", &["[::1]:2222", "[::1]"]),
            ("git@host:a/b.git", &["host"]),
            ("file:///srv/a", &none),
        ] {
            assert_eq!(git_hosts(url), hosts, "{url}");
        }
    }
}
