//! References in text: the grammar of `${…}`, parsed once for every place that knows it.
//!
//! | text | piece |
//! | --- | --- |
//! | `${db.url}` | an export of another component |
//! | `${secrets.KEY}`, `${settings.KEY}` | a secret, a setting of the application |
//! | `${X}`, `${X:-default}`, `${X:?message}` | a variable of this component's environment; a default may hold references itself |
//! | `$$` | a dollar |
//!
//! A dollar before anything else stands for itself, so that shell lines (`$HOME`, `$1`) pass as they are. Rendering is
//! `decide`'s work; it happens in one pass, so what a reference yields is never read again.

use std::fmt;

use crate::name::{EnvName, Name};

/// Names that cannot be a component's in a reference, because they mean something else there.
pub const RESERVED: [&str; 2] = ["secrets", "settings"];

/// How deep defaults may nest: `${A:-${B:-${C}}}` is three.
const DEPTH_MAX: usize = 8;

/// One part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// `${db.url}`
    Export {
        component: Name,
        export: EnvName,
    },
    /// `${secrets.KEY}`
    Secret(EnvName),
    /// `${settings.KEY}`
    Setting(EnvName),
    /// `${X}` of this component's environment, after injection.
    Variable {
        name: EnvName,
        otherwise: Otherwise,
    },
}

/// What holds when a variable is not set or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Otherwise {
    /// `${X}`: refused by name when it is not set; an empty value is a value.
    Refuse,
    /// `${X:-default}`
    Default(Vec<Piece>),
    /// `${X:?message}`: refused with this message.
    Message(String),
}

/// Why a text's references cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidReference {
    /// Byte offset of the `$` in the text.
    pub offset: usize,
    /// The reference as written, cut to a readable length.
    pub reference: String,
    /// What is wrong with it.
    pub rule: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for InvalidReference {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "{} is not a reference: {}; {}",
            self.reference, self.rule, self.remedy
        )
    }
}
impl std::error::Error for InvalidReference {}

impl InvalidReference {
    /// The remedy as a sentence of its own.
    pub fn advice(&self) -> String {
        let mut letters = self.remedy.chars();
        match letters.next() {
            Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
            None => String::new(),
        }
    }
}

/// Takes a text apart. Neighbouring text is one piece; an empty text is no piece.
///
/// ```
/// use pluvio_model::interpolate::{Piece, parse};
/// let pieces = parse("${db.url}?x=$$1").unwrap();
/// assert!(matches!(pieces[0], Piece::Export { .. }));
/// assert_eq!(pieces[1], Piece::Text("?x=$1".into()));
/// ```
pub fn parse(text: &str) -> Result<Vec<Piece>, InvalidReference> {
    parse_at(text, 0, 0)
}

/// Every reference in the pieces, those inside defaults too, in order.
pub fn references(pieces: &[Piece]) -> Vec<&Piece> {
    let mut found = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Variable {
                otherwise: Otherwise::Default(inner),
                ..
            } => {
                found.push(piece);
                found.extend(references(inner));
            }
            _ => found.push(piece),
        }
    }
    found
}

/// Makes any text one that [`parse`] gives back as it was.
pub fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

