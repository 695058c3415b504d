//! The seal: secrets are kept encrypted under a key that lies outside the database.

use std::path::Path;

use crate::Result;

/// XChaCha20-Poly1305 under a 32-byte key. What a sealed value belongs to is authenticated with it, so that a value moved
/// to another row does not open.
#[derive(Clone)]
pub struct Seal {}

impl std::fmt::Debug for Seal {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Seal")
    }
}

impl Seal {
    /// Reads the key file, or makes it (mode 0600) when there is none.
    pub fn open_or_create(path: &Path) -> Result<Seal> {
        let _ = path;
        todo!()
    }
}
