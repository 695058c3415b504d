//! Values of secrets, as they are put out of sight in what applications print and answer.

use std::sync::{Arc, PoisonError, RwLock};

use pluvio_model::stage::RunWish;

/// A shorter part of a value would hide half of what is printed.
const SHORTEST: usize = 4;
const SHOWN: &str = "•••";

/// What one application's instances were given, older versions included: instances that have them still run for a while.
#[derive(Clone, Default)]
pub struct Masks {
    /// The longest first: one may hold another.
    parts: Arc<RwLock<Vec<String>>>,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Masks")
    }
}

impl Masks {
    /// A value of several lines is printed line by line.
    pub fn learn(&self, wish: &RunWish) {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        for part in wish.secrets.values().flat_map(|value| value.0.lines()) {
            let part = part.trim();
            if part.len() >= SHORTEST && !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    }

    pub fn mask(&self, text: String) -> String {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.iter().fold(text, |text, part| {
            if text.contains(part.as_str()) {
                text.replace(part.as_str(), SHOWN)
            } else {
                text
            }
        })
    }

    #[cfg(test)]
    pub fn of(parts: &[&str]) -> Masks {
        let masks = Masks::default();
        masks
            .parts
            .write()
            .unwrap()
            .extend(parts.iter().map(|part| (*part).to_owned()));
        masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        let masks = Masks::of(&["hunter22", "hunt"]);
        assert_eq!(
            masks.mask("key=hunter22, hunting".into()),
            "key=•••, •••ing"
        );
        assert_eq!(masks.mask("nothing".into()), "nothing");
        assert_eq!(format!("{masks:?}"), "Masks");
    }
}
