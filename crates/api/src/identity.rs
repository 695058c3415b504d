//! Who: sign-in, sessions, tokens, credentials.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub user: UserSummary,
    pub team: String,
    pub environment: String,
    /// What this person may do here: `application:deploy` …
    pub permissions: Vec<String>,
    /// Sent back as `X-Pluvio-Csrf` with every change made by cookie.
    pub csrf: String,
    /// True until a password is set: the next sign-in needs a passkey or another link.
    pub password_unset: bool,
    /// How many passkeys this person has.
    pub passkeys: u32,
    pub version: String,
    /// The gateway's address for people: `http://*.localhost:8080`.
    pub gateway: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserSummary {
    pub name: String,
    pub display_name: Option<String>,
}

/// A one-time sign-in link's token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LinkSignIn {
    pub token: String,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasswordSignIn {
    pub name: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasswordChange {
    /// Needed when one is set.
    #[serde(default)]
    pub current: Option<String>,
    /// At least 10 characters.
    pub password: String,
}

/// What `navigator.credentials` is asked with, in the JSON of Web Authentication.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeyOptions {
    /// Passkeys work on this address of the console alone.
    pub origin: String,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    #[schema(value_type = Object)]
    pub options: serde_json::Value,
}

/// A passkey that the browser just made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeyRegistration {
    /// What to call it: the device, 1 to 60 characters.
    pub name: String,
    /// `RegistrationResponseJSON`
    #[schema(value_type = Object)]
    pub credential: serde_json::Value,
}

/// A signature by a passkey.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeySignIn {
    /// `AuthenticationResponseJSON`
    #[schema(value_type = Object)]
    pub credential: serde_json::Value,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeyName {
    /// 1 to 60 characters.
    pub name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeySummary {
    pub id: String,
    pub name: String,
    pub created_at: jiff::Timestamp,
    pub used_at: Option<jiff::Timestamp>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SigninLink {
    pub url: String,
    pub expires_at: jiff::Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenRequest {
    pub name: String,
    /// `owner` or `reader`.
    #[serde(default)]
    pub role: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenSummary {
    pub id: String,
    pub name: String,
    pub role: String,
    pub created_at: jiff::Timestamp,
    pub used_at: Option<jiff::Timestamp>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    #[serde(flatten)]
    pub token: TokenSummary,
    /// Shown once.
    pub value: String,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CredentialRequest {
    /// `registry`, `git-https`, `git-ssh`
    pub kind: String,
    /// The host it is for: `ghcr.io`, `github.com`.
    pub host: String,
    #[serde(default)]
    pub username: Option<String>,
    /// A password, token or private key. Sealed; never shown again.
    pub secret: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CredentialSummary {
    pub name: String,
    pub kind: String,
    pub host: String,
    pub username: Option<String>,
    pub set_at: jiff::Timestamp,
}

// What holds a secret is printed without it, wherever a log or a test prints it.
masked!(LinkSignIn {});
masked!(PasswordSignIn { name });
masked!(PasswordChange {});
masked!(PasskeyOptions { origin });
masked!(PasskeyRegistration { name });
masked!(PasskeySignIn {});
masked!(SigninLink { expires_at });
masked!(TokenCreated { token });
masked!(CredentialRequest {
    kind,
    host,
    username
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let request = PasswordSignIn {
            name: "owner".to_owned(),
            password: "four random words".to_owned(),
        };
        assert_eq!(
            format!("{request:?}"),
            "PasswordSignIn { name: \"owner\", .. }"
        );
    }
}
