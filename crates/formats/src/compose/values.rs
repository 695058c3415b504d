//! Values as compose writes them: sizes, spans, booleans, lines of words.

use pluvio_model::quantity::{Bytes, Span};
use pluvio_model::spec::FileMode;

use crate::yaml::Resolved;

use super::item::Scalar;

/// `64m`, `1.5GB`, `1024`: powers of 1024, whatever the case.
pub(crate) fn size(text: &str) -> Option<Bytes> {
    let text = text.trim().to_ascii_lowercase();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        "t" | "tb" | "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    match digits.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit).map(Bytes),
        Err(_) => digits
            .parse::<f64>()
            .ok()
            .map(|number| number * unit as f64)
            .filter(|bytes| (0.0..9e18).contains(bytes))
            .map(|bytes| Bytes(bytes as u64)),
    }
}

/// Permission bits, as compose's reader of YAML has numbers: `0440`, `0o440` and texts are octal, `288` is decimal.
pub(crate) fn mode(scalar: &Scalar) -> Option<FileMode> {
    let text = scalar.text.trim();
    match scalar.is {
        Resolved::Unsigned(number) if is_decimal(scalar) => {
            let bits = u16::try_from(number).ok();
            bits.filter(|bits| *bits <= 0o7777).map(FileMode)
        }
        _ => text.strip_prefix("0o").unwrap_or(text).parse().ok(),
    }
}

/// A number that is not written as an octal one.
pub(crate) fn is_decimal(scalar: &Scalar) -> bool {
    matches!(scalar.is, Resolved::Unsigned(_)) && !scalar.text.trim().starts_with('0')
}

/// `1m30s`, `500ms`, `1.5s`, `2h`; a plain number is none but 0.
pub(crate) fn span(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Span::seconds(0));
    }
    if rest.is_empty() {
        return None;
    }
    let mut millis = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        millis += number
            * match &rest[..unit] {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 60e3,
                "h" => 3600e3,
                "d" => 86_400e3,
                "w" => 604_800e3,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (millis < 1e15).then(|| Span(millis.round() as u64))
}

/// Compose takes YAML 1.1's words where it expects a boolean.
pub(crate) fn boolean(scalar: &Scalar) -> Option<bool> {
    if let Resolved::Bool(value) = scalar.is {
        return Some(value);
    }
    match scalar.text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A line taken apart as a shell would, without expanding anything. The flag says that an operator of the shell stood
/// outside of quotes.
pub(crate) fn words(line: &str) -> Result<(Vec<String>, bool), &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut operator = false;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a single quote is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => match letters.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a double quote is not closed"),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a double quote is not closed"),
                    }
                }
            }
            '\\' => match letters.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            c => {
                operator |= matches!(c, ';' | '&' | '|' | '<' | '>');
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    Ok((words, operator))
}

/// Options that the kernel knows for memory that is mounted.
pub(crate) fn is_of_tmpfs(option: &str) -> bool {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    match key {
        "exec" | "noexec" | "suid" | "nosuid" | "dev" | "nodev" | "ro" | "noatime" => {
            value.is_empty()
        }
        "mode" | "uid" | "gid" | "nr_inodes" => {
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    }
}

/// Names that people give to the network between a reverse proxy and what it leads to.
pub(super) fn is_of_a_proxy(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["proxy", "traefik", "caddy", "ingress", "nginx", "npm"]
        .iter()
        .any(|word| name.contains(word))
        || matches!(
            name.as_str(),
            "web" | "gateway" | "edge" | "swag" | "cloudflared"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_whatever_the_case() {
        for (text, want) in [
            ("64m", Some(64 << 20)),
            ("1.5GB", Some(3 << 29)),
            ("1024", Some(1024)),
            ("2kb", Some(2048)),
            ("10 MB", Some(10 << 20)),
            ("", None),
            ("big", None),
        ] {
            assert_eq!(size(text).map(|b| b.0), want, "{text}");
        }
    }

    #[test]
    fn spans_have_units() {
        for (text, want) in [
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("500ms", Some(500)),
            ("10us", Some(0)),
            ("0", Some(0)),
            ("30", None),
            ("", None),
        ] {
            assert_eq!(span(text).map(|s| s.millis()), want, "{text}");
        }
    }

    #[test]
    fn lines_are_taken_apart_as_a_shell_would() {
        let split = |line: &str| words(line).map(|(words, _)| words);
        assert_eq!(
            split(r#"sh -c "echo \"a b\" $X" 'c d'e f\ g """#).unwrap(),
            ["sh", "-c", "echo \"a b\" $X", "c de", "f g", ""]
        );
        assert!(words("a && b").unwrap().1);
        assert!(!words("'a && b'").unwrap().1);
        assert!(words("'open").is_err());
    }
}
