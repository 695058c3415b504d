//! TOML as the positioned tree that the YAML formats rest on.

use pluvio_model::problem::{self, Location, Problem};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::yaml::{Entry, Node, Position, Resolved, Value};

/// The longest text that is read.
const TEXT_MAX: usize = 1 << 20;
/// Slips that are mended before the rest is refused.
const SLIPS_MAX: usize = 64;

/// A slip that was mended, and its line.
pub(super) struct Slip {
    pub(super) at: Position,
    pub(super) message: &'static str,
}

/// Reads a text. Two slips that are common in templates are mended and told: a backslash that escapes nothing, and an empty
/// `mounts = []` before tables of that name.
pub(super) fn read(text: &str, file: &str) -> Result<(Node, Vec<Slip>), Problem> {
    if text.len() > TEXT_MAX {
        return Err(problem::SPEC_TOO_LARGE.problem(
            format!("{file} holds more than {TEXT_MAX} bytes."),
            "Put large files beside it instead.",
        ));
    }
    let mut slips = Vec::new();
    let mut text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    loop {
        let error = match DeTable::parse(&text) {
            Ok(table) => {
                let lines = Lines::new(&text);
                let at = Position { line: 1, column: 1 };
                return Ok((map(&lines, at, table.get_ref()), slips));
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let at = Lines::new(&text).position(span.start);
        match (slips.len() < SLIPS_MAX)
            .then(|| mended(&text, span.start))
            .flatten()
        {
            Some((changed, message)) => {
                text = changed;
                slips.push(Slip { at, message });
            }
            None => {
                return Err(problem::SPEC_SYNTAX
                    .problem(
                        format!("{file} is no TOML: {}.", error.message().trim_end_matches('.')),
                        "Correct it at that place; a value is a number, true, false, \"text\", a [list] or a { table }.",
                    )
                    .at(Location {
                        file: Some(file.to_owned()),
                        line: Some(at.line),
                        column: Some(at.column),
                        path: String::new(),
                    }));
            }
        }
    }
}

/// The text without the slip at a place.
fn mended(text: &str, at: usize) -> Option<(String, &'static str)> {
    let before = text.get(..at)?;
    let rest = text.get(at..)?;
    // The error may stand on the backslash or on what follows it.
    let slash = match (rest.starts_with('\\'), before.ends_with('\\')) {
        (true, _) => Some(at),
        (false, true) => Some(at - 1),
        _ => None,
    };
    if let Some(slash) = slash {
        let follows = text[slash + 1..].chars().next()?;
        if !matches!(
            follows,
            'b' | 't' | 'n' | 'f' | 'r' | 'e' | '"' | '\\' | 'u' | 'U' | 'x'
        ) {
            let message = "A backslash that escapes nothing is taken as it is written.";
            return Some((format!("{}\\{}", &text[..slash], &text[slash..]), message));
        }
    }
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next()?.trim();
    let name = line
        .strip_prefix("[[")
        .and_then(|rest| rest.split("]]").next())
        .and_then(|path| path.trim().rsplit('.').next())?;
    let mut start = 0;
    for written in text[..line_start].split_inclusive('\n') {
        let plain: String = written.chars().filter(|c| !c.is_whitespace()).collect();
        if plain == format!("{name}=[]") {
            let end = start + written.trim_end_matches(['\n', '\r']).len();
            let message = "An empty list before tables of the same name counts as absent.";
            return Some((format!("{}{}", &text[..start], &text[end..]), message));
        }
        start += written.len();
    }
    None
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Lines<'t> {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Lines { text, starts }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts[line - 1];
        // In characters; of a line that no person wrote in bytes, so that a long one costs no more than others.
        let column = match self.text.get(start..at) {
            Some(before) if before.len() <= 4096 => before.chars().count() + 1,
            _ => at.saturating_sub(start) + 1,
        };
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

fn map(lines: &Lines, at: Position, table: &DeTable<'_>) -> Node {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: key.get_ref().to_string(),
                key_at: lines.position(key.span().start),
                value: node(lines, value),
            };
            (key.span().start, entry)
        })
        .collect();
    // The reader sorts keys; people wrote them in an order.
    entries.sort_by_key(|(start, _)| *start);
    Node::map(at, entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node(lines: &Lines, value: &Spanned<DeValue<'_>>) -> Node {
    let at = lines.position(value.span().start);
    let scalar = |text: String, is: Resolved| Node {
        at,
        value: Value::Scalar { text, is },
    };
    match value.get_ref() {
        DeValue::String(text) => Node::text(at, text.as_ref()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => scalar(number.to_string(), Resolved::Signed(number)),
            Err(_) => Node::text(at, number.as_str()),
        },
        DeValue::Float(number) => Node::text(at, number.as_str()),
        DeValue::Boolean(value) => scalar(value.to_string(), Resolved::Bool(*value)),
        DeValue::Datetime(when) => Node::text(at, when.to_string()),
        DeValue::Array(items) => Node {
            at,
            value: Value::List(items.iter().map(|item| node(lines, item)).collect()),
        },
        DeValue::Table(table) => map(lines, at, table),
    }
}
