//! The variables and helpers of a template, to pieces of text and secrets.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Place, place};
use crate::compose::item::Told;
use crate::yaml::{Node, Value};

/// What texts may grow to together, in bytes; variables that name each other make much of little.
const GROWN_MAX: usize = 4 << 20;
/// Secrets and hosts that a template may have made: each is looked for in all that it says.
const MADE_MAX: usize = 500;
/// How deep variables may name each other.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The name of a secret.
    Secret(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pieces(pub(super) Vec<Piece>);

impl Pieces {
    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    fn extend(&mut self, other: Pieces) {
        for piece in other.0 {
            match piece {
                Piece::Text(text) => self.push(&text),
                secret @ Piece::Secret(_) => self.0.push(secret),
            }
        }
    }

    /// The text, where nothing in it is made.
    pub(super) fn plain(&self) -> Option<String> {
        match self.0.as_slice() {
            [] => Some(String::new()),
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// As a value of app.yaml.
    pub(super) fn template(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => pluvio_model::interpolate::escape(text),
                Piece::Secret(name) => format!("${{secrets.{name}}}"),
            })
            .collect()
    }

    /// The quotes around a value of `.env`, which are not part of it.
    pub(super) fn unquoted(mut self) -> Pieces {
        let Some(quote @ ('"' | '\'')) = (match self.0.first() {
            Some(Piece::Text(text)) => text.chars().next(),
            _ => None,
        }) else {
            return self;
        };
        let whole = match self.0.as_slice() {
            [Piece::Text(only)] => only.len() > 1 && only.ends_with(quote),
            [.., Piece::Text(last)] => last.ends_with(quote),
            _ => false,
        };
        if whole {
            if let Some(Piece::Text(first)) = self.0.first_mut() {
                first.remove(0);
            }
            if let Some(Piece::Text(last)) = self.0.last_mut() {
                last.pop();
            }
            self.0
                .retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        }
        self
    }
}

/// How a secret is made: its length, none where it must be set.
pub(super) type Secrets = BTreeMap<String, Option<u16>>;

pub(super) struct Helpers<'t> {
    variables: HashMap<&'t str, (&'t str, Place)>,
    /// The application's name.
    pub(super) app: String,
    given: &'t [(String, String)],
    done: HashMap<String, Pieces>,
    under_way: Vec<String>,
    pub(super) used: HashSet<String>,
    pub(super) secrets: Secrets,
    /// Names of what stands for generated hosts, in the order they were met.
    pub(super) hosts: Vec<String>,
    grown: usize,
    pub(super) too_large: bool,
}

