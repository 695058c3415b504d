//! JSON values as tidy YAML: block style, short leaves in one line, texts quoted only where they must be.

use serde_json::Value as Json;

use super::scalar::{Resolved, resolve};

/// Lists and maps of scalars go into one line up to this many characters.
const LINE_MAX: usize = 72;
/// A key longer than this is written with `?`, for readers give up on a longer one.
const KEY_MAX: usize = 900;

/// Writes a value as one document. `one_line` says of a map (by the keys that lead to it) whether it may go into one line.
pub fn write(value: &Json, one_line: &dyn Fn(&[&str]) -> bool) -> String {
    write_with(value, one_line, &|_| false)
}

/// The same, with texts (by the keys that lead to them) that are written without quotes, whatever a reader takes them for:
/// JSON has no octal numbers.
pub(crate) fn write_with(
    value: &Json,
    one_line: &dyn Fn(&[&str]) -> bool,
    bare: &dyn Fn(&[&str]) -> bool,
) -> String {
    let mut out = String::new();
    let mut writer = Writer {
        out: &mut out,
        one_line,
        bare,
    };
    match value {
        Json::Object(map) if !map.is_empty() => writer.map(map, 0, &mut Vec::new()),
        Json::Array(items) if !items.is_empty() => writer.list(items, 0, &mut Vec::new()),
        scalar => {
            writer.out.push_str(&inline(scalar));
            writer.out.push('\n');
        }
    }
    out
}

struct Writer<'w> {
    out: &'w mut String,
    one_line: &'w dyn Fn(&[&str]) -> bool,
    bare: &'w dyn Fn(&[&str]) -> bool,
}

