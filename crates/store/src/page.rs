//! Pages of a list, by key: the cursor holds the last row's key, so a page costs the same wherever it lies.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Result, StoreError};

/// The most rows of one page.
pub const LIMIT_MAX: u32 = 200;

/// Which page of a list is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// At most this many rows, 1 to [`LIMIT_MAX`]; what is outside is moved to the nearest.
    pub limit: u32,
    /// [`Page::next`] of the page before.
    pub after: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        PageRequest {
            limit: 50,
            after: None,
        }
    }
}

/// Some rows of a list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque; `None` on the last page.
    pub next: Option<String>,
}

impl PageRequest {
    /// The rows to ask for: one more than the page holds, to know whether there is a next one.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit.clamp(1, LIMIT_MAX)) + 1
    }

    /// The key after which the page begins.
    pub(crate) fn key<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let Some(cursor) = &self.after else {
            return Ok(None);
        };
        hex::decode(cursor)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .map(Some)
            .ok_or(StoreError::Invalid {
                what: "after",
                why: "it is not a cursor of this list".to_owned(),
            })
    }

    /// Cuts the extra row off and makes the cursor from the last that stays.
    pub(crate) fn page<T, K: Serialize>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> Page<T> {
        let limit = self.limit.clamp(1, LIMIT_MAX) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = match items.last() {
            Some(last) if more => serde_json::to_vec(&key(last)).ok().map(hex::encode),
            _ => None,
        };
        Page { items, next }
    }
}

impl<T> Page<T> {
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}
