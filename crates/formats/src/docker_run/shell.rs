//! The shell's part: words, quotes, lines that go on, several commands.

use crate::compose::item::Place;

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Place,
}

/// What the shell would have made of a text.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) commands: Vec<Vec<Word>>,
    /// Its variables that nothing is given for: they stay as they are written.
    pub(super) unset: Vec<String>,
    /// Those of which the value was put in.
    pub(super) used: Vec<String>,
}

/// What variables may put into a text, in bytes.
const FILLED_MAX: usize = 1 << 20;

/// The commands of a text, values of variables put in. `Err` has the line and what is wrong.
pub(super) fn commands(
    text: &str,
    given: &[(String, String)],
) -> Result<Read, (u32, &'static str)> {
    let mut read = Read::default();
    let mut filled = 0;
    let mut commands: Vec<Vec<Word>> = Vec::new();
    let mut command: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut line = 1_u32;
    let mut letters = text.chars().peekable();
    let place = |line: u32| Place {
        line,
        ..Place::default()
    };
    macro_rules! word {
        () => {
            word.get_or_insert_with(|| Word {
                text: String::new(),
                at: place(line),
            })
            .text
        };
    }
    // Behind a `$`: its variable's value, or the `$` itself.
    macro_rules! variable {
        () => {
            match variable(&letters) {
                None => word!().push('$'),
                Some((name, behind)) => {
                    let value = given.iter().rfind(|(known, _)| *known == name);
                    let value = value.map(|(_, value)| value.as_str());
                    match (value, behind) {
                        (Some(value), Some(behind)) if filled + value.len() <= FILLED_MAX => {
                            filled += value.len();
                            word!().push_str(value);
                            letters = behind;
                            if !read.used.contains(&name) {
                                read.used.push(name);
                            }
                        }
                        _ => {
                            word!().push('$');
                            // The folder is known.
                            if name != "PWD" && !read.unset.contains(&name) {
                                read.unset.push(name);
                            }
                        }
                    }
                }
            }
        };
    }
    while let Some(c) = letters.next() {
        match c {
            '\n' => {
                line += 1;
                command.extend(word.take());
                if !command.is_empty() {
                    commands.push(std::mem::take(&mut command));
                }
            }
            '\r' => {}
            // What web pages make of blanks.
            ' ' | '\t' | '\u{a0}' | '\u{2009}' | '\u{200b}' => command.extend(word.take()),
            '\\' | '^' | '`' if ends_line(&letters) => {
                for c in letters.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
                line += 1;
                command.extend(word.take());
            }
            // `#optional`: a comment between continued lines.
            '`' if letters.peek() == Some(&'#') => {
                for c in letters.by_ref() {
                    if c == '`' {
                        break;
                    }
                    if c == '\n' {
                        line += 1;
                    }
                }
            }
            '#' if word.is_none() && command.is_empty() => {
                for c in letters.by_ref() {
                    if c == '\n' {
                        line += 1;
                        break;
                    }
                }
            }
            '#' if word.is_none() => {
                while letters.peek().is_some_and(|c| *c != '\n') {
                    letters.next();
                }
            }
            '\'' | '\u{2018}' | '\u{2019}' => {
                let opened = line;
                let _ = word!();
                loop {
                    match letters.next() {
                        Some('\'' | '\u{2018}' | '\u{2019}') => break,
                        Some(c) => {
                            line += u32::from(c == '\n');
                            word!().push(c);
                        }
                        None => return Err((opened, "a single quote is not closed")),
                    }
                }
            }
            '"' | '\u{201c}' | '\u{201d}' => {
                let opened = line;
                let _ = word!();
                loop {
                    match letters.next() {
                        Some('"' | '\u{201c}' | '\u{201d}') => break,
                        Some('\\') => match letters.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word!().push(c),
                            Some('\n') => line += 1,
                            Some(c) => word!().extend(['\\', c]),
                            None => return Err((opened, "a double quote is not closed")),
                        },
                        Some('$') => variable!(),
                        Some(c) => {
                            line += u32::from(c == '\n');
                            word!().push(c);
                        }
                        None => return Err((opened, "a double quote is not closed")),
                    }
                }
            }
            '\\' => {
                if let Some(c) = letters.next() {
                    word!().push(c);
                }
            }
            '$' if letters.peek() == Some(&'(') => {
                // `$(id -u)` is one word, whatever is in it.
                word!().push('$');
                let mut open = 0;
                for c in letters.by_ref() {
                    word!().push(c);
                    match c {
                        '(' => open += 1,
                        ')' => open -= 1,
                        '\n' => line += 1,
                        _ => {}
                    }
                    if open == 0 {
                        break;
                    }
                }
            }
            '$' => variable!(),
            ';' | '|' | '&' if word.is_none() || c != '&' => {
                command.extend(word.take());
                if !command.is_empty() {
                    commands.push(std::mem::take(&mut command));
                }
                while letters
                    .peek()
                    .is_some_and(|next| matches!(next, '&' | '|' | ';'))
                {
                    letters.next();
                }
            }
            c => word!().push(c),
        }
    }
    command.extend(word.take());
    if !command.is_empty() {
        commands.push(command);
    }
    read.commands = commands;
    Ok(read)
}

type Letters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// The name of the variable that begins here, `NAME` or `{NAME}`, and what is behind it; no more than the name where it says what
/// to do without a value.
fn variable<'t>(letters: &Letters<'t>) -> Option<(String, Option<Letters<'t>>)> {
    let mut rest = letters.clone();
    let is_braced = rest.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    let is_name = name.starts_with(|c: char| !c.is_ascii_digit());
    let ends = !is_braced || rest.next_if_eq(&'}').is_some();
    is_name.then(|| (name, ends.then_some(rest)))
}

/// Only blanks until the end of the line.
fn ends_line(letters: &Letters) -> bool {
    let mut rest = letters.clone();
    for _ in 0..200 {
        match rest.next() {
            Some('\n') => return true,
            Some(' ' | '\t' | '\r' | '\u{a0}') => {}
            _ => return false,
        }
    }
    false
}

/// Whether a text has one of these variables in it.
pub(super) fn has_one_of(text: &str, names: &[String]) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        names.iter().any(|name| rest.starts_with(name.as_str()))
    })
}
