//! `.env` files, as docker compose reads them, but for interpolation, which is off: a `$` stays one.
//!
//! `KEY=VALUE` and `KEY: VALUE`, `export` before a key, `#` comments; single quotes take everything as it is, double quotes
//! know `\n \r \t \" \\ \$`, both may span lines; an unquoted value ends at ` #` or the line, without blanks around it, and
//! may begin with a `#` of its own.

use indexmap::IndexMap;
use pluvio_model::name::EnvName;
use pluvio_model::problem::{self, Location, Problem};

/// The most bytes that are read.
const SIZE_MAX: usize = 1 << 20;

/// Reads a file; of two equal keys the later wins. The values are texts as they are: where `${…}` means something,
/// [`pluvio_model::interpolate::escape`] keeps them so. All that is wrong is reported at once.
pub fn read(text: &str, file: &str) -> Result<IndexMap<EnvName, String>, Vec<Problem>> {
    parse(text, file, false)
}

fn parse(text: &str, file: &str, marked: bool) -> Result<IndexMap<EnvName, String>, Vec<Problem>> {
    if text.len() > SIZE_MAX {
        return Err(vec![problem::SPEC_TOO_LARGE.problem(
            format!(
                "{file} has {} bytes; at most {SIZE_MAX} are read.",
                text.len()
            ),
            "Keep variables in it only.",
        )]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = IndexMap::new();
    let mut problems = Vec::new();
    let mut rest = text;
    let (mut line_number, mut counted) = (1, 0);
    while !rest.is_empty() {
        let here = text.len() - rest.len();
        line_number += text[counted..here].matches('\n').count();
        counted = here;
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..line_end].trim();
        let after_line = rest.get(line_end + 1..).unwrap_or("");
        if line.is_empty() || line.starts_with('#') {
            rest = after_line;
            continue;
        }
        match variable(rest, marked) {
            Ok((name, value, after)) => {
                variables.insert(name, value);
                rest = after;
            }
            Err((cause, remedy)) => {
                problems.push(
                    problem::SPEC_INVALID
                        .problem(format!("Line {line_number} of {file}: {cause}."), remedy)
                        .at(Location {
                            file: Some(file.to_owned()),
                            line: u32::try_from(line_number).ok(),
                            column: Some(1),
                            path: String::new(),
                        }),
                );
                rest = after_line;
            }
        }
    }
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(problems)
    }
}

/// Reads a file for a reader that interpolates what it gets: a `$` that stands for itself is `$$`, and a key without a value
/// has none. Names are any text before `=`.
pub(crate) fn read_marked(
    text: &str,
    file: &str,
) -> Result<Vec<(String, Option<String>)>, Vec<Problem>> {
    let mut alone: Vec<(String, Option<String>)> = Vec::new();
    let mut kept = String::with_capacity(text.len());
    // A key alone is no mistake there: its value comes from elsewhere. Inside quotes it is text, which lines with `=` open.
    let mut open: Option<char> = None;
    for line in text.split_inclusive('\n') {
        let plain = line.trim();
        let is_alone = open.is_none()
            && !plain.is_empty()
            && !plain.starts_with('#')
            && !plain.contains(['=', ':', '"', '\''])
            && plain
                .trim_start_matches("export ")
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_alone {
            alone.push((plain.trim_start_matches("export ").to_owned(), None));
            kept.push('\n');
            continue;
        }
        if !plain.starts_with('#') || open.is_some() {
            open = still_open(line, open);
        }
        kept.push_str(line);
    }
    let mut read: Vec<(String, Option<String>)> = parse(&kept, file, true)?
        .into_iter()
        .map(|(name, value)| (name.to_string(), Some(value)))
        .collect();
    read.extend(alone);
    Ok(read)
}

/// The quote that is open after a line.
fn still_open(line: &str, mut open: Option<char>) -> Option<char> {
    let start = match open {
        Some(_) => 0,
        None => match line.find(['=', ':']) {
            Some(at) => at + 1,
            None => return None,
        },
    };
    let value = line[start..].trim_start_matches([' ', '\t']);
    if open.is_none() && !value.starts_with(['"', '\'']) {
        return None;
    }
    let mut letters = value.chars();
    while let Some(c) = letters.next() {
        match (open, c) {
            (None, '"' | '\'') => open = Some(c),
            (None, _) => return None,
            (Some('"'), '\\') => {
                letters.next();
            }
            (Some(quote), c) if c == quote => return None,
            _ => {}
        }
    }
    open
}