impl Writer<'_> {
    fn map<'j>(
        &mut self,
        map: &'j serde_json::Map<String, Json>,
        indent: usize,
        path: &mut Vec<&'j str>,
    ) {
        for (key, value) in map {
            self.pad(indent);
            self.entry(key, value, indent, path);
        }
    }

    fn entry<'j>(&mut self, key: &'j str, value: &'j Json, indent: usize, path: &mut Vec<&'j str>) {
        let written = text_inline(key);
        if written.len() > KEY_MAX {
            self.out.push_str("? ");
            self.out.push_str(&written);
            self.out.push('\n');
            self.pad(indent);
        } else {
            self.out.push_str(&written);
        }
        self.out.push(':');
        path.push(key);
        self.value(value, indent, path);
        path.pop();
    }

    /// What follows `key:` or, with its own dash, an item.
    fn value<'j>(&mut self, value: &'j Json, indent: usize, path: &mut Vec<&'j str>) {
        if let Json::String(text) = value
            && (self.bare)(path.as_slice())
        {
            self.out.push(' ');
            self.out.push_str(text);
            self.out.push('\n');
            return;
        }
        if let Some(line) = self.in_one_line(value, indent, path) {
            self.out.push(' ');
            self.out.push_str(&line);
            self.out.push('\n');
            return;
        }
        match value {
            Json::Object(map) => {
                self.out.push('\n');
                self.map(map, indent + 2, path);
            }
            Json::Array(items) => {
                self.out.push('\n');
                self.list(items, indent + 2, path);
            }
            Json::String(text) => self.block(text, indent + 2),
            _ => unreachable!("a scalar goes into one line"),
        }
    }

    fn list<'j>(&mut self, items: &'j [Json], indent: usize, path: &mut Vec<&'j str>) {
        for item in items {
            self.pad(indent);
            self.out.push('-');
            match item {
                // The first key stands beside the dash.
                Json::Object(map)
                    if !map.is_empty() && self.in_one_line(item, indent, path).is_none() =>
                {
                    for (index, (key, value)) in map.iter().enumerate() {
                        if index == 0 {
                            self.out.push(' ');
                        } else {
                            self.pad(indent + 2);
                        }
                        self.entry(key, value, indent + 2, path);
                    }
                }
                item => self.value(item, indent, path),
            }
        }
    }

    fn in_one_line(&self, value: &Json, indent: usize, path: &[&str]) -> Option<String> {
        let line = match value {
            Json::String(text) if fits_block(text) => return None,
            Json::Object(map) if !map.is_empty() => {
                let leaf = map.values().all(is_leaf);
                if !leaf || map.len() > 4 || !(self.one_line)(path) {
                    return None;
                }
                inline(value)
            }
            Json::Array(items) if !items.is_empty() => {
                if !items.iter().all(is_leaf) {
                    return None;
                }
                inline(value)
            }
            scalar => return Some(inline(scalar)),
        };
        (indent + line.chars().count() <= LINE_MAX).then_some(line)
    }

    /// A text of several lines as a literal block.
    fn block(&mut self, text: &str, indent: usize) {
        let body = text.trim_end_matches('\n');
        let ends = text.len() - body.len();
        self.out.push_str(match ends {
            0 => " |-\n",
            1 => " |\n",
            _ => " |+\n",
        });
        for line in body.split('\n') {
            if !line.is_empty() {
                self.pad(indent);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        for _ in 1..ends {
            self.out.push('\n');
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }
}

fn is_leaf(value: &Json) -> bool {
    match value {
        Json::String(text) => !text.contains('\n'),
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn inline(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text_inline(text),
        Json::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", text_inline(key), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Plain where every reader, of YAML 1.1 too, takes it for a text; in double quotes otherwise.
fn text_inline(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn is_plain(text: &str) -> bool {
    // Words that YAML 1.1 reads as true, false or nothing.
    const WORDS: [&str; 12] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=",
    ];
    let first_ok =
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_'));
    let all_ok = text.chars().all(|c| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                '/' | '.'
                    | '_'
                    | '-'
                    | '+'
                    | '@'
                    | '='
                    | ' '
                    | ':'
                    | '$'
                    | '*'
                    | '('
                    | ')'
                    | ';'
                    | '~'
                    | '&'
                    | '|'
                    | '<'
                    | '>'
                    | '%'
                    | '^'
            )
    });
    let numeric = text.contains(|c: char| c.is_ascii_digit())
        && text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text
            .chars()
            // Numbers, dates, times and sexagesimals of YAML 1.1.
            .all(|c| {
                c.is_ascii_digit()
                    || matches!(
                        c,
                        '.' | ':' | '-' | '_' | 'e' | 'E' | '+' | 'x' | 'o' | 'T' | 'Z' | ' ' | ','
                    )
            });
    let colon = text.contains(": ") || text.ends_with(':');
    first_ok
        && all_ok
        && !numeric
        && !colon
        && !text.ends_with(' ')
        // Before a bracket it is read as the dash of a list.
        && !text.ends_with(" -")
        && !text.starts_with("0x")
        && !text.starts_with("0o")
        && !text.starts_with("0b")
        && resolve(text) == Resolved::Text
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && text != "---"
        && text != "..."
}

/// Double quotes with escapes: any text at all.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) <= 0xff => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) <= 0xffff => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// What may stand in a text as it is: no controls, no separators that some readers break lines at, no byte order mark.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
        && !matches!(c as u32, 0xfffe..=0xffff | 0xfdd0..=0xfdef)
        && (c as u32) & 0xfffe != 0xfffe
}

/// Whether a literal block gives the text back: several lines, nothing that a block changes.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' ', '\t'])
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && text
            .split('\n')
            .all(|line| !line.ends_with([' ', '\t']) || !line.trim().is_empty())
        && !text
            .split('\n')
            .any(|line| !line.is_empty() && line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use proptest::prelude::*;

    fn round(value: &Json) -> Json {
        let text = write(value, &|_| true);
        let node =
            yaml::read(&text, &yaml::Limits::default()).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
        yaml::de::from_node(&node).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    fn json() -> impl Strategy<Value = Json> {
        let text = prop_oneof![
            ".{0,20}",
            "[ -~]{0,30}",
            "[a-z]{1,8}",
            "[-:#&*!|>'\"%@` ,\\[\\]{}?~\n\t0-9a-z.]{0,12}",
            Just("line one\nline two\n".to_owned()),
            "([a-z: #]{0,6}\n){0,4}[a-z ]{0,3}",
        ];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            (-1e9..1e9).prop_map(Json::from),
            text.clone().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in json()) {
            let wrapped = serde_json::json!({ "key": value });
            prop_assert_eq!(round(&wrapped), wrapped);
        }
    }

    #[test]
    fn long_keys_are_written_so_that_they_are_read() {
        let value = serde_json::json!({ "k".repeat(2000): { "a": 1 }, "b": [{ "x".repeat(1500): 2, "c": "d\ne" }] });
        assert_eq!(round(&value), value);
    }
}
