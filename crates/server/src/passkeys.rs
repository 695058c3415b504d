//! Ceremonies of Web Authentication: a challenge goes out, the browser's answer comes back, and is checked once.
//!
//! A passkey belongs to the host of the console as it is configured, never as a request names it. The page's origin must be
//! the console's own: a page of an application on a neighbouring port or below the same domain can ask the browser for a
//! signature, and gets one that nobody here takes. Challenges live in memory, for five minutes, and are tied to the browser
//! that asked: to its session while a passkey is added, to a cookie while it signs in.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pluvio_model::id::UserId;
use pluvio_model::problem;
use pluvio_store::{Passkey, User};
use serde_json::Value;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle,
    Username,
};
use webauthn_rp::request::{AsciiDomain, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::auth::DiscoverableAuthentication;
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

use crate::attempts::Origin;
use crate::guard::public_host;
use crate::refusal::Refusal;

/// A challenge is good for so long: the time that the browser gives a person, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Ceremonies under way from one address; the oldest gives way.
const OF_ONE: usize = 20;
/// And from all.
const OF_ALL: usize = 10_000;
/// A user's handle is their id: it tells nothing about a person, and stays when the name changes.
const HANDLE: usize = 16;

type PublicKey = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

#[derive(Debug)]
pub(crate) struct Passkeys {
    /// `None` where the console has no name, only an address.
    party: Option<Party>,
    adding: Open<RegistrationServerState<HANDLE>>,
    entering: Open<DiscoverableAuthenticationServerState>,
}

#[derive(Debug)]
struct Party {
    id: RpId,
    origins: Vec<String>,
}

/// What the store keeps of a passkey that was added.
pub(crate) struct Added {
    pub(crate) credential: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

impl Passkeys {
    /// For the console at `url`.
    pub(crate) fn at(url: &str) -> Passkeys {
        Passkeys {
            party: Party::at(url),
            adding: Open::default(),
            entering: Open::default(),
        }
    }

    /// The address of the console on which passkeys work.
    pub(crate) fn origin(&self) -> Result<String, Refusal> {
        Ok(self.party()?.origins[0].clone())
    }

    fn party(&self) -> Result<&Party, Refusal> {
        self.party.as_ref().ok_or_else(|| {
            Refusal(problem::PASSKEY_UNAVAILABLE.problem(
                "The console is known by an address, and browsers keep passkeys for names only.",
                "Start with `pluvio up --domain NAME`; until then use a password or a link.",
            ))
        })
    }

    /// Begins to add a passkey in the session `session`. Those that the user has are not made again.
    pub(crate) fn begin_adding(
        &self,
        session: &str,
        origin: &Origin,
        user: &User,
        held: &[Passkey],
    ) -> Result<Value, Refusal> {
        let party = self.party()?;
        let handle = handle(user.id);
        let name = Username::try_from(user.name.as_str()).map_err(broken)?;
        let mut known = Vec::with_capacity(held.len());
        for passkey in held {
            known.push(PublicKeyCredentialDescriptor {
                id: CredentialId::decode(passkey.credential.clone()).map_err(broken)?,
                transports: AuthTransports::decode(0).map_err(broken)?,
            });
        }
        let entity = PublicKeyCredentialUserEntity {
            name,
            id: &handle,
            display_name: None,
        };
        let mut options = PublicKeyCredentialCreationOptions::passkey(&party.id, entity, known);
        // Asked for, it must be kept to, and many devices do not know it. Verification is required at each use anyway.
        options.extensions.cred_protect = CredProtect::None;
        let (server, client) = options.start_ceremony().map_err(broken)?;
        self.adding.keep(session, origin, server, Instant::now())?;
        serde_json::to_value(client).map_err(broken)
    }

    /// Checks what the browser made. Whatever comes of it, the challenge is used up.
    pub(crate) fn finish_adding(
        &self,
        session: &str,
        credential: &Value,
    ) -> Result<Added, Refusal> {
        let party = self.party()?;
        let begun = self.adding.take(session, Instant::now());
        let begun = begun.ok_or_else(|| {
            not_added("No passkey is being added here, or it took more than five minutes.")
        })?;
        let registration = Registration::from_json_relaxed(&text(credential)).map_err(|error| {
            not_added(&format!("The browser's answer cannot be read: {error}."))
        })?;
        let origins: Vec<&str> = party.origins.iter().map(String::as_str).collect();
        let options = RegistrationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            // Browsers add what the authenticator says about itself.
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        let made = begun
            .verify(&party.id, &registration, &options)
            .map_err(|error| not_added(&format!("It does not hold: {error}.")))?;
        let Ok(public_key) = made.static_state().encode();
        let Ok(state) = made.dynamic_state().encode();
        Ok(Added {
            credential: made.id().as_ref().to_vec(),
            public_key,
            state: state.to_vec(),
        })
    }

    /// Begins a sign-in: nobody is named, the device knows who it is for. `browser` is in a cookie.
    pub(crate) fn begin_entering(&self, browser: &str, origin: &Origin) -> Result<Value, Refusal> {
        let party = self.party()?;
        let (server, client) = DiscoverableCredentialRequestOptions::passkey(&party.id)
            .start_ceremony()
            .map_err(broken)?;
        self.entering
            .keep(browser, origin, server, Instant::now())?;
        serde_json::to_value(client).map_err(broken)
    }

    /// The signature that a browser sent, with the challenge it was to sign; the challenge is used up.
    pub(crate) fn entering(
        &self,
        browser: &str,
        credential: &Value,
    ) -> Result<Entering<'_>, Refusal> {
        let party = self.party()?;
        let begun = self.entering.take(browser, Instant::now());
        let begun = begun.ok_or_else(|| {
            not_accepted("No sign-in by passkey was begun in this browser, or it took more than five minutes.")
        })?;
        let answer =
            DiscoverableAuthentication::from_json_relaxed(&text(credential)).map_err(|error| {
                not_accepted(&format!("The browser's answer cannot be read: {error}."))
            })?;
        Ok(Entering {
            party,
            begun,
            answer,
        })
    }
}

/// A sign-in whose passkey is still to be looked up.
pub(crate) struct Entering<'a> {
    party: &'a Party,
    begun: DiscoverableAuthenticationServerState,
    answer: DiscoverableAuthentication<HANDLE>,
}