type Wrong = (String, &'static str);

/// One variable at the beginning of the text, and what follows its line.
fn variable(text: &str, marked: bool) -> Result<(EnvName, String, &str), Wrong> {
    let text = text.trim_start();
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => text,
    };
    let line = text.lines().next().unwrap_or_default();
    let Some(end) = line.find(['=', ':']) else {
        let key = line.split_whitespace().next().unwrap_or_default();
        return Err((
            format!("`{}` has no value", shown(key)),
            "Write KEY=VALUE; variables of your own shell are not read.",
        ));
    };
    let key = text[..end].trim();
    let name: EnvName = key.parse().map_err(|_| {
        (
            format!("`{}` is not a variable's name", shown(key)),
            "A name is letters, digits and _, and does not start with a digit.",
        )
    })?;
    let value = text[end + 1..].trim_start_matches([' ', '\t']);
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let line_end = value.find('\n').unwrap_or(value.len());
        // Behind a blank only: a value that begins with it is none.
        let plain = value[..line_end]
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim();
        return Ok((
            name,
            plain.to_owned(),
            value.get(line_end + 1..).unwrap_or(""),
        ));
    };
    let body = &value[1..];
    let mut out = String::new();
    let mut letters = body.char_indices();
    let end = loop {
        match letters.next() {
            None => {
                return Err((
                    format!("the {quote} of `{name}` is not closed"),
                    "Close the quote; a quoted value may span lines.",
                ));
            }
            Some((at, c)) if c == quote => break at,
            Some((_, '\\')) if quote == '"' => match letters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, '$')) => out.push_str(if marked { "$$" } else { "$" }),
                Some((_, c @ ('"' | '\\' | '\''))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => {}
            },
            Some((_, '$')) if marked && quote == '\'' => out.push_str("$$"),
            Some((_, c)) => out.push(c),
        }
    };
    let after = &body[end + 1..];
    let line_end = after.find('\n').unwrap_or(after.len());
    let trailing = after[..line_end].trim();
    if !trailing.is_empty() && !trailing.starts_with('#') {
        return Err((
            format!("something follows the closing {quote} of `{name}`"),
            "Put the whole value between the quotes, or a # before a comment.",
        ));
    }
    Ok((name, out, after.get(line_end + 1..).unwrap_or("")))
}

/// A key as it may be shown: a value that slipped into its place may be secret.
fn shown(key: &str) -> String {
    let mut short: String = key.chars().take(24).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn check(text: &str, want: expect_test::Expect) {
        let shown = match read(text, ".env") {
            Ok(variables) => variables
                .iter()
                .map(|(name, value)| format!("{name} = {value:?}\n"))
                .collect::<String>(),
            Err(problems) => problems
                .iter()
                .map(|problem| format!("{} {}\n", problem.cause, problem.remedy))
                .collect(),
        };
        want.assert_eq(&shown);
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        check(
            "# a comment\n\nA=1\nexport B = two words  # said so\nC='it''s'\n",
            expect![[r#"
                Line 5 of .env: something follows the closing ' of `C`. Put the whole value between the quotes, or a # before a comment.
            "#]],
        );
        check(
            "A=1\nexport B = two words  # said so\nC='$X \\n'\nD=\"a\\nb \\\"q\\\" \\$5\" # c\nE=\nF=x#y\nG: yaml\nH=\"one\ntwo\"\nI='three\nfour'\r\nA=last\r\nJ=a=b\nK=#some\nL= #f0f # c\nM=a\t#b\nURL=http://h:1/?a=b\n",
            expect![[r##"
                A = "last"
                B = "two words"
                C = "$X \\n"
                D = "a\nb \"q\" $5"
                E = ""
                F = "x#y"
                G = "yaml"
                H = "one\ntwo"
                I = "three\nfour"
                J = "a=b"
                K = "#some"
                L = "#f0f"
                M = "a\t#b"
                URL = "http://h:1/?a=b"
            "##]],
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        check(
            "OK=1\n2BAD=x\nALONE\nOPEN=\"never\n",
            expect![[r#"
                Line 2 of .env: `2BAD` is not a variable's name. A name is letters, digits and _, and does not start with a digit.
                Line 3 of .env: `ALONE` has no value. Write KEY=VALUE; variables of your own shell are not read.
                Line 4 of .env: the " of `OPEN` is not closed. Close the quote; a quoted value may span lines.
            "#]],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,80}") {
            let _ = read(&text, ".env");
        }

        #[test]
        fn quoted_values_come_back(value in "[^']{0,40}") {
            let variables = read(&format!("A='{value}'\nB=1\n"), ".env").unwrap();
            proptest::prop_assert_eq!(&variables["A"], &value);
            proptest::prop_assert_eq!(&variables["B"], "1");
        }
    }
}
