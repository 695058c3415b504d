//! The seal: secrets are kept encrypted under a key that lies outside the database.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::{Result, StoreError};

/// The form of a sealed value: this byte, a nonce of 24, the ciphertext with its tag of 16.
const FORM: u8 = 1;
const NONCE: usize = 24;

/// XChaCha20-Poly1305 under a 32-byte key. What a sealed value belongs to is authenticated with it, so that a value moved
/// to another row does not open.
#[derive(Clone)]
pub struct Seal {
    key: Arc<[u8; 32]>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key file, or makes it (mode 0600) when there is none. Two processes that start at once agree on one key.
    pub fn open_or_create(path: &Path) -> Result<Seal> {
        if !path.try_exists().map_err(|error| unreadable(path, error))? {
            create(path).map_err(|error| unreadable(path, error))?;
        }
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
        let key: [u8; 32] = bytes.try_into().map_err(|bytes: Vec<u8>| {
            unreadable(path, format!("it has {} bytes, not 32", bytes.len()))
        })?;
        // A key restored from a backup may have lost its mode.
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, private).map_err(|error| unreadable(path, error))?;
        Ok(Seal { key: Arc::new(key) })
    }

    /// Seals `plain` for the place named by `belongs_to`.
    pub(crate) fn seal(&self, belongs_to: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload {
            msg: plain,
            aad: belongs_to.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| refused("it is too long"))?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(FORM);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what was sealed for the same place under the same key.
    pub(crate) fn open(&self, belongs_to: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let Some((FORM, rest)) = sealed.split_first().map(|(form, rest)| (*form, rest)) else {
            return Err(refused("its form is unknown"));
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE>() else {
            return Err(refused("it is cut short"));
        };
        let payload = Payload {
            msg: ciphertext,
            aad: belongs_to.as_bytes(),
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| refused("it was sealed under another key, or altered"))
    }

    /// A keyed hash (HMAC-SHA-256, RFC 2104) of `data` for one purpose: whoever can write the database, but does not have
    /// the key, cannot make it.
    pub(crate) fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let key = hmac(&self.key, purpose.as_bytes());
        hmac(&key, data)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.key).into())
    }
}

fn hmac(key: &[u8; 32], data: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new_with_prefix(pad(0x36)).chain_update(data);
    let outer = Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize());
    outer.finalize().into()
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable {
        source: error.to_string().into(),
    })?;
    Ok(bytes)
}

/// Writes the key beside and links it into place: whoever comes second uses what the first made.
fn create(path: &Path) -> std::io::Result<()> {
    let key: [u8; 32] = random().map_err(std::io::Error::other)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&key)?;
        file.sync_all()?;
        match std::fs::hard_link(&beside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    let _ = std::fs::remove_file(&beside);
    written?;
    match path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: "the seal key",
        why: format!("{}: {why}", path.display()),
    }
}

fn refused(why: &str) -> StoreError {
    StoreError::Corrupt {
        what: "a sealed value",
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_in_its_place_under_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::open_or_create(&folder.path().join("seal.key")).unwrap();
        let again = Seal::open_or_create(&folder.path().join("seal.key")).unwrap();
        let other = Seal::open_or_create(&folder.path().join("other.key")).unwrap();

        let sealed = seal.seal("secrets/a/KEY/1", b"hunter2").unwrap();
        assert_eq!(again.open("secrets/a/KEY/1", &sealed).unwrap(), b"hunter2");
        assert!(seal.open("secrets/b/KEY/1", &sealed).is_err());
        assert!(other.open("secrets/a/KEY/1", &sealed).is_err());
        assert!(seal.open("secrets/a/KEY/1", &sealed[..20]).is_err());
        assert_ne!(sealed, seal.seal("secrets/a/KEY/1", b"hunter2").unwrap());

        let mode = std::fs::metadata(folder.path().join("seal.key")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_keyed_hash_is_hmac_sha_256() {
        // RFC 4231, test case 1, whose key of 20 bytes is padded with zeros to 32 without a difference.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex::encode(hmac(&key, b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