/// Why a signature does not count.
pub(crate) enum Wrong {
    /// The counter went back: two devices hold the same key.
    Copied,
    Other(String),
}

impl Entering<'_> {
    pub(crate) fn credential(&self) -> &[u8] {
        let id = self.answer.raw_id();
        id.into_inner()
    }

    /// Checks the signature, and what was signed; the passkey's new state.
    pub(crate) fn check(self, passkey: &Passkey) -> Result<Vec<u8>, Wrong> {
        let other = |error: &dyn std::fmt::Display| Wrong::Other(error.to_string());
        let public_key =
            StaticState::<PublicKey>::decode(&passkey.public_key).map_err(|e| other(&e))?;
        let state: [u8; 7] = passkey.state[..].try_into().map_err(|e| other(&e))?;
        let state = DynamicState::decode(state).map_err(|e| other(&e))?;
        let handle = handle(passkey.user);
        let id = self.answer.raw_id();
        let mut known =
            AuthenticatedCredential::new(id, &handle, public_key, state).map_err(|e| other(&e))?;
        let origins: Vec<&str> = self.party.origins.iter().map(String::as_str).collect();
        let options = AuthenticationVerificationOptions::<&str, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        match self
            .begun
            .verify(&self.party.id, &self.answer, &mut known, &options)
        {
            Ok(_) => {
                let Ok(state) = known.dynamic_state().encode();
                Ok(state.to_vec())
            }
            Err(AuthCeremonyErr::SignatureCounter) => Err(Wrong::Copied),
            Err(error) => Err(other(&error)),
        }
    }
}

impl Party {
    fn at(url: &str) -> Option<Party> {
        let host = public_host(url).to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let is_name = !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
        let id = AsciiDomain::try_from(host.to_owned()).ok()?;
        if !is_name {
            return None;
        }
        let mut origins = vec![url.trim_end_matches('/').to_ascii_lowercase()];
        if host != "localhost" {
            // Browsers offer passkeys over HTTPS only: then a proxy stands before the console, under its name.
            origins.insert(0, format!("https://{host}"));
            origins.dedup();
        }
        Some(Party {
            id: RpId::Domain(id),
            origins,
        })
    }
}

/// Ceremonies under way, by what ties them to a browser.
#[derive(Debug)]
struct Open<S>(Mutex<HashMap<String, Begun<S>>>);