fn parse_at(text: &str, base: usize, depth: usize) -> Result<Vec<Piece>, InvalidReference> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        plain.push_str(&text[at..dollar]);
        match text.as_bytes().get(dollar + 1) {
            Some(b'$') => {
                plain.push('$');
                at = dollar + 2;
            }
            Some(b'{') => {
                let fail = |rule: String, remedy: String| InvalidReference {
                    offset: base + dollar,
                    reference: shorten(&text[dollar..]),
                    rule,
                    remedy,
                };
                let body = &text[dollar + 2..];
                let end = closing(body).ok_or_else(|| {
                    fail(
                        "its } is missing".into(),
                        "close it, or write $$ for a dollar".into(),
                    )
                })?;
                if depth == DEPTH_MAX {
                    return Err(fail(
                        format!("defaults nest more than {DEPTH_MAX} deep"),
                        "write it with fewer defaults inside defaults".into(),
                    ));
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                let inside = |rule, remedy| InvalidReference {
                    reference: shorten(&text[dollar..dollar + 3 + end]),
                    ..fail(rule, remedy)
                };
                pieces.push(reference(
                    &body[..end],
                    base + dollar + 2,
                    depth + 1,
                    inside,
                )?);
                at = dollar + 3 + end;
            }
            _ => {
                plain.push('$');
                at = dollar + 1;
            }
        }
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Where the `}` of a reference is, given what follows its `${`.
fn closing(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn reference(
    body: &str,
    base: usize,
    depth: usize,
    fail: impl Fn(String, String) -> InvalidReference,
) -> Result<Piece, InvalidReference> {
    let end = body
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
        .unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let name_of = |text: &str| {
        text.parse::<EnvName>().map_err(|_| {
            fail(
                format!("{text:?} is not a name"),
                "a name is letters, digits and _; for a dollar write $$".into(),
            )
        })
    };
    if let Some((before, after)) = name.split_once('.') {
        if !rest.is_empty() {
            return Err(fail(
                "only a variable takes a default or a message".into(),
                "give a setting its default under `settings`, or copy the value into a variable"
                    .into(),
            ));
        }
        let name = name_of(after)?;
        return match before {
            "secrets" => Ok(Piece::Secret(name)),
            "settings" => Ok(Piece::Setting(name)),
            component => match component.parse() {
                Ok(component) => Ok(Piece::Export {
                    component,
                    export: name,
                }),
                Err(invalid) => Err(fail(
                    format!("{component:?} is not a component's name: {}", invalid.rule),
                    "write ${component.EXPORT}, ${secrets.KEY} or ${settings.KEY}".into(),
                )),
            },
        };
    }
    // `-` belongs to no variable here, so that `${X-default}` is told from a name.
    if let Some((variable, _)) = name.split_once('-') {
        return Err(fail(
            "a variable's name holds no dash".into(),
            format!("for a default write ${{{variable}:-…}}"),
        ));
    }
    let name = name_of(name)?;
    let otherwise = match rest.get(..2) {
        _ if rest.is_empty() => Otherwise::Refuse,
        Some(":-") => Otherwise::Default(parse_at(&rest[2..], base + end + 2, depth)?),
        Some(":?") => Otherwise::Message(rest[2..].to_owned()),
        _ => {
            return Err(fail(
                format!("{:?} after the name means nothing here", shorten(rest)),
                format!("write ${{{name}}}, ${{{name}:-default}} or ${{{name}:?message}}"),
            ));
        }
    };
    Ok(Piece::Variable { name, otherwise })
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("text({text})"),
                Piece::Export { component, export } => format!("export({component}.{export})"),
                Piece::Secret(name) => format!("secret({name})"),
                Piece::Setting(name) => format!("setting({name})"),
                Piece::Variable { name, otherwise } => match otherwise {
                    Otherwise::Refuse => format!("variable({name})"),
                    Otherwise::Default(inner) => format!("variable({name} or {})", show(inner)),
                    Otherwise::Message(why) => format!("variable({name} else {why:?})"),
                },
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn every_form_is_read() {
        for (text, want) in [
            ("", ""),
            ("plain", "text(plain)"),
            ("${db.url}/x", "export(db.url) text(/x)"),
            ("${my-db.MYSQL_HOST}", "export(my-db.MYSQL_HOST)"),
            ("${secrets.KEY}${settings.K2}", "secret(KEY) setting(K2)"),
            ("a${X}b", "text(a) variable(X) text(b)"),
            ("${X:-}", "variable(X or )"),
            ("${X:-a b}", "variable(X or text(a b))"),
            (
                "${X:-${Y:-$$z}}!",
                "variable(X or variable(Y or text($z))) text(!)",
            ),
            ("${X:?set it}", "variable(X else \"set it\")"),
            ("$$", "text($)"),
            ("$${X}", "text(${X})"),
            ("$HOME $1 $", "text($HOME $1 $)"),
        ] {
            assert_eq!(show(&parse(text).expect(text)), want, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_says_what_to_write_instead() {
        for (text, offset, want) in [
            (
                "a ${X",
                2,
                "${X is not a reference: its } is missing; close it, or write $$ for a dollar",
            ),
            (
                "${}",
                0,
                "${} is not a reference: \"\" is not a name; a name is letters, digits and _; for a dollar write $$",
            ),
            (
                "${X-1}",
                0,
                "${X-1} is not a reference: a variable's name holds no dash; for a default write ${X:-…}",
            ),
            (
                "${X:+1}",
                0,
                "${X:+1} is not a reference: \":+1\" after the name means nothing here; write ${X}, ${X:-default} or ${X:?message}",
            ),
            (
                "${Db.url}",
                0,
                "${Db.url} is not a reference: \"Db\" is not a component's name: it must start with a letter a-z; write ${component.EXPORT}, ${secrets.KEY} or ${settings.KEY}",
            ),
            (
                "${db.url:-x}",
                0,
                "${db.url:-x} is not a reference: only a variable takes a default or a message; give a setting its default under `settings`, or copy the value into a variable",
            ),
            (
                "${X:-a${Y z}}",
                6,
                "${Y z} is not a reference: \" z\" after the name means nothing here; write ${Y}, ${Y:-default} or ${Y:?message}",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(
                (error.offset, error.to_string()),
                (offset, want.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn references_inside_defaults_are_found() {
        let pieces = parse("${A:-${secrets.B}} ${db.url}").unwrap();
        assert_eq!(references(&pieces).len(), 3);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn text_that_looks_like_references_is_read_or_refused(text in "[${}a:.?-]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn an_escaped_text_comes_back(text in ".{0,60}") {
            let pieces = parse(&escape(&text)).unwrap();
            let whole = if text.is_empty() { vec![] } else { vec![Piece::Text(text)] };
            proptest::prop_assert_eq!(pieces, whole);
        }
    }
}