impl<'t> Helpers<'t> {
    pub(super) fn new(
        variables: Option<&'t Node>,
        app: &str,
        given: &'t [(String, String)],
        told: &mut Told,
    ) -> Helpers<'t> {
        let mut known = HashMap::new();
        for entry in variables.map(Node::entries).unwrap_or_default() {
            match &entry.value.value {
                Value::Scalar { text, .. } => {
                    known.insert(entry.key.as_str(), (text.as_str(), place(entry.key_at)));
                }
                _ => told.refused(
                    place(entry.key_at),
                    &format!("variables.{}", entry.key),
                    "A variable of a template is a text.",
                    "Write it in quotes.",
                ),
            }
        }
        Helpers {
            variables: known,
            app: app.to_owned(),
            given,
            done: HashMap::new(),
            under_way: Vec::new(),
            used: HashSet::new(),
            secrets: Secrets::new(),
            hosts: Vec::new(),
            grown: 0,
            too_large: false,
        }
    }

    pub(super) fn given(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What a variable stands for.
    fn variable(&mut self, name: &str, told: &mut Told) -> Pieces {
        self.used.insert(name.to_owned());
        if let Some(done) = self.done.get(name) {
            let done = done.clone();
            self.grow(&done);
            return done;
        }
        let (text, at) = self.variables[name];
        let made = match self.given(name) {
            Some(value) => Pieces(vec![Piece::Text(value.to_owned())]),
            None => {
                self.under_way.push(name.to_owned());
                let path = format!("variables.{name}");
                let made = self.expand(text, name, at, &path, told);
                self.under_way.pop();
                made
            }
        };
        self.done.insert(name.to_owned(), made.clone());
        made
    }

    fn grow(&mut self, pieces: &Pieces) {
        for piece in &pieces.0 {
            let (Piece::Text(text) | Piece::Secret(text)) = piece;
            self.grown += text.len() + 1;
        }
        self.too_large |= self.grown > GROWN_MAX;
    }

    /// Whether a text of so many bytes may be put in once more.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        self.grown += bytes;
        self.too_large |= self.grown > GROWN_MAX;
        !self.too_large
    }

    fn one_more(&mut self) {
        self.too_large |= self.secrets.len() + self.hosts.len() >= MADE_MAX;
    }

    /// Puts helpers and variables in. `name` is what secrets that are made here are called.
    pub(super) fn expand(
        &mut self,
        text: &str,
        name: &str,
        at: Place,
        path: &str,
        told: &mut Told,
    ) -> Pieces {
        let mut out = Pieces::default();
        let mut rest = text;
        while let Some(dollar) = rest.find("${") {
            if self.too_large {
                return out;
            }
            out.push(&rest[..dollar]);
            let body = &rest[dollar + 2..];
            let Some(end) = body.find('}') else {
                out.push(&rest[dollar..]);
                return out;
            };
            let inner = &body[..end];
            rest = &body[end + 1..];
            let is_free = !self.under_way.iter().any(|known| known == inner);
            if self.variables.contains_key(inner) && is_free && self.under_way.len() < DEPTH_MAX {
                let value = self.variable(inner, told);
                out.extend(value);
                continue;
            }
            match self.helper(inner, name, at, path, told) {
                Some(made) => out.extend(made),
                // Compose or the program puts in what it is.
                None => out.push(&format!("${{{inner}}}")),
            }
        }
        out.push(rest);
        self.grow(&out);
        out
    }

    fn helper(
        &mut self,
        inner: &str,
        name: &str,
        at: Place,
        path: &str,
        told: &mut Told,
    ) -> Option<Pieces> {
        let (kind, argument) = match inner.split_once(':') {
            Some((kind, argument)) => (kind, Some(argument)),
            None => (inner, None),
        };
        let number = |usual: u16| -> u16 {
            let asked = argument.and_then(|text| text.trim().parse().ok());
            asked.unwrap_or(usual).clamp(1, 256)
        };
        let text = |text: String| Some(Pieces(vec![Piece::Text(text)]));
        match kind {
            "domain" => {
                self.one_more();
                self.hosts.push(name.to_owned());
                text(super::stand_in(self.hosts.len() - 1))
            }
            "password" => Some(self.secret(name, number(16).max(8), "")),
            "base64" => {
                // As many letters as make that many bytes, the last of them without bits that are left over.
                let bytes = number(32).clamp(6, 190);
                let whole = bytes / 3 * 4;
                let (letters, end) = match bytes % 3 {
                    0 => (whole, ""),
                    1 => (whole + 1, "A=="),
                    _ => (whole + 2, "A="),
                };
                Some(self.secret(name, letters, end))
            }
            "hash" | "jwt" if kind == "hash" || argument.is_none_or(is_number) => {
                let length = match kind {
                    "hash" => number(8).max(8),
                    _ => number(32).saturating_mul(2).min(256),
                };
                told.advised(
                    at,
                    path,
                    format!("`${{{inner}}}` is made of letters and digits, where Dokploy makes hexadecimal ones."),
                    format!("A program that wants hexadecimal needs one that you make: `--env {name}=…`."),
                );
                Some(self.secret(name, length, ""))
            }
            "jwt" => {
                let name = self.free_name(name);
                self.secrets.insert(name.clone(), None);
                // What signs it counts as used.
                for part in argument.unwrap_or_default().split(':') {
                    self.used.insert(part.to_owned());
                }
                Some(Pieces(vec![Piece::Secret(name)]))
            }
            "uuid" => {
                told.advised(
                    at,
                    path,
                    "`${uuid}` is made of 32 letters and digits, without dashes.",
                    format!(
                        "A program that wants a UUID needs one that you make: `--env {name}=…`."
                    ),
                );
                Some(self.secret(name, 32, ""))
            }
            "username" => {
                told.advised(
                    at,
                    path,
                    "The name `admin` is put in, where Dokploy makes one up.",
                    format!("Choose another: `--env {name}=…`."),
                );
                text("admin".to_owned())
            }
            "email" => {
                told.advised(
                    at,
                    path,
                    "The address `admin@example.com` is put in, where Dokploy makes one up.",
                    format!("Give yours: `--env {name}=…`."),
                );
                text("admin@example.com".to_owned())
            }
            "randomPort" => {
                let port = 20_000
                    + name
                        .bytes()
                        .fold(7_u32, |sum, b| (sum * 31 + u32::from(b)) % 10_000);
                told.adapted(at, path, format!("The port {port} is put in."));
                text(port.to_string())
            }
            "timestamp" | "timestampms" | "timestamps" => {
                let asked = argument.map(|text| text.trim().trim_matches(['"', '\'']));
                let Some(seconds) = asked.and_then(seconds_of) else {
                    told.refused(
                        at,
                        path,
                        "Reading a template has no clock: nothing is put in.",
                        format!("Give it: `--env {name}=…`."),
                    );
                    return text(String::new());
                };
                text(match kind {
                    "timestamps" => seconds.to_string(),
                    _ => (seconds * 1000).to_string(),
                })
            }
            _ => None,
        }
    }

    fn secret(&mut self, name: &str, length: u16, end: &str) -> Pieces {
        self.one_more();
        let name = self.free_name(name);
        self.secrets
            .insert(name.clone(), Some(length.clamp(8, 256)));
        let mut pieces = Pieces(vec![Piece::Secret(name)]);
        pieces.push(end);
        pieces
    }

    /// A name of a variable that no secret has yet.
    fn free_name(&self, wanted: &str) -> String {
        let mut name: String = wanted
            .chars()
            .take(60)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "made_");
        }
        let plain = name.clone();
        let mut count = 2;
        while self.secrets.contains_key(&name) {
            name = format!("{plain}_{count}");
            count += 1;
        }
        name
    }

    /// The variables that nothing names.
    pub(super) fn tell_unused(&self, told: &mut Told) {
        let mut unused: Vec<(&&str, Place)> = self
            .variables
            .iter()
            .filter(|(name, _)| !self.used.contains(**name))
            .map(|(name, (_, at))| (name, *at))
            .collect();
        unused.sort_by_key(|(_, at)| (at.line, at.column));
        for (name, at) in unused {
            told.ignored(at, &format!("variables.{name}"), "Nothing names it.");
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Seconds since 1970 of `2030-01-01T00:00:00Z`; the time of day may be absent. Days by Hinnant's `days_from_civil`.
fn seconds_of(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    let valid =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let time = time.trim_end_matches('Z').split('.').next()?;
    let mut seconds = 0;
    for (part, worth) in time.splitn(3, ':').zip([3600, 60, 1]) {
        seconds += part.parse::<u32>().ok().filter(|part| *part < 62)? as i64 * worth;
    }
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        assert_eq!(seconds_of("1970-01-02"), Some(86_400));
        assert_eq!(seconds_of("2030-01-01T00:00:00Z"), Some(1_893_456_000));
        assert_eq!(seconds_of("2024-02-29T12:00:30Z"), Some(1_709_208_030));
        assert_eq!(seconds_of("soon"), None);
    }
}
