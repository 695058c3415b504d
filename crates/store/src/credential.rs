//! Credentials for registries and Git hosts: by team, sealed.

use jiff::Timestamp;
use pluvio_model::id::TeamId;
use pluvio_model::name::Name;
use serde::{Deserialize, Serialize};

use crate::{Result, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    Registry,
    GitHttps,
    GitSsh,
}

/// Without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: Name,
    pub kind: CredentialKind,
    /// `ghcr.io`, `git.example.com`
    pub host: String,
    pub username: Option<String>,
    pub updated_at: Timestamp,
}

/// A password, a token or a private key.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialSecret(pub String);

impl std::fmt::Debug for CredentialSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("‹secret›")
    }
}

#[derive(Debug, Clone)]
pub struct NewCredential {
    pub team: TeamId,
    pub name: Name,
    pub kind: CredentialKind,
    pub host: String,
    pub username: Option<String>,
    pub secret: CredentialSecret,
}

impl Store {
    /// Stores a credential, in place of the one of that name.
    pub async fn put_credential(&self, new: NewCredential, actor: &str) -> Result<Credential> {
        todo!()
    }
    pub async fn credentials(&self, team: TeamId) -> Result<Vec<Credential>> {
        todo!()
    }
    pub async fn credential(
        &self,
        team: TeamId,
        name: &str,
    ) -> Result<(Credential, CredentialSecret)> {
        todo!()
    }
    /// The team's credential for a host, if it has one: what a pull or fetch without a named one uses.
    pub async fn credential_for(
        &self,
        team: TeamId,
        kind: CredentialKind,
        host: &str,
    ) -> Result<Option<(Credential, CredentialSecret)>> {
        todo!()
    }
    pub async fn delete_credential(&self, team: TeamId, name: &str, actor: &str) -> Result<()> {
        todo!()
    }
}