#[derive(Debug)]
struct Begun<S> {
    at: Instant,
    origin: Origin,
    state: S,
}

impl<S> Default for Open<S> {
    fn default() -> Self {
        Open(Mutex::default())
    }
}

impl<S> Open<S> {
    /// One for each browser: a new one takes the place of the one before.
    fn keep(&self, key: &str, origin: &Origin, state: S, now: Instant) -> Result<(), Refusal> {
        let mut open = self.0.lock().expect("not poisoned");
        open.retain(|_, begun| now.duration_since(begun.at) < PATIENCE);
        let of_one = open.iter().filter(|(_, begun)| begun.origin == *origin);
        if of_one.clone().count() >= OF_ONE
            && let Some(oldest) = of_one.min_by_key(|(_, begun)| begun.at)
        {
            let oldest = oldest.0.clone();
            open.remove(&oldest);
        }
        if open.len() >= OF_ALL {
            return Err(Refusal(problem::RATE_LIMITED.problem(
                "Too many sign-ins are under way.",
                "Wait a minute, or sign in by password or by a link.",
            )));
        }
        let begun = Begun {
            at: now,
            origin: origin.clone(),
            state,
        };
        open.insert(key.to_owned(), begun);
        Ok(())
    }

    fn take(&self, key: &str, now: Instant) -> Option<S> {
        let begun = self.0.lock().expect("not poisoned").remove(key)?;
        (now.duration_since(begun.at) < PATIENCE).then_some(begun.state)
    }
}

fn handle(user: UserId) -> UserHandle<HANDLE> {
    let Ok(handle) = UserHandle::decode(user.0.into_bytes());
    handle
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal(problem::INTERNAL.problem(
        format!("A passkey cannot be asked for: {error}."),
        "See the server's log; please report it if it stays.",
    ))
}

fn not_added(cause: &str) -> Refusal {
    Refusal(problem::PASSKEY_REFUSED.problem(
        cause,
        "Begin again, at the address of the console that `pluvio up` prints.",
    ))
}

pub(crate) fn not_accepted(cause: &str) -> Refusal {
    Refusal(problem::AUTH_PASSKEY.problem(
        cause,
        "Try again, or sign in by password or by a link: `pluvio signin-link` on the machine.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(url: &str) -> Option<Vec<String>> {
        Party::at(url).map(|party| party.origins)
    }

    #[test]
    fn a_passkey_belongs_to_a_name() {
        assert_eq!(
            origins("http://localhost:7080").unwrap(),
            ["http://localhost:7080"]
        );
        assert_eq!(
            origins("http://Apps.example.org:7080").unwrap(),
            ["https://apps.example.org", "http://apps.example.org:7080"]
        );
        assert_eq!(
            origins("https://apps.example.org").unwrap(),
            ["https://apps.example.org"]
        );
        for address in ["http://192.0.2.7:7080", "http://[::1]:7080"] {
            assert_eq!(origins(address), None, "{address}");
        }
    }

    #[test]
    fn a_challenge_is_taken_once_and_in_time() {
        let (open, here) = (Open::default(), Origin::default());
        let start = Instant::now();
        open.keep("a", &here, 1, start).unwrap();
        open.keep("a", &here, 2, start).unwrap();
        assert_eq!(open.take("b", start), None, "of another browser");
        assert_eq!(open.take("a", start), Some(2));
        assert_eq!(open.take("a", start), None, "used up");
        open.keep("a", &here, 3, start).unwrap();
        assert_eq!(open.take("a", start + PATIENCE), None, "too late");
    }

    #[test]
    fn one_address_crowds_out_itself_alone() {
        let open = Open::default();
        let (crowd, other) = (Origin::from([10, 0, 0, 1]), Origin::from([10, 0, 0, 2]));
        let start = Instant::now();
        open.keep("other", &other, 0, start).unwrap();
        for n in 0..100 {
            let now = start + Duration::from_millis(n + 1);
            open.keep(&n.to_string(), &crowd, 1, now).unwrap();
        }
        let now = start + Duration::from_secs(1);
        assert_eq!(open.take("other", now), Some(0));
        assert_eq!(open.take("0", now), None);
        assert_eq!(open.take("99", now), Some(1));
        assert_eq!(open.0.lock().unwrap().len(), OF_ONE - 1);
    }
}
